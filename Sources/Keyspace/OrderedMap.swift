import Base

/// Keys in byte order and their records: a B+tree whose nodes are copied before they are changed if another map
/// has them too, and changed in place if not. A copy of the map is therefore O(1) and stays as it is; what it
/// costs later is a copy of each node (at most `Node.capacity` records) that either map changes first.
///
/// Every operation on a key is O(log n) in time and in nodes copied; nothing is ever rebuilt as a whole.
struct OrderedMap: Sendable {
    private(set) var root = Node()
    private(set) var count = 0

    init() {}

    /// A tree whose invariants the caller vouches for.
    init(root: Node, count: Int) {
        self.root = root
        self.count = count
    }

    /// The record of a key.
    func record(for key: Bytes) -> Record? {
        var node = root
        while !node.isLeaf { node = node.children[node.child(for: key)] }
        let (at, found) = node.locate(key)
        return found ? node.records[at] : nil
    }

    /// Puts what `make` makes of the record that stands under `key` (nil: none) in its place, and gives back what
    /// stood there. When `make` throws nothing has changed.
    @discardableResult
    mutating func update<E: Error>(
        _ key: Bytes, _ make: (Record?) throws(E) -> Record
    ) throws(E) -> Record? {
        let (old, split) = try Self.update(&root, key, make)
        if let split { root = Node(separator: split.separator, root, split.right) }
        if old == nil { count += 1 }
        return old
    }

    private static func update<E: Error>(
        _ node: inout Node, _ key: Bytes, _ make: (Record?) throws(E) -> Record
    ) throws(E) -> (old: Record?, split: Node.Split?) {
        own(&node)
        if node.isLeaf {
            let (at, found) = node.locate(key)
            if found {
                let old = node.records[at]
                node.records[at] = try make(old)
                return (old, nil)
            }
            let record = try make(nil)
            key.withUnsafeBytes { node.insert(record, $0, at: at) }
            return (nil, node.splitIfOver(insertedAt: at))
        }
        let at = node.child(for: key)
        let (old, split) = try update(&node.children[at], key, make)
        guard let split else { return (old, nil) }
        node.insert(split.right, behind: split.separator, at: at + 1)
        return (old, node.splitIfOver(insertedAt: at + 1))
    }

    /// Puts data under a key, over what stood there. The way down is gone once and counts no reference, and the memory
    /// of an old value takes the new one when it can; only where a leaf is full, so that nodes above it may have to
    /// split, is the way gone again.
    mutating func set(_ key: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, revision: UInt64) {
        Self.own(&root)
        var node = Unmanaged.passUnretained(root)
        // The root holds all that is passed on the way.
        let put = withExtendedLifetime(root) {
            while let child = node._withUnsafeGuaranteedRef({ $0.ownedChild(for: key) }) { node = child }
            return node._withUnsafeGuaranteedRef { $0.put(key, data, revision: revision) }
        }
        switch put {
        case .replaced: break
        case .inserted: count += 1
        case .full: update(Bytes(copying: key)) { _ in Record(key: key, data: data, revision: revision) }
        }
    }

    /// Takes a key out and gives back its record.
    @discardableResult
    mutating func remove(_ key: Bytes) -> Record? {
        guard let old = Self.remove(&root, key) else { return nil }
        count -= 1
        // Only here does the tree grow lower.
        while root.children.count == 1 { root = root.children[0] }
        return old
    }

    private static func remove(_ node: inout Node, _ key: Bytes) -> Record? {
        if node.isLeaf {
            let (at, found) = node.locate(key)
            guard found else { return nil }
            own(&node)
            return node.removeRecord(at: at)
        }
        own(&node)
        let at = node.child(for: key)
        guard let old = remove(&node.children[at], key) else { return nil }
        if node.children[at].count < Node.least { node.mend(at) }
        return old
    }

    /// Makes sure that nobody else sees what is done to `node`.
    static func own(_ node: inout Node) {
        if !isKnownUniquelyReferenced(&node) { node = Node(copying: node) }
    }

    /// Visits the records at (unless `excluding`) and behind `key` (nil: all) in order, where they stand, until `visit` says
    /// false. A record that is handed over is retained, in memory that nobody has looked at for long.
    func forEach(from key: Bytes?, excluding: Bool, _ visit: (UnsafePointer<Record>) -> Bool) {
        _ = Self.forEach(root, from: key, excluding: excluding, visit)
    }

    /// Visits the records at and behind `key` in order, until `visit` says false.
    func forEach(from key: Bytes, _ visit: (Record) -> Bool) {
        forEach(from: key, excluding: false) { visit($0.pointee) }
    }

    /// Visits the records behind `key` (nil: all) in order, until `visit` says false.
    func forEach(after key: Bytes?, _ visit: (Record) -> Bool) {
        forEach(from: key, excluding: true) { visit($0.pointee) }
    }

    private static func forEach(
        _ node: Node, from key: Bytes?, excluding: Bool, _ visit: (UnsafePointer<Record>) -> Bool
    ) -> Bool {
        if node.isLeaf {
            var first = 0
            if let key {
                let (at, found) = node.locate(key)
                first = found && excluding ? at + 1 : at
            }
            return node.records.withUnsafeBufferPointer { records in
                guard let start = records.baseAddress else { return true }
                for at in first..<records.count where !visit(start + at) { return false }
                return true
            }
        }
        let first = key.map { node.child(for: $0) } ?? 0
        guard forEach(node.children[first], from: key, excluding: excluding, visit) else { return false }
        for child in node.children[(first + 1)...] where !forEach(child, from: nil, excluding: false, visit) {
            return false
        }
        return true
    }
}
