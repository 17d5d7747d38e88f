//! The table of limits: each row of spec/limits.md names a constant that exists where the row says.
//!
//! Owns the form of a row: `| NAME | value | where |`, `where` being a file's path from the root.

use super::{File, find, has_word};

/// Where the table is.
pub const PATH: &str = "spec/limits.md";

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The constant.
    pub name: String,
    /// Its value, in words for a reader.
    pub value: String,
    /// The file that holds it.
    pub place: String,
}

/// The rows of the table: the lines with three cells or more whose first is the name of a constant.
pub fn rows(text: &str) -> Vec<Row> {
    text.lines().filter_map(row).collect()
}

/// One complaint for each row whose constant is not where the row says, or is listed twice.
pub fn complaints(files: &[File]) -> Vec<String> {
    let Some(table) = find(files, PATH) else { return vec![format!("{PATH} is missing")] };
    let rows = rows(&table.text);
    let mut complaints = Vec::new();
    if rows.is_empty() {
        complaints.push(format!("{PATH} lists no limit"));
    }
    for (at, row) in rows.iter().enumerate() {
        let Row { name, place, value } = row;
        match find(files, place) {
            None => complaints.push(format!("{PATH}: {name}: there is no file {place:?}")),
            Some(file) if !has_word(&file.text, &format!("const {name}:")) => {
                complaints.push(format!("{PATH}: {place} has no `const {name}`"));
            }
            Some(_) => {}
        }
        if value.is_empty() {
            complaints.push(format!("{PATH}: {name} has no value"));
        }
        if rows[..at].iter().any(|other| other.name == *name && other.place == *place) {
            complaints.push(format!("{PATH}: {name} of {place} is listed twice"));
        }
    }
    complaints
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> =
        line.trim().strip_prefix('|')?.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
    let [name, value, place, ..] = cells.as_slice() else { return None };
    let constant = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.len() > 1
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    constant.then(|| Row { name: (*name).into(), value: (*value).into(), place: (*place).into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "# Limits\n\n| name | value | where |\n|---|---|---|\n| `MAX_PAGE` | 500 rows | `src/a.rs` | why |\n";

    fn with(table: &str, code: &str) -> Vec<String> {
        complaints(&[File::new(PATH, table), File::new("src/a.rs", code)])
    }

    #[test]
    fn a_row_whose_constant_exists_is_no_complaint() {
        assert_eq!(rows(TABLE).len(), 1);
        assert_eq!(with(TABLE, "pub const MAX_PAGE: u32 = 500;"), [""; 0]);
    }

    #[test]
    fn a_constant_that_is_gone_or_renamed_is_found() {
        assert_eq!(
            with(TABLE, "pub const MAX_PAGES: u32 = 500;"),
            ["spec/limits.md: src/a.rs has no `const MAX_PAGE`"]
        );
        assert_eq!(
            with(TABLE, "// the const MAX_PAGE was here"),
            ["spec/limits.md: src/a.rs has no `const MAX_PAGE`"]
        );
    }

    #[test]
    fn a_file_that_is_gone_is_found() {
        let moved = TABLE.replace("src/a.rs", "src/b.rs");
        assert_eq!(with(&moved, ""), ["spec/limits.md: MAX_PAGE: there is no file \"src/b.rs\""]);
    }

    #[test]
    fn an_empty_cell_a_second_row_and_an_empty_table_are_found() {
        let code = "const MAX_PAGE: u32 = 500;";
        assert_eq!(with(&TABLE.replace("500 rows", ""), code), ["spec/limits.md: MAX_PAGE has no value"]);
        let twice = format!("{TABLE}| MAX_PAGE | 500 | src/a.rs |\n");
        assert_eq!(with(&twice, code), ["spec/limits.md: MAX_PAGE of src/a.rs is listed twice"]);
        assert_eq!(with("# Limits\n", code), ["spec/limits.md lists no limit"]);
        assert_eq!(complaints(&[]), ["spec/limits.md is missing"]);
    }
}
