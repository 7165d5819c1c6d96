import Base
import EventLoop
import Glibc
import Testing

@Suite("Name resolution")
struct ResolveTests {
    private func ask(_ test: TestLoop, _ host: String) async throws -> Result<[SocketAddress], NetworkError> {
        try await test.until { loop, done in
            var isInside = true
            resolve(host, port: 7001, on: loop) {
                #expect(!isInside)
                done($0)
            }
            isInside = false
        }
    }

    @Test("finds this machine")
    func localhost() async throws {
        try await withTestLoop { test in
            let addresses = try await ask(test, "localhost").get()
            #expect(addresses.contains { $0.description == "127.0.0.1:7001" || $0.description == "[::1]:7001" })
            #expect(Set(addresses).count == addresses.count)
        }
    }

    @Test("takes a numeric address as it is", arguments: [
        ("10.1.2.3", "10.1.2.3:7001"), ("::1", "[::1]:7001"), ("2001:db8:0:0::7", "[2001:db8::7]:7001"),
    ])
    func numeric(host: String, written: String) async throws {
        try await withTestLoop { test in
            let addresses = try await ask(test, host).get()
            #expect(addresses.map(\.description) == [written])
            #expect(addresses.map(\.port) == [7001])
        }
    }

    @Test("names what it could not find")
    func unknown() async throws {
        try await withTestLoop { test in
            guard case .failure(let failure) = try await ask(test, "no-such-host.invalid") else {
                Issue.record("found a host that cannot be")
                return
            }
            // Without a network there is nobody to ask.
            #expect(failure.kind == .nameNotFound || failure.kind == .resolverFailed)
            #expect(failure.description.contains("no-such-host.invalid"))
        }
    }

    @Test("does not take garbage for an address", arguments: ["", "1.2.3", "1.2.3.4.5", "::g", "[::1]", "127.0.0.1:80", "256.1.1.1"])
    func garbage(host: String) {
        #expect(SocketAddress(numeric: host, port: 1) == nil)
    }
}

@Suite("A worker thread")
struct WorkerThreadTests {
    @Test("runs jobs in order and brings their outcomes in order")
    func order() async throws {
        try await withTestLoop { test in
            let seen: [Int] = try await test.until { loop, done in
                var seen: [Int] = []
                var next = 0
                var worker: WorkerThread<Int, Int>?
                func feed() {
                    while next < 1000, worker?.submit(next) == true { next += 1 }
                }
                worker = WorkerThread(loop, name: "worker", capacity: 16) { $0 * 2 } onOutcomes: { outcomes in
                    seen += outcomes
                    feed()
                    if seen.count == 1000 { done(seen) }
                }
                feed()
            }
            #expect(seen == (0..<1000).map { $0 * 2 })
        }
    }

