//! The project's own commands (`cargo xtask …`) and the house rules as functions that tests call.
//!
//! Owns what the repository asks of itself. It links no room of the house, so it builds in seconds and
//! still works when a room does not compile.

pub mod bench;
pub mod corpus;
pub mod e2e;
pub mod report;
pub mod step;
pub mod suite;
pub mod tidy;
pub mod tools;

use std::path::PathBuf;

/// The root of the workspace.
///
/// As the cargo that runs us says; what was compiled in may be another checkout that shares its target folder.
pub fn root() -> PathBuf {
    let compiled = || env!("CARGO_MANIFEST_DIR").into();
    let mut root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(compiled));
    root.pop();
    root
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    let root = root();
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}
