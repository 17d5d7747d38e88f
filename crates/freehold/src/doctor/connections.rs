//! Whether the service reaches every root key of the data folder, by the way that a real use goes.
//!
//! Owns whom to ask and what to do about each answer. The folder is held meanwhile, so this is left out while a
//! service runs on it; each call is recorded by custody as every call to a vault is.

use std::collections::BTreeSet;
use std::sync::Arc;

use custody::{Probed, Reached};
use futures::stream::{self, StreamExt};
use model::fault::{Fault, Finding as Heard};
use model::policy::PolicyKind;
use model::refusal::Refusal;

use super::{Finding, Verdict};
use crate::clock::SystemClock;
use crate::commands::local;
use crate::config::Config;
use crate::exit::Failure;
use crate::folder::DataFolder;
use crate::layout::Layout;
use crate::node::{Edge, Lab, Service, Wiring, remote};
use crate::random::SystemRandom;
use crate::settings::Role;

const CHECK: &str = "vault connection";
/// How many policies are probed at once: a vault that is silent must not hold up the rest for long.
const PROBES: usize = 16;

/// One finding for each root key of each policy; `mended` tells that nothing else has to be mended first.
pub(super) fn all(config: &Config, mended: bool) -> Vec<Finding> {
    let layout = Layout::new(config);
    if !config.role.has_service() || !layout.service_database().exists() {
        return Vec::new();
    }
    let not_checked = |why: String, todo: &str| vec![Finding::new(CHECK, Verdict::NotChecked, why, todo)];
    if !mended {
        return not_checked("no vault was asked".into(), "mend what has failed above first");
    }
    // Asked by itself first, because a folder that is held is no fault of the vaults.
    if let Err(error) = DataFolder::open(layout.clone(), *config.role) {
        return not_checked(
            error.to_string(),
            "stop what runs on this folder to have its vault connections tried",
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let tried = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let tried = runtime.block_on(open_and_probe(config, layout)).map_err(|failure| failure.to_string());
        runtime.shutdown_background();
        tried
    });
    tried.unwrap_or_else(|why| {
        let todo = "`freehold serve` would fail the same way: mend that first";
        vec![Finding::new(CHECK, Verdict::Failed, why, todo)]
    })
}

async fn open_and_probe(config: &Config, layout: Layout) -> Result<Vec<Finding>, Failure> {
    let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
    if *config.role == Role::All {
        let lab = Lab::open(layout, &edge, &Wiring::free(config), &[]).await?;
        let findings = probe(&lab.service, &edge).await;
        lab.close().await;
        return Ok(findings?);
    }
    let folder = DataFolder::open(layout, *config.role)?;
    let reach = remote(&folder.layout, &Wiring::fixed(config), &edge)?.reach;
    let service = Service::open(&folder.layout, Arc::new(reach), &edge).await?;
    Ok(probe(&service, &edge).await?)
}

