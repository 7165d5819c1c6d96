import Glibc

/// A text file that is written a line at a time.
final class LineFile {
    private let path: String
    private var file: UnsafeMutablePointer<FILE>?
    private var failure: Int32 = 0

    /// Makes the file, or empties it.
    init(path: String) throws(UsageError) {
        self.path = path
        file = fopen(path, "we")
        if file == nil { throw Self.problem(path, errno) }
    }

    deinit {
        if let file { fclose(file) }
    }

    private static func problem(_ path: String, _ number: Int32) -> UsageError {
        UsageError("cannot write \(path): \(String(cString: strerror(number)))")
    }

    /// What cannot be written is told at the end.
    func write(_ line: String) {
        guard let file, failure == 0 else { return }
        if fputs(line, file) < 0 || putc(10, file) < 0 { failure = errno }
    }

    /// Everything is in the file, or it is said why not.
    func finish() throws(UsageError) {
        guard let file else { return }
        self.file = nil
        if fclose(file) != 0, failure == 0 { failure = errno }
        if failure != 0 { throw Self.problem(path, failure) }
    }
}
