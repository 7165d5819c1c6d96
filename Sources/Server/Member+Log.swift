import Base
import Consensus
import Logging
import Replica

// What the member's log says: the events that an operator wants to read about. Those that happen for every message are
// for the dashboard and the simulator.
extension Member {
    func note(_ event: Event) {
        if tap.isWatched { tap.note(event) }
        switch event {
        case .electionTimedOut:
            log.info("no leader was heard within the election timeout")
        case .preCampaign(let term):
            log.info("asking whether an election could be won", metadata: ["term": "\(term)"])
        case .campaign(let term, let transfer):
            log.info("campaigning", metadata: ["term": "\(term)", "transfer": "\(transfer)"])
        case .becameLeader(let term):
            log.notice("became leader", metadata: ["term": "\(term)"])
        case .becameFollower(let term, let leader):
            log.info("following \(leader.map(name(of:)) ?? "nobody yet")", metadata: ["term": "\(term)"])
        case .steppedDown(let term, let reason):
            log.notice("stepped down: \(reason.rawValue)", metadata: ["term": "\(term)"])
        case .truncated(let from):
            log.info("entries that no majority had are replaced", metadata: ["from": "\(from)"])
        case .transferStarted(let to):
            log.info("handing leadership to \(name(of: to))")
        case .configurationAdopted where replica.configurationIndex != loggedConfiguration:
            loggedConfiguration = replica.configurationIndex
            log.info("the members are \(replica.configuration.summary)")
        case .diskHangs:
            log.error("the disk has finished no write for \(options.parameters.diskPatience.nanoseconds / 1_000_000) ms, and another member's has")
        case .promoting(let peer):
            log.notice("\(name(of: peer)) has caught up and becomes a voter")
        case .removed(let index):
            log.notice(
                "this member was removed from its cluster: it campaigns no more and serves only what it has",
                metadata: ["index": "\(index)"])
        case .tookLeave(let peer):
            log.info("\(name(of: peer)) was removed and is spoken to no more")
        case .sendingSnapshot(let peer, let index):
            log.info("\(name(of: peer)) needs a snapshot", metadata: ["index": "\(index)"])
        case .installed(let index, let term):
            log.notice("a snapshot from the leader is installed", metadata: ["index": "\(index)", "term": "\(term)"])
        case .compacted(let through):
            log.info("the log is cut behind a snapshot", metadata: ["through": "\(through)"])
        case .ignored(let from, let kind, let reason) where reason.isWorthALine:
            log.warning("a \(kind.rawValue) from \(name(of: from)) was ignored: \(reason.rawValue)")
        default:
            log.trace("\(event)")
        }
    }

    func name(of id: MemberID) -> String { replica.view.configuration[id]?.name ?? "member \(id)" }
}

extension IgnoreReason {
    /// Old messages are everyday; these tell of a mistake in the set-up, or worse.
    fileprivate var isWorthALine: Bool {
        switch self {
        case .wrongCluster, .wrongGroup, .notForMe, .fromMyself, .malformed, .secondLeader: true
        case .staleTerm, .notAMember, .notExpected, .hasLeader: false
        }
    }
}
