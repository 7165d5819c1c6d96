import Base
import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Replica
import Server
import Synchronization

/// From Hummingbird's requests to the routes, and back. Bounds what is taken in before anything is done about it.
struct Responder: HTTPResponder {
    typealias Context = BasicRequestContext

    let limits: GatewayLimits
    let traffic: Traffic
    let routes: Routes
    let served: Served

    func respond(to request: Hummingbird.Request, context: BasicRequestContext) async throws -> Response {
        let origin = Origin(request)
        let isTrusted = await isTrusted(origin)
        let reply = isTrusted ? await answer(request, isBrowser: origin != nil) : .foreignOrigin
        traffic.count(reply.status)
        return Response(reply, allowing: isTrusted ? origin : nil)
    }

    private func isTrusted(_ origin: Origin?) async -> Bool {
        guard let origin, !origin.isThisMachine else { return true }
        guard let peers = await served.member?.report().peers else { return false }
        return peers.contains { $0.httpAddress == origin.authority }
    }

    private func answer(_ request: Hummingbird.Request, isBrowser: Bool) async -> Reply {
        var asked = Asked(method: request.method.rawValue, target: request.head.path ?? "")
        // What a browser asks before it lets a page of another member's speak to us.
        if asked.method == "OPTIONS", isBrowser { return Reply(204) }
        switch routes.match(asked) {
        case .none:
            return .text(404, "there is nothing here\n")
        case .otherMethods(let methods):
            var reply = Reply.text(405, "only \(methods.joined(separator: " and ")) here\n")
            reply.headers.append(("Allow", methods.joined(separator: ", ")))
            return reply
        case .handler(let handler, let takesBody):
            guard let member = served.member else {
                return asked.path == Routes.livez ? Routes.alive : .refusal(.notServing)
            }
            var held = 0
            defer { traffic.release(held) }
            do {
                if takesBody { asked.body = try await body(of: request, &held) }
                guard traffic.begin() else { throw Failure.tooManyWaiting }
                defer { traffic.end() }
                return try await handler(asked, member)
            } catch let failure as Failure {
                return .refusal(failure)
            } catch let missing as OwnService.Unimplemented {
                return .unimplemented(missing.message)
            } catch let refused as RefusedBody {
                return refused.reply
            } catch let bad as BadRequest {
                return .invalid(bad.message)
            } catch {
                // The connection broke while the body came: nobody reads this.
                return .invalid("the body did not arrive")
            }
        }
    }

    /// The whole body, counted before it is kept.
    private func body(of request: Hummingbird.Request, _ held: inout Int) async throws -> Data {
        var data = Data()
        var refused: RefusedBody?
        var dropped = 0
        for try await chunk in request.body {
            if refused == nil, data.count + chunk.readableBytes > limits.bodyBytes {
                refused = .tooLarge(limits.bodyBytes)
            } else if refused == nil, !traffic.hold(chunk.readableBytes) {
                refused = .noRoom
            }
            guard let refused else {
                held += chunk.readableBytes
                data.append(contentsOf: chunk.readableBytesView)
                continue
            }
            data = Data()
            traffic.release(held)
            held = 0
            dropped += chunk.readableBytes
            if dropped > limits.bodyBytesDropped { throw refused }
        }
        if let refused { throw refused }
        return data
    }
}

/// Who answers: nobody until the member has met the others.
final class Served: Sendable {
    private let state = Mutex<Member?>(nil)

    var member: Member? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Why a body was not kept.
private enum RefusedBody: Error {
    case tooLarge(Int)
    case noRoom

    var reply: Reply {
        switch self {
        case .tooLarge(let limit):
            Reply.refusal(
                Failure(.resourceExhausted, "the body is over \(limit) bytes; send it in parts", notApplied: true))
        case .noRoom: Reply.refusal(.tooManyWaiting)
        }
    }
}

extension Failure {
    static let notServing = Failure(
        .unavailable, "this member has not met all members of its new cluster yet", notApplied: true)
}

extension Reply {
    fileprivate static let foreignOrigin = Reply.text(403, "a page from elsewhere may not speak to this cluster\n")
}

extension Response {
    init(_ reply: Reply, allowing origin: Origin?) {
        var headers = HTTPFields()
        if let contentType = reply.contentType { headers[.contentType] = contentType }
        headers[.contentTypeOptions] = "nosniff"
        for (name, value) in reply.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        if let origin { origin.allow(in: &headers) }
        if let stream = reply.stream {
            self.init(
                status: HTTPTypes.HTTPResponse.Status(code: reply.status), headers: headers,
                body: ResponseBody { writer in
                    await stream { try await writer.write(ByteBuffer(bytes: $0)) }
                    try await writer.finish(nil)
                })
            return
        }
        if reply.status != 204 { headers[.contentLength] = "\(reply.body.count)" }
        self.init(
            status: HTTPTypes.HTTPResponse.Status(code: reply.status), headers: headers,
            body: reply.body.isEmpty ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: reply.body)))
    }
}

extension HTTPField.Name {
    fileprivate static let contentTypeOptions = HTTPField.Name("X-Content-Type-Options")!
}
