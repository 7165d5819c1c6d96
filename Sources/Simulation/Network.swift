import Base
import Consensus
import Replica

/// What is on its way from one member to another.
enum Letter {
    case message(Message)
    /// Writes that a follower passes on, with the number of its call.
    case propose(call: UInt64, [ReplicaEffects.Forward])
    case proposed(call: UInt64, [Turn.ForwardResult])
    /// A piece of a snapshot, and the answer to it: the number of the transfer is the call's.
    case chunk(SnapshotChunk)
    case chunkAnswer(SnapshotReply)
}

/// A letter and its way.
struct Posted {
    var letter: Letter
    /// The connection that carries it: `Network.connection(of:to:)` of the member that made it.
    var connection: Int
    var epoch: UInt32
    /// Its place among all that the connection carried this way.
    var place: UInt64
    /// From the one who made the connection, or back to it.
    var isForth: Bool
    /// A second copy, or one that may be overtaken: it does not belong to the stream.
    var isStray: Bool
}

/// One member's connection to another: AppendEntries and calls go forth, answers come back. What is sent arrives in
/// order or, from some point on, not at all; then the one who made it hears that it broke.
struct Connection {
    var from: Int
    var to: Int
    var isUp = false
    /// Counts how often it was made anew.
    var epoch: UInt32 = 0
    /// Of an epoch that ended, the letters before these places still arrive.
    var cutForth: UInt64 = 0
    var cutBack: UInt64 = 0
    var lastForth: UInt64 = 0
    var lastBack: UInt64 = 0
    var arrivedForth: UInt64 = 0
    var arrivedBack: UInt64 = 0
    /// Calls of Propose that have no answer.
    var forwards: [(call: UInt64, ids: [RequestID])] = []
    var lastCall: UInt64 = 0
    var retries: UInt64 = 0
}

/// One direction between two members, as the faults of the network see it.
struct Wire {
    var dice: SplitMix64
    /// When the last letter of the stream arrives: none after it comes earlier.
    var lastArrival: UInt64 = 0
    /// Faults that cut it, and those of them that hold back instead.
    var cuts = 0
    var holds = 0
    var held: [Posted] = []
    var loss: [Int] = []
    var duplicates: [Int] = []
    var delays: [UInt64] = []
    var reorders: [UInt64] = []
    /// Whether any of these is on.
    var isTroubled = false

    mutating func settle() {
        isTroubled = !(loss.isEmpty && duplicates.isEmpty && delays.isEmpty && reorders.isEmpty)
    }
}

extension Interval {
    /// How long a connection may be silent before it is given up (`Peer.options`: two seconds and two for the answer).
    static let keepalive = Interval.seconds(4)
}

/// What a network may hold back for one direction: more is lost.
let maxHeldLetters = 512

extension World {
    func connection(of from: Int, to: Int) -> Int { (from - 1) * capacity + to - 1 }

    // MARK: Sending

    func send(_ message: Message, from member: SimulatedMember) {
        let to = Int(message.to.rawValue)
        guard to >= 1, to <= capacity, to != member.number else { return }
        statistics.sent += 1
        let isAnswer: Bool
        switch message.body {
        case .appendEntries, .requestVote, .readIndex, .timeoutNow: isAnswer = false
        case .appendEntriesReply, .requestVoteReply, .readIndexReply: isAnswer = true
        }
        let connection = isAnswer ? connection(of: to, to: member.number) : connection(of: member.number, to: to)
        post(.message(message), on: connection, isForth: !isAnswer)
    }

    /// The silence on a connection has lasted too long.
    func keepaliveEnds(_ number: Int, epoch: UInt32) {
        if connections[number].epoch == epoch { breakConnection(number) }
    }

