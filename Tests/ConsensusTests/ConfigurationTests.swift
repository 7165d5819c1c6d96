import Base
import Testing

@testable import Consensus

@Suite struct ConfigurationTests {
    private let three = Configuration(members: (1...3).map { .init(id: MemberID(UInt64($0)), name: "n\($0)", address: "h:\($0)") })

    @Test("what is written is read back; without newcomers and priorities it has the bytes it always had")
    func encoding() throws {
        var members = three.members
        #expect(three.encode().array.prefix(16) == [3, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0x6e, 0x31, 3, 0x68, 0x3a])
        members[0].priority = 7
        members[1].standing = .joining
        members[2].standing = .learner
        members[2].priority = 255
        let mixed = Configuration(members: members)
        #expect(try Configuration(decoding: mixed.encode()) == mixed)
        #expect(mixed.voters == [1] && mixed.quorum == 1)
        var bytes = three.encode().array
        for (wrong, at) in [(3, 9), (0x81, 9), (0x83, 9)] as [(UInt8, Int)] {
            bytes[at] = wrong
            #expect(throws: ByteReader.Failure.self, "standing \(wrong)") { try Configuration(decoding: Bytes(bytes)) }
        }
        #expect(mixed.clusterID != three.clusterID)
    }

    @Test("an operator's steps, and why there is none")
    func steps() throws {
        typealias Failure = Configuration.ChangeFailure
        let newcomer = Configuration.Member(id: 4, name: "n4", address: "h:4")
        let four = try three.adding(newcomer)
        #expect(four[4]?.standing == .joining && four.members.count == 4)
        #expect(try four.adding(newcomer) == four, "asked again")
        #expect(try three.adding(.init(id: 4, name: "n4", address: "h:4", standing: .learner))[4]?.standing == .learner)
        var moved = newcomer
        moved.address = "elsewhere:4"
        #expect(try four.adding(moved)[4] == .init(id: 4, name: "n4", address: "elsewhere:4", standing: .joining))
        #expect(throws: Failure.nameTaken(three.members[0])) { try three.adding(.init(id: 9, name: "n1", address: "h:9")) }
        #expect(throws: Failure.idTaken(three.members[0])) { try three.adding(.init(id: 1, name: "n9", address: "h:9")) }
        #expect(throws: Failure.addressTaken(three.members[1])) { try three.adding(.init(id: 9, name: "n9", address: "h:2")) }
        #expect(try three.removing(name: "n2").members.map(\.name) == ["n1", "n3"])
        #expect(throws: Failure.unknown(name: "n7")) { try three.removing(name: "n7") }
        let one = try three.removing(name: "n2").removing(name: "n3")
        #expect(throws: Failure.lastVoter(name: "n1")) { try one.removing(name: "n1") }
        #expect(throws: Failure.lastVoter(name: "n1")) { try one.setting(.learner, of: "n1") }
        let demoted = try three.setting(.learner, of: "n3")
        #expect(demoted[3]?.standing == .learner)
        #expect(try demoted.setting(.voter, of: "n3")[3]?.standing == .joining, "it catches up before it votes again")
        #expect(try three.setting(.voter, of: "n3") == three)
        #expect(try three.setting(priority: 4, of: "n3")[3]?.priority == 4)
    }
}
