import Base
import LogFormat

/// Reads one segment front to back through a window, so that recovery needs little memory however large the log.
struct LogWindow<Image: DirectoryImage> {
    let image: Image
    let file: DiskFile
    let size: Int
    private var window = Bytes()
    private var start = 0
    private static var windowBytes: Int { 1 << 20 }

    init(_ image: Image, _ file: DiskFile, size: Int) {
        self.image = image
        self.file = file
        self.size = size
    }

    /// `count` bytes from `offset`, fewer at the end of the file.
    mutating func bytes(at offset: Int, count: Int) throws(RecoveryFailure) -> Bytes {
        let end = min(offset + count, size)
        guard offset < end else { return Bytes() }
        if offset < start || end > start + window.count {
            do {
                window = try image.read(file, offset: offset, count: max(end - offset, min(Self.windowBytes, size - offset)))
            } catch {
                throw .disk(error)
            }
            start = offset
        }
        guard offset - start < window.count else { return Bytes() }
        return window[offset - start..<min(end - start, window.count)]
    }

    /// The sector at `offset` that is not blank, or the first one after it.
    mutating func firstWritten(from offset: Int) throws(RecoveryFailure) -> Int? {
        var offset = offset
        while offset < size {
            // What the window already holds is not read again.
            let held = offset >= start ? start + window.count - offset : 0
            let stretch = try bytes(at: offset, count: held > 0 ? held : Self.windowBytes)
            guard !stretch.isEmpty else { return nil }
            if let found = stretch.withUnsafeBytes({ firstWrittenSector($0) }) { return offset + found }
            offset += stretch.count
        }
        return nil
    }
}

private func firstWrittenSector(_ bytes: UnsafeRawBufferPointer) -> Int? {
    for offset in stride(from: 0, to: bytes.count, by: Format.sectorBytes) {
        let end = min(offset + Format.sectorBytes, bytes.count)
        if !isBlank(UnsafeRawBufferPointer(rebasing: bytes[offset..<end])) { return offset }
    }
    return nil
}
