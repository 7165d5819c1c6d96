import Base

extension Plan {
    /// Draws the faults of the storm, at least one a second.
    mutating func drawFaults() {
        faults = []
    }
}
