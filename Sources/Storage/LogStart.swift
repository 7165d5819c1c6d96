@_spi(Sabotage) import Base
import Consensus
import LogFormat

/// Where the log of a member begins that has started again: what its segments hold and what its snapshot covers, taken
/// together (pitfalls 21 and 22). The same rule as when a snapshot is installed (figure 5.3), since a crash may come
/// between the snapshot and the log that gives way to it.
struct LogStart {
    let firstIndex: Index
    let baseTerm: Term
    let lastIndex: Index
    let runs: [Recovered.Run]
    /// Nothing of the log counts.
    let restarts: Bool

    init(_ scan: LogScan, _ snapshot: SnapshotHeader?, sabotage: Sabotage?) throws(RecoveryFailure) {
        guard let snapshot else {
            guard scan.base == 0 else {
                throw .damaged(Damage(
                    .snapshot(scan.base.rawValue), at: 0,
                    "the log begins behind entry \(scan.base), and no snapshot covers what stood before"))
            }
            (firstIndex, baseTerm, lastIndex, runs, restarts) = (1, 0, scan.lastIndex, scan.runs, false)
            return
        }
        guard scan.base <= snapshot.index else {
            throw .damaged(Damage(
                .snapshot(snapshot.index.rawValue), at: 0,
                "it covers the log up to entry \(snapshot.index), and the log begins behind entry \(scan.base): a later "
                    + "snapshot is missing"))
        }
        if scan.base == snapshot.index {
            (firstIndex, baseTerm, lastIndex) = (snapshot.index.next, snapshot.term, scan.lastIndex)
            (runs, restarts) = (scan.runs, false)
        } else if scan.term(at: snapshot.index) == snapshot.term, sabotage != .snapshotDropsLog {
            // The entry before the first may be gone, and its term with it: then the log begins one later.
            let base = scan.base == 0 ? 0 : scan.base.next
            firstIndex = base.next
            baseTerm = scan.term(at: base) ?? 0
            lastIndex = scan.lastIndex
            runs = Self.cut(scan.runs, through: base, lastIndex: scan.lastIndex)
            restarts = false
        } else {
            (firstIndex, baseTerm, lastIndex) = (snapshot.index.next, snapshot.term, snapshot.index)
            (runs, restarts) = ([], true)
        }
    }

    /// The runs behind `base`.
    private static func cut(_ runs: [Recovered.Run], through base: Index, lastIndex: Index) -> [Recovered.Run] {
        guard base > 0 else { return runs }
        var kept = runs.filter { $0.first > base }
        if let over = runs.last(where: { $0.first <= base }), base < lastIndex, kept.first?.first != base.next {
            kept.insert(Recovered.Run(first: base.next, term: over.term), at: 0)
        }
        return kept
    }
}

extension Storage {
    /// Reads a snapshot's content from a directory at start, in pieces of at most `pieceBytes`. Blocking.
    public static func content<E: Error>(
        of snapshot: SnapshotHeader, from directory: some DirectoryImage, pieceBytes: Int = 1 << 20,
        _ take: (Bytes) throws(E) -> Void
    ) throws(SnapshotReadFailure<E>) {
        let file = DiskFile.snapshot(snapshot.index.rawValue)
        var offset = 0
        while offset < snapshot.length {
            let count = min(pieceBytes, snapshot.length - offset)
            let piece: Bytes
            do {
                piece = try directory.read(file, offset: SnapshotHeader.contentStart + offset, count: count)
            } catch {
                throw .disk(error)
            }
            do { try take(piece) } catch { throw .content(error) }
            guard piece.count == count else { return }
            offset += count
        }
    }
}

/// Why a snapshot's content could not be taken in.
public enum SnapshotReadFailure<E: Error>: Error {
    case disk(DiskError)
    /// What whoever took it in says of it.
    case content(E)
}

extension RecoveryReader {
    /// The newest snapshot, and those that it makes superfluous. A snapshot gets its name only when all of it is on the
    /// disk: one that cannot be read is damaged, and the log that it covers may be gone.
    func readSnapshotHeaders(of member: MemberID) throws(RecoveryFailure) -> (newest: SnapshotHeader?, older: [SnapshotFile]) {
        var found: [SnapshotFile] = []
        for (file, size) in files {
            if case .snapshot(let index) = file { found.append(SnapshotFile(index: Index(index), bytes: size)) }
        }
        found.sort { $0.index < $1.index }
        guard let newest = found.last else { return (nil, []) }
        let header = try snapshotHeader(newest.index, size: newest.bytes, of: member)
        return (header, found.dropLast())
    }

    /// The head of one snapshot, whose file has that size.
    func snapshotHeader(_ index: Index, size: Int, of member: MemberID) throws(RecoveryFailure) -> SnapshotHeader {
        let file = DiskFile.snapshot(index.rawValue)
        let bytes = try bytes(file, 0, Format.sectorBytes)
        let header: SnapshotHeader
        do {
            header = try SnapshotHeader(decoding: bytes, member: member)
        } catch {
            throw RecoveryFailure(error, "the head of the snapshot", in: file, at: 0)
        }
        guard header.index == index else {
            throw .damaged(Damage(file, at: 0, "it is the snapshot of \(header.index) under another name"))
        }
        guard size == SnapshotHeader.contentStart + header.length else {
            throw .damaged(Damage(
                file, at: min(size, SnapshotHeader.contentStart + header.length),
                "the file is \(size) bytes long, not \(SnapshotHeader.contentStart + header.length)"))
        }
        return header
    }
}
