import Base
import Testing

@testable import Consensus

@Suite struct CompactionTests {
    @Test("a log's shape without its beginning answers as before for what is left", arguments: 1...20 as ClosedRange<UInt64>)
    func shape(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var whole = LogShape()
        var term: UInt64 = 1
        for _ in 0..<200 {
            term += random.next(below: 4) == 0 ? 1 + random.next(below: 2) : 0
            whole.append(1, term: Term(term))
        }
        var cut = whole
        while cut.baseIndex < cut.lastIndex {
            let most = UInt64(cut.baseIndex.distance(to: cut.lastIndex))
            let through = cut.baseIndex.advanced(by: 1 + Int(random.next(below: min(most, 30))))
            cut.compact(through: through)
            #expect(cut.isValid && cut.baseIndex == through && cut.lastIndex == whole.lastIndex)
            #expect(cut.lastTerm == whole.lastTerm)
            for index in 0...whole.lastIndex.rawValue {
                #expect(cut.term(at: Index(index)) == (Index(index) < through ? nil : whole.term(at: Index(index))))
            }
            for term in 1...term {
                let expected = max(whole.lastIndex(ofTermAtMost: Term(term), through: whole.lastIndex), through)
                #expect(max(cut.lastIndex(ofTermAtMost: Term(term), through: whole.lastIndex), through) == expected)
            }
        }
        #expect(cut.isEmpty && cut.runs.isEmpty)
    }

    @Test("how many snapshots are under way is bounded, and a silent member is sent none")
    func bounds() {
        let cluster = TestCluster(voters: 5)
        cluster.carriesSnapshots = false
        _ = cluster.elect(cluster.members[0], by: Array(cluster.members[1...2]))
        cluster.settle()
        for other in cluster.members[2...] {
            cluster.cut.insert(.init(from: 1, to: other.id))
            cluster.cut.insert(.init(from: other.id, to: 1))
        }
        let (leader, second) = (cluster.members[0], cluster.members[1])
        cluster.cut.remove(.init(from: 1, to: 3))
        cluster.cut.remove(.init(from: 3, to: 1))
        cluster.propose(leader, ["a", "b", "c"])
        cluster.settle()
        cluster.cut.insert(.init(from: 1, to: 3))
        cluster.cut.insert(.init(from: 3, to: 1))
        cluster.propose(leader, ["d"])
        cluster.takeSnapshot(leader)
        #expect(leader.raft.firstIndex == 5 && second.raft.lastIndex >= 4)
        cluster.cut = cluster.cut.filter { $0.from != 4 && $0.to != 4 && $0.from != 5 && $0.to != 5 }
        for _ in 0..<6 {
            for member in cluster.members { member.clock = member.clock + .milliseconds(50) }
            cluster.turn(leader)
            cluster.settle()
        }
        let modes = leader.raft.view.peers.filter { $0.mode == .snapshot }.map(\.id)
        #expect(modes == [4, 5], "\(leader.raft.view.peers)")
        #expect(leader.transfers.count == 2 && leader.raft.compactionLimit == 4)
        // Both get theirs; n3 is silent and gets none until it is heard.
        cluster.carry(from: leader)
        cluster.carry(from: leader)
        cluster.settle()
        #expect(leader.transfers.isEmpty && leader.raft.compactionLimit == nil)
        #expect(cluster.oracle.breaches.isEmpty)
    }
}
