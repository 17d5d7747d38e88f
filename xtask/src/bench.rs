//! Benchmarks: each prints numbers and judges none; a timed test would fail on a busy machine.

use crate::report::Outcome;
use crate::step;

/// The sealed format beside raw AES-256-GCM.
pub fn seal() -> Outcome {
    step::run(&mut step::cargo(&["bench", "--locked", "-p", "freehold-crypto", "--bench", "seal"]))
}
