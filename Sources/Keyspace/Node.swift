import Base

/// A node of the tree: a leaf of records, or a branch of children with the keys that separate them.
///
/// A search must not touch each key that it passes (each is a cache miss): a node knows the bytes with which all
/// its keys begin, and beside them the next eight of each key as one number (after "prefix B-trees", Bayer and
/// Unterauer, TODS 1977; the numbers are Graefe's "poor man's normalized keys"). Only where those are equal are keys compared.
///
/// Invariants, where a node's keys are its records' in a leaf and its separators in a branch:
/// - keys ascend; each begins with `prefix`; `heads[i]` is `head` of key i;
/// - a branch has one more child than separators; every key under child i stands at or behind separator i - 1
///   and before separator i; all leaves are equally deep;
/// - `count` is at most `capacity`, and at least `least` except in the root;
/// - a node that more than one map or branch refers to is not changed any more, which makes it Sendable.
final class Node: @unchecked Sendable {
    // Nobody reads a property while it is being changed: a node is changed by its one owner, and nothing that is
    // called meanwhile knows the node. Checking that anew at each step of a search took 4 % of a member's time.
    @exclusivity(unchecked) var prefix = Bytes()
    @exclusivity(unchecked) var heads: [UInt64] = []
    @exclusivity(unchecked) var records: [Record] = []
    @exclusivity(unchecked) var separators: [Bytes] = []
    @exclusivity(unchecked) var children: [Node] = []

    /// The most records of a leaf and children of a branch.
    static let capacity = 64
    /// The fewest. A quarter, not a half: a node that was split does not merge again at the next removal.
    static let least = capacity / 4
    /// Arrays grow by this many: a half-full node holds room for a few more records, not for as many again.
    static let growth = 8

    /// An empty leaf.
    init() {}

    /// A leaf; the records ascend.
    init(records: [Record]) {
        self.records = records
        reindex()
    }

    /// A branch, with the separators that stand between the children.
    init(children: [Node], separators: [Bytes]) {
        self.children = children
        self.separators = separators
        reindex()
    }

    /// What a node became two of: `right` holds what stands at or behind `separator`.
    struct Split {
        var separator: Bytes
        var right: Node
    }

    /// A branch of two.
    init(separator: Bytes, _ left: Node, _ right: Node) {
        separators = [separator]
        children = [left, right]
        reindex()
    }

    /// Shares the arrays: each is copied when it is first changed. That counts a reference to each record, a cache miss each:
    /// waited for together they cost a tenth.
    init(copying other: Node) {
        other.touchRecords(1)
        prefix = other.prefix
        heads = other.heads
        records = other.records
        separators = other.separators
        children = other.children
    }

    var isLeaf: Bool { children.isEmpty }

    /// Records of a leaf, children of a branch.
    var count: Int { isLeaf ? records.count : children.count }

    /// The first eight bytes behind the first `skip`, so that numbers stand in the order of the bytes; zeros stand
    /// for bytes that are missing.
    @inline(__always)
    static func head(_ key: UnsafeRawBufferPointer, skip: Int) -> UInt64 {
        let left = key.count - skip
        if left >= 8 { return UInt64(bigEndian: key.loadUnaligned(fromByteOffset: skip, as: UInt64.self)) }
        return shortHead(key, skip: skip, left: left)
    }

    private static func shortHead(_ key: UnsafeRawBufferPointer, skip: Int, left: Int) -> UInt64 {
        guard left > 0 else { return 0 }
        // The last eight of the key, without those before the ones that are left.
        if key.count >= 8 {
            let last = UInt64(bigEndian: key.loadUnaligned(fromByteOffset: key.count - 8, as: UInt64.self))
            return last << UInt64(64 - 8 * left)
        }
        var head: UInt64 = 0
        for offset in skip..<key.count { head = head << 8 | UInt64(key[offset]) }
        return head << UInt64(64 - 8 * left)
    }
}

// Searching.
extension Node {
    /// Where `key` is in a leaf, or would be.
    func locate(_ key: UnsafeRawBufferPointer) -> (index: Int, found: Bool) {
        records.withUnsafeBufferPointer { records in
            search(key) { at in records[at].withKey { Bytes.order(key, $0) } }
        }
    }

    func locate(_ key: Bytes) -> (index: Int, found: Bool) { key.withUnsafeBytes { locate($0) } }

