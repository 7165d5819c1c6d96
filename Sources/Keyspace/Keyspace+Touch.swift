import Base

// In a large store each step down the tree waits for memory, and so does the record at its end: some ten cache
// misses, one after the other. Those of several keys can be waited for together (group prefetching: Chen, Ailamaki,
// Gibbons and Mowry, "Improving Hash Join Performance through Prefetching", ICDE 2004). Swift has no prefetch
// instruction, so the memory is read.
extension Keyspace {
    /// How many entries to touch at a time: their memory fits in a first-level cache, and the processor has no more
    /// misses under way at once anyway.
    public static let touchAhead = 16

    /// Reads the memory that applying `entries` (at most `touchAhead`) will need, a level of the tree at a time, so
    /// that the cache misses overlap. Changes nothing, and a store too small to miss the cache is left alone.
    ///
    /// What it gives back means nothing; it is there so that the reading is not optimised away.
    @discardableResult
    public borrowing func touch(_ entries: ArraySlice<Entry>) -> UInt64 {
        precondition(entries.count <= Self.touchAhead, "more entries than are touched at a time")
        guard contents.map.count >= Self.smallestTouched else { return 0 }
        let root = contents.map.root
        return withUnsafeTemporaryAllocation(of: Path.self, capacity: Self.touchAhead) { paths in
            // Entries and root are held by the caller and by us: what is noted of them stays where it is.
            withExtendedLifetime((entries, root)) {
                var count = 0
                entries.withUnsafeBufferPointer { entries in
                    for at in entries.indices where entries[at].kind == .command {
                        guard let key = PlainSet.key(of: entries[at]) else { continue }
                        paths.initializeElement(at: count, to: Path(key: key, node: Unmanaged.passUnretained(root)))
                        count += 1
                    }
                }
                return Self.touch(UnsafeMutableBufferPointer(rebasing: paths[..<count]))
            }
        }
    }

    /// Below this many keys all of it is in the cache anyway.
    private static let smallestTouched = 10_000

    private struct Path {
        let key: UnsafeRawBufferPointer
        var node: Unmanaged<Node>
        var heads = UnsafeBufferPointer<UInt64>(start: nil, count: 0)
        var record: UnsafePointer<Record>?
        var cell = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// Every loop here reads one thing of all the paths, in few instructions and with no reference counted (which
    /// would wait for the reads before it): as many cache misses are under way at once as there are paths. All leaves
    /// are equally deep, so all paths arrive together.
    private static func touch(_ paths: UnsafeMutableBufferPointer<Path>) -> UInt64 {
        guard let first = paths.first else { return 0 }
        var level = first.node
        var sum = touchHeads(paths)
        while !level._withUnsafeGuaranteedRef({ $0.isLeaf }) {
            for at in paths.indices {
                let key = paths[at].key
                paths[at].node = paths[at].node._withUnsafeGuaranteedRef { node in
                    node.children.withUnsafeBufferPointer { Unmanaged.passUnretained($0[node.child(for: key)]) }
                }
            }
            level = paths[0].node
            sum &+= touchHeads(paths)
        }
        for at in paths.indices {
            let key = paths[at].key
            paths[at].record = paths[at].node._withUnsafeGuaranteedRef { $0.probable(key) }
        }
        for at in paths.indices {
            guard let record = paths[at].record else { continue }
            paths[at].cell = record.pointee.withCell { .init(start: $0.baseAddress, count: min($0.count, 1024)) }
        }
        for at in paths.indices { sum &+= touchLines(paths[at].cell) }
        return sum
    }

    @inline(__always)
    private static func touchHeads(_ paths: UnsafeMutableBufferPointer<Path>) -> UInt64 {
        var sum: UInt64 = 0
        for at in paths.indices {
            paths[at].heads = paths[at].node._withUnsafeGuaranteedRef { $0.heads.withUnsafeBufferPointer { $0 } }
        }
        for at in paths.indices { sum &+= touchLines(UnsafeRawBufferPointer(paths[at].heads)) }
        return sum
    }

    /// Reads a byte of each cache line.
    @inline(__always)
    fileprivate static func touchLines(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var sum: UInt64 = 0
        for at in stride(from: 0, to: bytes.count, by: 64) { sum &+= UInt64(bytes[at]) }
        return sum
    }
}

extension PlainSet {
    /// The key of an entry, where it stands in it: valid as long as the entry's bytes live.
    fileprivate static func key(of entry: Entry) -> UnsafeRawBufferPointer? {
        entry.data.withUnsafeBytes { bytes in
            PlainSet(bytes, version: entry.version).map { UnsafeRawBufferPointer(rebasing: bytes[$0.key]) }
        }
    }
}

extension Node {
    /// The record where `key` probably stands. No comparing: a head that is equal is nearly always the key's, and
    /// otherwise a touch was for nothing.
    @inline(__always)
    fileprivate func probable(_ key: UnsafeRawBufferPointer) -> UnsafePointer<Record>? {
        let head = Self.head(key, skip: prefix.count)
        let at = heads.withUnsafeBufferPointer { Self.firstHead($0, notBefore: head) }
        return records.withUnsafeBufferPointer { at < $0.count ? $0.baseAddress.map { $0 + at } : nil }
    }
}

extension Node {
    /// Reads the first `bytes` of each record, for whoever is about to use them all, one after the other.
    @discardableResult
    @inline(never)
    func touchRecords(_ bytes: Int) -> UInt64 {
        records.withUnsafeBufferPointer { records in
            guard let start = records.baseAddress else { return 0 }
            var sum: UInt64 = 0
            for at in records.indices {
                sum &+= (start + at).pointee.withCell { Keyspace.touchLines(UnsafeRawBufferPointer(rebasing: $0.prefix(bytes))) }
            }
            return sum
        }
    }
}

extension Record {
    @inline(__always)
    fileprivate func withCell<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { cell.withUnsafeBytes(body) }
}