    /// Gives a letter to a connection. One that is down loses it.
    func post(_ letter: Letter, on connection: Int, isForth: Bool) {
        guard connections[connection].isUp else { return trace(letter, on: connection, isForth, "no connection") }
        let place: UInt64
        if isForth {
            connections[connection].lastForth += 1
            place = connections[connection].lastForth
        } else {
            connections[connection].lastBack += 1
            place = connections[connection].lastBack
        }
        let posted = Posted(
            letter: letter, connection: connection, epoch: connections[connection].epoch, place: place,
            isForth: isForth, isStray: false)
        let wire = wire(of: posted)
        if wires[wire].cuts > 0 {
            hold(posted, on: wire)
            return trace(letter, on: connection, isForth, "nobody hears it")
        }
        dispatch(posted, on: wire)
    }

    /// A cut link holds back what is sent, or loses it. Raft must bear that a message is lost and later ones are not; a
    /// call that writes goes with the stream, which loses nothing as long as the connection stands.
    private func hold(_ posted: Posted, on wire: Int) {
        if wires[wire].holds == 0, case .message = posted.letter { return }
        guard wires[wire].held.count < maxHeldLetters else { return breakConnection(posted.connection) }
        wires[wire].held.append(posted)
    }

    private func wire(of posted: Posted) -> Int {
        let connection = connections[posted.connection]
        return posted.isForth
            ? self.connection(of: connection.from, to: connection.to)
            : self.connection(of: connection.to, to: connection.from)
    }

    func dispatch(_ posted: Posted, on wire: Int) {
        var delay = 150_000 + wires[wire].dice.next(below: 400_000)
        if wires[wire].isTroubled {
            var posted = posted
            if trouble(&posted, on: wire, &delay) {
                queue.add(.letter, at: now + delay, number: letters.add(posted))
                return
            }
            if posted.place == .max { return }
        }
        let at = max(now + delay, wires[wire].lastArrival + 1)
        wires[wire].lastArrival = at
        queue.add(.letter, at: at, number: letters.add(posted))
    }

    /// What faults do to a letter; true when it goes its own way, outside of the stream.
    private func trouble(_ posted: inout Posted, on wire: Int, _ delay: inout UInt64) -> Bool {
        for percent in wires[wire].loss where wires[wire].dice.next(below: 100) < UInt64(percent) {
            // A stream does not lose one message and go on; but nothing in Raft may rely on that.
            if case .message = posted.letter {
                posted.place = .max
                return false
            }
        }
        for percent in wires[wire].duplicates where wires[wire].dice.next(below: 100) < UInt64(percent) {
            if case .message = posted.letter {
                var copy = posted
                copy.isStray = true
                let later = wires[wire].dice.next(below: 1_000_000_000)
                queue.add(.letter, at: now + delay + later, number: letters.add(copy))
            }
        }
        for most in wires[wire].delays { delay += wires[wire].dice.next(below: most) }
        guard let most = wires[wire].reorders.last else { return false }
        delay += wires[wire].dice.next(below: most)
        posted.isStray = true
        return true
    }

    // MARK: Arriving

    func arrive(_ number: Int) {
        let posted = letters.take(number)
        let connection = connections[posted.connection]
        if posted.epoch != connection.epoch || !connection.isUp {
            let cut = posted.isForth ? connection.cutForth : connection.cutBack
            guard posted.isStray || posted.epoch == connection.epoch && posted.place <= cut else {
                return trace(posted.letter, on: posted.connection, posted.isForth, "lost with the connection")
            }
        }
        let receiver = members[(posted.isForth ? connection.to : connection.from) - 1]
        if posted.isForth {
            connections[posted.connection].arrivedForth = max(connection.arrivedForth, posted.place)
        } else {
            connections[posted.connection].arrivedBack = max(connection.arrivedBack, posted.place)
        }
        guard receiver.isUp else { return }
        statistics.delivered += 1
        hash.fold(now, posted.connection << 1 | (posted.isForth ? 1 : 0), posted.place)
        if sink != nil { trace(posted.letter, on: posted.connection, posted.isForth, nil) }
        switch posted.letter {
        case .message(let message):
            if case .appendEntries = message.body { receiver.lastWord = (message.from, message.term) }
            receiver.turn.messages.append(message)
        case .propose(let call, let forwards):
            take(forwards, call: call, on: posted.connection, epoch: posted.epoch, at: receiver)
        case .chunk(let chunk):
            receiver.turn.snapshotChunks.append(chunk)
            countPiece(of: Int(chunk.call), to: receiver)
        case .chunkAnswer(let reply): return heard(reply)
        case .proposed(let call, let results):
            guard posted.epoch == connection.epoch,
                let place = connections[posted.connection].forwards.firstIndex(where: { $0.call == call })
            else { return }
            connections[posted.connection].forwards.remove(at: place)
            receiver.turn.forwardResults.append(contentsOf: results)
        }
        wake(receiver)
    }

