import Base

struct OrderedMap: Sendable {
    private(set) var records: [Record] = []
    var count: Int { records.count }

    private func position(_ key: Bytes) -> (Int, Bool) {
        var low = 0, high = records.count
        while low < high {
            let middle = (low + high) / 2
            if records[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return (low, low < records.count && records[low].key == key)
    }

    func record(for key: Bytes) -> Record? {
        let (at, found) = position(key)
        return found ? records[at] : nil
    }

    mutating func set(_ record: Record) -> Record? {
        let (at, found) = position(record.key)
        guard found else { records.insert(record, at: at); return nil }
        let old = records[at]
        records[at] = record
        return old
    }

    mutating func remove(_ key: Bytes) -> Record? {
        let (at, found) = position(key)
        return found ? records.remove(at: at) : nil
    }

    func forEach(from key: Bytes, _ body: (Record) -> Bool) {
        for record in records[position(key).0...] { if !body(record) { return } }
    }

    func forEach(after key: Bytes?, _ body: (Record) -> Bool) {
        guard let key else { return forEach(from: Bytes(), body) }
        let (at, found) = position(key)
        for record in records[(found ? at + 1 : at)...] { if !body(record) { return } }
    }
}
