public import Base
import Glibc

/// Questions and answers of one line or more between processes of one user on one machine, over a Unix socket that lies in a
/// directory as `control`. One question a connection; whoever may not write to the file may not ask.
///
/// It blocks its thread, and is for what is rare: orders to `swiftwater up`.
public enum LocalSocket {
    /// The socket's file in its directory.
    public static let fileName = "control"
    /// Longer questions and answers are refused.
    public static let maxQuestion = 512
    public static let maxAnswer = 1 << 16

    public struct Failure: Error, Equatable, CustomStringConvertible {
        /// Whether nobody listens there: no such file, or one that was left behind.
        public var isAbsent = false
        public var description: String
    }

    /// Asks and waits for the answer, for at most `patience`.
    public static func ask(
        _ question: String, in directory: String, within patience: Interval
    ) throws(Failure) -> String {
        guard question.utf8.count <= maxQuestion else { throw Failure(description: "the question is too long") }
        let descriptor = try open(directory) { connect($0, $1, $2) }
        defer { close(descriptor) }
        setPatience(descriptor, patience)
        guard send(Array(question.utf8), to: descriptor) else { throw failure("ask in", directory) }
        shutdown(descriptor, Int32(SHUT_WR))
        guard let answer = receive(from: descriptor, most: maxAnswer) else {
            throw Failure(description: "there was no answer from \(directory)/\(fileName) in time")
        }
        return answer
    }

    /// A socket whose address is the file in `directory`, however long its path is: the address goes by the directory's
    /// descriptor.
    fileprivate static func open(
        _ directory: String, _ join: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(Failure) -> Int32 {
        let place = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard place >= 0 else { throw failure("find", directory) }
        defer { close(place) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("make a socket in", directory) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: "/proc/self/fd/\(place)/\(fileName)".utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                join(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            let failure = failure("reach", "\(directory)/\(fileName)")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    private static func failure(_ operation: String, _ path: String) -> Failure {
        let number = errno
        return Failure(
            isAbsent: number == ENOENT || number == ECONNREFUSED,
            description: "cannot \(operation) \(path): \(String(cString: strerror(number)))")
    }

    fileprivate static func setPatience(_ descriptor: Int32, _ patience: Interval) {
        var time = timeval(
            tv_sec: Int(patience.nanoseconds / 1_000_000_000), tv_usec: Int(patience.nanoseconds % 1_000_000_000 / 1_000))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    fileprivate static func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { sent += count } else if errno != EINTR { return false }
        }
        return true
    }

    /// Everything up to the end of what the other says; nil when it takes too long or says too much.
    fileprivate static func receive(from descriptor: Int32, most: Int) -> String? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            if count > 0 { bytes += buffer[..<count] } else if errno != EINTR { return nil }
            if bytes.count > most { return nil }
        }
    }
}

/// The side that answers: one question at a time, on a thread of its own.
public final class LocalListener: Sendable {
    private let directory: String
    private let descriptor: Int32
    private let answer: @Sendable (String) -> String

    /// How long somebody may take to ask: the next one waits as long.
    private static let patience = Interval.seconds(1)

    /// A file that an earlier listener left behind is taken over: only one that holds the directory may listen in it.
    public init(in directory: String, answer: @escaping @Sendable (String) -> String) throws(LocalSocket.Failure) {
        self.directory = directory
        self.answer = answer
        unlink("\(directory)/\(LocalSocket.fileName)")
        // Nobody but the owner may write to the file, and so nobody else may ask.
        let mask = umask(0o077)
        defer { umask(mask) }
        descriptor = try LocalSocket.open(directory) { bind($0, $1, $2) == 0 ? listen($0, 8) : -1 }
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, answerQuestions, Unmanaged.passRetained(self).toOpaque())
        precondition(failure == 0, "pthread_create: \(String(cString: strerror(failure)))")
        pthread_detach(thread)
    }

    /// Answers nobody from now on. A question that is being answered is answered.
    public func close() {
        unlink("\(directory)/\(LocalSocket.fileName)")
        // The thread that waits for the next question wakes up, and closes the descriptor.
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    fileprivate func run() {
        while true {
            let asked = accept(descriptor, nil, nil)
            guard asked >= 0 else {
                if errno == EINTR || errno == ECONNABORTED || errno == EMFILE { continue }
                break
            }
            _ = fcntl(asked, F_SETFD, FD_CLOEXEC)
            LocalSocket.setPatience(asked, Self.patience)
            if let question = LocalSocket.receive(from: asked, most: LocalSocket.maxQuestion) {
                _ = LocalSocket.send(Array(answer(question).utf8), to: asked)
            }
            Glibc.close(asked)
        }
        Glibc.close(descriptor)
    }
}

private func answerQuestions(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    Unmanaged<LocalListener>.fromOpaque(context!).takeRetainedValue().run()
    return nil
}
