import Base
import CProto
import CProtobufC

// HelloRequest and HelloResponse have the same fields: one is read and written for both.
extension Wire.Codec {
    /// As HelloRequest or as HelloResponse: the bytes are the same.
    public func encode(_ hello: Wire.Hello) -> Bytes {
        let message = arena.make(swiftwater__v1__hello_request__init)
        message.pointee.cluster = hello.cluster.rawValue
        message.pointee.group = hello.group
        message.pointee.from = hello.from.rawValue
        message.pointee.to = hello.to.rawValue
        (message.pointee.n_protocol_versions, message.pointee.protocol_versions) = build(hello.protocolVersions)
        (message.pointee.n_features, message.pointee.features) = build(hello.features)
        (message.pointee.n_entry_kinds, message.pointee.entry_kinds) = build(hello.entryKinds.map(\.rawValue))
        message.pointee.name = arena.copy(hello.name)
        message.pointee.address = arena.copy(hello.address)
        message.pointee.configuration = hello.configuration.map { build($0) }
        message.pointee.version = arena.copy(hello.version)
        return pack(message)
    }

    /// A HelloRequest or a HelloResponse.
    public func decodeHello(_ span: RawSpan) throws(Wire.DecodeFailure) -> Wire.Hello {
        try unpack(swiftwater__v1__hello_request__unpack, "Hello", span) { message throws(Wire.DecodeFailure) in
            var features: [String] = []
            for number in 0..<message.n_features { features.append(try message.features[number].text("features")) }
            return Wire.Hello(
                cluster: ClusterID(message.cluster), group: message.group, from: MemberID(message.from),
                to: MemberID(message.to),
                protocolVersions: (0..<message.n_protocol_versions).map { message.protocol_versions[$0] },
                features: features,
                entryKinds: (0..<message.n_entry_kinds).map { Entry.Kind(rawValue: message.entry_kinds[$0]) },
                name: try message.name.text("name"), address: try message.address.text("address"),
                configuration: try message.configuration?.pointee.logged,
                version: try message.version.text("version"))
        }
    }
}
