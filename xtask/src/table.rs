//! Plain text tables for a terminal.

/// Lays out `rows` in columns as wide as their widest cell. The first row is the heading.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = (0..count).map(width).collect::<Vec<_>>();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        let rows = [vec!["fault".to_owned(), "caught by".to_owned()], vec!["lifo".to_owned(), "order".to_owned()]];
        assert_eq!(columns(&rows), "fault  caught by\nlifo   order\n");
    }
}
