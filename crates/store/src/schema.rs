//! The shape of one database: its owner, its tables, its version, and the steps from one version to the next.
//!
//! Owns the rules for a schema and the decision what opening means (create, migrate, refuse). The engines
//! carry the decision out; each migration is one transaction.

use std::fmt;

use serde_json::Value;

use crate::error::StoreError;

/// A table of rows, by its name: lower-case letters, digits and `_`, starting with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub &'static str);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What one part of the system keeps in its database.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Who owns the database, for example `vault`; another owner is refused at opening.
    pub owner: &'static str,
    /// The version of the shape, from 1.
    pub version: u32,
    /// All tables of this version. The log has a table of its own and is not listed.
    pub tables: &'static [Table],
    /// One migration for each version after the first, in order.
    pub migrations: &'static [Migration],
}

/// The step from version `to - 1` to version `to`; one transaction.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The version that the database has afterwards.
    pub to: u32,
    /// What is done, in order.
    pub steps: &'static [Step],
}

/// One step of a migration, in words that every engine understands.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Makes a new, empty table.
    Create(Table),
    /// Removes a table with all its rows.
    Drop(Table),
    /// Rewrites every body of a table; key, version and payload stay. A fault undoes the whole migration.
    Rewrite(Table, Rewrite),
}

/// Turns the body that the former version wrote for a key into the one that this version reads.
pub type Rewrite = fn(&str, Value) -> Result<Value, String>;

/// What opening a database comes to.
#[derive(Debug)]
pub(crate) enum Opening {
    /// It is empty: make all tables.
    Create,
    /// It is ours: run these, which may be none.
    Migrate(&'static [Migration]),
}

impl Schema {
    /// Decides what opening means, from the owner and version that the database says it has.
    pub(crate) fn opening(&self, found: Option<(&str, u32)>) -> Result<Opening, StoreError> {
        self.check()?;
        let Some((owner, version)) = found else { return Ok(Opening::Create) };
        if owner != self.owner {
            return Err(StoreError::WrongOwner { found: owner.into(), expected: self.owner.into() });
        }
        if version > self.version {
            return Err(StoreError::Newer { found: version, known: self.version });
        }
        if version == 0 {
            return Err(StoreError::Corrupt("the schema row has version 0".into()));
        }
        // check() made sure that migration i leads to version i + 2
        Ok(Opening::Migrate(&self.migrations[version as usize - 1..]))
    }

    /// Whether a table belongs to this schema.
    pub(crate) fn has(&self, table: Table) -> bool {
        self.tables.contains(&table)
    }

    /// Whether the schema keeps the rules; it is written in the program, so a fault here is a fault of ours.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let wrong = |what: String| Err(StoreError::Misuse(format!("schema of {:?}: {what}", self.owner)));
        if !is_name(self.owner) {
            return wrong("the owner is not a name".into());
        }
        if self.version == 0 || self.tables.is_empty() {
            return wrong("it needs a version from 1 and at least one table".into());
        }
        let steps = self.migrations.iter().flat_map(|migration| migration.steps);
        let stepped = steps.map(|step| match step {
            Step::Create(table) | Step::Drop(table) | Step::Rewrite(table, _) => table,
        });
        for table in self.tables.iter().chain(stepped) {
            if !is_name(table.0) || RESERVED.contains(&table.0) || table.0.starts_with("sqlite") {
                return wrong(format!("{:?} cannot be a table", table.0));
            }
        }
        if (1..self.tables.len()).any(|i| self.tables[i..].contains(&self.tables[i - 1])) {
            return wrong("a table is listed twice".into());
        }
        let led_to = self.migrations.iter().map(|migration| migration.to);
        if !led_to.eq(2..=self.version) {
            return wrong("it needs one migration for each version after the first, in order".into());
        }
        Ok(())
    }
}

/// Tables that every database has for itself.
const RESERVED: &[&str] = &["audit", "schema"];

/// The longest name of an owner or a table, in bytes.
const MAX_NAME: usize = 48;

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Schema =
        Schema { owner: "service", version: 1, tables: &[Table("items"), Table("jobs")], migrations: &[] };

    #[test]
    fn a_schema_with_a_wrong_name_is_refused() {
        for tables in [
            &[Table("Items")] as &[_],
            &[Table("audit")],
            &[Table("sqlite_master")],
            &[Table("a b")],
            &[Table("")],
            &[Table("a"), Table("b"), Table("a")],
            &[],
        ] {
            let schema = Schema { tables, ..PLAIN };
            assert!(matches!(schema.opening(None), Err(StoreError::Misuse(_))), "{tables:?}");
        }
    }

    #[test]
    fn migrations_lead_from_one_version_to_the_next_without_a_gap() {
        let gap = Schema { version: 3, migrations: &[Migration { to: 3, steps: &[] }], ..PLAIN };
        assert!(matches!(gap.opening(None), Err(StoreError::Misuse(_))));
        let whole = Schema {
            version: 3,
            migrations: &[Migration { to: 2, steps: &[] }, Migration { to: 3, steps: &[] }],
            ..PLAIN
        };
        let Ok(Opening::Migrate(left)) = whole.opening(Some(("service", 2))) else { panic!("it is ours") };
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].to, 3);
    }
}
