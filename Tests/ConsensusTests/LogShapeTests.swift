import Base
import Testing

@testable import Consensus

/// The shape of a log against the simplest log there is: an array of terms.
@Suite struct LogShapeTests {
    @Test("a shape answers like the array of its terms", arguments: 1...20)
    func oracle(seed: Int) {
        var chance = SplitMix64(seed: UInt64(seed))
        let base = Index(chance.next(below: 3) * 10)
        let baseTerm = Term(base == 0 ? 0 : 1)
        var shape = LogShape(baseIndex: base, baseTerm: baseTerm)
        var terms: [Term] = []
        for _ in 0..<120 {
            if chance.next(below: 4) > 0 || terms.isEmpty {
                let term = Term(max(1, (terms.last ?? baseTerm).rawValue) + chance.next(below: 8) / 6)
                let count = Int(chance.next(below: 4))
                shape.append(count, term: term)
                terms += Array(repeating: term, count: count)
            } else {
                let keep = Int(chance.next(below: UInt64(terms.count + 1)))
                shape.truncate(from: base.advanced(by: keep + 1))
                terms.removeSubrange(keep...)
            }
            compare(shape, terms, base, baseTerm)
        }
    }

    private func compare(_ shape: LogShape, _ terms: [Term], _ base: Index, _ baseTerm: Term) {
        #expect(shape.isValid)
        #expect(shape.lastIndex == base.advanced(by: terms.count))
        #expect(shape.lastTerm == terms.last ?? baseTerm)
        #expect(shape.term(at: base) == baseTerm)
        #expect(shape.term(at: shape.lastIndex.next) == nil)
        if base > 0 { #expect(shape.term(at: base.previous) == nil) }
        for (place, term) in terms.enumerated() {
            let index = base.advanced(by: place + 1)
            #expect(shape.term(at: index) == term)
            let first = terms.firstIndex(of: term).map { base.advanced(by: $0 + 1) }
            #expect(shape.firstIndexOfTerm(at: index) == first)
        }
        for wanted in 0..<UInt64(12) {
            for place in [0, terms.count / 2, terms.count] {
                let dumb = terms.prefix(place).lastIndex { $0 <= Term(wanted) }
                #expect(
                    shape.lastIndex(ofTermAtMost: Term(wanted), through: base.advanced(by: place))
                        == base.advanced(by: (dumb ?? -1) + 1))
            }
        }
    }

    @Test("a shape from a damaged disk is not valid")
    func invalid() {
        #expect(!LogShape(runs: [.init(first: 2, term: 1)], lastIndex: 5).isValid)
        #expect(!LogShape(runs: [.init(first: 1, term: 2), .init(first: 4, term: 1)], lastIndex: 5).isValid)
        #expect(!LogShape(runs: [.init(first: 1, term: 1), .init(first: 9, term: 2)], lastIndex: 5).isValid)
        #expect(!LogShape(runs: [], lastIndex: 5).isValid)
        #expect(LogShape(runs: [.init(first: 1, term: 1), .init(first: 3, term: 4)], lastIndex: 5).isValid)
    }
}
