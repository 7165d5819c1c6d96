import Base
import Keyspace
import Simulation
import enum Keyspace.Operation

extension History.Operation {
    /// One line of a history: `{"process","op","key","arg","out","start","end","ok"}`, times in virtual seconds.
    /// `end` is null and `ok` too when nobody knows what became of it.
    var json: JSONText {
        let (name, key, argument) = command.parts
        let seconds = { (instant: Instant) in JSONText.number(Double(instant.nanoseconds) / 1e9) }
        let isKnown = ending != .unknown
        return .object([
            ("process", .integer(Int64(process))), ("op", .string(name)), ("key", key.map { .string("\($0)") } ?? .null),
            ("arg", argument.map { .string($0) } ?? .null),
            ("out", outcome.map { .string("\($0.result)") } ?? .null), ("start", seconds(start)),
            ("end", isKnown ? end.map(seconds) ?? .null : .null), ("ok", isKnown ? .bool(ending == .ok) : .null),
        ])
    }
}

extension Command {
    fileprivate var parts: (name: String, key: Bytes?, argument: String?) {
        guard case .single(let operation) = self else { return ("transaction", nil, "\(self)") }
        return switch operation {
        case .ping: ("ping", nil, nil)
        case .get(let key): ("get", key, nil)
        case .set(let key, let value): ("set", key, "\(value)")
        case .strlen(let key): ("strln", key, nil)
        case .delete(let key): ("del", key, nil)
        case .append(let key, let suffix): ("append", key, "\(suffix)")
        case .appendItem(let key, let item): ("append_item", key, "\(item)")
        case .keys(let prefix, _, _): ("keys", prefix, nil)
        }
    }
}
