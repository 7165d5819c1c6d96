/// Takes a map apart, leaf by leaf and in order, for the last holder of a version. What was passed is let go of: the memory
/// that only this version kept is given back little by little (at one go it is some 50 ms for a million keys that have all
/// changed since), and what the newest version has too it changes in place again, without a copy.
struct LeafWalk: Sendable {
    /// The leaf to read, and from which of its records on; nil at the end.
    private(set) var leaf: Node?
    private(set) var at = 0
    /// The next one last; never more than `Node.capacity` for each level of the tree.
    private var ahead: [Node]

    init(_ map: consuming OrderedMap) {
        ahead = [map.root]
        findNext()
    }

    /// The records of the leaf up to `end` were read.
    mutating func pass(upTo end: Int) {
        at = end
        if let leaf, at == leaf.count { findNext() }
    }

    private mutating func findNext() {
        leaf = nil
        at = 0
        while let node = ahead.popLast() {
            if node.isLeaf {
                // Only the root of an empty map has no record.
                if node.count > 0 { leaf = node }
                return
            }
            ahead.append(contentsOf: node.children.reversed())
        }
    }
}
