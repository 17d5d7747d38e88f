//! The service's own HTTP API: the types of its bodies, what its two sides share on the wire, and its client.
//!
//! Floor 1. Handlers live in the room that owns the noun; `spec/http-api.md` fixes what a type cannot say. The types
//! are those of the wire: what is stored, and what is decided, is elsewhere.

mod audit;
pub mod client;
mod container;
mod health;
pub mod import;
mod object;
mod page;
mod person;
mod policy;
mod problem;
pub mod server;
mod tenant;
pub mod text;
mod time;

pub use audit::{AuditPage, AuditRecord};
pub use container::{
    AssignedPolicy, Container, ContainerKind, ContainerName, ContainerPage, Layers, NewContainer, RootWrap,
    Standing,
};
pub use health::{Live, PolicyHealth, Ready, ReadyState, SlotAnswer, SlotHealth, TenantHealth};
pub use object::{
    Bytes, FoundObjects, ObjectDetails, ObjectKind, ObjectName, ObjectPage, StoredObject, WrittenObject,
};
pub use page::Paging;
pub use person::{
    Enrolled, Enrolment, Invitation, NewInvitation, OpenInvitation, OpenInvitations, People, Person, Role,
};
pub use policy::{
    NewPolicy, Policy, PolicyKind, PolicyList, PolicySettings, PolicyState, Preset, RefreshedPolicy,
};
pub use problem::{PROBLEM_JSON, Problem};
pub use tenant::{NewTenant, NewTenantMade, Tenant, TenantPage};
pub use time::Time;
