import Base
import Consensus
import Storage

extension LogShape {
    /// The shape that recovery found on disk.
    init(_ recovered: Recovered) {
        self.init(
            baseIndex: recovered.firstIndex.previous, baseTerm: recovered.baseTerm,
            runs: recovered.runs.map { Run(first: $0.first, term: $0.term) }, lastIndex: recovered.lastIndex)
    }
}
