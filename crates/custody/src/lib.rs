//! The customer-key service: policies, unwrap, leases, rewrap and audit.
//!
//! Floor 2. Workloads use [`service::Keys`] and nothing else of this crate; administrators use [`Custody`]. The
//! vaults are reached through [`roots`] alone. `spec/custody.md` fixes rows and the order of writes.

mod calls;
mod connection;
mod container;
mod containers;
mod creation;
mod custody;
mod health;
mod hex;
pub mod http;
mod intake;
mod invitations;
mod leases;
mod memory;
mod people;
mod policy;
mod probe;
mod pulse;
mod reach;
mod reconcile;
pub mod roots;
mod rows;
pub mod service;
mod tenant;
mod tenants;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unwrap;
mod upkeep;
mod volume;
mod wraps;

pub use connection::{Reach, VaultConnection};
pub use containers::Layers;
pub use creation::{NewPolicy, Refreshed};
pub use custody::{Custody, CustodySettings, Parts};
pub use health::{PolicyHealth, SlotHealth};
pub use invitations::{INVITATION_LIFE, INVITATION_PREFIX, Invitation, Invited, Inviter, MAX_INVITATIONS};
pub use leases::MAX_FLIGHTS;
pub use people::{MAX_PEOPLE, Person};
pub use policy::Policy;
pub use probe::{Probed, Reached};
pub use pulse::{MAX_PULSES, Said, Shut};
pub use reach::{AzureReach, MAX_CONNECTIONS, Provider};
pub use rows::{ADDED, TABLES};
pub use tenant::{
    MAX_DOMAINS, MAX_GEOS, MAX_TENANT_NAME, MAX_TENANT_NAME_BYTES, MAX_WORD, NewTenant, Tenant,
};
pub use tenants::PAGE;
pub use upkeep::{REST, Swept};
pub use volume::is_volume_key_of;
pub use wraps::{HISTORY, WRAPS_SCHEMA};

#[cfg(test)]
mod tests;
