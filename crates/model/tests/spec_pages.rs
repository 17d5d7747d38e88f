//! The tables of spec/ say what the code does: each row is read from the page and compared.

use freehold_model::fault::TABLE;
use freehold_model::refusal::{Actor, Code};

const UNWRAP_ORDER: &str = include_str!("../../../spec/unwrap-order.md");
const ERRORS: &str = include_str!("../../../spec/errors.md");

/// The cells of the rows of the table whose first header is `header`.
fn table<'a>(page: &'a str, header: &str) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| -> Option<Vec<&'a str>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(str::trim).collect())
    };
    page.lines()
        .map(cells)
        .skip_while(|row| row.as_ref().is_none_or(|row| row[0] != header))
        .skip(2)
        .map_while(|row| row)
        .collect()
}

#[test]
fn the_fault_table_of_the_page_is_the_one_of_the_code() {
    let of_page = table(UNWRAP_ORDER, "source");
    let of_code: Vec<Vec<String>> = TABLE
        .iter()
        .map(|row| {
            vec![
                row.source.to_string(),
                row.status.to_string(),
                row.code.to_owned(),
                row.inner.to_owned(),
                row.owner.map_or_else(|| "*".to_owned(), |owner| owner.to_string()),
                row.fault.to_string(),
                row.reason.to_owned(),
            ]
        })
        .collect();
    assert_eq!(of_page, of_code);
}

#[test]
fn the_codes_of_the_page_are_those_of_the_code() {
    let of_page = table(ERRORS, "code");
    let actor = |code: &Code| match code.actor() {
        Actor::Customer => "customer",
        Actor::Caller => "caller",
        Actor::Time => "time",
        Actor::Operator => "operator",
    };
    let of_code: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|code| {
            let cells = [code.text(), code.slug(), actor(code), &code.status().to_string(), code.advice()];
            cells.map(str::to_owned).to_vec()
        })
        .collect();
    assert_eq!(of_page, of_code);
}
