import Base
import Consensus
import Keyspace
import Replica
import Testing
import VirtualDisk

/// Random faults over whole members, from one seed; then calm, and the books are checked.
@Suite("Storms over whole members")
struct StormTests {
    @Test("no acknowledged write is lost, none is applied twice, and all members agree", arguments: 1...40 as ClosedRange<UInt64>)
    func storm(seed: UInt64) throws {
        let cluster = VirtualCluster(seed.isMultiple(of: 4) ? 5 : 3, seed: seed)
        let size = cluster.members.count
        cluster.delay = { .microseconds(200 + $0.next(below: 30_000)) }
        let losses = SharedRandom(seed: seed ^ 0xfeed)
        cluster.lets = { _ in losses.next(below: 20) != 0 }
        var random = SplitMix64(seed: seed &* 77)
        var appended: [(id: RequestID, member: Int, suffix: String)] = []
        for number in 0..<150 {
            disturb(cluster, &random)
            let member = Int(random.next(below: UInt64(size))) + 1
            if cluster[member].isUp {
                let suffix = "<\(number)>"
                appended.append((cluster.write(.append(key: "log", suffix: Bytes(utf8: suffix)), at: member), member, suffix))
            }
            cluster.run(for: .milliseconds(5 + random.next(below: 60)))
        }
        cluster.lets = { _ in true }
        cluster.heal()
        for member in cluster.members {
            member.isDiskHung = false
            if !member.isUp { cluster.restart(member.number) }
        }
        let leader = cluster.electLeader()
        cluster.run(for: .seconds(8))
        let read = cluster.read(.get(key: "log"), at: leader.number)
        guard case .data(let bytes)? = cluster.answer(to: read, at: leader.number)?.value, let text = bytes.utf8String else {
            Issue.record("seed \(seed): nothing can be read after the storm")
            return
        }
        for item in appended {
            let times = text.split(separator: "<").count { $0 == item.suffix.dropFirst() }
            #expect(times <= 1, "seed \(seed): \(item.suffix) was applied \(times) times")
            switch cluster[item.member].answers[item.id] {
            case .outcome?: #expect(times == 1, "seed \(seed): \(item.suffix) was acknowledged and is lost")
            case .failed(let failure)? where failure.notApplied:
                #expect(times == 0, "seed \(seed): \(item.suffix) was said not to be applied, and is")
            default: break
            }
        }
        #expect(appended.contains { cluster[$0.member].answers[$0.id]?.outcome != nil }, "seed \(seed): no write succeeded")
        // What was lost on its way to a leader or back: the transport says so.
        for member in cluster.members { cluster.breakForwards(to: member.number) }
        cluster.run(for: .seconds(2))
        let revisions = Set(cluster.members.map { $0.replica!.replica.revision })
        #expect(revisions.count == 1, "seed \(seed): members disagree: \(revisions)")
        for member in cluster.members { #expect(member.waiting.isEmpty, "seed \(seed): n\(member.number) owes answers") }
    }

    private func disturb(_ cluster: VirtualCluster, _ random: inout SplitMix64) {
        let member = Int(random.next(below: UInt64(cluster.members.count))) + 1
        switch random.next(below: 40) {
        case 0, 1:
            cluster[member].crash(random.next(below: 2) == 0 ? .everything : .someSectors, &random)
            cluster.breakForwards(to: member)
        case 2, 3, 4, 5: if !cluster[member].isUp { cluster.restart(member) }
        case 6: cluster.isolate(member)
        case 7: cluster.cut.insert([member, Int(random.next(below: UInt64(cluster.members.count))) + 1])
        case 8, 9, 10: cluster.heal()
        case 11: cluster[member].isDiskHung = true
        case 12, 13, 14: for other in cluster.members { other.isDiskHung = false }
        default: break
        }
    }
}

final class SharedRandom {
    private var generator: SplitMix64
    init(seed: UInt64) { generator = SplitMix64(seed: seed) }
    func next(below bound: UInt64) -> UInt64 { generator.next(below: bound) }
}
