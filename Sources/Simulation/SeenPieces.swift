import Base
import Keyspace

/// Which of the values that may have been written are part of any value that was seen, judged by their first bytes: it may
/// say so of one that is not.
struct SeenPieces {
    /// By key and the first four bytes.
    private var wanted: [UInt64: Bool] = [:]
    private var isWanted: [Bool]

    init(keys: Int) { isWanted = Array(repeating: false, count: keys) }

    private static func name(_ key: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt64 {
        UInt64(UInt32(bitPattern: key)) << 32 | UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    private static func bytes(of step: LinearizabilityProblem.Step) -> Bytes {
        if case .list(let items)? = step.argument { return items.first(where: { _ in true }) ?? Bytes() }
        return step.argument?.content ?? Bytes()
    }

    mutating func look(for step: LinearizabilityProblem.Step) {
        let piece = Self.bytes(of: step)
        guard piece.count >= 4 else { return }
        isWanted[Int(step.key)] = true
        piece.withUnsafeBytes { wanted[Self.name(step.key, $0, at: 0)] = false }
    }

    mutating func see(_ step: LinearizabilityProblem.Step) {
        guard isWanted[Int(step.key)], case .value(let value?) = step.seen else { return }
        value.content.withUnsafeBytes { bytes in
            guard bytes.count >= 4 else { return }
            for offset in 0...bytes.count - 4 {
                let name = Self.name(step.key, bytes, at: offset)
                if wanted[name] != nil { wanted[name] = true }
            }
        }
    }

    /// A delete leaves nothing to be seen; what is too short to be told apart counts as seen.
    func haveSeen(_ step: LinearizabilityProblem.Step) -> Bool {
        guard step.verb != .delete else { return false }
        let piece = Self.bytes(of: step)
        guard piece.count >= 4 else { return true }
        return piece.withUnsafeBytes { wanted[Self.name(step.key, $0, at: 0)] ?? true }
    }
}
