import ArgumentParser
import Base
import Logging
import Server

extension HostPort: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// NAME=HOST:PORT,NAME=HOST:PORT,…
struct MemberList: ExpressibleByArgument {
    var members: [NamedAddress]

    init?(argument: String) {
        members = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let member = NamedAddress(String(part)) else { return nil }
            members.append(member)
        }
    }
}

/// A number of bytes: 1048576, 1024KiB, 1MiB.
struct ByteSize: ExpressibleByArgument, CustomStringConvertible {
    var bytes: Int

    init(bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        for (suffix, unit) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("", 1)] where argument.hasSuffix(suffix) {
            guard let count = Int(argument.dropLast(suffix.count)), count > 0, count <= Int.max / unit else { return nil }
            bytes = count * unit
            return
        }
        return nil
    }

    var description: String {
        bytes % (1 << 20) == 0 ? "\(bytes >> 20)MiB" : bytes % 1024 == 0 ? "\(bytes >> 10)KiB" : "\(bytes)"
    }
}

/// A length of time: 200ms, 2s.
struct Duration: ExpressibleByArgument, CustomStringConvertible {
    var interval: Interval

    init(interval: Interval) { self.interval = interval }

    init?(argument: String) {
        if argument.hasSuffix("ms"), let count = UInt64(argument.dropLast(2)), count > 0, count <= 3_600_000 {
            interval = .milliseconds(count)
        } else if argument.hasSuffix("s"), let count = UInt64(argument.dropLast()), count > 0, count <= 3600 {
            interval = .seconds(count)
        } else {
            return nil
        }
    }

    var description: String { "\(interval.milliseconds)ms" }
}
