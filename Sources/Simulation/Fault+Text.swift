import Base

extension Fault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .loss(let link, let percent, let time): "\(link) loses \(percent)% for \(time.shown)"
        case .delay(let link, let most, let time): "\(link) takes up to \(most.shown) longer for \(time.shown)"
        case .duplicate(let link, let percent, let time): "\(link) doubles \(percent)% for \(time.shown)"
        case .reorder(let link, let most, let time): "\(link) reorders by up to \(most.shown) for \(time.shown)"
        case .partition(let side, let held, let time):
            "\(side) and the others are parted\(held ? ", messages held up," : "") for \(time.shown)"
        case .oneWay(let link, let held, let time): "\(link) is dead\(held ? ", messages held up," : "") for \(time.shown)"
        case .isolate(let member, let held, let time):
            "n\(member) is cut off\(held ? ", messages held up," : "") for \(time.shown)"
        case .flap(let link, let period, let time): "\(link) flaps every \(period.shown), both ways, for \(time.shown)"
        case .breakConnection(let link): "the connection \(link) breaks"
        case .breakClients(let member): "the clients of n\(member) lose their connections"
        case .crash(let member, let effects, let power, let down):
            "n\(member) \(power.map { "loses power, keeps \($0.words) of what was not synced," } ?? "is killed") after \(effects) effects, starts again \(down.shown) later"
        case .pause(let member, let time): "n\(member) stands still for \(time.shown)"
        case .drift(let member, let millionths, let time): "n\(member)'s clock drifts by \(millionths) ppm for \(time.shown)"
        case .leap(let member, let time): "n\(member)'s clock leaps ahead by \(time.shown)"
        case .setWallClock(let member, let change): "n\(member)'s wall clock is set by \(change) ms"
        case .syncFails(let member, let after, let down): "a sync of n\(member) fails, after \(after) more; down for \(down.shown)"
        case .writeFails(let member, let after, let down): "a write of n\(member) fails, after \(after) more; down for \(down.shown)"
        case .full(let member, let room, let time): "n\(member)'s disk has \(room) bytes left for \(time.shown)"
        case .slow(let member, let times, let time): "n\(member)'s disk is \(times) times slower for \(time.shown)"
        case .hang(let member, let time): "n\(member)'s disk hangs for \(time.shown)"
        case .wipe(let member): "n\(member) loses its disk"
        case .bitFlip(let member, let place, let down): "bits flip \(place.words) of n\(member), down for \(down.shown)"
        case .addServer(let member, let learner): "n\(member) is started, to be added as a \(learner ? "learner" : "voter")"
        case .removeServer(let member, let stopped):
            "\(member.map { "n\($0)" } ?? "the leader") is to be removed\(stopped ? ", and stopped" : "")"
        case .setVoting(let member, let votes): "n\(member) is to be a \(votes ? "voter" : "learner")"
        case .replace(let member, let other): "n\(member) loses its disk, n\(other) is to take its place"
        case .strikeChange(let blow): "the next leader that changes the configuration \(blow.words)"
        case .transfer(let member, let blow):
            "leadership is to go to \(member.map { "n\($0)" } ?? "whoever is furthest behind")\(blow.map { ", who \($0.words)" } ?? "")"
        case .snapshot(let member, let killed):
            "n\(member) takes a snapshot\(killed.map { ", and is killed \($0.shown) later" } ?? "")"
        case .fallBehind(let member, let time, let end):
            "n\(member) is cut off for \(time.shown) while others take snapshots\(end.map { ", and what it is sent is broken off after \($0.afterPieces) pieces: \($0.manner.words)" } ?? "")"
        case .rot(let member, let time): "bits flip in the snapshot of n\(member), which starts again \(time.shown) later"
        }
    }
}

extension Fault.PowerLoss {
    var words: String {
        switch self {
        case .everything: "nothing"
        case .someSectors: "some sectors"
        case .atSomeByte: "a part"
        }
    }
}

extension Fault.FlipPlace {
    var words: String {
        switch self {
        case .middle: "in the midst of the log"
        case .end: "at the end of the log"
        case .state: "in the term and vote"
        }
    }
}

extension Fault.Blow {
    var words: String {
        switch self {
        case .cutOff(let time): "is cut off for \(time.shown)"
        case .pause(let time): "stands still for \(time.shown)"
        case .kill(let effects, let power):
            "\(power.map { "loses power, keeps \($0.words) of what was not synced," } ?? "is killed") after \(effects) effects"
        case .lose(let effects): "loses its disk after \(effects) effects"
        }
    }
}

extension Fault.InstallationEnd.Manner {
    var words: String {
        switch self {
        case .connectionBreaks: "the connection breaks"
        case .senderDies(let power): power == nil ? "its sender is killed" : "its sender loses power"
        case .receiverDies(let power, let effects):
            "its receiver \(power == nil ? "is killed" : "loses power") after \(effects) effects"
        case .receiverDiesWithIt(let power, let effects):
            "its receiver \(power == nil ? "is killed" : "loses power") \(effects) effects after it has it"
        }
    }
}
