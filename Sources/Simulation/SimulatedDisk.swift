package import Base
package import LogFormat
package import Storage

/// A disk in memory that keeps what was synced and, when the power fails, any sectors of what was not: each sector
/// of an unsynced write is there or not on its own, and of the changes of names any first part is. A process that is
/// only killed loses nothing: the kernel still holds what was written.
package final class SimulatedDisk: DirectoryImage {
    package enum Loss: Sendable {
        case everything, nothing, someSectors
        /// Writes are there in their order up to some byte. This breaks what we assume of disks, that a sector is
        /// written whole or not at all.
        case atSomeByte
    }

    package final class File {
        fileprivate(set) package var bytes: UnsafeMutableRawBufferPointer
        /// A snapshot's draft: it gets longer as it is written.
        fileprivate var grows = false
        /// Nothing of it was ever synced.
        fileprivate var isNew = true
        /// What stood where something was written since the last sync, oldest first.
        fileprivate var undo: [Undo] = []
        fileprivate var undoBytes: [UInt8] = []

        fileprivate init(size: Int) {
            bytes = .allocate(byteCount: size, alignment: 8)
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
        }

        deinit { bytes.deallocate() }

        package var count: Int { bytes.count }

        fileprivate func forgetUndo() {
            isNew = false
            undo.removeAll(keepingCapacity: true)
            undoBytes.removeAll(keepingCapacity: true)
        }

        /// What was written behind `size` cannot be lost any more.
        fileprivate func cut(to size: Int) {
            resize(to: size)
            for place in undo.indices { undo[place].count = max(0, min(undo[place].count, size - undo[place].offset)) }
        }

        fileprivate func resize(to size: Int) {
            let other = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
            other.initializeMemory(as: UInt8.self, repeating: 0)
            other.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<min(size, bytes.count)]))
            bytes.deallocate()
            bytes = other
        }
    }

    fileprivate struct Undo {
        var offset: Int
        var count: Int
        /// Where the old bytes stand in `undoBytes`.
        var old: Int
    }

    /// What the directory says. Segments stand at their number; there are few others.
    fileprivate struct Names {
        var segments: [File?] = [nil]
        var others: [(name: DiskFile, file: File)] = []

        subscript(_ name: DiskFile) -> File? {
            get {
                if case .segment(let number) = name {
                    return number < UInt64(segments.count) ? segments[Int(number)] : nil
                }
                for other in others where other.name == name { return other.file }
                return nil
            }
            set {
                if case .segment(let number) = name {
                    while segments.count <= Int(number) { segments.append(nil) }
                    segments[Int(number)] = newValue
                } else {
                    others.removeAll { $0.name == name }
                    if let newValue { others.append((name, newValue)) }
                }
            }
        }

        var all: [(name: DiskFile, file: File)] {
            var all = others
            for (number, file) in segments.enumerated() {
                if let file { all.append((.segment(UInt64(number)), file)) }
            }
            return all
        }
    }

    private enum NameChange {
        case put(DiskFile, File)
        case remove(DiskFile)
    }

    private var names = Names()
    private var durableNames = Names()
    private var unsyncedNames: [NameChange] = []
    /// Files with something that is not synced.
    private var dirty: [File] = []

    /// Bytes that files may take; more is a full disk.
    package var capacity = Int.max
    package private(set) var used = 0
    /// After so many more syncs one fails, and so does everything after it. Nil: none does.
    package var syncsUntilFailure: Int?
    /// After so many more writes one fails.
    package var writesUntilFailure: Int?
    package private(set) var syncs = 0

    package init() {}

    /// Whether the next sync fails, and those after it.
    package var syncFails: Bool {
        get { syncsUntilFailure == 0 }
        set { syncsUntilFailure = newValue ? 0 : nil }
    }

    package func list() throws(DiskError) -> [(file: DiskFile, size: Int)] {
        names.all.map { ($0.name, $0.file.count) }
    }

    package func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        let content = try open(file).bytes
        let start = min(offset, content.count)
        return Bytes(copying: UnsafeRawBufferPointer(rebasing: content[start..<min(start + count, content.count)]))
    }

    package func perform(_ steps: [DiskStep]) throws(DiskError) {
        var reads: [Bytes] = []
        for step in steps { try perform(step, &reads) }
    }

    package func open(_ file: DiskFile) throws(DiskError) -> File {
        guard let found = names[file] else {
            throw DiskError(call: "open", file: file, code: 2, message: "No such file", isFull: false)
        }
        return found
    }

    package func perform(_ step: DiskStep, _ reads: inout [Bytes]) throws(DiskError) {
        switch step {
        case .create(let file, let size):
            try create(file, size: size)
        case .write(let file, var offset, let slices):
            let target = try open(file)
            try countDown(&writesUntilFailure, "pwrite", file)
            let growth = offset + slices.reduce(0) { $0 + $1.count } - target.count
            guard growth <= 0 || used + growth <= capacity else {
                throw DiskError(call: "pwrite", file: file, code: 28, message: "No space", isFull: true)
            }
            for slice in slices {
                write(slice, to: target, at: offset)
                offset += slice.count
            }
        case .cut(let file, let size):
            let target = try open(file)
            used += size - target.count
            target.cut(to: size)
        case .sync(let file):
            let target = try open(file)
            try countDown(&syncsUntilFailure, "fdatasync", file)
            syncs += 1
            target.forgetUndo()
            dirty.removeAll { $0 === target }
        case .rename(let file, let target):
            guard let moved = names[file] else {
                throw DiskError(call: "rename", file: file, code: 2, message: "No such file", isFull: false)
            }
            if case .snapshotDraft = target { moved.grows = true }
            change(.put(target, moved))
            change(.remove(file))
        case .remove(let file):
            change(.remove(file))
        case .syncDirectory:
            durableNames = names
            unsyncedNames.removeAll(keepingCapacity: true)
        case .read(let file, let offset, let count):
            reads.append(try read(file, offset: offset, count: count))
        }
    }

    private func countDown(_ left: inout Int?, _ call: String, _ file: DiskFile) throws(DiskError) {
        guard let number = left else { return }
        guard number > 0 else {
            throw DiskError(call: call, file: file, code: 5, message: "Input/output error", isFull: false)
        }
        left = number - 1
    }

    private func create(_ file: DiskFile, size: Int) throws(DiskError) {
        guard used - (names[file]?.count ?? 0) + size <= capacity else {
            change(.remove(file))
            throw DiskError(call: "fallocate", file: file, code: 28, message: "No space", isFull: true)
        }
        let created = File(size: size)
        if case .snapshotDraft = file { created.grows = true }
        dirty.append(created)
        change(.put(file, created))
    }

    /// Writes without sync: what was there is remembered until then.
    package func write(_ slice: Bytes, to target: File, at offset: Int) {
        guard !slice.isEmpty else { return }
        if target.grows, offset + slice.count > target.count {
            used += offset + slice.count - target.count
            target.resize(to: offset + slice.count)
        }
        precondition(offset + slice.count <= target.count, "a write beyond preallocated space")
        if target.undo.isEmpty, !target.isNew { dirty.append(target) }
        target.undo.append(Undo(offset: offset, count: slice.count, old: target.undoBytes.count))
        target.undoBytes.append(contentsOf: target.bytes[offset..<offset + slice.count])
        slice.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(rebasing: target.bytes[offset..<offset + slice.count]).copyMemory(from: source)
        }
    }

    private func change(_ change: NameChange) {
        apply(change, to: &names)
        unsyncedNames.append(change)
    }

    private func apply(_ change: NameChange, to names: inout Names) {
        switch change {
        case .put(let file, let content):
            used += content.count - (names[file]?.count ?? 0)
            names[file] = content
        case .remove(let file):
            used -= names[file]?.count ?? 0
            names[file] = nil
        }
    }

    package func run(_ operation: DiskOperation) -> DiskResult {
        var reads: [Bytes] = []
        do {
            for step in operation.steps { try perform(step, &reads) }
            return .done(reads: reads)
        } catch {
            return .failed(error)
        }
    }

    // MARK: What a power failure leaves

    /// The power fails.
    package func crash(_ loss: Loss, _ random: inout SplitMix64) {
        let kept: Int
        switch loss {
        case .everything: kept = 0
        case .nothing: kept = unsyncedNames.count
        case .someSectors, .atSomeByte: kept = Int(random.next(below: UInt64(unsyncedNames.count + 1)))
        }
        var left = durableNames
        for change in unsyncedNames.prefix(kept) { apply(change, to: &left) }
        for file in dirty { lose(loss, in: file, &random) }
        dirty.removeAll()
        names = left
        durableNames = left
        unsyncedNames.removeAll()
        used = names.all.reduce(0) { $0 + $1.file.count }
    }

    /// Of one file's unsynced writes: what an fsync that fails may leave as well.
    package func loseUnsynced(of name: DiskFile, _ loss: Loss, _ random: inout SplitMix64) {
        guard let file = names[name] else { return }
        lose(loss, in: file, &random)
        dirty.removeAll { $0 === file }
    }

    private func lose(_ loss: Loss, in file: File, _ random: inout SplitMix64) {
        let total = file.undoBytes.count
        let cut = loss == .atSomeByte ? Int(random.next(below: UInt64(total + 1))) : 0
        for undo in file.undo.reversed() where loss != .nothing {
            var start = undo.offset
            while start < undo.offset + undo.count {
                let end = min(undo.offset + undo.count, start / Format.sectorBytes * Format.sectorBytes + Format.sectorBytes)
                let old = undo.old + start - undo.offset
                var first = start
                let isLost: Bool
                switch loss {
                case .everything: isLost = true
                case .nothing: isLost = false
                case .someSectors: isLost = random.next() & 1 == 0
                case .atSomeByte:
                    isLost = old + end - start > cut
                    first = max(start, start + cut - old)
                }
                if isLost, first < end {
                    file.undoBytes.withUnsafeBytes { bytes in
                        UnsafeMutableRawBufferPointer(rebasing: file.bytes[first..<end]).copyMemory(
                            from: UnsafeRawBufferPointer(rebasing: bytes[undo.old + first - undo.offset..<undo.old + end - undo.offset]))
                    }
                }
                start = end
            }
        }
        if file.isNew, loss == .everything { file.resize(to: 0) }
        file.forgetUndo()
    }

    // MARK: What befalls a disk from outside

    /// An empty disk in its place.
    package func wipe() {
        names = Names()
        durableNames = names
        unsyncedNames.removeAll()
        dirty.removeAll()
        used = 0
    }

    /// Changes a file behind everyone's back, durably.
    package func damage(_ file: DiskFile, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
        guard let content = names[file] else { preconditionFailure("no such file to damage") }
        body(content.bytes)
    }

    package func resize(_ file: DiskFile, to size: Int) {
        guard let content = names[file] else { preconditionFailure("no such file to cut") }
        used += size - content.count
        content.resize(to: size)
    }

    package func has(_ file: DiskFile) -> Bool { names[file] != nil }

    package func content(_ file: DiskFile) -> [UInt8] {
        guard let content = names[file] else { preconditionFailure("no such file to look at") }
        return Array(content.bytes)
    }

    /// Another disk with the same content, all of it durable.
    package func copy() -> SimulatedDisk {
        let copy = SimulatedDisk()
        for (name, file) in names.all {
            let twin = File(size: file.count)
            twin.bytes.copyMemory(from: UnsafeRawBufferPointer(file.bytes))
            twin.isNew = false
            copy.names[name] = twin
        }
        copy.durableNames = copy.names
        copy.used = used
        return copy
    }

    /// The newest snapshot that is there.
    package var newestSnapshot: DiskFile? {
        var newest: UInt64 = 0
        for (name, _) in names.others {
            if case .snapshot(let index) = name { newest = max(newest, index) }
        }
        return newest > 0 ? .snapshot(newest) : nil
    }

    /// The numbers of the segments that are there, ascending.
    package var segments: [UInt64] {
        names.segments.indices.filter { names.segments[$0] != nil }.map { UInt64($0) }
    }
}
