import EventLoop
import Logging
import Replica

/// Somebody who watches a member; ends with `Member.leave`.
public struct Watcher: Sendable {
    let id: UInt64
    /// A handful every 50 ms, also an empty one; ends when the member stops.
    public let feed: AsyncStream<[Notice]>
}

extension Member {
    /// Nil when too many watch already.
    public func watch() -> Watcher? {
        guard !isStopping, let (id, feed) = tap.join() else { return nil }
        return Watcher(id: id, feed: feed)
    }

    public func leave(_ watcher: Watcher) { tap.leave(watcher.id) }

    /// Events are built for the log, or for those who watch.
    func watchedChanged(_ isWatched: Bool) { replica.isWatched = isWatched || log.logLevel <= .info }
}
