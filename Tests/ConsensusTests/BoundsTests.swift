import Base
import Testing

@testable import Consensus

/// What is refused: misdirected and malformed messages, and everything beyond a limit.
@Suite struct BoundsTests {
    private func leader(_ parameters: Parameters = Parameters(), voters: Int = 3) -> TestCluster {
        let cluster = TestCluster(voters: voters, parameters: parameters)
        #expect(cluster.elect(cluster.members[0], by: Array(cluster.members.dropFirst())))
        cluster.settle()
        return cluster
    }

    private func ignored(_ member: TestMember) -> IgnoreReason? {
        for event in member.effects.events {
            if case .ignored(_, _, let reason) = event { return reason }
        }
        return nil
    }

    @Test("a message of another cluster, of another group, for another, or from oneself is not heard")
    func misdirected() {
        let cluster = leader()
        let member = cluster.members[1]
        let before = member.raft.view
        let body = Message.Body.appendEntries(
            AppendEntries(prevLogIndex: 0, prevLogTerm: 0, entries: [], leaderCommit: 0, round: 0))
        let right = Message(cluster: member.cluster, from: 1, to: 2, term: 99, body: body)
        let wrongs: [(IgnoreReason, (inout Message) -> Void)] = [
            (.wrongCluster, { $0.cluster = 12 }), (.wrongGroup, { $0.group = 1 }), (.notForMe, { $0.to = 3 }),
            (.fromMyself, { $0.from = 2 }),
        ]
        for (reason, spoil) in wrongs {
            var message = right
            spoil(&message)
            cluster.turn(member) { $0.messages = [message] }
            #expect(ignored(member) == reason)
            #expect(member.effects.sendNow.isEmpty && member.effects.write == nil)
            #expect(member.raft.view == before)
        }
    }

    @Test("a member that lies about its term, or names the last of all indexes, changes nothing")
    func liars() {
        let cluster = leader()
        let member = cluster.members[1]
        let before = member.raft.term
        let last = Index(UInt64.max)
        let entry = Entry(term: before, index: 1, kind: .command, timeMs: 0, data: "\u{1}")
        let bodies: [Message.Body] = [
            .appendEntries(AppendEntries(prevLogIndex: 0, prevLogTerm: 0, entries: [], leaderCommit: last, round: .max)),
            .requestVote(RequestVote(lastLogIndex: last, lastLogTerm: Term(UInt64.max), preVote: false, disruptLeader: true)),
            .requestVote(RequestVote(lastLogIndex: last, lastLogTerm: Term(UInt64.max), preVote: true)),
            .requestVoteReply(RequestVoteReply(voteGranted: true, preVote: true)),
            .appendEntriesReply(AppendEntriesReply(result: .success(matchIndex: last), lastLogIndex: last, round: .max)),
            .readIndex(ReadIndex(requestID: .max)), .timeoutNow,
        ]
        for body in bodies {
            cluster.turn(member) { $0.messages = [Message(cluster: member.cluster, from: 3, to: 2, term: Term(UInt64.max), body: body)] }
            #expect(ignored(member) == .malformed)
            #expect(member.raft.term == before)
        }
        let request = AppendEntries(prevLogIndex: last, prevLogTerm: before, entries: [entry], leaderCommit: last, round: 0)
        cluster.turn(member) { $0.messages = [Message(cluster: member.cluster, from: 1, to: 2, term: before, body: .appendEntries(request))] }
        #expect(ignored(member) == .malformed)
    }

    @Test("entries that are no part of a log are not taken")
    func malformed() {
        let cluster = leader()
        let member = cluster.members[1]
        func entry(_ term: Term, _ index: Index, kind: Entry.Kind = .command) -> Entry {
            Entry(term: term, index: index, kind: kind, timeMs: 0, data: "\u{1}")
        }
        let term = member.raft.term
        let bad: [[Entry]] = [
            [entry(term, 3)], [entry(term, 2), entry(term, 4)], [entry(term.next, 2)],
            [entry(0, 2)], [entry(term, 2, kind: .configuration)],
        ]
        for entries in bad {
            let request = AppendEntries(
                prevLogIndex: 1, prevLogTerm: term, entries: entries, leaderCommit: 9, round: 0)
            cluster.deliver([
                Message(cluster: member.cluster, from: 1, to: 2, term: term, body: .appendEntries(request))
            ])
            #expect(ignored(member) == .malformed)
            #expect(member.raft.lastIndex == 1)
        }
        let absurd = AppendEntriesReply(result: .success(matchIndex: 50), lastLogIndex: 50, round: 0)
        cluster.deliver([
            Message(cluster: member.cluster, from: 2, to: 1, term: term, body: .appendEntriesReply(absurd))
        ])
        #expect(ignored(cluster.members[0]) == .malformed)
    }

