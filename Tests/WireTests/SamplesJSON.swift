import Base
import Consensus
import Foundation
import Keyspace
import Wire

// Values in protobuf's JSON: https://protobuf.dev/programming-guides/json. This is the second opinion on which value
// belongs in which field, so it does not go through Wire.

func json(_ number: UInt64) -> Any { String(number) }
func json(_ bytes: Bytes) -> Any { Data(bytes.array).base64EncodedString() }

func json(_ value: Value) -> [String: Any] {
    switch value {
    case .data(let data): ["data": json(data)]
    case .list(let list): ["list": ["items": list.map { $0.utf8String! }]]
    }
}

func json(_ requestID: Wire.RequestID?) -> [String: Any] {
    requestID.map { ["request_id": ["session_id": json($0.sessionID), "sequence": json($0.sequence)]] } ?? [:]
}

/// A request without what is not the operation's own.
func json(_ operation: KeyOperation) -> [String: Any] {
    switch operation {
    case .ping: [:]
    case .get(let key), .strlen(let key), .delete(let key): ["key": json(key)]
    case .set(let key, let value): ["key": json(key), "value": json(value)]
    case .append(let key, let suffix): ["key": json(key), "suffix": json(suffix)]
    case .appendItem(let key, let item): ["key": json(key), "item": item.utf8String!]
    case .keys(let prefix, let startAfter, let limit):
        ["prefix": json(prefix), "start_after": json(startAfter), "limit": json(limit)]
    }
}

/// What the call for an operation is called, in lower case.
func name(_ operation: KeyOperation) -> String {
    switch operation {
    case .ping: "ping"
    case .get: "get"
    case .set: "set"
    case .strlen: "strlen"
    case .delete: "delete"
    case .append, .appendItem: "append"
    case .keys: "keys"
    }
}

func name(_ result: OperationResult) -> String {
    switch result {
    case .pong: "ping"
    case .value: "get"
    case .set: "set"
    case .length: "strlen"
    case .deleted: "delete"
    case .appended: "append"
    case .keys: "keys"
    }
}

func json(_ result: OperationResult, _ revision: UInt64) -> [String: Any] {
    switch result {
    case .pong: ["message": "PONG"]
    case .value(let value, let changed): merged(value.map { ["value": json($0)] }, ["revision": json(changed)])
    case .set: ["revision": json(revision)]
    case .length(let length): ["length": json(length)]
    case .deleted(let previous): merged(previous.map { ["previous": json($0)] }, ["revision": json(revision)])
    case .appended(let length): ["length": json(length), "revision": json(revision)]
    case .keys(let keys): ["keys": keys.map { json($0) }]
    }
}

func merged(_ parts: [String: Any]?...) -> [String: Any] {
    parts.reduce(into: [:]) { all, part in all.merge(part ?? [:]) { _, new in new } }
}

func json(_ header: Wire.Header) -> [String: Any] {
    [
        "cluster": json(header.cluster.rawValue), "group": json(header.group), "from": json(header.from.rawValue),
        "to": json(header.to.rawValue), "term": json(header.term.rawValue),
    ]
}

func json(_ members: [Configuration.Member]) -> [Any] {
    members.map {
        [
            "id": json($0.id.rawValue), "name": $0.name, "address": $0.address, "voter": $0.isVoter,
            "standing": name($0.standing), "priority": $0.priority,
        ] as [String: Any]
    }
}

private func name(_ standing: Configuration.Standing) -> String {
    switch standing {
    case .learner: "STANDING_LEARNER"
    case .voter: "STANDING_VOTER"
    case .joining: "STANDING_JOINING"
    }
}

func json(_ logged: Wire.LoggedConfiguration?) -> [String: Any] {
    logged.map {
        ["configuration": ["members": json($0.configuration.members), "index": json($0.index.rawValue)] as [String: Any]]
    } ?? [:]
}

func json(_ entry: Entry) -> [String: Any] {
    [
        "term": json(entry.term.rawValue), "index": json(entry.index.rawValue), "kind": entry.kind.rawValue,
        "time_ms": json(entry.timeMs), "session_id": json(entry.sessionID), "sequence": json(entry.sequence),
        "version": json(entry.version), "data": json(entry.data),
    ]
}

func titled(_ name: String) -> String { name.prefix(1).uppercased() + name.dropFirst() }
