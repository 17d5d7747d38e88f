//! The SQL of every call, written once for each table so that prepared statements are found again.
//!
//! Kept to what PostgreSQL understands too, but for types and table options.

use std::collections::HashMap;

use crate::schema::Table;

/// The text of every statement on rows.
pub(crate) struct Statements(HashMap<&'static str, RowStatements>);

pub(crate) struct RowStatements {
    pub(crate) read: String,
    pub(crate) version: String,
    pub(crate) put: String,
    pub(crate) delete: String,
    /// Scans, by (starts after a key instead of at it, has an upper bound).
    at: [String; 2],
    after: [String; 2],
}

impl Statements {
    pub(crate) fn new(tables: &[Table]) -> Self {
        Self(tables.iter().map(|table| (table.0, RowStatements::new(*table))).collect())
    }

    /// The statements of a table; the handle lets no other table through.
    pub(crate) fn of(&self, table: Table) -> &RowStatements {
        self.0.get(table.0).expect("the handle checked that the schema has the table")
    }
}

impl RowStatements {
    fn new(table: Table) -> Self {
        let scan = |from: &str, bound: &str| {
            format!(
                r#"SELECT key, version, body, payload FROM "{table}" WHERE key {from} ?1 {bound} ORDER BY key LIMIT ?2"#
            )
        };
        let bounded = "AND key < ?3";
        Self {
            read: format!(r#"SELECT key, version, body, payload FROM "{table}" WHERE key = ?1"#),
            version: format!(r#"SELECT version FROM "{table}" WHERE key = ?1"#),
            put: format!(
                r#"INSERT INTO "{table}" (key, version, body, payload) VALUES (?1, 1, ?2, ?3)
                   ON CONFLICT (key) DO UPDATE SET version = "{table}".version + 1, body = excluded.body, payload = excluded.payload"#
            ),
            delete: format!(r#"DELETE FROM "{table}" WHERE key = ?1"#),
            at: [scan(">=", ""), scan(">=", bounded)],
            after: [scan(">", ""), scan(">", bounded)],
        }
    }

    pub(crate) fn scan(&self, after: bool, bounded: bool) -> &str {
        let pair = if after { &self.after } else { &self.at };
        &pair[usize::from(bounded)]
    }
}

/// What every database has besides its tables.
pub(crate) const FRAME: &str = "
    CREATE TABLE schema (owner TEXT NOT NULL, version INTEGER NOT NULL) STRICT;
    CREATE TABLE audit (
        stream TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        operation TEXT NOT NULL,
        body TEXT NOT NULL,
        previous BLOB NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (stream, seq)
    ) STRICT, WITHOUT ROWID;";

pub(crate) const VERSION: &str = "SELECT version FROM schema";

pub(crate) const INSERT_RECORD: &str = "
    INSERT INTO audit (stream, seq, at, operation, body, previous, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(crate) const HEAD: &str = "SELECT seq, hash FROM audit WHERE stream = ?1 ORDER BY seq DESC LIMIT 1";

pub(crate) const RECORDS: &str = "
    SELECT stream, seq, at, operation, body, previous, hash FROM audit
    WHERE stream = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// The next stream's name; asked again for each name, because that is a search and DISTINCT is a full scan.
pub(crate) const NEXT_STREAM: &str = "SELECT stream FROM audit WHERE stream > ?1 ORDER BY stream LIMIT 1";

pub(crate) fn create_table(table: Table) -> String {
    format!(
        r#"CREATE TABLE "{table}" (
            key TEXT NOT NULL PRIMARY KEY,
            version INTEGER NOT NULL,
            body TEXT NOT NULL,
            payload BLOB
        ) STRICT, WITHOUT ROWID;"#
    )
}

pub(crate) fn drop_table(table: Table) -> String {
    format!(r#"DROP TABLE "{table}";"#)
}

pub(crate) fn next_body(table: Table) -> String {
    format!(r#"SELECT key, body FROM "{table}" WHERE key > ?1 ORDER BY key LIMIT 1"#)
}

pub(crate) fn update_body(table: Table) -> String {
    format!(r#"UPDATE "{table}" SET body = ?2 WHERE key = ?1"#)
}
