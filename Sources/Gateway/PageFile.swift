import FoundationEssentials

/// A file that is built into the program: the OpenAPI document, and the page.
struct PageFile: Sendable {
    var path: String
    var contentType: String
    var bytes: [UInt8]

    static let all = [
        PageFile(path: "/openapi.json", contentType: "application/json", bytes: PackageResources.openapi_json),
        PageFile(path: "/", contentType: "text/html; charset=utf-8", bytes: PackageResources.index_html),
        PageFile(path: "/style.css", contentType: "text/css; charset=utf-8", bytes: PackageResources.style_css),
        PageFile(path: "/icon.svg", contentType: "image/svg+xml", bytes: PackageResources.icon_svg),
        module("app", PackageResources.app_js), module("clock", PackageResources.clock_js),
        module("cluster", PackageResources.cluster_js), module("console", PackageResources.console_js),
        module("dom", PackageResources.dom_js), module("feed", PackageResources.feed_js),
        module("history", PackageResources.history_js), module("keys", PackageResources.keys_js),
        module("lab", PackageResources.lab_js), module("log", PackageResources.log_js),
        module("members", PackageResources.members_js), module("processes", PackageResources.processes_js),
        module("ring", PackageResources.ring_js), module("sides", PackageResources.sides_js),
    ]

    private static func module(_ name: String, _ bytes: [UInt8]) -> PageFile {
        PageFile(path: "/\(name).js", contentType: "text/javascript; charset=utf-8", bytes: bytes)
    }

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
