import FoundationEssentials
import Replica

/// What a request is answered with, before it is HTTP.
struct Reply: Sendable {
    var status: Int
    var contentType: String?
    var body = Data()
    var headers: [(name: String, value: String)] = []
    /// Instead of a body: writes until there is nothing more to say, or nobody who reads.
    var stream: (@Sendable (_ write: (Data) async throws -> Void) async -> Void)?

    init(_ status: Int, contentType: String? = nil, body: Data = Data(), headers: [(name: String, value: String)] = []) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.headers = headers
    }

    static func text(_ status: Int, _ text: String) -> Reply {
        Reply(status, contentType: "text/plain; charset=utf-8", body: Data(text.utf8))
    }

    static func json(_ status: Int, _ value: some Encodable) -> Reply {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Reply(status, contentType: "application/json", body: try encoder.encode(value))
        } catch {
            preconditionFailure("an answer of ours is no JSON: \(error)")
        }
    }

    /// A refusal in the words of `/v1`.
    static func refusal(_ failure: Failure) -> Reply {
        let reply = json(
            failure.httpStatus,
            ErrorBody(code: failure.code.name, message: failure.message, notApplied: failure.notApplied))
        return reply.retriable
    }

    static func invalid(_ message: String) -> Reply {
        refusal(Failure(.invalidArgument, message, notApplied: true))
    }

    static func unimplemented(_ message: String) -> Reply {
        json(501, ErrorBody(code: "UNIMPLEMENTED", message: message, notApplied: true))
    }

    /// A 503 says when to try again.
    var retriable: Reply {
        guard status == 503 || status == 429 else { return self }
        var reply = self
        reply.headers.append(("Retry-After", "1"))
        return reply
    }
}

private struct ErrorBody: Encodable {
    var code: String
    var message: String
    var notApplied: Bool

    enum CodingKeys: String, CodingKey {
        case code, message
        case notApplied = "not_applied"
    }
}

extension Failure {
    /// A value that is too large differs from too many requests at a time, though gRPC has one code for both.
    var httpStatus: Int {
        switch code {
        case .invalidArgument: 400
        case .failedPrecondition: 409
        case .resourceExhausted: self == .tooManyWaiting ? 429 : self == .diskFull ? 503 : 413
        case .unavailable, .unknown, .deadlineExceeded: 503
        }
    }
}

extension Failure.Code {
    var name: String {
        switch self {
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .unavailable: "UNAVAILABLE"
        }
    }
}
