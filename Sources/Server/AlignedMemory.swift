import LogFormat

/// Memory for input and output past the page cache, at an address that is a multiple of `alignment`.
final class AlignedMemory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(size: Int, alignment: Int) {
        bytes = .allocate(byteCount: size, alignment: alignment)
    }

    deinit { bytes.deallocate() }

    /// O_DIRECT, which glibc's headers hide from Swift.
    #if arch(arm64) || arch(arm)
        static let openFlag: Int32 = 0o200000
    #else
        static let openFlag: Int32 = 0o40000
    #endif
}
