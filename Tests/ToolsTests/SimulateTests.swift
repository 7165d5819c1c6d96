import Base
import Glibc
import Simulation
import Testing

@testable import Tools

@Suite("swiftwater simulate")
struct SimulateTests {
    private func settings(_ words: String) throws -> SimulateSettings {
        guard case .arguments(let arguments) = try SimulateArguments.read(words.split(separator: " ").map(String.init)) else {
            throw UsageError("help")
        }
        return try arguments.settings(nil)
    }

    private func recipe(of words: String) throws -> Recipe { try settings(words).recipe(of: 1) }

    private func run(_ words: String) throws -> (lines: [String], code: ExitCode) {
        let printed = try Simulate(settings: try settings(words), progress: { _ in }).run()
        let text = String(decoding: printed.output, as: UTF8.self)
        return (text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init), printed.code)
    }

    @Test("What is asked for is what is run, and repeats itself")
    func arguments() throws {
        let all = "--seed 7 --sabotage vote-twice --members 3 --faults network,disk --duration 1500ms --only-faults 2,4-6"
        let settings = try settings(all)
        #expect(settings.seeds == 7...7 && !settings.isRange && !settings.shrinks)
        let recipe = settings.recipe(of: 7)
        #expect(recipe.groups == [.network, .disk] && recipe.members == 3 && recipe.storm == .milliseconds(1500))
        #expect(recipe.bug?.name == "vote-twice" && recipe.onlyFaults == [2, 4, 5, 6])
        #expect(recipe.commandLine == "swiftwater simulate " + all)
        #expect(try self.settings("").recipe(of: 1).commandLine == "swiftwater simulate --seed 1")
        #expect(try self.settings("--faults none --only-faults none").recipe(of: 1).plan.faults.isEmpty)
        #expect(try self.settings("--seeds 5..5").isRange)
        let uprooted = try self.settings("--sabotage no-noop --uproot").recipe(of: 1)
        #expect(uprooted.commandLine == "swiftwater simulate --seed 1 --sabotage no-noop --uproot")
        #expect(try uprooted.plan.faults == self.recipe(of: "--sabotage no-noop").plan.faults)
    }

    @Test("Wrong usage", arguments: [
        ("--seed 1 --seeds 1..2", "--seed and --seeds cannot stand together"),
        ("--seeds 5..1", "--seeds takes the first and the last of at most 100,000,000 seeds, like 1..100, not '5..1'"),
        ("--members 4", "--members is 1, 3, 5 or 7, not 4"),
        ("--faults fire", "--faults takes some of network, process, disk, membership, or none, not 'fire'"),
        ("--duration soon", "--duration takes a length of time like 120s or 2m, not 'soon'"),
        ("--sabotage vote-twcie", "there is no bug 'vote-twcie' to plant"),
        ("--uproot", "--uproot needs a bug: --sabotage NAME"),
        ("--only-faults 0", "--only-faults takes numbers from 1, like 3,7-9, or none; not '0'"),
        ("--output xml", "--output is text or json, not 'xml'"),
        ("--duration 10ms --trace /nowhere/at/all", "cannot write /nowhere/at/all: No such file or directory"),
    ])
    func usage(words: String, message: String) {
        do {
            _ = try run(words)
            Issue.record("\(words) was understood")
        } catch let error as UsageError {
            #expect(error.message == message)
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("The last line says how it went, the same each time, with the trace's hash")
    func passes() throws {
        let first = try run("--seed 5 --duration 3s")
        #expect(first.code == .done)
        #expect(first.lines.last?.wholeMatch(of: /seed 5: ok, trace [0-9a-f]{16}/) != nil)
        #expect(try run("--seed 5 --duration 3s") == first)
    }

    @Test("Of many seeds the hash does not depend on how many run at once")
    func seedRange() throws {
        let settings = try settings("--seeds 1..6 --duration 2s")
        let alone = SeedRace(settings, progress: { _ in }).run(threads: 1)
        let together = SeedRace(settings, progress: { _ in }).run(threads: 4)
        #expect(alone.hash == together.hash && alone.seeds == 6 && together.seeds == 6)
        #expect(alone.statistics == together.statistics && alone.statistics.operations > 100)
        #expect(
            try run("--seeds 1..6 --duration 2s").lines.last == "seeds 1..6: ok, \(hexadecimal(alone.hash))")
    }

    @Test("The first seed that fails is told, made smaller, with the command that repeats it")
    func fails() throws {
        let found = try run("--seeds 1..50 --duration 20s --sabotage commit-minus-one")
        #expect(found.code == .seedFailed)
        let last = try #require(found.lines.last)
        #expect(last.wholeMatch(of: /seed \d+: FAILED: [a-z-]+: .+, trace [0-9a-f]{16}/) != nil)
        let command = try #require(found.lines.first { $0.hasPrefix("To repeat it: swiftwater simulate ") })
        let again = try run(String(command.dropFirst("To repeat it: swiftwater simulate ".count)))
        #expect(again.code == .seedFailed)
        let how = try #require(found.lines.first { $0.hasPrefix("Fails: ") })
        #expect(again.lines.contains(how))
        #expect(again.lines.last?.contains(String(how.dropFirst("Fails: ".count))) == true)
    }

    @Test("As JSON it is one object, on one line")
    func jsonAnswer() throws {
        let answer = try run("--seeds 1..2 --duration 2s --output json")
        #expect(answer.lines.count == 1 && answer.code == .done)
        #expect(answer.lines[0].hasPrefix(#"{"first_seed":1,"last_seed":2,"ok":true,"seeds_run":2,"trace":""#))
    }

    @Test("Trace and history are written, and the same again to the byte")
    func files() throws {
        let directory = "/tmp/swiftwater-simulate-\(getpid())"
        #expect(mkdir(directory, 0o700) == 0)
        defer { for name in ["a", "b", "h"] { unlink("\(directory)/\(name)") }; rmdir(directory) }
        _ = try run("--seed 3 --duration 2s --trace \(directory)/a --history \(directory)/h")
        _ = try run("--seed 3 --duration 2s --trace \(directory)/b")
        let first = try #require(read("\(directory)/a"))
        #expect(first.count > 10_000 && first == read("\(directory)/b"))
        let history = String(decoding: try #require(read("\(directory)/h")), as: UTF8.self).split(separator: "\n")
        #expect(history.count > 100 && history.allSatisfy { $0.hasPrefix(#"{"process":"#) })
    }

    private func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}
