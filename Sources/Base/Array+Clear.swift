extension Array {
    /// `removeAll(keepingCapacity: true)` for buffers that are mostly empty: those it does not touch at all.
    @inlinable
    public mutating func clear() {
        if !isEmpty { removeAll(keepingCapacity: true) }
    }
}
