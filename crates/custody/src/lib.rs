//! The customer-key service: policies, unwrap, leases, rewrap and audit.

pub mod roots;
