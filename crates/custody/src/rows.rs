//! Typed rows: a value with the version it was read at, and how a store's trouble reads to a caller.
//!
//! Owns the tables of custody's part of the service database and the one way to load a row of them.

use model::refusal::{Code, Refusal};
use serde::de::DeserializeOwned;
use store::{CommitError, Step, Store, StoreError, Table};

/// Tenants, keyed `tenant`.
pub(crate) const TENANTS: Table = Table("tenants");
/// Which tenant a directory belongs to, keyed `directory`.
pub(crate) const DIRECTORIES: Table = Table("directories");
/// Which tenant a domain belongs to, keyed `domain`.
pub(crate) const DOMAINS: Table = Table("domains");
/// Tenants on their way in, whose end was not told yet, keyed `directory`.
pub(crate) const INTAKES: Table = Table("intakes");
/// What the volume key is checked against, keyed `check`.
pub(crate) const VOLUME: Table = Table("volume");
/// Vault connections, keyed `tenant/kind`.
pub(crate) const CONNECTIONS: Table = Table("connections");
/// Data encryption policies, keyed `tenant/policy`.
pub(crate) const POLICIES: Table = Table("policies");
/// What is remembered of each slot of a policy, keyed `tenant/policy/slot`.
pub(crate) const SLOTS: Table = Table("slots");
/// Containers and their wrapped keys, keyed `tenant/container`.
pub(crate) const CONTAINERS: Table = Table("containers");
/// Containers that an assignment has touched and a rewrap has not, keyed `tenant/container`.
pub(crate) const REWRAPS: Table = Table("rewraps");
/// Calls to a vault that were announced and have no outcome yet, keyed `tenant/request/call`.
pub(crate) const INTENTS: Table = Table("intents");

/// Who is enrolled in a tenant, keyed `tenant/person`.
pub(crate) const PEOPLE: Table = Table("people");
/// How many people a tenant has, keyed `tenant`.
pub(crate) const ROSTERS: Table = Table("rosters");
/// Invitations that nobody has redeemed, keyed `tenant/hash of the credential`.
pub(crate) const INVITATIONS: Table = Table("invitations");

/// When a node last saw that the store takes a write, keyed `node`.
pub(crate) const BEATS: Table = Table("beats");

/// Every table that custody keeps in the service's database.
pub const TABLES: &[Table] = &[
    TENANTS,
    DIRECTORIES,
    CONNECTIONS,
    POLICIES,
    SLOTS,
    CONTAINERS,
    REWRAPS,
    INTENTS,
    DOMAINS,
    INTAKES,
    VOLUME,
    PEOPLE,
    ROSTERS,
    INVITATIONS,
    BEATS,
];

/// What version 2 of the service's database has more than version 1.
pub const ADDED: &[Step] = &[
    Step::Create(DOMAINS),
    Step::Create(INTAKES),
    Step::Create(VOLUME),
    Step::Create(PEOPLE),
    Step::Create(ROSTERS),
    Step::Create(INVITATIONS),
    Step::Create(BEATS),
];

/// A value and the version of its row, to be expected when it is written back.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) version: u64,
}

/// Loads one row, or `None`.
pub(crate) async fn load<T: DeserializeOwned>(
    store: &Store,
    table: Table,
    key: &str,
) -> Result<Option<Kept<T>>, Refusal> {
    let Some(row) = store.read(table, key).await.map_err(trouble)? else { return Ok(None) };
    let value = row.parse().map_err(trouble)?;
    Ok(Some(Kept { value, version: row.version }))
}

/// A store's fault as a refusal; what is not the disk's or the moment's fault is ours.
pub(crate) fn trouble(error: StoreError) -> Refusal {
    let code = match &error {
        StoreError::Full => Code::DiskFull,
        StoreError::Locked(_) | StoreError::Down(_) => Code::Busy,
        _ => Code::Ours,
    };
    Refusal::new(code, error.to_string())
}

/// A commit's fault as a refusal; a lost race asks the caller to look again.
pub(crate) fn lost(error: CommitError) -> Refusal {
    match error {
        CommitError::Conflict { .. } => {
            Refusal::new(Code::Conflict, "another change of the same thing came first")
        }
        CommitError::Store(error) => trouble(error),
    }
}
