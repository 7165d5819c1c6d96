import Base
import Client
import Keyspace
import Wire

/// What a bench does, for how long.
public struct BenchSettings: Equatable, Sendable {
    public var endpoints: [Endpoint]
    /// Connections.
    public var clients = 10
    /// Requests that each connection has in flight.
    public var inflight = 10
    /// Bytes of a value.
    public var valueSize = 256
    /// How many different keys are used, each as likely as the others.
    public var keys = 1000
    /// The share of reads, 0…1.
    public var reads = 0.5
    /// How fresh reads are.
    public var consistency = Wire.Consistency.linearizable
    public var seconds = 10.0
    /// Loop threads that the connections are spread over.
    public var threads = 1
    /// Give each key a value before the load begins.
    public var fill = false
    /// How long one request may take.
    public var timeout = Interval.seconds(5)
    public var seed: UInt64 = 1
    /// What certainly was not applied is sent again, at the next endpoint: as a client does that knows all members.
    public var follows = false

    public init(endpoints: [Endpoint]) { self.endpoints = endpoints }

    public static let maxKeys = 1_000_000_000

    /// Throws what is wrong with them.
    public func check() throws(UsageError) {
        func require(_ holds: Bool, _ message: String) throws(UsageError) {
            if !holds { throw UsageError(message) }
        }
        try require((1...20_000).contains(clients), "--clients is a number from 1 to 20,000, not \(clients)")
        try require((1...10_000).contains(inflight), "--inflight is a number from 1 to 10,000, not \(inflight)")
        try require(
            clients * inflight <= 1_000_000, "--clients times --inflight is at most 1,000,000, not \(clients * inflight)")
        try require((0...1 << 20).contains(valueSize), "--value-size is 0 to 1,048,576 bytes, not \(valueSize)")
        try require((1...Self.maxKeys).contains(keys), "--keys is a number from 1 to 1,000,000,000, not \(keys)")
        try require((0...1).contains(reads), "--reads is a share from 0.0 to 1.0, not \(reads)")
        try require(seconds >= 0.1 && seconds <= 86_400, "--seconds is a number from 0.1 to 86,400, not \(seconds)")
        try require((1...64).contains(threads), "--threads is a number from 1 to 64, not \(threads)")
    }

    var summary: String {
        let size = valueSize == 1 ? "1 byte" : "\(BenchReport.grouped(UInt64(valueSize))) bytes"
        return "\(BenchReport.grouped(UInt64(clients))) \(clients == 1 ? "client" : "clients") × \(inflight) in flight, "
            + "values of \(size), \(BenchReport.grouped(UInt64(keys))) \(keys == 1 ? "key" : "keys"), "
            + "\(Durations.fixed(reads * 100, places: 0)) % reads"
            + (consistency == .linearizable ? "" : " (\(consistency.name))")
    }

    /// `bench/000000123`.
    static func key(_ number: UInt64) -> Bytes {
        Bytes(capacity: 15) { target in
            for (place, byte) in "bench/".utf8.enumerated() { target[place] = byte }
            var rest = number
            for place in stride(from: 14, through: 6, by: -1) {
                target[place] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            return 15
        }
    }

    /// How many different values there are.
    static let values = 16

    /// Values of `size` bytes: letters and digits, the same in every run.
    static func values(size: Int) -> [Value] {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
        return (0..<values).map { number in
            var generator = SplitMix64(seed: UInt64(number))
            return .data(Bytes((0..<size).map { _ in alphabet[Int(generator.next(below: UInt64(alphabet.count)))] }))
        }
    }
}
