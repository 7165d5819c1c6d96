@_spi(Sabotage) import Base

/// Which messages are heard at all, and what their term does, before their content is looked at.
extension Raft {
    mutating func receive(_ message: Message, into effects: inout Effects) {
        if let reason = misdirection(of: message) {
            ignore(message, reason, into: &effects)
            return
        }
        // Requests for votes have rules of their own: some must not change the term (4.2.3, 9.6).
        switch message.body {
        case .requestVote(let request):
            receive(request, of: message, into: &effects)
            return
        case .requestVoteReply(let reply):
            receive(reply, of: message, into: &effects)
            return
        default: break
        }
        if message.term < term, !(sabotage == .entriesFromOlderTerm && message.body.isAppendEntries) {
            refuseStale(message, into: &effects)
            return
        }
        if message.term > term {
            guard mayRaiseTerm(message) else {
                ignore(message, .notAMember, into: &effects)
                return
            }
            // "If RPC request or response contains term T > currentTerm: set currentTerm = T, convert to
            // follower" (figure 3.1, all servers).
            becomeFollower(term: message.term, leader: nil, into: &effects)
        }
        switch message.body {
        case .appendEntries(let request): receive(request, of: message, into: &effects)
        case .appendEntriesReply(let reply): receive(reply, of: message, into: &effects)
        case .readIndex(let request): receive(request, of: message, into: &effects)
        case .readIndexReply(let reply): receive(reply, of: message, into: &effects)
        case .timeoutNow: receiveTimeoutNow(message, into: &effects)
        case .requestVote, .requestVoteReply: break
        }
    }

    /// Why a message is not for this member; nil when it is.
    private func misdirection(of message: Message) -> IgnoreReason? {
        if message.cluster != cluster { return .wrongCluster }
        if message.group != group { return .wrongGroup }
        if message.to != id { return .notForMe }
        if message.from == id { return .fromMyself }
        return message.term > term && message.term.rawValue - term.rawValue > Self.maxTermLeap ? .malformed : nil
    }

    /// How far a message may be ahead of this member's term. Terms rise by one for each election: nobody is four
    /// thousand million elections ahead, and who claims it must not take the cluster's terms to their end.
    static let maxTermLeap: UInt64 = 1 << 32

    /// A stale leader must learn that its term is over: it may be one that nobody but us refuses, when our term is
    /// higher than the whole cluster's (after we campaigned alone). Answering, it steps down, and a new election
    /// takes us back in (the note on higher terms in etcd's raft.go; 6.2).
    private mutating func refuseStale(_ message: Message, into effects: inout Effects) {
        ignore(message, .staleTerm, into: &effects)
        guard case .appendEntries(let request) = message.body, sabotage != .staleLeaderUnanswered else { return }
        let reply = AppendEntriesReply(
            result: .conflict(prevLogIndex: request.prevLogIndex, conflictTerm: 0, conflictIndex: log.lastIndex.next),
            lastLogIndex: log.lastIndex, round: request.round)
        send(.appendEntriesReply(reply), to: message.from, into: &effects)
    }

    /// Whether a higher term in this message counts. A leader is heard, and its wish to hand over, whether or not
    /// our configuration knows it: ours may be old (4.1). Anything else from a server that is no member cannot
    /// depose a leader (4.2.3).
    private func mayRaiseTerm(_ message: Message) -> Bool {
        switch message.body {
        case .appendEntries, .timeoutNow: true
        default: configuration[message.from] != nil
        }
    }

    func ignore(_ message: Message, _ reason: IgnoreReason, into effects: inout Effects) {
        effects.note(.ignored(from: message.from, kind: MessageKind(message.body), reason))
    }

    func envelope(_ body: Message.Body, to receiver: MemberID, term: Term? = nil) -> Message {
        Message(cluster: cluster, group: group, from: id, to: receiver, term: term ?? self.term, body: body)
    }

    /// May leave at once: it promises nothing that the disk does not hold yet.
    func send(_ body: Message.Body, to receiver: MemberID, term: Term? = nil, into effects: inout Effects) {
        effects.sendNow.append(envelope(body, to: receiver, term: term))
    }

    /// Depends on this step's write: leaves when it is durable.
    func sendAfterWrite(
        _ body: Message.Body, to receiver: MemberID, unless planted: Sabotage, into effects: inout Effects
    ) {
        if sabotage == planted { return send(body, to: receiver, into: &effects) }
        effects.sendAfterWrite.append(envelope(body, to: receiver))
    }

    /// Depends on the hard state: waits for it when it is not yet durable ("updated on stable storage before
    /// responding to RPCs", figure 3.1).
    func sendWhenTermIsDurable(_ body: Message.Body, to receiver: MemberID, into effects: inout Effects) {
        if !isTermDurable, sabotage != .termNotDurable {
            effects.sendAfterWrite.append(envelope(body, to: receiver))
        } else {
            effects.sendNow.append(envelope(body, to: receiver))
        }
    }
}

extension Message.Body {
    fileprivate var isAppendEntries: Bool {
        if case .appendEntries = self { return true }
        return false
    }
}
