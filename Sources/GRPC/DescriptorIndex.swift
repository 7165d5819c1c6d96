import Base

/// Finds files in a google.protobuf.FileDescriptorSet by their names and by what they declare. Reads only the fields
/// that this takes (descriptor.proto).
struct DescriptorIndex {
    private struct File {
        var name = Bytes()
        var package = Bytes()
        var dependencies: [Bytes] = []
        /// The serialized FileDescriptorProto.
        let descriptor: Bytes
    }

    private struct Extension: Hashable {
        let type: Bytes
        let number: UInt64
    }

    private var files: [File] = []
    private var byName: [Bytes: Int] = [:]
    private var bySymbol: [Bytes: Int] = [:]
    private var byExtension: [Extension: Int] = [:]

    /// Messages within messages, at most.
    private static let maxDepth = 64

    /// Files of the given names are left out.
    init(_ set: Bytes, except hidden: Set<Bytes> = []) throws(ByteReader.Failure) {
        var reader = ByteReader(set)
        while !reader.isAtEnd {
            let (field, type) = try reader.readTag()
            if field == 1, type == .lengthDelimited {
                try addFile(try reader.readLengthDelimited(), except: hidden)
            } else {
                try reader.skip(type)
            }
        }
    }

    func file(named name: Bytes) -> Int? { byName[name] }

    /// The file that declares a package's message, field, enum, value, service or method, by its full name.
    func file(declaring symbol: Bytes) -> Int? { bySymbol[symbol] }

    func file(extending type: Bytes, number: UInt64) -> Int? {
        byExtension[Extension(type: type, number: number)]
    }

    func extensionNumbers(of type: Bytes) -> [UInt64] {
        byExtension.keys.filter { $0.type == type }.map(\.number).sorted()
    }

    /// The file's descriptor first, then those of all that it imports, each once.
    func closure(of file: Int) -> [Bytes] {
        var order = [file]
        var seen: Set<Int> = [file]
        var next = 0
        while next < order.count {
            for name in files[order[next]].dependencies {
                if let dependency = byName[name], seen.insert(dependency).inserted { order.append(dependency) }
            }
            next += 1
        }
        return order.map { files[$0].descriptor }
    }

    // MARK: Reading

    private mutating func addFile(_ descriptor: Bytes, except hidden: Set<Bytes>) throws(ByteReader.Failure) {
        var file = File(descriptor: descriptor)
        // What is declared needs the package, which may come after it.
        try Self.eachField(descriptor) { (field, value) in
            switch field {
            case 1: file.name = value
            case 2: file.package = value
            case 3: file.dependencies.append(value)
            default: break
            }
        }
        if hidden.contains(file.name) { return }
        let place = files.count
        files.append(file)
        byName[file.name] = place
        let scope = file.package
        try Self.eachField(descriptor) { (field, value) throws(ByteReader.Failure) in
            switch field {
            case 4: try addMessage(value, in: scope, place, depth: 0)
            case 5: try addEnum(value, in: scope, place)
            case 6: try addNamed(value, in: scope, place, members: [2])
            case 7: try addExtension(value, in: scope, place)
            default: break
            }
        }
    }

    private mutating func addMessage(
        _ message: Bytes, in scope: Bytes, _ file: Int, depth: Int
    ) throws(ByteReader.Failure) {
        let name = try addNamed(message, in: scope, file, members: [2, 8])
        guard depth < Self.maxDepth else { return }
        try Self.eachField(message) { (field, value) throws(ByteReader.Failure) in
            switch field {
            case 3: try addMessage(value, in: name, file, depth: depth + 1)
            case 4: try addEnum(value, in: name, file)
            case 6: try addExtension(value, in: name, file)
            default: break
            }
        }
    }

    /// An enum's values are named in the scope around it, as in C++.
    private mutating func addEnum(_ value: Bytes, in scope: Bytes, _ file: Int) throws(ByteReader.Failure) {
        try addNamed(value, in: scope, file, members: [])
        try Self.eachField(value) { (field, member) throws(ByteReader.Failure) in
            if field == 2 { try addNamed(member, in: scope, file, members: []) }
        }
    }

    private mutating func addExtension(_ value: Bytes, in scope: Bytes, _ file: Int) throws(ByteReader.Failure) {
        try addNamed(value, in: scope, file, members: [])
        var type = Bytes()
        var number: UInt64 = 0
        var reader = ByteReader(value)
        while !reader.isAtEnd {
            let (field, wire) = try reader.readTag()
            switch (field, wire) {
            case (2, .lengthDelimited): type = try reader.readLengthDelimited()
            case (3, .varint): number = try reader.readVarint()
            default: try reader.skip(wire)
            }
        }
        // ".package.Message"
        if type.count > 1, type[0] == UInt8(ascii: ".") { type = type[1..<type.count] }
        byExtension[Extension(type: type, number: number)] = file
    }

    /// Adds a declaration, whose name is field 1 in all of them, and its members of the given fields. Its full name.
    @discardableResult
    private mutating func addNamed(
        _ declaration: Bytes, in scope: Bytes, _ file: Int, members: [Int]
    ) throws(ByteReader.Failure) -> Bytes {
        var name = Bytes()
        try Self.eachField(declaration) { (field, value) in if field == 1 { name = value } }
        let full = Self.join(scope, name)
        bySymbol[full] = file
        guard !members.isEmpty else { return full }
        try Self.eachField(declaration) { (field, value) throws(ByteReader.Failure) in
            if members.contains(field) { try addNamed(value, in: full, file, members: []) }
        }
        return full
    }

    private static func join(_ scope: Bytes, _ name: Bytes) -> Bytes {
        guard !scope.isEmpty else { return name }
        var writer = ByteWriter(capacity: scope.count + 1 + name.count)
        writer.write(scope)
        writer.write(UInt8(ascii: "."))
        writer.write(name)
        return writer.finish()
    }

    /// Calls `body` with each length-delimited field.
    private static func eachField(
        _ message: Bytes, _ body: (Int, Bytes) throws(ByteReader.Failure) -> Void
    ) throws(ByteReader.Failure) {
        var reader = ByteReader(message)
        while !reader.isAtEnd {
            let (field, type) = try reader.readTag()
            if type == .lengthDelimited {
                try body(field, try reader.readLengthDelimited())
            } else {
                try reader.skip(type)
            }
        }
    }
}