    /// Which child of a branch `key` belongs under: as many as there are separators at or before it.
    func child(for key: UnsafeRawBufferPointer) -> Int {
        separators.withUnsafeBufferPointer { separators in
            let (at, found) = search(key) { at in separators[at].withUnsafeBytes { Bytes.order(key, $0) } }
            return found ? at + 1 : at
        }
    }

    func child(for key: Bytes) -> Int { key.withUnsafeBytes { child(for: $0) } }

    /// `order(i)`: how the key searched for stands to the node's key i. Called only where heads are equal.
    @inline(__always)
    private func search(_ key: UnsafeRawBufferPointer, _ order: (Int) -> Int) -> (index: Int, found: Bool) {
        let skip = prefix.count
        let head = Self.head(key, skip: skip)
        // What is found is right whether the prefix was looked at or not, and the prefix is a cache miss of its own.
        let (at, found) = heads.withUnsafeBufferPointer { heads in
            var low = Self.firstHead(heads, notBefore: head)
            var high = low
            while high < heads.count, heads[high] == head { high += 1 }
            while low < high {
                let middle = (low + high) / 2
                let side = order(middle)
                if side == 0 { return (middle, true) }
                if side > 0 { low = middle + 1 } else { high = middle }
            }
            return (low, false)
        }
        if found || skip == 0 { return (at, found) }
        let side = prefix.withUnsafeBytes { prefix in
            Bytes.order(UnsafeRawBufferPointer(start: key.baseAddress, count: min(skip, key.count)), prefix)
        }
        return (side == 0 ? at : side < 0 ? 0 : heads.count, false)
    }

    /// How many heads are smaller.
    @inline(__always)
    static func firstHead(_ heads: UnsafeBufferPointer<UInt64>, notBefore head: UInt64) -> Int {
        var low = 0
        var size = heads.count
        while size > 0 {
            let half = size / 2
            if heads[low + half] < head { low += half + 1; size -= half + 1 } else { size = half }
        }
        return low
    }
}

// Prefix and heads.
extension Node {
    private var keyCount: Int { isLeaf ? records.count : separators.count }

    func withKey<R>(_ at: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        isLeaf ? records[at].withKey(body) : separators[at].withUnsafeBytes(body)
    }

    /// Finds the prefix and all the heads anew.
    func reindex() {
        let count = keyCount
        guard count > 0 else {
            prefix = Bytes()
            heads = []
            return
        }
        let shared = withKey(0) { first in withKey(count - 1) { last in Self.sharedPrefix(first, last) } }
        prefix = withKey(0) { Bytes(copying: UnsafeRawBufferPointer(rebasing: $0.prefix(shared))) }
        refreshHeads()
    }

    private func refreshHeads() {
        let count = keyCount
        let skip = prefix.count
        var fresh: [UInt64] = []
        fresh.reserveCapacity(count + Self.growth)
        for at in 0..<count { fresh.append(withKey(at) { Self.head($0, skip: skip) }) }
        heads = fresh
    }

    /// After key `at` was inserted among the node's keys: its head too.
    private func index(_ key: UnsafeRawBufferPointer, at: Int) {
        // In a node of one key the prefix is the whole key.
        let shared = keyCount == 1 ? key.count : prefix.withUnsafeBytes { Self.sharedPrefix($0, key) }
        guard keyCount > 1, shared == prefix.count else {
            prefix = Bytes(copying: UnsafeRawBufferPointer(rebasing: key.prefix(shared)))
            refreshHeads()
            return
        }
        heads.reserve(Self.growth)
        heads.insert(Self.head(key, skip: shared), at: at)
    }

    static func sharedPrefix(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let most = min(a.count, b.count)
        var shared = 0
        while shared + 8 <= most,
            a.loadUnaligned(fromByteOffset: shared, as: UInt64.self)
                == b.loadUnaligned(fromByteOffset: shared, as: UInt64.self)
        { shared += 8 }
        while shared < most, a[shared] == b[shared] { shared += 1 }
        return shared
    }
}

// Changing. The node must be owned (`OrderedMap.own`).
extension Node {
    /// The child that `key` belongs under, owned too; nil for a leaf.
    @inline(__always)
    func ownedChild(for key: UnsafeRawBufferPointer) -> Unmanaged<Node>? {
        if isLeaf { return nil }
        let at = child(for: key)
        return children.withUnsafeMutableBufferPointer { children in
            OrderedMap.own(&children[at])
            return Unmanaged.passUnretained(children[at])
        }
    }

