import Base
import Foundation
import Testing
import Wire

/// Once released, a field keeps its number and its type for ever: members of two builds read each other's messages, and
/// clients in other languages ours. Bytes alone would not show a number that two fields swapped, so the numbers themselves are
/// kept.
@Suite("Field numbers")
struct FieldNumberTests {
    @Test("Every field of every message, and every enum's value, has the number and the type that it was released with")
    func numbers() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/fields")
        let kept = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
        let today = try Self.fields(of: Wire.fileDescriptorSet)
        let changed = Set(kept).subtracting(today).sorted()
        #expect(changed == [], "these were released, and are there no more, or have changed")
        let added = Set(today).subtracting(kept).sorted()
        #expect(added == [], "these are new: add them to \(file.path)")
        #expect(today.count > 200)
    }

    /// A line for each: `package.Message.field number type label`.
    static func fields(of set: Bytes) throws -> [String] {
        var lines: [String] = []
        for file in try Message(set)[1] {
            let file = try Message(file.bytes)
            let package = try file.text(2)
            guard package.hasPrefix("swiftwater.") else { continue }
            for message in file[4] { lines += try self.lines(message: message.bytes, in: package) }
            for list in file[5] { lines += try values(list.bytes, in: package) }
        }
        return lines
    }

    /// DescriptorProto: name 1, field 2, nested type 3, enum type 4.
    private static func lines(message: Bytes, in scope: String) throws -> [String] {
        let message = try Message(message)
        let name = try "\(scope).\(message.text(1))"
        var lines: [String] = []
        for field in message[2] {
            // FieldDescriptorProto: name 1, number 3, label 4, type 5, type name 6.
            let field = try Message(field.bytes)
            let type = try field[6].isEmpty ? "type-\(field.number(5))" : field.text(6)
            lines.append(try "\(name).\(field.text(1)) \(field.number(3)) \(type)\(field.number(4) == 3 ? " repeated" : "")")
        }
        for nested in message[3] { lines += try self.lines(message: nested.bytes, in: name) }
        for list in message[4] { lines += try values(list.bytes, in: name) }
        return lines
    }

    /// EnumDescriptorProto: name 1, value 2, of which name 1, number 2.
    private static func values(_ list: Bytes, in scope: String) throws -> [String] {
        let list = try Message(list)
        return try list[2].map { value in
            let value = try Message(value.bytes)
            return try "\(scope).\(list.text(1)).\(value.text(1)) \(value.number(2)) value"
        }
    }
}

/// A protobuf message as what it is: numbers and bytes under numbers.
private struct Message {
    struct Field {
        var number: UInt64 = 0
        var bytes = Bytes()
    }
    private var fields: [UInt64: [Field]] = [:]

    init(_ bytes: Bytes) throws {
        var reader = ByteReader(bytes)
        while !reader.isAtEnd {
            let tag = try reader.readVarint()
            switch tag & 7 {
            case 0: fields[tag >> 3, default: []].append(Field(number: try reader.readVarint()))
            case 2: fields[tag >> 3, default: []].append(Field(bytes: try reader.readLengthDelimited()))
            default: throw Unexpected()
            }
        }
    }

    struct Unexpected: Error {}

    subscript(number: UInt64) -> [Field] { fields[number] ?? [] }

    func text(_ number: UInt64) throws -> String {
        guard let text = self[number].last?.bytes.utf8String else { throw Unexpected() }
        return text
    }

    /// 0 when it is not there, as proto3 has it.
    func number(_ number: UInt64) throws -> UInt64 { self[number].last?.number ?? 0 }
}