    // MARK: Connections

    /// A connection ends: letters on their way arrive up to some point, none after it. The one who made it hears of it
    /// and gives up on what it was asked to write; then it is tried again.
    func breakConnection(_ number: Int) {
        guard connections[number].isUp else { return }
        let from = members[connections[number].from - 1]
        let to = members[connections[number].to - 1]
        connections[number].isUp = false
        connections[number].cutForth = cutPoint(connections[number].arrivedForth, connections[number].lastForth, to.isUp)
        connections[number].cutBack = cutPoint(connections[number].arrivedBack, connections[number].lastBack, from.isUp)
        hash.fold(now, number, UInt64(connections[number].epoch))
        note(connections[number].from, "loses its connection to n\(connections[number].to)")
        let forwards = connections[number].forwards
        connections[number].forwards = []
        if from.isUp {
            from.turn.unreachable.append(members[connections[number].to - 1].id)
            for forward in forwards {
                for id in forward.ids {
                    from.turn.forwardResults.append(.init(id: id, result: .failure(.leaderSilent)))
                }
            }
            wake(from)
        }
        endTransfers(on: number)
        connections[number].retries = 0
        queue.add(.reconnect, at: now + 2_000_000 + worldRandom.next(below: 50_000_000), number: number)
    }

    private func cutPoint(_ arrived: UInt64, _ last: UInt64, _ isHeard: Bool) -> UInt64 {
        guard isHeard, last > arrived else { return arrived }
        return arrived + worldRandom.next(below: last - arrived + 1)
    }

    /// A connection to every other member of the newest configuration, for a while to those that it removes, and to no one
    /// else (`Member.connectPeers`).
    func connectPeers(of member: SimulatedMember, _ process: SimulatedMember.Process) {
        let departing = process.replica.departing
        member.peersIndex = process.replica.configurationIndex
        member.hasDepartingPeers = !departing.isEmpty
        var peers = MemberSet()
        for other in process.replica.configuration.members where other.id != member.id { peers.insert(Int(other.id.rawValue)) }
        for id in departing where member.peers.contains(Int(id.rawValue)) { peers.insert(Int(id.rawValue)) }
        guard peers != member.peers else { return }
        let before = member.peers
        member.peers = peers
        for other in 1...capacity where peers.contains(other) != before.contains(other) {
            let number = connection(of: member.number, to: other)
            if before.contains(other) {
                breakConnection(number)
            } else {
                queue.add(.reconnect, at: now + 500_000 + worldRandom.next(below: 2_000_000), number: number)
            }
        }
    }

    /// Another attempt to connect; again later, at most half a second, when nobody answers.
    func reconnect(_ number: Int) {
        let connection = connections[number]
        guard !connection.isUp, members[connection.from - 1].isUp,
            members[connection.from - 1].peers.contains(connection.to)
        else { return }
        let forth = self.connection(of: connection.from, to: connection.to)
        let back = self.connection(of: connection.to, to: connection.from)
        let other = members[connection.to - 1]
        if other.isUp, !other.isPaused, wires[forth].cuts == 0, wires[back].cuts == 0 {
            connections[number].isUp = true
            connections[number].epoch += 1
            connections[number].lastForth = 0
            connections[number].lastBack = 0
            connections[number].arrivedForth = 0
            connections[number].arrivedBack = 0
            note(connection.from, "connects to n\(connection.to)")
        } else {
            connections[number].retries += 1
            let pause = min(500, 20 << min(connections[number].retries, 5) as UInt64)
            queue.add(.reconnect, at: now + pause * 1_000_000 + worldRandom.next(below: 20_000_000), number: number)
        }
    }

