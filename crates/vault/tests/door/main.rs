//! The vault at its door: requests in, replies out, no sockets. Each file is one part of the wire.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod assertions;
mod availability;
mod backup;
mod changes;
mod concurrency;
mod directories;
mod gate;
mod graph;
mod hostile;
mod identity;
mod imports;
mod keys;
mod life;
mod lists;
mod log;
mod microsoft;
mod network;
mod offers;
mod persistence;
mod policies;
mod recovery;
mod refusals;
mod renewal;
mod resources;
mod rights;
mod roles;
mod rotation;
mod sign_in;
mod signatures;
mod tokens;
mod upkeep;
mod vaults;
mod wire;
mod world;
