import FoundationEssentials

/// A file that is built into the program: the OpenAPI document, and the page.
struct PageFile: Sendable {
    var path: String
    var contentType: String
    var bytes: [UInt8]

    static let all = [
        PageFile(path: "/openapi.json", contentType: "application/json", bytes: PackageResources.openapi_json)
    ]

    /// The page is of this program's making alone: nothing from outside may run in it, or frame it.
    var reply: Reply {
        Reply(
            200, contentType: contentType, body: Data(bytes),
            headers: [
                ("Cache-Control", "no-cache"),
                ("Content-Security-Policy", "default-src 'self'; connect-src 'self' http: https:; frame-ancestors 'none'"),
            ])
    }
}
