import Base

extension Keyspace {
    /// Judges a command in its encoding before it is proposed. Throws when it cannot be read.
    public borrowing func refusal(
        encoded bytes: Bytes, version: UInt64, limits: Limits
    ) throws(Command.Failure) -> Refusal? {
        let passes = bytes.withUnsafeBytes { bytes in
            guard let set = PlainSet(bytes, version: version) else { return false }
            return !set.key.isEmpty && set.key.count <= limits.keySize && set.data.count <= limits.valueSize
        }
        if passes { return nil }
        return refusal(for: try Command(decoding: bytes, version: version), limits: limits)
    }

    /// Judges a command before it is proposed, or a read before it is answered; nil when it may pass. What an append
    /// would leave behind is judged by the state applied so far: entries on their way may let a value grow
    /// over the limit by what is in flight. Whether a value is of the right kind is decided when the entry is applied.
    public borrowing func refusal(for command: Command, limits: Limits) -> Refusal? {
        switch command {
        case .single(let operation):
            var sizes: [Bytes: Int] = [:]
            return refusal(for: operation, limits, place: "", &sizes)
        case .transaction(let operations):
            guard operations.count <= limits.operations else {
                return Refusal(
                    .invalidArgument,
                    "a transaction of \(operations.count) operations; at most \(limits.operations) are allowed")
            }
            var sizes: [Bytes: Int] = [:]
            for (number, operation) in operations.enumerated() {
                let place = "operation \(number + 1): "
                if let refusal = refusal(for: operation, limits, place: place, &sizes) { return refusal }
            }
            return nil
        }
    }

    /// `sizes`: of the values that earlier operations of the same transaction leave behind.
    private borrowing func refusal(
        for operation: Operation, _ limits: Limits, place: String, _ sizes: inout [Bytes: Int]
    ) -> Refusal? {
        if let key = operation.key {
            if key.isEmpty { return Refusal(.invalidArgument, "\(place)the key is empty") }
            if let refusal = Self.refusal(size: key.count, of: "key", limits, place) { return refusal }
        }
        switch operation {
        case .ping, .get, .strlen:
            return nil
        case .keys(let prefix, let startAfter, _):
            return Self.refusal(size: prefix.count, of: "prefix", limits, place)
                ?? Self.refusal(size: startAfter.count, of: "key to start after", limits, place)
        case .set(let key, let value):
            sizes[key] = value.size
        case .delete(let key):
            sizes[key] = 0
        case .append(let key, let suffix):
            sizes[key] = (sizes[key] ?? size(of: key)) + suffix.count
        case .appendItem(let key, let item):
            guard item.isValidUTF8 else { return Refusal(.invalidArgument, "\(place)the item is not valid UTF-8") }
            sizes[key] = (sizes[key] ?? size(of: key)) + ItemList.packedSize(item)
        }
        guard let key = operation.key, let size = sizes[key], size > limits.valueSize else { return nil }
        return Refusal(
            .resourceExhausted,
            "\(place)the value of \(key.brief) would be \(size) bytes; the limit is \(limits.valueSize)")
    }

    private borrowing func size(of key: Bytes) -> Int { contents.map.record(for: key)?.valueSize ?? 0 }

    private static func refusal(size: Int, of what: String, _ limits: Limits, _ place: String) -> Refusal? {
        guard size > limits.keySize else { return nil }
        return Refusal(.invalidArgument, "\(place)the \(what) is \(size) bytes long; the limit is \(limits.keySize)")
    }
}
