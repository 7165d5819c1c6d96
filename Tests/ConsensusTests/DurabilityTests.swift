import Base
import Testing

@testable import Consensus

/// What a report of the disk may be taken for.
@Suite struct DurabilityTests {
    @Test("a report speaks of its own write and of those before it")
    func order() {
        var disk = Durability(lastIndex: 3)
        let first = disk.issue(last: 5, hasHardState: false, now: .zero)
        let second = disk.issue(last: 7, hasHardState: true, now: .zero)
        let third = disk.issue(last: 9, hasHardState: false, now: .zero)
        #expect(first < second && second < third)
        #expect(disk.durableIndex == 3 && disk.writtenIndex == 9 && !disk.hardStateIsDurable)
        disk.complete(through: first, now: .zero)
        #expect(disk.durableIndex == 5 && !disk.hardStateIsDurable)
        disk.complete(through: third, now: .zero)
        #expect(disk.durableIndex == 9 && disk.hardStateIsDurable && disk.pendingCount == 0)
        disk.complete(through: first, now: .zero)
        #expect(disk.durableIndex == 9)
    }

    @Test("a report about what was cut off makes nothing durable that took its place")
    func cutOff() {
        var disk = Durability(lastIndex: 1)
        let old = disk.issue(last: 5, hasHardState: false, now: .zero)
        let told = disk.truncate(from: 3)
        #expect(told)
        let new = disk.issue(last: 8, hasHardState: true, now: .zero)
        disk.complete(through: old, now: .zero)
        #expect(disk.durableIndex == 2)
        disk.complete(through: new, now: .zero)
        #expect(disk.durableIndex == 8)
    }

    @Test("cutting what the disk was never told of tells it nothing")
    func unwritten() {
        var disk = Durability(lastIndex: 4)
        let toldOfNothing = disk.truncate(from: 5)
        let told = disk.truncate(from: 4)
        #expect(!toldOfNothing && told)
        #expect(disk.durableIndex == 3 && disk.writtenIndex == 3)
    }

    @Test("a report about a log that a snapshot has replaced says nothing of what comes behind the snapshot")
    func restarted() {
        var disk = Durability(lastIndex: 1)
        let old = disk.issue(last: 9, hasHardState: false, now: .zero)
        disk.restart(after: 6)
        #expect(disk.durableIndex == 6 && disk.writtenIndex == 6)
        let new = disk.issue(last: 8, hasHardState: false, now: .zero)
        disk.complete(through: old, now: .zero)
        #expect(disk.durableIndex == 6)
        disk.complete(through: new, now: .zero)
        #expect(disk.durableIndex == 8)
    }
}
