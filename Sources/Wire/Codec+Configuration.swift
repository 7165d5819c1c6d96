import Base
import CProto
import CProtobufC
import Consensus

extension Wire.Codec {
    /// A configuration in the arena.
    func build(_ logged: Wire.LoggedConfiguration) -> UnsafeMutablePointer<Swiftwater__V1__Configuration> {
        let message = arena.make(swiftwater__v1__configuration__init)
        let (count, pointers) = build(logged.configuration.members)
        message.pointee.n_members = count
        message.pointee.members = pointers
        message.pointee.index = logged.index.rawValue
        return message
    }

    /// Members in the arena.
    func build(
        _ members: [Configuration.Member]
    ) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Swiftwater__V1__Member>?>) {
        let pointers = arena.allocate(UnsafeMutablePointer<Swiftwater__V1__Member>?.self, count: members.count)
        for (number, member) in members.enumerated() {
            let message = arena.make(swiftwater__v1__member__init)
            message.pointee.id = member.id.rawValue
            message.pointee.name = arena.copy(member.name)
            message.pointee.address = arena.copy(member.address)
            message.pointee.voter = member.isVoter ? 1 : 0
            message.pointee.standing = Swiftwater__V1__Standing(member.standing)
            message.pointee.priority = UInt32(member.priority)
            pointers[number] = message
        }
        return (members.count, pointers)
    }

    /// Strings in the arena.
    func build(_ texts: [String]) -> (Int, UnsafeMutablePointer<ProtobufCBinaryData>) {
        let pointers = arena.allocate(ProtobufCBinaryData.self, count: texts.count)
        for (number, text) in texts.enumerated() { pointers[number] = arena.copy(text) }
        return (texts.count, pointers)
    }

    /// Numbers in the arena.
    func build<N: BitwiseCopyable>(_ numbers: [N]) -> (Int, UnsafeMutablePointer<N>) {
        let pointer = arena.allocate(N.self, count: numbers.count)
        for (number, value) in numbers.enumerated() { pointer[number] = value }
        return (numbers.count, pointer)
    }
}

extension Wire {
    /// The most members that a configuration may have.
    public static let maxMembers = 1_000
}

extension Swiftwater__V1__Configuration {
    var logged: Wire.LoggedConfiguration {
        get throws(Wire.DecodeFailure) {
            guard n_members <= Wire.maxMembers else {
                throw .inconsistent("a configuration of \(n_members) members: at most \(Wire.maxMembers) are allowed")
            }
            var list: [Configuration.Member] = []
            for number in 0..<n_members { list.append(try members[number]!.pointee.member) }
            for (number, member) in list.enumerated() {
                guard !list[..<number].contains(where: { $0.id == member.id || $0.name == member.name }) else {
                    throw .inconsistent("member \(member.name) (\(member.id)) occurs twice in the configuration")
                }
            }
            return Wire.LoggedConfiguration(Configuration(members: list), index: Index(index))
        }
    }
}

extension Swiftwater__V1__Member {
    var member: Configuration.Member {
        get throws(Wire.DecodeFailure) {
            guard let priority = UInt8(exactly: priority) else { throw .inconsistent("a priority of \(priority)") }
            return Configuration.Member(
                id: MemberID(id), name: try name.text("name"), address: try address.text("address"),
                standing: known(standing, voter: voter != 0), priority: priority)
        }
    }

    /// One that we do not know, from a newer member, is taken for what `voter` says.
    private func known(_ standing: Swiftwater__V1__Standing, voter: Bool) -> Configuration.Standing {
        switch standing {
        case SWIFTWATER__V1__STANDING__STANDING_LEARNER: .learner
        case SWIFTWATER__V1__STANDING__STANDING_VOTER: .voter
        case SWIFTWATER__V1__STANDING__STANDING_JOINING: .joining
        default: voter ? .voter : .learner
        }
    }
}

extension Swiftwater__V1__Standing {
    fileprivate init(_ standing: Configuration.Standing) {
        self =
            switch standing {
            case .learner: SWIFTWATER__V1__STANDING__STANDING_LEARNER
            case .voter: SWIFTWATER__V1__STANDING__STANDING_VOTER
            case .joining: SWIFTWATER__V1__STANDING__STANDING_JOINING
            }
    }
}
