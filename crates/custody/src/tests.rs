//! Custody at its door: real keys and stores, root keys in memory that answer by script.

mod crashes;
mod leases;
mod opening;
mod people;
mod policies;
mod probes;
mod rewrap;
mod sequences;
mod upkeep;
mod world;
