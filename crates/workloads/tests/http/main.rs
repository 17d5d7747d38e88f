//! The door of the data plane as its callers see it: bytes in, bytes out, and who is let in.

mod content;
mod doors;
mod imports;
mod names;
mod objects;
mod wire;
mod world;
