import Base
import Glibc
import Tools

@main
struct Main {
    static func main() {
        // The arguments as they are: Swift's own would repair what is no UTF-8, and a value may be any bytes.
        let words = (1..<max(1, Int(CommandLine.argc))).compactMap { CommandLine.unsafeArgv[$0] }.map { word in
            Bytes(copying: UnsafeRawBufferPointer(start: word, count: strlen(word)))
        }
        exit(Program().run(words).rawValue)
    }
}
