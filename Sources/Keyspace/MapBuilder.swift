import Base

/// Builds a tree from records that come in order, bottom-up: O(1) a record, and no node is written twice.
struct MapBuilder {
    private(set) var count = 0
    /// The nodes of the lowest level so far, and what stands between each and the next.
    private var leaves: [Node] = []
    private var separators: [Bytes] = []
    private var open: [Record] = []
    private var last: Record?

    /// How full a node is made: what is inserted later finds some room.
    static let fill = Node.capacity - Node.growth

    /// Its key stands behind all before it; the caller vouches for that.
    mutating func append(_ record: Record) {
        if open.count == Self.fill { close() }
        if open.isEmpty {
            open.reserveCapacity(Self.fill)
            if let last { separators.append(Node.separator(last, record)) }
        }
        open.append(record)
        last = record
        count += 1
    }

    private mutating func close() {
        leaves.append(Node(records: open))
        open = []
    }

    /// The end of the builder. Not `consuming`: what such a method changes on only one of its ways is never freed (Swift 6.3).
    mutating func finish() -> OrderedMap {
        if open.count > 0 { close() }
        guard !leaves.isEmpty else { return OrderedMap() }
        mendLastLeaf()
        var nodes = leaves
        var between = separators
        while nodes.count > 1 {
            var parents: [Node] = []
            var higher: [Bytes] = []
            var first = 0
            while first < nodes.count {
                let end = first + Self.size(of: nodes.count - first)
                if first > 0 { higher.append(between[first - 1]) }
                parents.append(
                    Node(children: Array(nodes[first..<end]), separators: Array(between[first..<end - 1])))
                first = end
            }
            nodes = parents
            between = higher
        }
        return OrderedMap(root: nodes[0], count: count)
    }

    /// How many of the children that are left the next branch gets: none may have fewer than `Node.least`.
    private static func size(of left: Int) -> Int {
        if left <= fill { return left }
        return left - fill < Node.least ? left / 2 : fill
    }

    private mutating func mendLastLeaf() {
        guard leaves.count > 1, leaves[leaves.count - 1].count < Node.least else { return }
        let right = leaves.removeLast()
        let left = leaves.removeLast()
        let records = left.records + right.records
        let middle = records.count / 2
        leaves.append(Node(records: Array(records[..<middle])))
        leaves.append(Node(records: Array(records[middle...])))
        separators[separators.count - 1] = Node.separator(records[middle - 1], records[middle])
    }
}
