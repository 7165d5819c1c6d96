extension Wire {
    /// Why bytes are not the message they should be, or a message not one that could ever be obeyed: INVALID_ARGUMENT,
    /// with `message`.
    public enum DecodeFailure: Error, Equatable {
        /// Not the protobuf encoding of this message.
        case malformed(String)
        /// It would unfold to more memory than a message may take.
        case tooComplex(String)
        case emptyKey
        /// The key's size in bytes.
        case keyTooLong(Int)
        /// A field, by its name, that is longer than a key may be.
        case tooLong(String, Int)
        /// A field, by its name, that must be there and is not.
        case missing(String)
        /// A field, by its name, whose text is not UTF-8.
        case notUTF8(String)
        /// An enum, by its name, with a value that we do not know.
        case unknownValue(String, Int)
        /// A field, by its name, that has no place where it stands.
        case misplaced(String)
        case noOperations
        case tooManyOperations(Int)
        /// In an operation of a transaction, counted from 1.
        indirect case inOperation(Int, DecodeFailure)
        /// It contradicts itself.
        case inconsistent(String)

        /// For the person whose program sent it.
        public var message: String {
            switch self {
            case .malformed(let name):
                "these bytes are not a \(name): is the program built from another version of the .proto files?"
            case .tooComplex(let name):
                "this \(name) unfolds to more than \(Arena.limit >> 20) MiB: send it in smaller parts"
            case .emptyKey:
                "the key is empty: a key has 1 to \(Wire.maxKeySize) bytes"
            case .keyTooLong(let size):
                "the key has \(size) bytes: a key has 1 to \(Wire.maxKeySize) bytes"
            case .tooLong(let field, let size):
                "\(field) has \(size) bytes: at most \(Wire.maxKeySize) are allowed"
            case .missing(let field):
                "\(field) is missing"
            case .notUTF8(let field):
                "\(field) is not valid UTF-8: bytes that are not text belong in data"
            case .unknownValue(let name, let value):
                "\(value) is not a known \(name)"
            case .misplaced(let field):
                "\(field) cannot stand in an operation of a transaction"
            case .noOperations:
                "the transaction has no operations"
            case .tooManyOperations(let count):
                "the transaction has \(count) operations: at most \(Wire.maxOperations) are allowed"
            case .inOperation(let number, let failure):
                "operation \(number): \(failure.message)"
            case .inconsistent(let what):
                what
            }
        }
    }

    /// The longest key, in bytes: 64 KiB.
    public static let maxKeySize = 64 << 10
    /// The most operations in a transaction.
    public static let maxOperations = 10_000
}
