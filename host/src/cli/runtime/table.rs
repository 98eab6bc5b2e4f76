//! Tables for people: columns as wide as what is in them.

/// Rows below a head.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(ToString::to_string).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell.into())).collect());
    }

    /// Whether there is anything below the head.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The text. The last column is not padded.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// An empty cell is shown as `-`, and what would move the cursor as what it is: names come from files.
fn visible(cell: &str) -> String {
    if cell.is_empty() {
        return "-".to_owned();
    }
    cell.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// A number of bytes as people read it.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_moves_the_cursor() {
        let mut table = Table::new(&["NAME", "B"]);
        assert!(table.is_empty());
        table.row(["é", ""]);
        table.row(["longer than", "\u{1b}[2Jx"]);
        assert!(!table.is_empty());
        assert_eq!(table.text(), "NAME         B\né            -\nlonger than  \\u{1b}[2Jx\n");
    }

    #[test]
    fn sizes_have_at_most_four_digits() {
        let shown = [0, 9_999, 10_000, 123_456, 10_000_000].map(size);
        assert_eq!(shown, ["0 B", "9999 B", "10 kB", "123 kB", "10 MB"]);
    }
}
