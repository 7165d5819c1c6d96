import CJemalloc

/// The server allocates with jemalloc (docs/decisions/allocator.md). A thread of its own gives pages that are free for
/// long back to the system, so that no request pays for it.
func returnFreedMemory() {
    var enabled = true
    mallctl("background_thread", nil, nil, &enabled, MemoryLayout<Bool>.size)
}
