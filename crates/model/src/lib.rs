//! Decisions: policies, assignment and precedence, the unwrap order, leases. Pure; `now` is an argument.
//!
//! Floor 0: no async runtime, no I/O, no clock, no randomness and no key. What a room above decides to do
//! with an effect is decided here first, as a value that a test can compare.

pub mod assignment;
pub mod caller;
pub mod check;
pub mod evidence;
pub mod fault;
pub mod fault_table;
pub mod id;
pub mod key_identifier;
pub mod lease;
pub mod order;
pub mod outcome;
pub mod policy;
pub mod refusal;
pub mod root_key;
pub mod settings;
pub mod share_point;
pub mod slot;
pub mod suffix;
pub mod time;
pub mod unwrap;
