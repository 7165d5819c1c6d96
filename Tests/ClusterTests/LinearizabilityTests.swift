import Testing

/// The checker itself: histories that are right, and histories that it must refuse.
@Suite struct LinearizabilityTests {
    typealias Action = Step.Action

    /// `(from, to, action)`; a `to` of nil: outcome unknown.
    func verdict(_ steps: [(UInt64, UInt64?, Action)], initial: String? = nil) -> LinearizabilityChecker.Verdict {
        LinearizabilityChecker().check(steps.map { Step(action: $0.2, called: $0.0, returned: $0.1) }, initial: initial)
    }

    func isViolation(_ verdict: LinearizabilityChecker.Verdict) -> Bool {
        if case .violation = verdict { true } else { false }
    }

    @Test("Nothing, and one after the other, is linearizable")
    func sequential() {
        #expect(verdict([]) == .linearizable)
        #expect(verdict([(1, 2, .set("a")), (3, 4, .get(saw: "a")), (5, 6, .append("b")), (7, 8, .get(saw: "ab")),
                         (9, 10, .delete(found: "ab")), (11, 12, .get(saw: nil))]) == .linearizable)
        #expect(verdict([(1, 2, .get(saw: "before"))], initial: "before") == .linearizable)
    }

    @Test("A read that misses a write acknowledged before it began is refused")
    func staleRead() {
        #expect(isViolation(verdict([(1, 2, .set("a")), (3, 4, .get(saw: nil))])))
        #expect(isViolation(verdict([(1, 2, .set("a")), (3, 4, .set("b")), (5, 6, .get(saw: "a"))])))
    }

    @Test("A read that overlaps a write may see it or not, but not unsee it")
    func overlap() {
        #expect(verdict([(1, 10, .set("a")), (2, 3, .get(saw: nil)), (4, 5, .get(saw: "a"))]) == .linearizable)
        #expect(isViolation(verdict([(1, 10, .set("a")), (2, 3, .get(saw: "a")), (4, 5, .get(saw: nil))])))
    }

    @Test("Two readers who see two writes in different orders are refused")
    func differentOrders() {
        #expect(isViolation(verdict([
            (1, 2, .set("a")), (3, 4, .set("b")), (1, 2, .set("c")),
            (5, 6, .get(saw: "b")), (7, 8, .get(saw: "c")),
        ])))
    }

    @Test("A value from nowhere is refused")
    func inventedValue() {
        #expect(isViolation(verdict([(1, 2, .set("a")), (3, 4, .get(saw: "z"))])))
    }

    @Test("A lost append and a doubled append are refused")
    func appends() {
        #expect(isViolation(verdict([(1, 2, .append("a;")), (3, 4, .append("b;")), (5, 6, .get(saw: "b;"))])))
        #expect(isViolation(verdict([(1, 2, .append("a;")), (3, 4, .get(saw: "a;a;"))])))
        #expect(verdict([(1, 5, .append("a;")), (1, 5, .append("b;")), (6, 7, .get(saw: "b;a;"))]) == .linearizable)
    }

    @Test("An unknown write may have happened, late, or never, but not before its call")
    func unknownWrite() {
        #expect(verdict([(1, nil, .set("a")), (2, 3, .get(saw: nil)), (4, 5, .get(saw: "a"))]) == .linearizable)
        #expect(verdict([(1, nil, .set("a")), (2, 3, .get(saw: nil)), (4, 5, .get(saw: nil))]) == .linearizable)
        #expect(isViolation(verdict([(5, nil, .set("a")), (1, 2, .get(saw: "a"))])))
        #expect(isViolation(verdict([(1, nil, .set("a")), (2, 3, .get(saw: "a")), (4, 5, .get(saw: nil))])))
    }

    @Test("An unknown append may take effect once, not twice")
    func unknownAppend() {
        #expect(verdict([(1, nil, .append("a;")), (2, 3, .append("b;")), (4, 5, .get(saw: "b;a;"))]) == .linearizable)
        #expect(isViolation(verdict([(1, nil, .append("a;")), (2, 3, .append("b;")), (4, 5, .get(saw: "a;b;a;"))])))
    }

    @Test("An unknown delete explains a key that is gone; without one it stays refused")
    func unknownDelete() {
        #expect(verdict([(1, 2, .set("a")), (3, nil, .delete(found: nil)), (4, 5, .get(saw: nil))]) == .linearizable)
        #expect(isViolation(verdict([(1, 2, .set("a")), (4, 5, .get(saw: nil))])))
    }

    @Test("Many unknown writes do not blow the search up")
    func manyUnknown() {
        var steps: [(UInt64, UInt64?, Action)] = []
        for number in 0..<60 as Range<UInt64> { steps.append((number, nil, .set("lost\(number);"))) }
        for number in 0..<100 as Range<UInt64> {
            let time = 100 + 4 * number
            steps.append((time, time + 1, .set("v\(number);")))
            steps.append((time + 2, time + 3, .get(saw: "v\(number);")))
        }
        #expect(verdict(steps) == .linearizable)
    }

    @Test("A generated history passes, and fails once one answer in it is changed", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func generated(seed: UInt64) {
        var random = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func next(_ bound: UInt64) -> UInt64 {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return random % bound
        }
        // Five clients; each operation takes effect at a moment inside its interval.
        var moments: [(moment: UInt64, called: UInt64, returned: UInt64, kind: UInt64)] = []
        for _ in 0..<5 {
            var time = next(20)
            for _ in 0..<60 {
                let length = 2 + next(40)
                moments.append((time + 1 + next(length - 1), time, time + length, next(3)))
                time += length + 1 + next(10)
            }
        }
        moments.sort { $0.moment < $1.moment }
        var state: String?
        var history: [Step] = []
        for (number, item) in moments.enumerated() {
            let action: Action
            switch item.kind {
            case 0: action = .set("s\(number);"); state = "s\(number);"
            case 1: action = .append("a\(number);"); state = (state ?? "") + "a\(number);"
            default: action = .get(saw: state)
            }
            history.append(Step(action: action, called: item.called, returned: item.returned))
        }
        #expect(LinearizabilityChecker().check(history) == .linearizable)

        // The last read gives the answer of one before it, between which at least one write both began and ended.
        let reads = history.indices.filter { if case .get = history[$0].action { true } else { false } }
        let last = reads.last!
        let old = reads.last { read in
            history[read].action != history[last].action
                && history.contains { write in
                    if case .set = write.action { write.called > history[read].returned! && write.returned! < history[last].called } else { false }
                }
        }!
        history[last].action = history[old].action
        #expect(isViolation(LinearizabilityChecker().check(history)))
    }
}
