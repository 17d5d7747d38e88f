//! Benchmarks: each prints numbers and judges none; a timed test would fail on a busy machine.

use crate::corpus;
use crate::report::Outcome;
use crate::step;

/// The sealed format beside raw AES-256-GCM.
pub fn seal() -> Outcome {
    step::run(&mut step::cargo(&["bench", "--locked", "-p", "freehold-crypto", "--bench", "seal"]))
}

/// The vault over HTTPS beside raw private operations and a bare echo.
pub fn vault() -> Outcome {
    step::run(&mut step::cargo(&["bench", "--locked", "-p", "freehold", "--bench", "vault"]))
}

/// A durable import beside a plain durable copy of the same real messages.
pub fn import() -> Outcome {
    let messages = match corpus::install() {
        Ok(messages) => messages,
        Err(outcome) => return outcome,
    };
    let mut bench =
        step::cargo(&["bench", "--locked", "-p", "freehold-workloads", "--bench", "import", "--"]);
    step::run(bench.arg(messages))
}
