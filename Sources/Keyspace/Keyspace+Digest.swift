import Base

// For those who compare members entry by entry: the simulator. A server never asks for it.
extension Keyspace {
    /// Begins to fold what each entry leaves behind into `digested`. Two keyspaces that applied the same entries since
    /// their beginning have the same digest, and two that came to differ do not, but for a chance of 1 in 2^64.
    package mutating func startDigest() { digested = digested ?? 0 }

    /// Folds in what a command has left of the keys that it names.
    mutating func digest(_ command: Command) {
        guard var digest = digested else { return }
        digest.fold(contents.revision)
        switch command {
        case .single(let operation): contents.digest(operation, into: &digest)
        case .transaction(let operations): for operation in operations { contents.digest(operation, into: &digest) }
        }
        digested = digest
    }

    /// Of all that is there: key by key, with everything that is known of it.
    package borrowing func digestOfEverything() -> UInt64 {
        var digest = contents.revision
        contents.map.forEach(after: nil) { record in
            record.digest(into: &digest)
            return true
        }
        return digest
    }
}

extension KeyspaceContents {
    fileprivate func digest(_ operation: Operation, into digest: inout UInt64) {
        guard !operation.isReadOnly, let key = operation.key else { return }
        if let record = map.record(for: key) { record.digest(into: &digest) } else { digest.fold(0) }
    }
}

extension Record {
    fileprivate func digest(into digest: inout UInt64) {
        digest.fold(created)
        digest.fold(modified)
        digest.fold(version)
        digest.fold(length)
        cell.withUnsafeBytes { digest.fold($0) }
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
