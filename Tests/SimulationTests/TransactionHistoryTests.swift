import Base
import Keyspace
import enum Keyspace.Operation
@testable import Simulation
import Testing

extension LinearizabilityTests {
    @Suite("Transactions, searches and what is told of them")
    struct Larger {
        private func swap(_ from: UInt64, _ to: UInt64?, _ value: String, saw: (String?, String?)) -> Act {
            let data = Value.data(Bytes(utf8: value))
            func result(_ text: String?) -> OperationResult { .value(text.map { .data(Bytes(utf8: $0)) }, revision: 0) }
            return Act(
                from: from, to: to,
                command: .transaction([.get(key: "a"), .get(key: "b"), .set(key: "a", value: data), .set(key: "b", value: data)]),
                result: .transaction([result(saw.0), result(saw.1), .set, .set]))
        }

        private func isLinearizable(_ acts: [Act]) -> Bool { Linearizability.check(LinearizabilityTests.history(acts)).isProved }

        @Test("A transaction happens at one moment, on all its keys")
        func atomic() {
            #expect(isLinearizable([swap(1, 9, "x", saw: (nil, nil)), LinearizabilityTests.get(2, 3, nil, key: "a"), LinearizabilityTests.get(4, 5, "x", key: "b"), LinearizabilityTests.get(6, 7, "x", key: "a")]))
            #expect(!isLinearizable([swap(1, 9, "x", saw: (nil, nil)), LinearizabilityTests.get(2, 3, "x", key: "a"), LinearizabilityTests.get(4, 5, nil, key: "b")]))
            #expect(isLinearizable([swap(1, 9, "x", saw: ("y", "y")), swap(1, 9, "y", saw: (nil, nil)), LinearizabilityTests.get(10, 11, "x", key: "b")]))
            #expect(!isLinearizable([swap(1, 9, "x", saw: ("y", nil)), swap(1, 9, "y", saw: (nil, nil))]))
        }

        @Test("A transaction of unknown outcome happens altogether or not at all, and lets through what was before it")
        func unknown() {
            #expect(isLinearizable([swap(1, nil, "x", saw: (nil, nil)), LinearizabilityTests.get(2, 3, nil, key: "a"), LinearizabilityTests.get(4, 5, "x", key: "b"), LinearizabilityTests.get(6, 7, "x", key: "a")]))
            #expect(!isLinearizable([swap(1, nil, "x", saw: (nil, nil)), LinearizabilityTests.get(4, 5, "x", key: "b"), LinearizabilityTests.get(6, 7, nil, key: "a")]))
            let late = Act(
                from: 1, to: nil, command: .transaction([.append(key: "a", suffix: "2"), .set(key: "b", value: .data("b"))]), result: nil)
            // The append of "1" comes before a transaction that only its other key shows at first.
            #expect(isLinearizable([LinearizabilityTests.append(1, nil, "1", 0, key: "a"), late, LinearizabilityTests.get(2, 3, "b", key: "b"), LinearizabilityTests.get(4, 5, "12", key: "a")]))
            #expect(!isLinearizable([LinearizabilityTests.append(4, nil, "1", 0, key: "a"), late, LinearizabilityTests.get(2, 3, "b", key: "b"), LinearizabilityTests.get(6, 7, "12", key: "a")]))
        }

        @Test("A transaction that failed has changed nothing, and found what it says")
        func failed() {
            let failure = Outcome.Result.failed(OperationFailure(operation: 1, reason: .wrongKind(key: "b", holds: .data)))
            let failing = Act(
                from: 3, to: 4, command: .transaction([.set(key: "a", value: .data("1")), .appendItem(key: "b", item: "i")]),
                result: failure)
            #expect(isLinearizable([LinearizabilityTests.set(1, 2, "x", key: "b"), failing, LinearizabilityTests.get(5, 6, nil, key: "a")]))
            #expect(!isLinearizable([LinearizabilityTests.set(1, 2, "x", key: "b"), failing, LinearizabilityTests.get(5, 6, "1", key: "a")]))
            #expect(!isLinearizable([failing, LinearizabilityTests.get(5, 6, nil, key: "a")]))
        }

