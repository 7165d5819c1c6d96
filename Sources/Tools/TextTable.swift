/// Columns under headings, as wide as they need to be.
struct TextTable {
    enum Alignment { case left, right }
    struct Column {
        var heading: String
        var alignment: Alignment
    }
    /// A row of cells, or one note that spans the rest of its row after the cells that it has.
    struct Row {
        var cells: [String]
        var note: String?
    }

    private let columns: [Column]
    private var rows: [Row] = []

    init(_ columns: [(String, Alignment)]) {
        self.columns = columns.map { Column(heading: $0.0, alignment: $0.1) }
    }

    mutating func add(_ cells: [String], note: String? = nil) {
        rows.append(Row(cells: cells, note: note))
    }

    /// The lines, headings first, without blanks at their ends.
    var lines: [String] {
        let all = [Row(cells: columns.map(\.heading), note: nil)] + rows
        let widths = columns.indices.map { column in
            all.map { column < $0.cells.count ? Self.width($0.cells[column]) : 0 }.max() ?? 0
        }
        return all.map { row in
            var cells = row.cells.enumerated().map { place, cell in
                Self.padded(cell, to: widths[place], columns[place].alignment)
            }
            if let note = row.note { cells.append(note) }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    private static func padded(_ cell: String, to width: Int, _ alignment: Alignment) -> String {
        let blanks = String(repeating: " ", count: max(0, width - Self.width(cell)))
        return alignment == .left ? cell + blanks : blanks + cell
    }

    /// How many places a terminal gives a text: one a character, near enough for names and numbers.
    private static func width(_ text: String) -> Int { text.count }
}
