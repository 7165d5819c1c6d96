import CEdit
import Glibc

/// Where a prompt's lines come from.
public protocol LineSource: AnyObject {
    func next() -> LineInput
}

public enum LineInput: Equatable, Sendable {
    case line(String)
    /// Ctrl-C: the line is given up.
    case interrupted
    /// Ctrl-D, or the end of the file.
    case end
}

/// Lines from a file or a pipe: no prompt, no editing.
public final class PlainLines: LineSource {
    public init() {}

    public func next() -> LineInput {
        readLine(strippingNewline: true).map(LineInput.line) ?? .end
    }
}

/// A line editor on the terminal: libedit, with our history and completion.
///
/// For one thread; the terminal has one.
public final class LineEditor: LineSource {
    private let editor: OpaquePointer
    private let past: OpaquePointer
    fileprivate let prompt: UnsafeMutablePointer<CChar>
    fileprivate let complete: (Substring) -> Completion
    fileprivate var isInterrupted = false

    /// How many lines the arrow keys reach back.
    static let historyLength = 1000

    /// Nil when the terminal cannot be used. `complete` is asked with the line up to the cursor.
    public init?(prompt: String, history lines: [String], complete: @escaping (Substring) -> Completion) {
        // What is typed is in the encoding of the locale; without one, take UTF-8 rather than ASCII.
        if setlocale(LC_CTYPE, "") == nil || String(cString: nl_langinfo(nl_item(CODESET))) != "UTF-8" {
            setlocale(LC_CTYPE, "C.UTF-8")
        }
        guard let past = history_init() else { return nil }
        guard let editor = edit_open("swiftwater") else {
            history_end(past)
            return nil
        }
        self.editor = editor
        self.past = past
        self.prompt = strdup(prompt)
        self.complete = complete
        edit_set_client_data(editor, Unmanaged.passUnretained(self).toOpaque())
        edit_set_prompt(editor) { LineEditor.of($0).prompt }
        edit_set_mode(editor, "emacs")
        edit_set_signals(editor, 1)
        edit_history_set_size(past, Int32(Self.historyLength))
        edit_history_skip_repeats(past)
        edit_set_history(editor, past)
        edit_add_function(editor, "swiftwater-complete", "completes a command, a key or a name", completeWord)
        edit_bind(editor, "\t", "swiftwater-complete")
        edit_bind(editor, "^R", "em-inc-search-prev")
        edit_take_signal_keys(editor)
        edit_add_function(editor, "swiftwater-interrupt", "gives the line up", interruptLine)
        edit_bind(editor, "^C", "swiftwater-interrupt")
        edit_add_function(editor, "swiftwater-suspend", "stops the program until it is continued", suspendProgram)
        edit_bind(editor, "^Z", "swiftwater-suspend")
        el_source(editor, nil)
        for line in lines.suffix(Self.historyLength) { edit_history_enter(past, line) }
    }

    deinit {
        el_end(editor)
        history_end(past)
        free(prompt)
    }

    public func next() -> LineInput {
        var count: Int32 = 0
        isInterrupted = false
        guard let text = el_gets(editor, &count), count > 0 else { return .end }
        if isInterrupted { return .interrupted }
        var line = String(cString: text)
        if line.hasSuffix("\n") { line.removeLast() }
        return .line(line)
    }

    /// Makes a line one that the arrow keys find.
    public func remember(_ line: String) { edit_history_enter(past, line) }

    fileprivate static func of(_ editor: OpaquePointer?) -> LineEditor {
        Unmanaged<LineEditor>.fromOpaque(edit_client_data(editor)).takeUnretainedValue()
    }
}

/// Bound to Tab: finishes the word, or shows how it could go on.
private func completeWord(_ editor: OpaquePointer?, _: Int32) -> UInt8 {
    guard let info = el_line(editor)?.pointee, let start = info.buffer, let cursor = info.cursor else {
        return UInt8(CC_ERROR)
    }
    let typed = String(
        decoding: UnsafeRawBufferPointer(start: start, count: cursor - start), as: UTF8.self)
    let completion = LineEditor.of(editor).complete(typed[...])
    if let insertion = completion.insertion {
        el_deletestr(editor, Int32(completion.replaced))
        return el_insertstr(editor, insertion) == 0 ? UInt8(CC_REFRESH) : UInt8(CC_ERROR)
    }
    guard !completion.choices.isEmpty else { return UInt8(CC_REFRESH_BEEP) }
    edit_print("\n" + completion.listing(columns: terminalWidth()) + "\n")
    return UInt8(CC_REDISPLAY)
}

/// Bound to Ctrl-C.
private func interruptLine(_ editor: OpaquePointer?, _: Int32) -> UInt8 {
    LineEditor.of(editor).isInterrupted = true
    edit_print("^C\n")
    return UInt8(CC_NEWLINE)
}

/// Bound to Ctrl-Z.
private func suspendProgram(_ editor: OpaquePointer?, _: Int32) -> UInt8 {
    edit_prepare_terminal(editor, 0)
    raise(SIGTSTP)
    edit_prepare_terminal(editor, 1)
    return UInt8(CC_REDISPLAY)
}

/// How many characters a line of the terminal holds; 80 when nobody knows.
func terminalWidth() -> Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
}