        @Test("Many unknown writes do not blow the search up")
        func manyUnknown() {
            var acts: [Act] = []
            for number in 0..<60 as Range<UInt64> {
                acts.append(LinearizabilityTests.set(number, nil, "lost\(number);"))
                acts.append(LinearizabilityTests.append(number, nil, "more\(number);", 0))
                acts.append(LinearizabilityTests.delete(number, nil, nil))
            }
            for number in 0..<100 as Range<UInt64> {
                let time = 100 + 4 * number
                acts.append(LinearizabilityTests.set(time, time + 1, "v\(number);"))
                acts.append(LinearizabilityTests.get(time + 2, time + 3, "v\(number);"))
            }
            let verdict = Linearizability.check(LinearizabilityTests.history(acts))
            #expect(verdict.isProved && verdict.steps < 2_000)
            // And a wrong one among them is still found.
            acts.append(LinearizabilityTests.get(2_000, 2_001, "v50;"))
            #expect(Linearizability.check(LinearizabilityTests.history(acts)).rejection != nil)
        }

        @Test("A budget that is used up is told, and proves nothing")
        func budget() {
            let verdict = Linearizability.check(LinearizabilityTests.history([LinearizabilityTests.set(1, 2, "a"), LinearizabilityTests.set(3, 4, "b"), LinearizabilityTests.get(5, 6, "a")]), budget: 1)
            #expect(verdict.undecided == 3 && verdict.rejection == nil && !verdict.isProved)
        }

        @Test("What is refused is told by its key, in the shortest window that shows it")
        func window() throws {
            var acts: [Act] = []
            for number in 0..<50 as Range<UInt64> {
                acts.append(LinearizabilityTests.set(10 * number, 10 * number + 3, "v\(number);"))
                acts.append(LinearizabilityTests.get(10 * number + 5, 10 * number + 6, "v\(number);"))
                acts.append(LinearizabilityTests.set(10 * number, 10 * number + 3, "o\(number);", key: "other"))
            }
            acts.append(LinearizabilityTests.get(495, 499, "v7;"))
            let rejection = try #require(Linearizability.check(LinearizabilityTests.history(acts)).rejection)
            #expect(rejection.key == "k")
            // The last write, and the read that does not see it.
            #expect(rejection.window.count == 2 && rejection.window.last == 150)
            #expect(rejection.summary.contains("get k → v7;") && rejection.lines.contains { $0.contains("set k v49;") })
            // Where that value came from.
            #expect(rejection.lines.contains { $0.contains("set k v7;") })
        }

        /// Five clients; each operation takes effect at a moment inside its interval, on one of three keys.
        private func generated(_ random: inout SplitMix64) -> [Act] {
            var moments: [(moment: UInt64, from: UInt64, to: UInt64)] = []
            for _ in 0..<5 {
                var time = random.next(below: 20)
                for _ in 0..<60 {
                    let length = 2 + random.next(below: 40)
                    moments.append((time + 1 + random.next(below: length - 1), time, time + length))
                    time += length + 1 + random.next(below: 10)
                }
            }
            var keyspace = Keyspace()
            var index: Index = 0
            return moments.sorted { $0.moment < $1.moment }.enumerated().map { number, item in
                let command = command(number, &random)
                index = index.next
                let entry = Entry(term: 1, index: index, kind: .command, timeMs: 0, version: Command.version, data: command.encode())
                var result = Outcome.Result.none
                do { result = try keyspace.apply(entry, wantsResult: true).result } catch { Issue.record("\(error)") }
                // Some never hear.
                let isLost = random.next(below: 8) == 0 && !command.isReadOnly
                return Act(from: item.from, to: isLost ? nil : item.to, command: command, result: isLost ? nil : result)
            }
        }

        private func command(_ number: Int, _ random: inout SplitMix64) -> Command {
            func one() -> Operation {
                let key = Bytes(utf8: "k\(random.next(below: 3))")
                switch random.next(below: 8) {
                case 0, 1: return .set(key: key, value: .data(Bytes(utf8: "s\(number);")))
                case 2: return .append(key: key, suffix: Bytes(utf8: "a\(number);"))
                case 3: return .delete(key: key)
                case 4: return .strlen(key: key)
                default: return .get(key: key)
                }
            }
            return random.next(below: 10) == 0 ? .transaction([one(), one()]) : .single(one())
        }

        @Test("Generated histories pass, and fail once a read in them is changed", arguments: 1...40 as ClosedRange<UInt64>)
        func generatedHistories(seed: UInt64) {
            var random = SplitMix64(seed: seed)
            var acts = generated(&random)
            let verdict = Linearizability.check(LinearizabilityTests.history(acts))
            #expect(verdict.rejection == nil)
            #expect(verdict.undecided == 0)
            let reads = acts.indices.filter { if case .single(.get) = acts[$0].command { true } else { false } }
            let wrong = reads[Int(random.next(below: UInt64(reads.count)))]
            acts[wrong].result = .single(.value(.data("never written"), revision: 0))
            #expect(!Linearizability.check(LinearizabilityTests.history(acts)).isProved)
        }
    }
}