async fn probe(service: &Service, edge: &Edge) -> Result<Vec<Finding>, Refusal> {
    let (mut wanted, mut provider, mut after) = (Vec::new(), false, None);
    loop {
        let page = service.custody.tenants(after, custody::PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for tenant in &page {
            for policy in service.custody.policies(&local(tenant.id, edge)).await? {
                // The provider's two keys are the same for every tenant: they are asked for once.
                if policy.kind == PolicyKind::ProviderManaged && std::mem::replace(&mut provider, true) {
                    continue;
                }
                wanted.push((tenant.id, policy));
            }
        }
    }
    let probes = wanted.iter().map(async |(tenant, policy)| {
        let about = match policy.kind {
            PolicyKind::ProviderManaged => "the provider's own".to_owned(),
            kind => format!("{kind} policies of tenant {tenant}"),
        };
        (about, service.custody.probe(&local(*tenant, edge), policy.id).await)
    });
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    let mut answers = stream::iter(probes).buffered(PROBES);
    while let Some((about, answer)) = answers.next().await {
        match answer {
            Ok(probed) => {
                let new = probed.iter().filter(|one| seen.insert((about.clone(), one.key.to_string())));
                findings.extend(new.map(|one| finding(&about, one)));
            }
            Err(refusal) => {
                findings.push(Finding::new(CHECK, Verdict::Failed, format!("{about}: {refusal}"), ""))
            }
        }
    }
    Ok(findings)
}

fn finding(about: &str, probed: &Probed) -> Finding {
    let place = format!("{about}: {}", probed.key);
    match &probed.reached {
        Reached::Usable => Finding::ok(CHECK, format!("{place} is there and may be used")),
        Reached::Unusable(why) => {
            let todo = "tell the customer: a new version of the key, and then a refresh of the policy";
            Finding::new(CHECK, Verdict::Failed, format!("{place}: {why}"), todo)
        }
        Reached::No(heard) => {
            let (what, todo) = advice(heard);
            Finding::new(CHECK, Verdict::Failed, format!("{place}: {what} ({})", heard.reason), todo)
        }
    }
}

/// Who said no, and what to do about it.
fn advice(heard: &Heard) -> (&'static str, &'static str) {
    match (heard.fault, heard.reason) {
        (Fault::Denied, _) => (
            "refused by the customer",
            "ask the customer whether that is meant: the key must be there and enabled, and the service's application \
             needs get, wrapKey and unwrapKey on it",
        ),
        (Fault::Unreachable, _) => (
            "unreachable",
            "see whether the vault and its token service run, and whether name, port and firewall let this machine reach \
             them",
        ),
        (Fault::Lying, "certificate") => (
            "its certificate is not one that is trusted here",
            "set tls.authority to who signed for the vaults; if that is done, somebody may stand in between",
        ),
        (Fault::Lying, _) => {
            ("somebody else answers", "find out who answers under that name before anything is trusted to it")
        }
        (Fault::Ours, "credential-invalid" | "credential-expired" | "credential-missing") => (
            "our own credential was not accepted",
            "put the client secret that the vault's party gave out into its file in the keys folder; start that vault again \
             if it has ended",
        ),
        (Fault::Ours, "clock-skew") => ("our own clock is wrong", "set the clock, best by NTP"),
        (Fault::Ours, "address-not-allowed") => {
            ("its name leads to an address that may not be dialled", "see where its name leads")
        }
        (Fault::Ours, _) => {
            ("something of ours is wrong", "see the log of this command at --set log.level=debug")
        }
    }
}

#[cfg(test)]
mod tests {
    use model::slot::Slot;

    use super::*;

    #[test]
    fn each_fault_says_who_must_act() {
        let key = "https://contoso-a.vault.localhost/keys/root/0123456789abcdef0123456789abcdef";
        let key = custody_key(key);
        let mut told = BTreeSet::new();
        for (fault, reason) in [
            (Fault::Denied, "role-missing"),
            (Fault::Unreachable, "no-connection"),
            (Fault::Lying, "certificate"),
            (Fault::Lying, "foreign-challenge"),
            (Fault::Ours, "credential-invalid"),
            (Fault::Ours, "clock-skew"),
            (Fault::Ours, "address-not-allowed"),
            (Fault::Ours, "not-in-the-table"),
        ] {
            let reached = Reached::No(Heard { fault, reason });
            let told_now = finding("mailbox", &Probed { slot: Slot::First, key: key.clone(), reached });
            assert_eq!(told_now.verdict, Verdict::Failed);
            assert!(
                told_now.detail.contains(reason) && told_now.detail.contains("contoso-a"),
                "{told_now:?}"
            );
            assert!(told.insert(told_now.advice), "{reason} has its own advice");
        }
        let usable = Probed { slot: Slot::First, key, reached: Reached::Usable };
        assert_eq!(finding("mailbox", &usable).verdict, Verdict::Ok);
    }

    fn custody_key(text: &str) -> model::key_identifier::KeyIdentifier {
        model::key_identifier::KeyIdentifier::from_stored(text).expect("canonical")
    }
}
