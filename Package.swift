// swift-tools-version: 6.2
import PackageDescription

// The rooms of the house, in the order in which they may know each other: a target depends only on
// targets above it. docs/ARCHITECTURE.md tells what each is for; HouseTests holds the order.

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func room(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

let package = Package(
    name: "swiftwater",
    products: [
        .executable(name: "swiftwaterd", targets: ["swiftwaterd"]),
        .executable(name: "swiftwater", targets: ["swiftwater"]),
        .library(name: "SwiftwaterClient", targets: ["Client"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        // The gateway's: with `--http` alone.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.0.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.0.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.0.0"),
    ],
    targets: [
        // System libraries: a module map and a shim header each.
        .systemLibrary(name: "CUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        .systemLibrary(name: "CEdit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CJemalloc", pkgConfig: "jemalloc", providers: [.apt(["libjemalloc-dev"])]),
        .target(name: "CProto", dependencies: ["CProtobufC"]),

        // Pure: no Foundation, no clock, no randomness, no I/O, no async.
        room("Base", ["CISAL"]),
        room("Consensus", ["Base"]),
        room("Keyspace", ["Base"]),
        room("LogFormat", ["Base"]),
        room("Storage", ["Base", "Consensus", "LogFormat", deque]),
        room("Replica", ["Base", "Consensus", "Keyspace", "LogFormat", "Storage", deque]),
        room("Simulation", ["Base", "Consensus", "Keyspace", "LogFormat", "Storage", "Replica", deque]),

        // Edges: where the world comes in.
        room("EventLoop", ["Base", "CUV", deque]),
        room("GRPC", ["Base", "EventLoop", "CNGHTTP2", deque]),
        room("Wire", ["Base", "Consensus", "Keyspace", "CProto", "CProtobufC"]),
        room("Server", ["Base", "Consensus", "Keyspace", "LogFormat", "Storage", "Replica", "EventLoop", "GRPC", "Wire", deque, logging]),
        .target(
            name: "Gateway",
            dependencies: [
                "Base", "Consensus", "Keyspace", "Replica", "EventLoop", "Wire", "Server",
                hummingbird, hummingbirdCore, nioCore, nioPosix, httpTypes, lifecycle, logging,
            ],
            resources: [.embedInCode("page")], swiftSettings: settings),
        room("Client", ["Base", "Consensus", "Keyspace", "EventLoop", "GRPC", "Wire", deque]),
        room("Tools", ["Base", "Consensus", "Keyspace", "LogFormat", "Storage", "Replica", "Simulation", "EventLoop", "GRPC", "Wire", "Server", "Client", "CEdit", histogram, argumentParser]),
        .executableTarget(name: "swiftwaterd", dependencies: ["CJemalloc", "Server", "Gateway", "Replica", "Base", "EventLoop", logging, argumentParser], swiftSettings: settings),
        .executableTarget(name: "swiftwater", dependencies: ["Tools", "Client", "Base", argumentParser], swiftSettings: settings),

        // A member that fails as it is told, for the tests of what speaks to members.
        .target(
            name: "FakeMember", dependencies: ["Base", "Consensus", "Keyspace", "EventLoop", "GRPC", "Wire"],
            path: "Tests/FakeMember", swiftSettings: settings),
        tests("BaseTests", ["Base"]),
        tests("ConsensusTests", ["Consensus", "Base"], resources: [.copy("Scenarios")]),
        tests("KeyspaceTests", ["Keyspace", "Base"]),
        tests("LogFormatTests", ["LogFormat", "Base"]),
        .target(
            name: "VirtualDisk", dependencies: ["Storage", "LogFormat", "Base"], path: "Tests/VirtualDisk",
            swiftSettings: settings),
        tests("StorageTests", ["VirtualDisk", "Storage", "LogFormat", "Consensus", "Server", "Base", deque]),
        tests("ReplicaTests", ["VirtualDisk", "Replica", "Storage", "Keyspace", "Consensus", "LogFormat", "Base"], resources: [.copy("Golden")]),
        tests("SimulationTests", ["Simulation", "Replica", "Storage", "Keyspace", "Consensus", "LogFormat", "Base"]),
        tests("EventLoopTests", ["EventLoop", "Base"]),
        tests("GRPCTests", ["GRPC", "CNGHTTP2", "EventLoop", "Base"], resources: [.copy("grpcio_client.py")]),
        tests("WireTests", ["Wire", "Consensus", "Keyspace", "Base"], resources: [.copy("Golden")]),
        tests("ServerTests", ["Server", "Storage", "Replica", "Keyspace", "Consensus", "Base"]),
        tests("ClientTests", ["Client", "FakeMember", "GRPC", "EventLoop", "Wire", "Keyspace", "Base"]),
        tests("ToolsTests", ["Tools", "Client", "FakeMember", "Server", "Storage", "LogFormat", "Replica", "Consensus", "Simulation", "EventLoop", "GRPC", "Wire", "Keyspace", "Base"]),
        tests("ClusterTests", ["Consensus", "Simulation", "Client", "EventLoop", "GRPC", "Wire", "Keyspace", "Base"]),
        tests("HouseTests", []),
    ],
    swiftLanguageModes: [.v6]
)
