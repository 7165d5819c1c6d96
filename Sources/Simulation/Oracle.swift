import Base
import Consensus
import Keyspace
import Replica
import Storage

/// What must be true of all members together, gathered as they go. Each step costs what it changed, never the log.
struct Oracle {
    /// By index, from 1: the term of the committed entry, the term in which it was committed, the keyspace after it.
    var committed: [UInt64] = []
    var committedIn: [UInt64] = []
    /// By index: who voted in the configuration that was in force for whoever committed it.
    var committedBy: [MemberSet] = []
    /// Every configuration that stands in anybody's log, by index and term, and those that are committed.
    private var configurations: [(term: UInt64, known: KnownConfiguration)] = []
    private(set) var committedConfigurations: [KnownConfiguration]
    var digests: [UInt64] = []
    /// By revision, from 1: the index of the entry that made it.
    var indexOfRevision: [Int] = []
    /// By term: who led it.
    var leaders: [UInt64: Int] = [:]
    /// By term and candidate, the members that granted it a vote, or a pre-vote.
    var ballots: [Ballot: MemberSet] = [:]
    /// The highest term that anybody campaigned in.
    var highestCampaign: UInt64 = 0
    /// By member: the last vote that it gave away.
    var votes: [(term: UInt64, candidate: MemberID)]
    /// Every entry that was ever appended anywhere, by index: one for each term that it came in.
    private var firstNote: [Int32] = []
    private var notes: [Note] = []
    /// Members that the cluster may have to do without: stopped for good, or their disk was damaged, wiped or written in a
    /// way that we do not assume, so that they may refuse to start.
    var mayBeLost = MemberSet()

    private struct Note {
        var term: UInt64
        var previousTerm: UInt64
        var content: UInt64
        /// The digest of the command that it carries; 0: none.
        var command: UInt64
        /// The client's operation that it carries; -1 when its bytes do not tell.
        var operation: Int32
        var next: Int32
    }

    /// By the digest of an encoded command that nobody else can ask for: the client's operation.
    var operations: [UInt64: Int32] = [:]

    init(members: Int, _ first: KnownConfiguration) {
        votes = Array(repeating: (0, 0), count: members + 1)
        committedConfigurations = [first]
    }

    // MARK: Configurations

    /// The newest one that is committed.
    var inForce: KnownConfiguration { committedConfigurations[committedConfigurations.count - 1] }

    /// The one that holds when what is committed up to here is all.
    func configuration(asOf index: Int) -> KnownConfiguration {
        committedConfigurations.last { $0.index <= index } ?? committedConfigurations[0]
    }

    /// Of a log that has these terms, by index from 1: its configurations behind `covered`.
    func configurations(of terms: [UInt64], after covered: Int) -> [KnownConfiguration] {
        configurations.filter { $0.known.index > covered && $0.known.index <= terms.count && terms[$0.known.index - 1] == $0.term }
            .map(\.known).sorted { $0.index < $1.index }
    }

    mutating func note(_ known: KnownConfiguration, term: UInt64) {
        let isKnown = configurations.contains { $0.term == term && $0.known.index == known.index }
        if !isKnown { configurations.append((term, known)) }
    }

    /// An entry is committed, by these voters. True when it holds a configuration.
    mutating func commit(_ index: Int, _ term: UInt64, in leaderTerm: UInt64, by voters: MemberSet) -> Bool {
        committed.append(term)
        committedIn.append(leaderTerm)
        committedBy.append(voters)
        guard let found = configurations.last(where: { $0.known.index == index && $0.term == term }) else { return false }
        committedConfigurations.append(found.known)
        return true
    }

    var committedCount: Int { committed.count }
    var lastDigest: UInt64 { digests.last ?? 0 }

    /// "If two logs contain an entry with the same index and term, then the logs are identical in all entries up
    /// through the given index" (figure 3.2): by induction, when an entry is known by index and term, and with it the
    /// term before. False when it is not.
    mutating func note(_ entry: Entry, previousTerm: UInt64) -> Bool {
        let index = Int(entry.index.rawValue)
        var content: UInt64 = 0
        entry.packed.withUnsafeBytes { content.fold($0) }
        while firstNote.count <= index { firstNote.append(-1) }
        var place = firstNote[index]
        while place >= 0 {
            let note = notes[Int(place)]
            if note.term == entry.term.rawValue {
                return note.previousTerm == previousTerm && note.content == content
            }
            place = note.next
        }
        let command = entry.kind == .command ? Self.digest(of: entry.data) : 0
        notes.append(
            Note(
                term: entry.term.rawValue, previousTerm: previousTerm, content: content, command: command,
                operation: command == 0 ? -1 : operations[command] ?? -1, next: firstNote[index]))
        firstNote[index] = Int32(notes.count - 1)
        return true
    }

    /// The client's operation of an entry; nil when it cannot be told.
    func operation(at index: Int, _ term: UInt64) -> Int? {
        guard index < firstNote.count else { return nil }
        var place = firstNote[index]
        while place >= 0, notes[Int(place)].term != term { place = notes[Int(place)].next }
        guard place >= 0, notes[Int(place)].operation >= 0 else { return nil }
        return Int(notes[Int(place)].operation)
    }

    /// The digest of the command that made a revision; 0 when it is not known.
    func command(ofRevision revision: Int) -> UInt64 {
        let index = indexOfRevision[revision - 1]
        guard index < firstNote.count else { return 0 }
        var place = firstNote[index]
        while place >= 0, notes[Int(place)].term != committed[index - 1] { place = notes[Int(place)].next }
        return place >= 0 ? notes[Int(place)].command : 0
    }

    static func digest(of command: Bytes) -> UInt64 {
        var digest: UInt64 = 0
        command.withUnsafeBytes { digest.fold($0) }
        return digest
    }

    /// The last index that was committed in a term before `term`.
    func lastCommitted(before term: UInt64) -> Int {
        var count = committedIn.count
        while count > 0, committedIn[count - 1] >= term { count -= 1 }
        return count
    }
}
