import Base
import FoundationEssentials

/// A member's name in a JSON object, whatever it is.
struct Field: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
}

/// A JSON object of which every member is known: a misspelled one is refused, not passed over.
struct Fields {
    private let container: KeyedDecodingContainer<Field>

    init(_ decoder: any Decoder, _ allowed: String...) throws {
        container = try decoder.container(keyedBy: Field.self)
        if let stranger = container.allKeys.first(where: { !allowed.contains($0.stringValue) }) {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "there is no field '\(stranger.stringValue)' here"))
        }
    }

    func has(_ name: String) -> Bool { container.contains(Field(name)) }

    func get<T: Decodable>(_ name: String, as: T.Type = T.self) throws -> T {
        try container.decode(T.self, forKey: Field(name))
    }

    /// Nil when it is absent; `null` is not absent.
    func find<T: Decodable>(_ name: String, as: T.Type = T.self) throws -> T? {
        has(name) ? try get(name, as: T.self) : nil
    }

    func fail(_ name: String, _ message: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: container.codingPath + [Field(name)], debugDescription: message))
    }
}

/// Bytes in JSON: a string when they are UTF-8, `{"base64": "…"}` otherwise; either is taken.
struct JSONBytes: Codable, Sendable {
    var bytes: Bytes

    init(_ bytes: Bytes) { self.bytes = bytes }

    init(from decoder: any Decoder) throws {
        do {
            bytes = Bytes(utf8: try decoder.singleValueContainer().decode(String.self))
        } catch DecodingError.typeMismatch {
            let fields = try Fields(decoder, "base64")
            guard let data = Data(base64Encoded: try fields.get("base64", as: String.self)) else {
                throw fields.fail("base64", "not base 64")
            }
            bytes = Bytes(data)
        }
    }

    func encode(to encoder: any Encoder) throws {
        if let text = bytes.utf8String {
            var container = encoder.singleValueContainer()
            try container.encode(text)
        } else {
            var container = encoder.container(keyedBy: Field.self)
            try container.encode(Data(bytes.array).base64EncodedString(), forKey: Field("base64"))
        }
    }
}

/// A 64-bit identity in JSON: a string of digits, since JavaScript's numbers cannot hold it.
struct JSONIdentity: Codable, Sendable {
    var value: UInt64

    init(_ value: UInt64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = UInt64(text), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a string of digits under 2^64")
        }
        self.value = value
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("\(value)")
    }
}

/// A request's body as `T`; what is wrong with it, in words.
func decode<T: Decodable>(
    _: T.Type, from body: Data, _ userInfo: [CodingUserInfoKey: any Sendable] = [:]
) throws(BadRequest) -> T {
    let decoder = JSONDecoder()
    decoder.userInfo = userInfo
    do {
        return try decoder.decode(T.self, from: body)
    } catch let error as DecodingError {
        throw BadRequest(error.inWords)
    } catch {
        throw BadRequest("the body is not JSON")
    }
}

extension DecodingError {
    var inWords: String {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\(Self.place(context.codingPath)) has the wrong type"
        case .keyNotFound(let key, let context):
            "\(Self.place(context.codingPath)) lacks '\(key.stringValue)'"
        case .dataCorrupted(let context) where context.codingPath.isEmpty && context.underlyingError != nil:
            "the body is not JSON"
        case .dataCorrupted(let context): "\(Self.place(context.codingPath)): \(context.debugDescription)"
        @unknown default: "the body is not what it should be"
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        guard !path.isEmpty else { return "the body" }
        return path.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }.joined(separator: ".")
    }
}
