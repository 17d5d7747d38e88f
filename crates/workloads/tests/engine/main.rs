//! The engine as its callers see it: what is kept, what is refused, and what survives.

mod bad_input;
mod canaries;
mod crashes;
mod damage;
mod generations;
mod holders;
mod imports;
mod leases;
mod objects;
mod support;
mod sweeps;
mod tenants;
