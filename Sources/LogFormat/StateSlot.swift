import Base

/// Term and vote in one of the two slots of the file `state`. Slots are overwritten in turn, each with the next
/// number: whatever a crash does to one, the other still holds the state before.
public struct StateSlot: Sendable, Equatable {
    /// Counts from 1.
    public var number: UInt64
    public var member: MemberID
    public var term: Term
    public var votedFor: MemberID?

    static let envelope = Envelope(magic: "SWst", size: 64)

    public init(number: UInt64, member: MemberID, term: Term, votedFor: MemberID?) {
        self.number = number
        self.member = member
        self.term = term
        self.votedFor = votedFor
    }

    /// Where the slot with that number stands in its file.
    public static func place(number: UInt64) -> Int { Format.blockBytes * Int((number &+ 1) & 1) }

    public func encode() -> Bytes {
        Bytes(capacity: Self.envelope.size) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.put(number, 8)
            bytes.put(member.rawValue, 16)
            bytes.put(term.rawValue, 24)
            bytes.put(votedFor?.rawValue ?? 0, 32)
            bytes.put(votedFor == nil ? 0 : 1 as UInt32, 40)
            Self.envelope.seal(bytes, member: member)
            return bytes.count
        }
    }

    public init(decoding bytes: Bytes) throws(RecordFault) {
        self = try bytes.withUnsafeBytes { (bytes) throws(RecordFault) in
            guard bytes.count >= 24 else { throw .unreadable("the file ends here") }
            let member = MemberID(bytes.number(16, UInt64.self))
            try Self.envelope.open(bytes, member: member)
            let hasVoted = bytes.number(40, UInt32.self)
            guard hasVoted <= 1, bytes.number(8, UInt64.self) > 0 else { throw .invalid("no slot is written like this") }
            return StateSlot(
                number: bytes.number(8), member: member, term: Term(bytes.number(24, UInt64.self)),
                votedFor: hasVoted == 1 ? MemberID(bytes.number(32, UInt64.self)) : nil)
        }
    }
}
