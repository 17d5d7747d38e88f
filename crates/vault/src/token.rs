//! Tokens: the keys that sign them, the service that gives them out, and the check at every other door.

pub(crate) mod check;
pub(crate) mod claims;
pub(crate) mod refusal;
pub(crate) mod service;
pub(crate) mod signing;
