import Base
import LogFormat
import Storage

/// A disk in memory that keeps what was synced and, when the power fails, any sectors of what was not: each sector
/// of an unsynced write is there or not on its own, and of the changes of names any first part is.
package final class VirtualDisk: DirectoryImage {
    package final class File {
        package var synced: [UInt8] = []
        package var current: [UInt8]
        package var unsynced: [Range<Int>] = []
        package init(size: Int) { current = [UInt8](repeating: 0, count: size) }
    }

    package enum NameChange {
        case put(DiskFile, File)
        case remove(DiskFile)
    }

    package enum Loss {
        case everything, nothing, someSectors
    }

    package private(set) var names: [DiskFile: File] = [:]
    private var durableNames: [DiskFile: File] = [:]
    private var unsyncedNames: [NameChange] = []
    package init() {}

    /// Bytes that files may take; more is a full disk.
    package var capacity = Int.max
    /// The next sync fails, and so does everything after it.
    package var syncFails = false
    package private(set) var syncs = 0

    package var used: Int { names.values.reduce(0) { $0 + $1.current.count } }

    package func list() throws(DiskError) -> [(file: DiskFile, size: Int)] {
        names.map { ($0.key, $0.value.current.count) }.sorted { $0.0.name < $1.0.name }
    }

    package func read(_ file: DiskFile, offset: Int, count: Int) throws(DiskError) -> Bytes {
        let content = try open(file).current
        return Bytes(content[min(offset, content.count)..<min(offset + count, content.count)])
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
            guard used - (names[file]?.current.count ?? 0) + size <= capacity else {
                change(.remove(file))
                throw DiskError(call: "fallocate", file: file, code: 28, message: "No space", isFull: true)
            }
            let created = File(size: size)
            created.unsynced = [0..<size]
            change(.put(file, created))
        case .write(let file, var offset, let slices):
            let target = try open(file)
            for slice in slices {
                if case .snapshotDraft = file, offset + slice.count > target.current.count {
                    guard used + slice.count <= capacity else {
                        throw DiskError(call: "pwrite", file: file, code: 28, message: "No space", isFull: true)
                    }
                    let more = offset + slice.count - target.current.count
                    target.current += [UInt8](repeating: 0, count: more)
                }
                precondition(offset + slice.count <= target.current.count, "a write beyond preallocated space")
                target.current.replaceSubrange(offset..<offset + slice.count, with: slice.array)
                if !slice.isEmpty { target.unsynced.append(offset..<offset + slice.count) }
                offset += slice.count
            }
        case .cut(let file, let size):
            let target = try open(file)
            target.current.removeLast(target.current.count - size)
            target.unsynced = target.unsynced.map { $0.clamped(to: 0..<size) }
        case .sync(let file):
            let target = try open(file)
            guard !syncFails else {
                throw DiskError(call: "fdatasync", file: file, code: 5, message: "Input/output error", isFull: false)
            }
            syncs += 1
            target.synced = target.current
            target.unsynced = []
        case .rename(let file, let target):
            guard let moved = names[file] else {
                throw DiskError(call: "rename", file: file, code: 2, message: "No such file", isFull: false)
            }
            change(.put(target, moved))
            change(.remove(file))
        case .remove(let file):
            change(.remove(file))
        case .syncDirectory:
            durableNames = names
            unsyncedNames = []
        case .read(let file, let offset, let count):
            reads.append(try read(file, offset: offset, count: count))
        }
    }

    private func change(_ change: NameChange) {
        Self.apply(change, to: &names)
        unsyncedNames.append(change)
    }

    private static func apply(_ change: NameChange, to names: inout [DiskFile: File]) {
        switch change {
        case .put(let file, let content): names[file] = content
        case .remove(let file): names[file] = nil
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

    /// The power fails.
    package func crash(_ loss: Loss, _ random: inout SplitMix64) {
        let kept = switch loss {
        case .everything: 0
        case .nothing: unsyncedNames.count
        case .someSectors: Int(random.next(below: UInt64(unsyncedNames.count + 1)))
        }
        names = durableNames
        for change in unsyncedNames.prefix(kept) { Self.apply(change, to: &names) }
        for name in names.keys.sorted(by: { $0.name < $1.name }) { lose(loss, in: names[name]!, &random) }
        durableNames = names
        unsyncedNames = []
    }

    private func lose(_ loss: Loss, in file: File, _ random: inout SplitMix64) {
        // Only what loses nothing keeps a cut that was not synced.
        var content = loss == .nothing ? file.current : file.synced
        if content.count < file.current.count, loss != .everything {
            content += [UInt8](repeating: 0, count: file.current.count - content.count)
        }
        for range in file.unsynced where loss != .everything {
            var start = range.lowerBound
            while start < range.upperBound {
                let end = min(range.upperBound, start / 512 * 512 + 512)
                if loss == .nothing || random.next(below: 2) == 0 {
                    content.replaceSubrange(start..<end, with: file.current[start..<end])
                }
                start = end
            }
        }
        file.current = content
        file.synced = content
        file.unsynced = []
    }

    /// Changes the file behind everyone's back, durably.
    package func damage(_ file: DiskFile, _ body: (inout [UInt8]) -> Void) {
        body(&names[file]!.current)
        names[file]!.synced = names[file]!.current
    }

    package func content(_ file: DiskFile) -> [UInt8] { names[file]!.current }

    /// Another disk with the same synced content.
    package func copy() -> VirtualDisk {
        let copy = VirtualDisk()
        for (name, file) in names {
            let twin = File(size: 0)
            twin.current = file.current
            twin.synced = file.synced
            twin.unsynced = file.unsynced
            copy.names[name] = twin
        }
        copy.durableNames = copy.names
        return copy
    }
}
