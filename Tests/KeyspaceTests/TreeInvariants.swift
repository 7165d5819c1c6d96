@testable import Keyspace
import Base
import Testing

extension OrderedMap {
    /// Checks every invariant that `Node` states, over the whole tree.
    func checkInvariants(sourceLocation: SourceLocation = #_sourceLocation) {
        var depths: [Int] = []
        let keys = check(root, isRoot: true, depth: 0, from: nil, to: nil, &depths, sourceLocation)
        #expect(keys == count, "the map's count", sourceLocation: sourceLocation)
        #expect(depths.allSatisfy { $0 == depths[0] }, "leaves equally deep", sourceLocation: sourceLocation)
    }

    private func check(
        _ node: Node, isRoot: Bool, depth: Int, from low: Bytes?, to high: Bytes?, _ depths: inout [Int],
        _ at: SourceLocation
    ) -> Int {
        #expect(node.count <= Node.capacity, sourceLocation: at)
        let fewest = isRoot ? (node.isLeaf ? 0 : 2) : Node.least
        #expect(node.count >= fewest, "a node of \(node.count)", sourceLocation: at)
        let keys = node.isLeaf ? node.records.map(\.key) : node.separators
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 }, "keys ascend", sourceLocation: at)
        if let low, let first = keys.first { #expect(low <= first, sourceLocation: at) }
        if let high, let last = keys.last { #expect(last < high, sourceLocation: at) }
        #expect(keys.allSatisfy { $0.hasPrefix(node.prefix) }, "a key without the prefix", sourceLocation: at)
        let heads = keys.map { key in key.withUnsafeBytes { Node.head($0, skip: node.prefix.count) } }
        #expect(heads == node.heads, "heads", sourceLocation: at)
        guard !node.isLeaf else {
            #expect(node.separators.isEmpty, sourceLocation: at)
            depths.append(depth)
            return node.records.count
        }
        #expect(node.records.isEmpty && node.children.count == keys.count + 1, sourceLocation: at)
        var total = 0
        for (number, child) in node.children.enumerated() {
            total += check(
                child, isRoot: false, depth: depth + 1, from: number == 0 ? low : keys[number - 1],
                to: number < keys.count ? keys[number] : high, &depths, at)
        }
        return total
    }

    var height: Int {
        var height = 1
        var node = root
        while !node.isLeaf {
            height += 1
            node = node.children[0]
        }
        return height
    }

    var all: [Record] {
        var all: [Record] = []
        forEach(after: nil) { all.append($0); return true }
        return all
    }
}

/// Keys of many shapes: short and long, with shared beginnings, zeros, and one the beginning of another.
func randomKey(_ random: inout SplitMix64, among count: UInt64) -> Bytes {
    let number = random.next(below: count)
    switch number % 5 {
    case 0: return Bytes(utf8: "key-\(hexadecimal(number))")
    case 1: return Bytes(utf8: "user:\(number / 40):\(["name", "mail", "address", "age"][Int(number / 10 % 4)])")
    case 2: return Bytes([UInt8](repeating: 0, count: Int(number % 64)) + [UInt8(truncatingIfNeeded: number)])
    case 3: return Bytes((0..<1 + number % 11).map { UInt8(truncatingIfNeeded: number >> ($0 % 3 * 8)) })
    default: return Bytes(utf8: String(repeating: "deep/", count: Int(number % 9)) + String(number, radix: 36))
    }
}

func record(_ key: Bytes, _ number: UInt64) -> Record {
    Record(key: key, value: .data(Bytes(utf8: "value \(number)")), created: number, modified: number, version: 1)
}
