/// The files of a data directory. Names are fixed here and nowhere else; docs/DISK-FORMAT.md lists them.
public enum DiskFile: Hashable, Sendable {
    /// Who the member is. Replaced whole, through its draft.
    case identity
    case identityDraft
    /// Term and vote, in two slots that are overwritten in turn.
    case state
    case stateDraft
    /// A part of the log. Numbers have no gaps; they start at 1, or later where a snapshot covers what stood before.
    case segment(UInt64)
    case segmentDraft(UInt64)
    /// The state machine as it was when it had applied the entry of this index.
    case snapshot(UInt64)
    case snapshotDraft(UInt64)

    public var name: String {
        switch self {
        case .identity: "identity"
        case .identityDraft: "identity.new"
        case .state: "state"
        case .stateDraft: "state.new"
        case .segment(let number): "segment-\(Self.digits(number)).log"
        case .segmentDraft(let number): "segment-\(Self.digits(number)).new"
        case .snapshot(let index): "snapshot-\(Self.digits(index)).dat"
        case .snapshotDraft(let index): "snapshot-\(Self.digits(index)).new"
        }
    }

    /// Whether the file is only on its way to being one: a crash leaves drafts behind, recovery ignores them.
    public var isDraft: Bool {
        switch self {
        case .identityDraft, .stateDraft, .segmentDraft, .snapshotDraft: true
        case .identity, .state, .segment, .snapshot: false
        }
    }

    /// The file of that name; nil for a name that is none of ours.
    public init?(name: String) {
        switch name {
        case "identity": self = .identity
        case "identity.new": self = .identityDraft
        case "state": self = .state
        case "state.new": self = .stateDraft
        default:
            let parts = name.split(separator: "-", maxSplits: 1)
            guard parts.count == 2, parts[1].utf8.count >= 20, let number = UInt64(parts[1].dropLast(4)), number > 0
            else { return nil }
            switch (parts[0], parts[1].suffix(4)) {
            case ("segment", ".log"): self = .segment(number)
            case ("segment", ".new"): self = .segmentDraft(number)
            case ("snapshot", ".dat"): self = .snapshot(number)
            case ("snapshot", ".new"): self = .snapshotDraft(number)
            default: return nil
            }
            guard self.name == name else { return nil }
        }
    }

    /// Sixteen decimal digits: names sort as numbers do.
    private static func digits(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 16 - digits.count)) + digits
    }
}