    @Test("takes no more than its capacity until outcomes have been delivered")
    func capacity() async throws {
        try await withTestLoop { test in
            let gate = Gate()
            let (accepted, after): (Int, Int) = try await test.until { loop, done in
                var accepted = 0
                var delivered = 0
                var worker: WorkerThread<Int, Int>?
                worker = WorkerThread(loop, name: "worker", capacity: 3) {
                    gate.wait()
                    return $0
                } onOutcomes: { outcomes in
                    delivered += outcomes.count
                    if delivered < 4 { #expect(worker?.outstanding == 3 - delivered) }
                    if delivered == 3 {
                        #expect(worker?.submit(9) == true)
                        // Waits for the job above, and delivers it from inside this handler.
                        worker?.stop()
                        #expect(worker?.submit(9) == false)
                        done((accepted, delivered))
                    }
                }
                for number in 0..<10 where worker?.submit(number) == true { accepted += 1 }
                gate.open()
            }
            #expect(accepted == 3)
            #expect(after == 4)
        }
    }

    @Test("gives way to the loop when nobody waits for it")
    func urgency() async throws {
        try await withTestLoop { test in
            let usual = ThreadStanding(niceness: 0, policy: SCHED_OTHER)
            let background = ThreadStanding(niceness: 5, policy: 3)
            for (urgency, expected) in [(ThreadUrgency.usual, usual), (.background, background)] {
                let found: [ThreadStanding] = try await test.until { loop, done in
                    let own = ThreadStanding()
                    _ = WorkerThread(loop, name: "worker", urgency: urgency, capacity: 1) { _ in
                        ThreadStanding()
                    } onOutcomes: { done([own] + $0) }.submit(0)
                }
                #expect(found == [usual, expected])
            }
        }
    }

    /// What the scheduler knows of the thread that asks; 3 is SCHED_BATCH.
    private struct ThreadStanding: Equatable {
        var niceness = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        var policy = sched_getscheduler(0)
    }

    @Test("lets a job be taken apart by who does it: nothing of it is left to be freed behind it")
    func takesApart() async throws {
        try await withTestLoop { test in
            let alive = WitnessCount()
            let aliveMeanwhile: Int = try await test.until { loop, done in
                var job: [Witness]? = (0..<5).map { _ in Witness(alive) }
                _ = WorkerThread<[Witness], Int>(loop, name: "worker", capacity: 1) { parts in
                    parts.removeLast(3)
                    return alive.alive
                } onOutcomes: { done($0[0]) }.submit(taking: &job)
            }
            #expect(aliveMeanwhile == 2)
        }
    }

    @Test("brings in one batch what finished while the loop was busy")
    func batches() async throws {
        try await withTestLoop { test in
            let ran = WitnessCount()
            let batches: [Int] = try await test.until { loop, done in
                var batches: [Int] = []
                let worker = WorkerThread(loop, name: "worker", capacity: 100) { (job: inout Int) in
                    ran.add(1)
                    return job
                } onOutcomes: {
                    batches.append($0.count)
                    if batches.reduce(0, +) == 100 { done(batches) }
                }
                for number in 0..<100 { #expect(worker.submit(number)) }
                while ran.alive < 100 { sched_yield() }
            }
            // The last outcome may still have been on its way when the loop looked.
            #expect(batches.count <= 2)
        }
    }

    @Test("frees a job that was taken from the loop, which keeps nothing of it")
    func taken() async throws {
        try await withTestLoop { test in
            let alive = WitnessCount()
            let isTaken: Bool = try await test.until { loop, done in
                let worker = WorkerThread(loop, name: "worker", capacity: 1) { (job: inout Witness) in job.touch() } onOutcomes: { _ in }
                var job: Witness? = Witness(alive)
                #expect(worker.submit(taking: &job))
                // Before the loop is back: nobody but the thread can have done it.
                while job == nil, alive.alive > 0 { sched_yield() }
                var other: Witness? = Witness(alive)
                #expect(!worker.submit(taking: &other) && other != nil)
                done(job == nil)
            }
            #expect(isTaken)
        }
    }

    @Test("finishes its jobs when its loop stops, and delivers their outcomes")
    func loopStops() async throws {
        let delivered = WitnessCount()
        let alive = WitnessCount()
        let test = TestLoop()
        try await test.on { loop in
            let witness = Witness(alive)
            let worker = WorkerThread(loop, name: "worker", capacity: 50) { (job: inout Int) in
                usleep(200)
                return job
            } onOutcomes: {
                witness.touch()
                delivered.add($0.count)
            }
            for number in 0..<50 { #expect(worker.submit(number)) }
        }
        test.stop()
        #expect(delivered.alive == 50)
        #expect(alive.alive == 0)
    }

    /// Holds a worker until it is opened.
    private final class Gate: @unchecked Sendable {
        private let semaphore: UnsafeMutablePointer<sem_t>
        init() {
            semaphore = .allocate(capacity: 1)
            sem_init(semaphore, 0, 0)
        }
        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }
        func wait() {
            sem_wait(semaphore)
            sem_post(semaphore)
        }
        func open() { sem_post(semaphore) }
    }
}

@Suite("libuv's pool")
struct PoolTests {
    @Test("runs blocking work elsewhere and comes back to the loop")
    func work() async throws {
        try await withTestLoop { test in
            let (sum, wasElsewhere): (Int, Bool) = try await test.until { loop, done in
                var (sum, finished, wasElsewhere) = (0, 0, true)
                for number in 1...100 {
                    let isTaken = loop.work {
                        (number, loop.isCurrent)
                    } then: { number, ranOnLoop in
                        loop.checkIsolated()
                        sum += number
                        finished += 1
                        wasElsewhere = wasElsewhere && !ranOnLoop
                        if finished == 100 { done((sum, wasElsewhere)) }
                    }
                    #expect(isTaken)
                }
            }
            #expect(sum == 5050)
            #expect(wasElsewhere)
        }
    }

    @Test("is not given more than the limit")
    func limit() async throws {
        try await withTestLoop { test in
            let taken = try await test.on { loop in
                var taken = 0
                while loop.work({}, then: {}) { taken += 1 }
                return taken
            }
            #expect(taken == Loop.workLimit)
            // They come back, and there is room again.
            #expect(try await test.until { loop, done in
                var timer: Timer?
                timer = Timer(loop) {
                    guard loop.work({}, then: { done(true) }) else { return }
                    timer?.close()
                    timer = nil
                }
                timer?.start(after: .zero, repeating: .milliseconds(1))
            })
        }
    }
}

@Suite("A signal watcher", .serialized)
struct SignalTests {
    @Test("hears its signal, and no other")
    func hears() async throws {
        try await withTestLoop { test in
            let heard: [Int32] = try await test.until { loop, done in
                var heard: [Int32] = []
                for signal in [SIGUSR1, SIGUSR2] {
                    let watcher = SignalWatcher(loop, signal: signal) {
                        heard.append(signal)
                        if heard.count == 2 { done(heard) } else { kill(getpid(), SIGUSR1) }
                    }
                    loop.onTurnEnd { [watcher] in _ = watcher }
                }
                kill(getpid(), SIGUSR2)
            }
            #expect(heard == [SIGUSR2, SIGUSR1])
        }
    }

    @Test("keeps SIGTERM from ending the process, and gives it back when closed")
    func terminate() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            let test = TestLoop()
            let _: Bool = try await test.until { loop, done in
                var watcher: SignalWatcher?
                watcher = SignalWatcher(loop, signal: SIGTERM) {
                    watcher?.close()
                    watcher = nil
                    done(true)
                }
                kill(getpid(), SIGTERM)
            }
            test.stop()
            kill(getpid(), SIGTERM)
            // Any thread may be the one to get it.
            while true { pause() }
        }
    }
}

@Suite("The process")
struct ProcessTests {
    @Test("may open as many files as the system allows")
    func openFiles() {
        let raised = raiseOpenFileLimit()
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #expect(limit.rlim_cur == limit.rlim_max)
        #expect(raised == Int(clamping: limit.rlim_cur))
    }
}
