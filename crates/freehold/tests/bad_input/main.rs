//! Bad input at the binary: each is refused with what happened and what to do, or kept and marked, and nothing is lost.
//!
//! What only a room can be given, such as a host that resolves twice differently, is tested there.

mod disk;
mod edited;
mod folders;
mod names;
mod stop;
#[path = "../support/mod.rs"]
mod support;
