import Base

/// A version of the keyspace that never changes; may be read on any thread.
public struct FrozenKeyspace: Sendable {
    var contents: KeyspaceContents

    public var revision: UInt64 { contents.revision }
    public var appliedIndex: Index { contents.appliedIndex }
    public var count: Int { contents.map.count }

    public func read(_ command: Command) -> Outcome { contents.read(command) }
    public func read(_ operation: Operation) throws(OperationFailure) -> OperationResult {
        try contents.read(operation)
    }
    public func value(of key: Bytes) -> (value: Value?, revision: UInt64) { contents.value(of: key) }
    public func length(of key: Bytes) -> UInt64 { contents.map.record(for: key)?.length ?? 0 }
    public func entry(for key: Bytes) -> KeyEntry? { contents.map.record(for: key).map { KeyEntry($0) } }

    /// The next slice of a scan, empty at its end. O(log n + keys).
    public func keys(_ scan: inout KeyScan, maxKeys: Int, maxBytes: Int) -> [Bytes] {
        scan.next(in: contents.map, maxKeys: maxKeys, maxBytes: maxBytes)
    }

    /// The next entries after `key` (nil: from the first) in byte order, with all that is known of them; empty at
    /// the end. O(log n + entries).
    public func entries(after key: Bytes?, maxEntries: Int, maxBytes: Int) -> [KeyEntry] {
        var entries: [KeyEntry] = []
        var bytes = 0
        contents.map.forEach(after: key) { record in
            guard entries.isEmpty || entries.count < maxEntries && bytes < maxBytes else { return false }
            entries.append(KeyEntry(record))
            bytes += record.cell.count
            return true
        }
        return entries
    }
}

extension FrozenKeyspace {
    /// For the last holder: lets go of this version a slice at a time. Otherwise the memory that only it kept is
    /// given back at one go, which for a million keys that have all changed since takes some 100 ms.
    public consuming func dismantled() -> FrozenRemains { FrozenRemains(root: contents.map.root) }
}

/// What is left of a frozen version that nobody reads any more.
public struct FrozenRemains: ~Copyable, Sendable {
    /// Nodes to be let go of; never more than `Node.capacity` for each level of the tree.
    private var nodes: [Node]

    init(root: Node) { nodes = [root] }

    public var isEmpty: Bool { nodes.isEmpty }

    /// Lets go of at most `count` nodes of up to 64 keys each; what a map still uses stays.
    public mutating func release(nodes count: Int) {
        for _ in 0..<count {
            guard var node = nodes.popLast() else { return }
            guard isKnownUniquelyReferenced(&node) else { continue }
            nodes.append(contentsOf: node.children)
            node.children = []
        }
    }
}
