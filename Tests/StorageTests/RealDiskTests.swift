import Base
import Consensus
import Glibc
import LogFormat
import Server
import Storage
import Testing
import VirtualDisk

/// A directory of the real disk that is removed with everything in it.
final class TemporaryDirectory {
    let path: String

    init(in parent: String = "/tmp") {
        var template = Array("\(parent)/swiftwater-storage-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    deinit {
        if let stream = opendir(path) {
            while let record = readdir(stream) {
                let name = withUnsafePointer(to: &record.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                unlink(path + "/" + name)
            }
            closedir(stream)
        }
        rmdir(path)
    }
}

@Suite struct RealDisk {
    @Test("What was written and synced is there after a restart")
    func restart() throws {
        let temporary = TemporaryDirectory()
        do {
            let directory = try RealDirectory(path: temporary.path)
            guard case .blank = try Storage.recover(from: directory, limits: smallLimits(segment: 64 << 10)) else {
                Issue.record("an empty directory holds no member")
                return
            }
            let format = Storage.format(Identity(member: 7, name: "n1"), limits: smallLimits(segment: 64 << 10))
            guard case .done = directory.executor.run(format) else { Issue.record("format failed"); return }
        }
        do {
            let directory = try RealDirectory(path: temporary.path)
            guard case .member(let recovered) = try Storage.recover(from: directory, limits: smallLimits(segment: 64 << 10)) else { return }
            #expect(recovered.identity.name == "n1")
            var storage = Storage(recovered, limits: smallLimits(segment: 64 << 10))
            var next: Index = 1
            var durable: UInt64 = 0
            for token in 1...200 as ClosedRange<UInt64> {
                let entries = (0..<5).map { entry(next.advanced(by: $0), size: 200) }
                next = next.advanced(by: 5)
                storage.write(token: token, hardState: token == 1 ? HardState(term: 1) : nil, truncateFrom: nil, entries: entries)
                var operations: [DiskOperation] = []
                var events: [StorageEvent] = []
                storage.nextOperations(into: &operations)
                for operation in operations {
                    storage.completed(operation.id, directory.executor.run(operation), now: .zero, into: &events)
                }
                for case .durable(let token) in events { durable = token }
            }
            #expect(durable == 200)
        }
        let directory = try RealDirectory(path: temporary.path)
        guard case .member(let recovered) = try Storage.recover(from: directory, limits: smallLimits(segment: 64 << 10)) else { return }
        #expect(recovered.lastIndex == 1000)
        #expect(recovered.hardState == HardState(term: 1))
        #expect(recovered.tail.last == entry(1000, size: 200))
        var storage = Storage(recovered, limits: smallLimits(segment: 64 << 10))
        var seen: [Entry] = []
        var request: UInt64 = 0
        while seen.count < 1000, request < 2000 {
            request += 1
            storage.read(request: request, from: Index(UInt64(seen.count + 1)), through: 1000, maxBytes: 3000)
            var done = false
            while !done {
                var operations: [DiskOperation] = []
                var events: [StorageEvent] = []
                storage.nextOperations(into: &operations)
                for operation in operations where operation.lane == .read {
                    storage.completed(operation.id, directory.executor.run(operation), now: .zero, into: &events)
                }
                for case .entries(_, let entries) in events { seen += entries; done = true }
                if operations.isEmpty { break }
            }
        }
        #expect(seen == (1...1000).map { entry(Index(UInt64($0)), size: 200) })
    }

    /// A member of its own on a real directory.
    private func formatted(_ temporary: TemporaryDirectory) throws -> RealDirectory {
        let directory = try RealDirectory(path: temporary.path)
        guard case .done = directory.executor.run(Storage.format(Identity(member: 7, name: "n1"), limits: smallLimits()))
        else { throw Rig.Blank() }
        return directory
    }

    @Test("A snapshot is written, found, read in pieces, and followed by the log, on a real disk")
    func snapshot() throws {
        let temporary = TemporaryDirectory()
        let directory = try formatted(temporary)
        let chunks = (0..<30 as Range<UInt8>).map { Bytes([UInt8](repeating: $0, count: 10_000)) }
        func start() throws -> Recovered {
            guard case .member(let recovered) = try Storage.recover(from: directory, limits: smallLimits()) else {
                throw Rig.Blank()
            }
            return recovered
        }
        var storage = Storage(try start(), limits: smallLimits())
        var events: [StorageEvent] = []
        func settle(_ storage: inout Storage) {
            var operations: [DiskOperation] = []
            repeat {
                operations.removeAll()
                storage.nextOperations(into: &operations)
                for operation in operations {
                    storage.completed(operation.id, directory.executor.run(operation), now: .zero, into: &events)
                }
            } while !operations.isEmpty
        }
        storage.write(token: 1, hardState: HardState(term: 1), truncateFrom: nil, entries: entries(1...400))
        settle(&storage)
        storage.beginSnapshot(index: 350, term: 1)
        for chunk in chunks { storage.appendToSnapshot(chunk) }
        storage.finishSnapshot()
        settle(&storage)
        storage.compact(through: 340)
        let whole = chunks.flatMap(\.array)
        // Within a block, all of it, over several of the disk's pieces from nowhere in particular, and past the end.
        for piece in [9_990..<10_010, 0..<300_000, 131_067..<290_001, 299_990..<300_100] {
            storage.readSnapshot(request: 9, index: 350, offset: piece.lowerBound, count: piece.count)
            settle(&storage)
            guard case .snapshotBytes(9, let bytes?) = events.last else { Issue.record("nothing was read"); continue }
            #expect(bytes.array == Array(whole[piece.clamped(to: 0..<300_000)]), "\(piece)")
        }
        let recovered = try start()
        #expect(recovered.snapshot?.index == 350 && recovered.lastIndex == 400)
        var content: [UInt8] = []
        try Storage.content(of: recovered.snapshot!, from: directory) { content += $0.array }
        #expect(content == whole)
        // One that nobody wants, and one that an installation replaces the log with.
        var again = Storage(recovered, limits: smallLimits())
        again.beginSnapshot(index: 360, term: 1)
        again.appendToSnapshot(chunks[0])
        settle(&again)
        again.abandonSnapshot()
        settle(&again)
        again.beginSnapshot(index: 900, term: 1)
        for chunk in chunks { again.appendToSnapshot(chunk) }
        again.finishSnapshot()
        settle(&again)
        again.write(token: 1, hardState: nil, truncateFrom: nil, restartAfter: 900, entries: entries(901...910))
        again.removeSnapshots(except: [])
        settle(&again)
        let last = try start()
        #expect(last.snapshot?.index == 900 && last.firstIndex == 901 && last.lastIndex == 910)
        func names() throws -> [String] { try directory.list().map(\.file.name).filter { $0.hasPrefix("snapshot") }.sorted() }
        #expect(try names() == ["snapshot-0000000000000350.dat", "snapshot-0000000000000900.dat"])
        // Over the older one, which is longer.
        again.beginSnapshot(index: 905, term: 1)
        for chunk in chunks[5...] { again.appendToSnapshot(chunk) }
        again.finishSnapshot()
        settle(&again)
        again.removeSnapshots(except: [])
        settle(&again)
        #expect(try names() == ["snapshot-0000000000000900.dat", "snapshot-0000000000000905.dat"])
        content = []
        try Storage.content(of: start().snapshot!, from: directory) { content += $0.array }
        #expect(content == chunks[5...].flatMap(\.array))
        // A long time later.
        again.advance(to: .zero + .seconds(3_600))
        settle(&again)
        #expect(try names() == ["snapshot-0000000000000905.dat"])
    }

    @Test("A directory belongs to one process at a time")
    func lock() throws {
        let temporary = TemporaryDirectory()
        do {
            let first = try RealDirectory(path: temporary.path)
            #expect(throws: RealDirectory.Failure.inUse(path: temporary.path)) { try RealDirectory(path: temporary.path) }
            withExtendedLifetime(first) {}
        }
        _ = try RealDirectory(path: temporary.path)
    }

    @Test("A directory is made with its parents; a place where none can be says so")
    func making() throws {
        let temporary = TemporaryDirectory()
        let path = temporary.path + "/a/b/"
        _ = try RealDirectory(path: path)
        rmdir(temporary.path + "/a/b")
        rmdir(temporary.path + "/a")
        #expect(throws: RealDirectory.Failure.self) { try RealDirectory(path: "/proc/swiftwater/data") }
        #expect(throws: RealDirectory.Failure.self) { try RealDirectory(path: "/dev/null") }
    }

    @Test("A file system that has no more space for us is a full disk, and leaves no half-made segment behind")
    func full() throws {
        let temporary = TemporaryDirectory()
        let directory = try formatted(temporary)
        // A limit on the size of files stands in for a small disk: the kernel refuses with EFBIG instead of ENOSPC.
        // It holds for the whole process; nothing else here makes files that large.
        var old = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
        var tight = old
        tight.rlim_cur = 64 << 20
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &tight)
        defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old) }
        var limits = smallLimits()
        limits.segmentBytes = 65 << 20
        limits.leastSegmentBytes = limits.segmentBytes