    /// What `put` did.
    enum Put {
        case replaced, inserted
        /// Nothing: the key is new, and the leaf has no room for it without a split.
        case full
    }

    /// Puts data under `key` in a leaf.
    @inline(__always)
    func put(_ key: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, revision: UInt64) -> Put {
        let (at, found) = locate(key)
        guard found else {
            guard records.count < Self.capacity else { return .full }
            insert(Record(key: key, data: data, revision: revision), key, at: at)
            return .inserted
        }
        records.withUnsafeMutableBufferPointer { $0[at].set(data, revision: revision) }
        return .replaced
    }

    func insert(_ record: Record, _ key: UnsafeRawBufferPointer, at: Int) {
        records.reserve(Self.growth)
        records.insert(record, at: at)
        index(key, at: at)
    }

    /// Child `at` and the separator before it.
    func insert(_ child: Node, behind separator: Bytes, at: Int) {
        children.reserve(Self.growth)
        children.insert(child, at: at)
        separators.reserve(Self.growth)
        separators.insert(separator, at: at - 1)
        separator.withUnsafeBytes { index($0, at: at - 1) }
    }

    func removeRecord(at: Int) -> Record {
        heads.remove(at: at)
        return records.remove(at: at)
    }

    /// Cuts the node in two when it holds too much. Where the last insertion was at the very end, the left part
    /// keeps what it can: keys that arrive in order leave well filled nodes behind.
    func splitIfOver(insertedAt: Int) -> Split? {
        guard count > Self.capacity else { return nil }
        let atEnd = insertedAt == count - 1
        return split(at: atEnd ? count - Self.least : count / 2, leftSpare: atEnd ? 0 : Self.growth)
    }

    /// The shortest that stands between them (Bayer and Unterauer).
    static func separator(_ left: Record, _ right: Record) -> Bytes {
        left.withKey { left in
            right.withKey { right in
                let length = sharedPrefix(left, right) + 1
                return Bytes(copying: UnsafeRawBufferPointer(rebasing: right.prefix(length)))
            }
        }
    }

    func split(at middle: Int, leftSpare: Int) -> Split {
        let right = Node()
        let separator: Bytes
        if isLeaf {
            separator = Self.separator(records[middle - 1], records[middle])
            right.records = records.cut(at: middle, leftSpare: leftSpare, rightSpare: Self.growth)
        } else {
            right.separators = separators.cut(at: middle, leftSpare: leftSpare, rightSpare: Self.growth)
            separator = separators.removeLast()
            right.children = children.cut(at: middle, leftSpare: leftSpare, rightSpare: Self.growth)
        }
        right.reindex()
        reindex()
        return Split(separator: separator, right: right)
    }

    /// Brings a child that holds too little together with a neighbour; what is too much for one becomes two of
    /// equal size.
    func mend(_ at: Int) {
        let left = at > 0 ? at - 1 : at
        guard left + 1 < children.count else { return }
        let right = children.remove(at: left + 1)
        let separator = separators.remove(at: left)
        heads.remove(at: left)
        OrderedMap.own(&children[left])
        let joined = children[left]
        joined.absorb(right, separator: separator)
        guard joined.count > Self.capacity * 3 / 4 else { return }
        let split = joined.split(at: joined.count / 2, leftSpare: Self.growth)
        insert(split.right, behind: split.separator, at: left + 1)
    }

    /// Takes in all of the right neighbour.
    private func absorb(_ right: Node, separator: Bytes) {
        if isLeaf {
            records.append(contentsOf: right.records)
        } else {
            separators.append(separator)
            separators.append(contentsOf: right.separators)
            children.append(contentsOf: right.children)
        }
        reindex()
    }
}

extension Array {
    /// Makes room for `more` elements when there is none for one.
    fileprivate mutating func reserve(_ more: Int) {
        if count == capacity { reserveCapacity(count + more) }
    }

    /// Cuts off what stands from `middle` on. Both parts get room of their own size; elements are moved, not
    /// copied: counting references to each would cost a cache miss each.
    fileprivate mutating func cut(at middle: Int, leftSpare: Int, rightSpare: Int) -> [Element] {
        var backwards: [Element] = []
        backwards.reserveCapacity(count)
        while let element = popLast() { backwards.append(element) }
        self = []
        reserveCapacity(middle + leftSpare)
        while count < middle { append(backwards.removeLast()) }
        var right: [Element] = []
        right.reserveCapacity(backwards.count + rightSpare)
        while let element = backwards.popLast() { right.append(element) }
        return right
    }
}
