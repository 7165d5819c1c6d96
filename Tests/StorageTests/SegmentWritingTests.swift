import Base
import Glibc
import LogFormat
import Server
import Storage
import Testing

@Suite struct SegmentWriting {
    private static let size = 2 << 20

    private func make(_ directory: RealDirectory) throws {
        try directory.perform([
            .create(.segmentDraft(1), size: Self.size), .sync(.segmentDraft(1)), .rename(.segmentDraft(1), to: .segment(1)), .syncDirectory,
        ])
    }

    /// A disk, and memory that passes for one.
    @Test("The log is on the disk as it was appended, with zeros behind it, whatever blocks its frames begin and end in", arguments: ["/tmp", "/dev/shm"])
    func frames(parent: String) throws {
        let temporary = TemporaryDirectory(in: parent)
        var directory: RealDirectory? = try RealDirectory(path: temporary.path)
        try make(directory!)
        var random = SplitMix64(seed: 7)
        var model = [UInt8](repeating: 0, count: Self.size)
        var offset = Format.framesStart
        while true {
            let longest: UInt64 = random.next(below: 4) == 0 ? 400 : 20
            let count = Format.sectorBytes * Int(1 + random.next(below: longest))
            guard offset + count <= Self.size else { break }
            let frame = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() | 1) }
            let cut = random.next(below: 3) == 0 ? count : Int(random.next(below: UInt64(count)))
            try directory!.perform([
                .write(.segment(1), offset: offset, slices: [Bytes(frame[..<cut]), Bytes(frame[cut...])]), .sync(.segment(1)),
            ])
            model.replaceSubrange(offset..<offset + count, with: frame)
            offset += count
            switch random.next(below: 6) {
            case 0:
                // The witness has a block of its own, before the frames.
                let witness = (0..<512).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                try directory!.perform([.write(.segment(1), offset: 4096, slices: [Bytes(witness)]), .sync(.segment(1))])
                model.replaceSubrange(4096..<4608, with: witness)
            case 1:
                // A reader brings blocks into the cache that are written later.
                let start = Int(random.next(below: UInt64(Self.size)))
                let read = try directory!.read(.segment(1), offset: start, count: 9_000).array
                #expect(read == Array(model[start..<min(start + 9_000, Self.size)]))
            case 2:
                // Another process finds a block that was begun.
                directory = nil
                directory = try RealDirectory(path: temporary.path)
            default: break
            }
        }
        #expect(try directory!.read(.segment(1), offset: 0, count: 2 * Self.size).array == model)
        #expect(try directory!.list().map(\.size) == [Self.size])
    }

    @Test("Another segment's block is not taken for this one's")
    func twoSegments() throws {
        let temporary = TemporaryDirectory()
        let directory = try RealDirectory(path: temporary.path)
        try make(directory)
        try directory.perform([.create(.segmentDraft(2), size: Self.size), .rename(.segmentDraft(2), to: .segment(2))])
        for turn in 0..<20 {
            for number in [1, 2] as [UInt64] {
                let frame = Bytes([UInt8](repeating: UInt8(number) * 50 + UInt8(turn), count: 512))
                try directory.perform([.write(.segment(number), offset: Format.framesStart + turn * 512, slices: [frame])])
            }
        }
        for number in [1, 2] as [UInt64] {
            let expected = (0..<20).flatMap { [UInt8](repeating: UInt8(number) * 50 + UInt8($0), count: 512) }
            #expect(try directory.read(.segment(number), offset: Format.framesStart, count: 20 * 512).array == expected)
        }
        // One that is made anew under the same name has nothing of the old one.
        try directory.perform([.write(.segment(1), offset: Format.framesStart, slices: [Bytes([UInt8](repeating: 1, count: 512))]), .remove(.segment(1))])
        try make(directory)
        try directory.perform([.write(.segment(1), offset: Format.framesStart + 512, slices: [Bytes([UInt8](repeating: 2, count: 512))])])
        #expect(try directory.read(.segment(1), offset: Format.framesStart, count: 1024).array == [UInt8](repeating: 0, count: 512) + [UInt8](repeating: 2, count: 512))
    }

    @Test("The log takes no memory of the kernel's page cache, where a file system can do without")
    func pages() throws {
        let temporary = TemporaryDirectory()
        let directory = try RealDirectory(path: temporary.path)
        try make(directory)
        let most = hasDirectWrites("/tmp") ? 3 : Self.size / 4096
        #expect(try residentPages(temporary.path + "/" + DiskFile.segment(1).name) <= most)
        for turn in 0..<100 {
            try directory.perform([
                .write(.segment(1), offset: Format.framesStart + turn * 10_240, slices: [Bytes([UInt8](repeating: 9, count: 10_240))]), .sync(.segment(1)),
            ])
        }
        #expect(try residentPages(temporary.path + "/" + DiskFile.segment(1).name) <= most)
    }
}

/// How many pages of a file of this suite are in the kernel's cache.
private func residentPages(_ path: String) throws -> Int {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let size = Int(lseek(descriptor, 0, SEEK_END))
    let mapped = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0)
    try #require(mapped != MAP_FAILED)
    defer { munmap(mapped, size) }
    var resident = [UInt8](repeating: 0, count: size / 4096)
    try #require(mincore(mapped, size, &resident) == 0)
    return resident.count { $0 & 1 == 1 }
}

/// Whether a directory's file system has writes past the cache: in memory there are none.
private func hasDirectWrites(_ directory: String) -> Bool {
    let temporary = TemporaryDirectory(in: directory)
    let path = temporary.path + "/probe"
    // O_DIRECT, which glibc's headers hide from Swift; on ARM it is another, and the answer is no.
    let descriptor = open(path, O_WRONLY | O_CREAT | 0o40000, 0o600)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
    defer { page.deallocate() }
    page.initializeMemory(as: UInt8.self, repeating: 1)
    return pwrite(descriptor, page.baseAddress!, 4096, 0) == 4096 && (try? residentPages(path)) == 0
}
