//! The data plane: mailboxes and sites on one engine.
//!
//! Floor 3. Every byte that a customer gave is sealed under a key of its container before it is stored, and
//! every such key comes from custody's [`Keys`](custody::service::Keys) and nothing else. Rows, blobs and the
//! order in which they are written are fixed in spec/objects.md.
//!
//! [`Engine`] is the handle; its operations lie with their nouns: a holder is created and found, objects are
//! put, read, listed, found by name, overwritten, deleted and imported, and a sweep removes orphans. [`http`] is
//! their door on the network.

mod blob;
mod budget;
mod delete;
mod engine;
mod fault;
mod find;
mod holder;
pub mod http;
mod ids;
mod import;
#[cfg(test)]
mod known_answers;
mod lease;
mod list;
mod mail;
mod name;
mod object;
mod read;
mod source;
mod sweep;
mod tag;
mod write;

pub use budget::{IN_FLIGHT, IN_FLIGHT_OF_TENANT};
pub use engine::{Engine, TABLES};
pub use find::MAX_NAMESAKES;
pub use holder::{Holder, HolderKind, HolderPage, MAX_HOLDERS};
pub use import::{Acknowledged, BATCH_BYTES, BATCH_ITEMS, Item, MAX_REFUSALS, Outcome, Stopped, Summary};
pub use list::{MAX_OBJECTS, Page};
pub use mail::{MAX_FIELD, Mark};
pub use name::{DirectoryName, MAX_DIRECTORY_NAME, MAX_NAME, Name};
pub use object::{BLOB, Details, Entry, INLINE, Kind, MAX_OBJECT};
pub use read::Download;
pub use source::{Content, Reopen};
pub use sweep::Swept;
pub use write::{Put, Replacement, Written};
