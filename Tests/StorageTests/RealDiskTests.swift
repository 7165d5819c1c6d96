import Base
import Consensus
import Glibc
import LogFormat
import Server
import Storage
import Testing

/// A directory of the real disk that is removed with everything in it.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/swiftwater-storage-XXXXXX".utf8CString)
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
}
