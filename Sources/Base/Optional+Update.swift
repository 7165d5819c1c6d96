extension Optional {
    /// Changes what is there, if anything is.
    ///
    /// Stands where one would write `x?.part = value`: in a `~Copyable` struct that assignment leaks what `part` held
    /// (Swift 6.3; so does `x!.part = value`). A house test keeps both out of the pure rooms.
    @inlinable
    public mutating func update(_ change: (inout Wrapped) -> Void) {
        guard var value = take() else { return }
        change(&value)
        self = value
    }
}