        guard case .member(let recovered) = try Storage.recover(from: directory, limits: limits) else { return }
        var storage = Storage(recovered, limits: limits)
        storage.write(
            token: 1, hardState: HardState(term: 1), truncateFrom: nil, entries: entries(1...3))
        var events = run(&storage, on: directory)
        let isFull = storage.isFull
        #expect(isFull)
        guard case .full(let error)? = events.last(where: { if case .full = $0 { true } else { false } }) else {
            Issue.record("a full disk was not reported")
            return
        }
        #expect(error.file == .segmentDraft(2) && error.isFull)
        #expect(try directory.list().map(\.file.name).sorted() == ["identity", "segment-0000000000000001.log", "state"])
        #expect(events.contains { if case .durable(1) = $0 { true } else { false } })

        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
        storage.advance(to: Instant.zero + limits.spaceRetry)
        events = run(&storage, on: directory)
        let isFullStill = storage.isFull
        #expect(!isFullStill)
        #expect(try directory.list().contains { $0.file == .segment(2) && $0.size == 65 << 20 })
    }

    private func run(_ storage: inout Storage, on directory: RealDirectory) -> [StorageEvent] {
        var events: [StorageEvent] = []
        while true {
            var operations: [DiskOperation] = []
            storage.nextOperations(into: &operations)
            guard !operations.isEmpty else { return events }
            for operation in operations {
                storage.completed(operation.id, directory.executor.run(operation), now: .zero, into: &events)
            }
        }
    }

    @Test("A sync that the kernel refuses is reported as what it is")
    func failedSync() throws {
        let temporary = TemporaryDirectory()
        let directory = try formatted(temporary)
        // A pipe cannot be synced.
        unlink(temporary.path + "/state")
        #expect(mkfifo(temporary.path + "/state", 0o600) == 0)
        guard case .failed(let error) = directory.executor.run(DiskOperation(id: 1, lane: .log, steps: [.sync(.state)])) else {
            Issue.record("a pipe was synced")
            return
        }
        #expect(error.call == "fdatasync" && error.file == .state && !error.isFull)
    }

    @Test("A step that fails ends its operation")
    func order() throws {
        let temporary = TemporaryDirectory()
        let directory = try RealDirectory(path: temporary.path)
        let result = directory.executor.run(DiskOperation(id: 1, lane: .log, steps: [
            .create(.stateDraft, size: 8_192), .sync(.identity), .rename(.stateDraft, to: .state),
        ]))
        guard case .failed(let error) = result else { Issue.record("a missing file was synced"); return }
        #expect(error.call == "open" && error.file == .identity)
        #expect(try directory.list().map(\.file) == [.stateDraft])
    }

    @Test("Pieces are written one behind the other, a file is made anew in place, and a read ends with the file")
    func pieces() throws {
        let temporary = TemporaryDirectory()
        let directory = try RealDirectory(path: temporary.path)
        let pieces = (0..<3_000).map { Bytes([UInt8(truncatingIfNeeded: $0)]) }
        try directory.perform([.create(.stateDraft, size: 4_096), .write(.stateDraft, offset: 1_000, slices: pieces)])
        let read = try directory.read(.stateDraft, offset: 999, count: 10_000)
        #expect(read.count == 3_097)
        #expect(read.array == [0] + (0..<3_000).map { UInt8(truncatingIfNeeded: $0) } + [UInt8](repeating: 0, count: 96))
        try directory.perform([.create(.stateDraft, size: 3_000)])
        #expect(try directory.read(.stateDraft, offset: 0, count: 10_000) == Format.zeros(3_000))
        #expect(try directory.read(.stateDraft, offset: 3_000, count: 1).isEmpty)
        try directory.perform([.remove(.stateDraft), .remove(.stateDraft)])
        #expect(try directory.list().isEmpty)
    }
}
