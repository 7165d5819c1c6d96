import Base

/// The steps that an operator takes from one configuration to the next, each of them one that 4.1 allows: at most one
/// voter more or less.
extension Configuration {
    /// Why there is no such step from here.
    public enum ChangeFailure: Error, Sendable, Equatable {
        /// There is a member of this name, with another id or address than the one to be added.
        case nameTaken(Member)
        /// There is a member of this id, under another name.
        case idTaken(Member)
        /// There is a member at this address.
        case addressTaken(Member)
        case unknown(name: String)
        case lastVoter(name: String)
        case tooMany
    }

    /// The most members a configuration may have.
    public static let maxMembers = 1000

    /// With one member more: one that becomes a voter once it has caught up, or a learner that stays one. A member of the
    /// same name and id, which asks again, is no failure: its address is what it says now, and nothing else changes.
    public func adding(_ member: Member) throws(ChangeFailure) -> Configuration {
        if let other = members.first(where: { $0.address == member.address && $0.id != member.id }) {
            throw .addressTaken(other)
        }
        if let other = self[name: member.name], other.id != member.id { throw .nameTaken(other) }
        if let known = self[member.id] {
            guard known.name == member.name else { throw .idTaken(known) }
            return changing(known.id) { $0.address = member.address }
        }
        guard members.count < Self.maxMembers else { throw .tooMany }
        var newcomer = member
        if newcomer.standing == .voter { newcomer.standing = .joining }
        return Configuration(members: members + [newcomer])
    }

    /// Without that member.
    public func removing(name: String) throws(ChangeFailure) -> Configuration {
        guard let member = self[name: name] else { throw .unknown(name: name) }
        guard !member.isVoter || voters.count > 1 else { throw .lastVoter(name: name) }
        return Configuration(members: members.filter { $0.id != member.id })
    }

    /// A voter that becomes a learner, or a learner that is to become a voter once it has caught up.
    public func setting(_ standing: Standing, of name: String) throws(ChangeFailure) -> Configuration {
        guard let member = self[name: name] else { throw .unknown(name: name) }
        if standing == .learner, member.isVoter, voters.count == 1 { throw .lastVoter(name: name) }
        return changing(member.id) {
            $0.standing = standing == .voter && !member.isVoter ? .joining : standing
        }
    }

    public func setting(priority: UInt8, of name: String) throws(ChangeFailure) -> Configuration {
        guard let member = self[name: name] else { throw .unknown(name: name) }
        return changing(member.id) { $0.priority = priority }
    }

    func changing(_ id: MemberID, _ change: (inout Member) -> Void) -> Configuration {
        Configuration(
            members: members.map { member in
                var member = member
                if member.id == id { change(&member) }
                return member
            })
    }
}