    // MARK: Writes that are passed on

    /// All of one turn in one call, as `Member.passOn` does.
    func passOn(_ forwards: [ReplicaEffects.Forward], from member: SimulatedMember) {
        var rest = forwards[...]
        while let first = rest.first {
            let batch = Array(rest.prefix { $0.to == first.to })
            rest = rest.dropFirst(batch.count)
            let number = connection(of: member.number, to: Int(first.to.rawValue))
            guard connections[number].isUp else {
                // It never left: certain not to be applied.
                for forward in batch {
                    member.turn.forwardResults.append(.init(id: forward.id, result: .failure(.notLeader)))
                }
                continue
            }
            connections[number].lastCall += 1
            let call = connections[number].lastCall
            connections[number].forwards.append((call, batch.map(\.id)))
            post(.propose(call: call, batch), on: number, isForth: true)
        }
    }

    /// A leader gets writes of a follower.
    private func take(
        _ forwards: [ReplicaEffects.Forward], call: UInt64, on connection: Int, epoch: UInt32, at leader: SimulatedMember
    ) {
        let batch = ForwardedBatch(connection: connection, epoch: epoch, call: call, count: forwards.count)
        let own = leader.clock.instant(at: now)
        for forward in forwards {
            let id = leader.calls.add(.forwarded(batch, proposal: forward.id))
            // Its deadline travels as what is left of it.
            let deadline = forward.deadline == .never ? Instant.never : own + .milliseconds(1_000)
            leader.turn.requests.append(
                Request(id: id, deadline: deadline, body: forward.body))
        }
    }

    /// One of the writes of a batch has its outcome; the last one sends the answer.
    func answer(_ batch: ForwardedBatch, _ proposal: RequestID, _ result: Answer.Result) {
        switch result {
        case .outcome(let outcome): batch.results.append(.init(id: proposal, result: .success(outcome)))
        case .failed(let failure): batch.results.append(.init(id: proposal, result: .failure(failure)))
        default: report("answers", "a write that was passed on got the answer to another kind of request")
        }
        batch.waiting -= 1
        guard batch.waiting == 0, connections[batch.connection].epoch == batch.epoch else { return }
        post(.proposed(call: batch.call, batch.results), on: batch.connection, isForth: false)
    }

    /// Another member leads now: what the old one was asked to write may be written or not.
    func giveUpForwards(of member: SimulatedMember, to leader: MemberID) {
        let number = connection(of: member.number, to: Int(leader.rawValue))
        for forward in connections[number].forwards {
            for id in forward.ids {
                member.turn.forwardResults.append(.init(id: id, result: .failure(.leaderSilent)))
            }
        }
        connections[number].forwards = []
    }

    private func trace(_ letter: Letter, on connection: Int, _ isForth: Bool, _ loss: String?) {
        guard sink != nil else { return }
        let (from, to) = isForth
            ? (connections[connection].from, connections[connection].to)
            : (connections[connection].to, connections[connection].from)
        let text =
            switch letter {
            case .message(let message): message.text()
            case .propose(let call, let forwards): "passes on \(forwards.count) writes, call \(call)"
            case .chunk(let chunk): "snapshot \(chunk.index), bytes from \(chunk.offset), call \(chunk.call)"
            case .chunkAnswer(let reply): "snapshot: \(reply.result), call \(reply.call)"
            case .proposed(let call, let results): "answers \(results.count) writes, call \(call)"
            }
        note(to, "\(loss.map { "does not get (\($0))" } ?? "gets") from n\(from): \(text)")
    }
}

extension Failure {
    static let leaderSilent = Failure(
        .unknown, "the connection to the leader broke after the write was sent: it may or may not be applied",
        notApplied: false)
}
