import Base

/// What will happen, in order of time, and of their making at the same time: a binary heap of small numbers. What an
/// event is about stands elsewhere, under the number that it carries.
struct EventQueue: ~Copyable {
    enum Kind: UInt8 {
        case letter, turn, timer, work, sendAgain, diskDone, reconnect, keepalive, start
        case faultBegins, faultEnds, flap, errand, relief
        case arrival, request, answer, timeout
        case calm, deadline, lastOrders, end
    }

    struct Event {
        /// Nanoseconds since the start of the run.
        var at: UInt64
        var order: UInt64
        var kind: Kind
        /// A member's number, or nothing.
        var member: UInt8
        var number: UInt32
        /// Of a member's start, so that what was meant for an earlier one is not done to a later.
        var incarnation: UInt32

        @inline(__always)
        func precedes(_ other: Event) -> Bool { at != other.at ? at < other.at : order < other.order }
    }

    private var heap: UnsafeMutablePointer<Event>
    private var capacity = 1024
    private(set) var count = 0
    private var lastOrder: UInt64 = 0

    init() { heap = .allocate(capacity: capacity) }

    deinit { heap.deallocate() }

    mutating func add(
        _ kind: Kind, at: UInt64, member: Int = 0, number: Int = 0, incarnation: UInt32 = 0
    ) {
        if count == capacity { grow() }
        lastOrder += 1
        let event = Event(
            at: at, order: lastOrder, kind: kind, member: UInt8(truncatingIfNeeded: member),
            number: UInt32(truncatingIfNeeded: number), incarnation: incarnation)
        var place = count
        count += 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard event.precedes(heap[parent]) else { break }
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = event
    }

    /// The first that happens; nil when nothing ever will.
    mutating func next() -> Event? {
        guard count > 0 else { return nil }
        let first = heap[0]
        count -= 1
        let last = heap[count]
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < count else { break }
            if child + 1 < count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(last) else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = last
        return first
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Event>.allocate(capacity: 2 * capacity)
        larger.update(from: heap, count: count)
        heap.deallocate()
        heap = larger
        capacity *= 2
    }
}

/// Things under numbers that are given out again: what events carry.
struct Slab<Element> {
    private var elements: [Element?] = []
    private var free: [Int] = []
    var count: Int { elements.count - free.count }

    mutating func add(_ element: Element) -> Int {
        if let number = free.popLast() {
            elements[number] = element
            return number
        }
        elements.append(element)
        return elements.count - 1
    }

    mutating func take(_ number: Int) -> Element {
        guard let element = elements[number] else { preconditionFailure("nothing has this number") }
        elements[number] = nil
        free.append(number)
        return element
    }
}
