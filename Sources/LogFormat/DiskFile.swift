/// The files of a data directory. Names are fixed here and nowhere else; docs/DISK-FORMAT.md lists them.
public enum DiskFile: Hashable, Sendable {
    /// Who the member is. Replaced whole, through its draft.
    case identity
    case identityDraft
    /// Term and vote, in two slots that are overwritten in turn.
    case state
    case stateDraft
    /// A part of the log. Numbers start at 1 and have no gaps.
    case segment(UInt64)
    case segmentDraft(UInt64)

    public var name: String {
        switch self {
        case .identity: "identity"
        case .identityDraft: "identity.new"
        case .state: "state"
        case .stateDraft: "state.new"
        case .segment(let number): "segment-\(Self.digits(number)).log"
        case .segmentDraft(let number): "segment-\(Self.digits(number)).new"
        }
    }

    /// Whether the file is only on its way to being one: a crash leaves drafts behind, recovery ignores them.
    public var isDraft: Bool {
        switch self {
        case .identityDraft, .stateDraft, .segmentDraft: true
        case .identity, .state, .segment: false
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
            let text = name.utf8
            guard text.count == 28, name.hasPrefix("segment-"),
                let number = UInt64(name.dropFirst(8).dropLast(4)), number > 0
            else { return nil }
            if name.hasSuffix(".log") {
                self = .segment(number)
            } else if name.hasSuffix(".new") {
                self = .segmentDraft(number)
            } else {
                return nil
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
