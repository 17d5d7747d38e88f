//! How long the client secrets of the lab's applications last, by the notes that the vaults write at their start.

use std::collections::BTreeSet;
use std::path::Path;

use model::time::Timestamp;

use super::{Finding, Verdict};
use crate::config::Config;
use crate::exit::Failure;
use crate::key_file::KeyFile;
use crate::layout::Layout;
use crate::node::{APPLICATIONS, AVAILABILITY_OPERATOR, AVAILABILITY_SERVICE, Further, RENEW_SECRET, noted};

const CHECK: &str = "client secret";
const DAY: u64 = 24 * 3600;

/// One finding for each secret that a party of this role makes or signs in with.
pub(super) fn all(config: &Config, layout: &Layout, now: Timestamp) -> Vec<Finding> {
    let role = *config.role;
    let mut names = BTreeSet::new();
    let mut findings = Vec::new();
    if role.has_service() || role.has_vault() {
        names.extend(APPLICATIONS.map(|(_, name, _)| name));
    }
    if role.has_service() || role.has_availability_vault() {
        names.insert(AVAILABILITY_SERVICE);
    }
    if role.has_availability_vault() {
        findings.push(one(AVAILABILITY_OPERATOR, &layout.operator_secret(), now));
    }
    findings.extend(names.into_iter().map(|name| one(name, &layout.credential(name), now)));
    if config.role.has_service() {
        findings
            .extend(Further::of(config).credentials().map(|(setting, usable)| of_others(setting, usable)));
    }
    findings
}

/// A credential for somebody else's directory, which alone knows when it ends.
fn of_others(setting: &str, usable: Result<(), Failure>) -> Finding {
    match usable {
        Ok(()) => Finding::ok(CHECK, format!("that of {setting} is there; its directory knows when it ends")),
        Err(error) => {
            let todo = "see docs/azure.md for what each kind of credential needs";
            Finding::new(CHECK, Verdict::Failed, format!("{setting}.secret: {error}"), todo)
        }
    }
}

fn one(name: &str, file: &Path, now: Timestamp) -> Finding {
    let again = "start the vault that knows it again: it makes a new one; hand that to the service";
    if let Err(error) = KeyFile::examine(file) {
        let again = "put a copy of the one that its vault handed over there, or start that vault again: it makes a new one";
        return Finding::new(CHECK, Verdict::Failed, format!("{name}: {error}"), again);
    }
    let Some(ends) = noted(file) else {
        let detail = format!("nothing says when that of {name} ends");
        return Finding::new(
            CHECK,
            Verdict::NotChecked,
            detail,
            "the next start of the vault that knows it notes it",
        );
    };
    let days = ends.since(now).as_secs() / DAY;
    if ends <= now {
        Finding::new(CHECK, Verdict::Failed, format!("that of {name} has ended"), again)
    } else if ends <= now + RENEW_SECRET {
        Finding::new(CHECK, Verdict::Warning, format!("that of {name} ends in {days} days"), again)
    } else {
        Finding::ok(CHECK, format!("that of {name} is good for {days} days"))
    }
}
