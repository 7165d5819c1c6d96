@testable import Keyspace
import Base
import Testing

@Suite struct BackupTests {
    private func backup(_ space: Space, chunkBytes: Int = 100) -> [UInt8] {
        let content = SnapshotEncoder(
            FrozenKeyspace(contents: space.contents), term: 7, configurationIndex: 1, configuration: "a configuration",
            chunkBytes: chunkBytes)
        var encoder = BackupEncoder(content, cluster: 11, member: 12, takenMs: 13)
        var bytes: [UInt8] = []
        while let piece = encoder.next() { bytes += piece.array }
        #expect(encoder.keysGiven == encoder.keyCount && encoder.next() == nil)
        return bytes
    }

    /// What becomes of bytes in pieces of some size: a keyspace, or a fault. A decoder that only checks must say the same.
    private func read(_ bytes: [UInt8], pieces: Int = .max) throws(BackupFault) -> (contents: KeyspaceContents, head: BackupHead) {
        var fault: BackupFault?
        do throws(BackupFault) { try check(bytes) } catch { fault = error }
        var decoder = BackupDecoder()
        do throws(BackupFault) {
            try feed(&decoder, bytes, pieces)
            let contents = try decoder.finish().contents
            #expect(fault == nil, "\(fault!)")
            return (contents, decoder.head!)
        } catch {
            #expect(fault == error)
            throw error
        }
    }

    private func check(_ bytes: [UInt8]) throws(BackupFault) {
        var decoder = BackupDecoder(checking: ())
        try feed(&decoder, bytes, 1_000)
        try decoder.finishChecking()
    }

    private func feed(_ decoder: inout BackupDecoder, _ bytes: [UInt8], _ pieces: Int) throws(BackupFault) {
        var at = 0
        while at < bytes.count {
            let end = pieces < bytes.count - at ? at + pieces : bytes.count
            try decoder.feed(Bytes(Array(bytes[at..<end])))
            at = end
        }
    }

    @Test("what is written is read back, in pieces of any size")
    func roundTrip() throws {
        for commands in [0, 1, 300] {
            let space = try SnapshotTests().sample(seed: 5, commands: commands)
            let bytes = backup(space)
            for pieces in [1, 31, 32, 33, 63, 64, 65, 700, .max] {
                let (contents, head) = try read(bytes, pieces: pieces)
                #expect(head == BackupHead(cluster: 11, member: 12, takenMs: 13, index: space.contents.appliedIndex))
                SnapshotTests().expectSame(space.contents, contents)
            }
        }
    }

    @Test("every flipped byte is refused, and named at or before its place")
    func flips() throws {
        let bytes = backup(try SnapshotTests().sample(seed: 6, commands: 60))
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 1 << UInt8(place % 8)
            do throws(BackupFault) {
                _ = try read(damaged)
                Issue.record("byte \(place) of \(bytes.count) may be anything")
            } catch {
                switch error {
                case .damaged(let at, _): #expect(at <= UInt64(place), "\(error), at \(place)")
                // A length that runs over the end of the file.
                case .truncated(let at): #expect(at == UInt64(bytes.count))
                case .newerFormat: Issue.record("byte \(place): \(error)")
                }
            }
        }
    }

    @Test("every prefix is refused, and says where it ends; so is anything behind the end")
    func lengths() throws {
        let bytes = backup(try SnapshotTests().sample(seed: 7, commands: 60))
        for count in bytes.indices {
            #expect(throws: BackupFault.truncated(at: UInt64(count))) { try check(Array(bytes[..<count])) }
        }
        for count in [1, 31, 32, 33, 200] {
            #expect(throws: BackupFault.self) { try check(bytes + [UInt8](repeating: 0, count: count)) }
        }
        #expect(throws: BackupFault.self) { try check(bytes + bytes) }
    }

    @Test("chunks of another backup do not fit in, nor its end")
    func mixed() throws {
        let one = backup(try SnapshotTests().sample(seed: 8, commands: 60))
        let other = backup(try SnapshotTests().sample(seed: 9, commands: 59))
        #expect(throws: BackupFault.damaged(at: UInt64(one.count - 32), "it ends another content than this")) {
            try check(Array(one.dropLast(32)) + other.suffix(32))
        }
        #expect(throws: BackupFault.self) { try check(Array(one.prefix(64)) + other.dropFirst(64)) }
    }

    @Test("a newer format is told from damage, in the head and in the end")
    func newer() throws {
        let bytes = backup(try SnapshotTests().sample(seed: 8, commands: 3))
        func newer(_ start: Int, _ count: Int) -> [UInt8] {
            var changed = bytes
            changed[start + 4] = 2
            let sum = CRC32C.of(Bytes(Array(changed[start..<start + count - 4])))
            for place in 0..<4 { changed[start + count - 4 + place] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * place)) }
            return changed
        }
        #expect(throws: BackupFault.newerFormat(2, at: 0)) { try check(newer(0, 64)) }
        let end = bytes.count - 32
        // The end of a backup is reached only when what stands before it is whole.
        #expect(throws: BackupFault.newerFormat(2, at: UInt64(end))) { try check(newer(end, 32)) }
    }

    @Test("what begins anew keeps keys, revision and time, and forgets sessions")
    func beginsAnew() throws {
        let space = try SnapshotTests().sample(seed: 5, commands: 200)
        var decoder = BackupDecoder()
        try feed(&decoder, backup(space), .max)
        var keyspace = try decoder.finish()
        #expect(keyspace.contents.sessions.count == 3)
        keyspace.beginAnew(at: 1_000_000)
        var expected = space.contents
        expected.appliedIndex = 1_000_000
        expected.sessions = SessionTable([], limits: expected.sessions.limits)
        SnapshotTests().expectSame(expected, keyspace.contents)
    }
}
