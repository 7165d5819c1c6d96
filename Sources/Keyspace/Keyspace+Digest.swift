import Base

// For those who compare members entry by entry: the simulator. A server never asks for it.
extension Keyspace {
    /// Begins to keep the digest of everything that is there in `digested`: key by key, with all that is known of it.
    /// Two keyspaces that hold the same have the same digest, however each came to it; two that differ have not, but for
    /// a chance of 1 in 2^64. O(keys), and then O(what an entry changes).
    package mutating func startDigest() { digested = digestOfEverything() }

    /// The digest, made anew.
    package borrowing func digestOfEverything() -> UInt64 {
        var digest: UInt64 = 0
        contents.map.forEach(after: nil) { record in
            digest ^= record.digest
            return true
        }
        return digest
    }

    mutating func applyDigested(_ entry: Entry, wantsResult: Bool) throws(Failure) -> Outcome {
        let command = Self.command(of: entry)
        if let command { digest(command) }
        defer { if let command { digest(command) } }
        return try applyNext(entry, wantsResult: wantsResult)
    }

    /// Nil when it has none that can be read: then it changes nothing that is digested.
    private static func command(of entry: Entry) -> Command? {
        guard entry.kind == .command else { return nil }
        do { return try Command(decoding: entry.data, version: entry.version) } catch { return nil }
    }

    /// Called before a command is applied and again after it: what it may change goes out, and what it left comes in.
    private mutating func digest(_ command: Command) {
        guard var digest = digested else { return }
        switch command {
        case .single(let operation):
            if !operation.isReadOnly, let key = operation.key { digest ^= contents.digest(of: key) }
        case .transaction(let operations):
            for (place, operation) in operations.enumerated() where !operation.isReadOnly {
                guard let key = operation.key else { continue }
                // A key that is written twice counts once.
                let isKnown = operations[..<place].contains { !$0.isReadOnly && $0.key == key }
                if !isKnown { digest ^= contents.digest(of: key) }
            }
        }
        digested = digest
    }
}

extension KeyspaceContents {
    fileprivate func digest(of key: Bytes) -> UInt64 { map.record(for: key)?.digest ?? 0 }
}

extension Record {
    fileprivate var digest: UInt64 {
        var digest: UInt64 = 0
        digest.fold(created)
        digest.fold(modified)
        digest.fold(version)
        digest.fold(length)
        cell.withUnsafeBytes { digest.fold($0) }
        return digest
    }
}

extension UInt64 {
    /// Makes this the digest of what it stood for and of `number` behind it.
    @inlinable
    package mutating func fold(_ number: UInt64) {
        let (high, low) = (self ^ number ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
        self = (high ^ low) &+ number
    }

    @inlinable
    package mutating func fold(_ bytes: UnsafeRawBufferPointer) {
        fold(UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            fold(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = rest << 8 | UInt64(bytes[offset])
            offset += 1
        }
        fold(rest)
    }
}