    @Test("a second leader of a term is not followed")
    func secondLeader() {
        let cluster = leader()
        let request = AppendEntries(prevLogIndex: 1, prevLogTerm: 1, entries: [], leaderCommit: 0, round: 0)
        for receiver: MemberID in [1, 2] {
            cluster.deliver([
                Message(
                    cluster: cluster.members[0].cluster, from: 3, to: receiver, term: 1, body: .appendEntries(request))
            ])
            #expect(cluster[receiver].flatMap(ignored) == .secondLeader)
        }
    }

    @Test("reads beyond the limit are refused, the others are answered")
    func manyReads() {
        var parameters = Parameters()
        parameters.maxWaitingReads = 3
        let cluster = leader(parameters)
        let member = cluster.members[0]
        cluster.turn(member) { $0.reads = [101, 102, 103, 104, 105] }
        #expect(member.effects.reads.map(\.token) == [104, 105])
        #expect(member.effects.reads.allSatisfy { $0.outcome == .overloaded })
        var answered: [ReadToken] = []
        cluster.observer = { answered += $0.effects.reads.map(\.token) }
        cluster.settle()
        #expect(answered == [101, 102, 103])
    }

    @Test("proposals are refused while too much waits for its commit, and taken again afterwards")
    func manyProposals() {
        var parameters = Parameters()
        parameters.maxUncommittedBytes = 100
        let cluster = leader(parameters)
        let member = cluster.members[0]
        cluster.propose(member, [String(repeating: "a", count: 120)])
        #expect(member.effects.proposals == nil || member.effects.proposals != .refused(.overloaded))
        cluster.disksHold = [1]
        cluster.propose(member, ["b"])
        #expect(member.effects.proposals == .refused(.overloaded))
        cluster.settle()
        cluster.propose(member, ["b"])
        #expect(member.effects.proposals == .accepted(term: 1, first: 3, count: 1))
    }

    @Test("a batch is as large as it may be, the window as wide")
    func batches() {
        var parameters = Parameters()
        parameters.maxBatchBytes = 1_000
        parameters.maxBatchesPerStep = 9
        parameters.maxInflightMessages = 4
        let cluster = leader(parameters)
        let member = cluster.members[0]
        cluster.disksHold = [1]
        cluster.propose(member, Array(repeating: String(repeating: "a", count: 300), count: 40))
        var sizes: [MemberID: [Int]] = [:]
        for message in member.effects.sendNow {
            guard case .appendEntries(let request) = message.body else { continue }
            sizes[message.to, default: []].append(request.entries.reduce(0) { $0 + $1.packed.count })
        }
        for id: MemberID in [2, 3] {
            #expect(sizes[id]?.count == 4)
            #expect(sizes[id]?.allSatisfy { $0 <= 1_000 && $0 > 600 } == true)
        }
    }

    @Test("a step sends a follower so many batches at most, and the rest goes with the answers")
    func batchesPerStep() {
        var parameters = Parameters()
        parameters.maxBatchBytes = 1_000
        parameters.maxBatchesPerStep = 2
        let cluster = leader(parameters)
        let member = cluster.members[0]
        cluster.propose(member, Array(repeating: String(repeating: "a", count: 300), count: 40))
        for id: MemberID in [2, 3] {
            let sent = member.effects.sendNow.count {
                guard case .appendEntries(let request) = $0.body else { return false }
                return $0.to == id && !request.entries.isEmpty
            }
            #expect(sent == 2)
        }
        cluster.settle()
        #expect(cluster.members.allSatisfy { $0.raft.view.lastIndex == member.raft.view.lastIndex })
    }

    @Test("the tail in memory forgets what is durable and applied, and no more")
    func tail() {
        var parameters = Parameters()
        parameters.tailBytes = 2_000
        let cluster = leader(parameters)
        let member = cluster.members[0]
        for _ in 0..<40 {
            cluster.propose(member, [String(repeating: "a", count: 200)])
            cluster.settle()
        }
        cluster.turn(member)
        #expect(member.raft.firstIndexInMemory > 25)
        #expect(member.raft.entries(from: 1, through: 41, maxBytes: 1 << 20) == nil)
        #expect(member.raft.entries(from: 41, through: 41, maxBytes: 0)?.count == 1)
        #expect(member.raft.entries(from: 40, through: 41, maxBytes: 1 << 20)?.map(\.index) == [40, 41])
        #expect(member.raft.entries(from: 41, through: 42, maxBytes: 1) == nil)
    }

    @Test("an entry's time never goes back, whatever the clock does")
    func time() {
        let cluster = leader()
        let member = cluster.members[0]
        for wall: UInt64 in [5_000, 3_000, 7_000] {
            cluster.turn(member) {
                $0.wallMs = wall
                $0.proposals = [Proposal(data: "x")]
            }
        }
        #expect(member.log.suffix(3).map(\.timeMs) == [5_000, 5_000, 7_000])
    }

    @Test("parameters that contradict each other are told from sensible ones")
    func parameters() {
        #expect(Parameters().areSensible)
        var parameters = Parameters()
        parameters.heartbeatInterval = .milliseconds(150)
        #expect(!parameters.areSensible)
        parameters = Parameters()
        parameters.maxInflightMessages = 0
        #expect(!parameters.areSensible)
    }
}
