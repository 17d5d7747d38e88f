//! Which root keys a policy may be built on: the rules for one key, and the rules for the pair.
//!
//! Owns [`RootKeyFacts`] (what a vault and its control plane say of a key) and the rules on them. The names of
//! the rules are part of the format: they appear in reports and refusals.

use std::fmt;

use crate::check::Check;
use crate::key_identifier::KeyIdentifier;
use crate::time::Timestamp;

/// The sizes of an RSA root key, in bits.
pub const KEY_SIZES: [u32; 3] = [2048, 3072, 4096];

/// The operations that a root key must allow.
pub const KEY_OPERATIONS: [&str; 2] = ["wrapKey", "unwrapKey"];

/// What a vault, and where it can be read its control plane, say of a root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKeyFacts {
    /// Where the key is; with the version that was read.
    pub identifier: KeyIdentifier,
    /// `kty`.
    pub key_type: String,
    /// The size of the modulus in bits.
    pub bits: Option<u32>,
    /// `key_ops`.
    pub key_ops: Vec<String>,
    /// `attributes.enabled`.
    pub enabled: bool,
    /// `attributes.exp`, seconds since 1970.
    pub expires: Option<i64>,
    /// `attributes.nbf`, seconds since 1970.
    pub not_before: Option<i64>,
    /// `attributes.recoveryLevel`.
    pub recovery_level: Option<String>,
    /// The subscription of the vault, where the control plane could be read.
    pub subscription: Option<String>,
}

/// The recovery levels that an operator accepts, compared as whole words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryLevels(Vec<String>);

impl RecoveryLevels {
    /// Every level that a vault can name.
    pub const KNOWN: [&'static str; 7] = [
        "Purgeable",
        "Recoverable+Purgeable",
        "Recoverable",
        "Recoverable+ProtectedSubscription",
        "CustomizedRecoverable+Purgeable",
        "CustomizedRecoverable",
        "CustomizedRecoverable+ProtectedSubscription",
    ];

    /// A list of the operator's; `None` if a word is no recovery level, or the list is empty.
    pub fn new<'a>(levels: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let levels: Vec<String> = levels.into_iter().map(str::to_owned).collect();
        let known = levels.iter().all(|level| Self::KNOWN.contains(&level.as_str()));
        (known && !levels.is_empty()).then_some(Self(levels))
    }
}

/// What the article asks for: nobody can purge the key, and nobody can cancel the subscription at once.
impl Default for RecoveryLevels {
    fn default() -> Self {
        Self(vec!["Recoverable+ProtectedSubscription".to_owned()])
    }
}

impl fmt::Display for RecoveryLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" or "))
    }
}

/// The rules for one key, each with its result; all must have passed before a policy is built on it.
pub fn key_checks(facts: &RootKeyFacts, levels: &RecoveryLevels, now: Timestamp) -> Vec<Check> {
    let scope = &facts.identifier;
    let lacking: Vec<&str> =
        KEY_OPERATIONS.into_iter().filter(|wanted| !facts.key_ops.iter().any(|op| op == wanted)).collect();
    let operations =
        if lacking.is_empty() { "both".to_owned() } else { format!("no {}", lacking.join(", no ")) };
    let size = facts.bits.map_or_else(|| "no RSA modulus".to_owned(), |bits| format!("{bits} bits"));
    let state = if facts.enabled { "enabled" } else { "disabled" };
    vec![
        Check::of("KeyType", scope, is_rsa(&facts.key_type), "RSA or RSA-HSM", word(&facts.key_type)),
        Check::of(
            "KeySize",
            scope,
            facts.bits.is_some_and(|bits| KEY_SIZES.contains(&bits)),
            "2048, 3072 or 4096 bits",
            size,
        ),
        Check::of("KeyOperationsSupported", scope, lacking.is_empty(), "wrapKey and unwrapKey", operations),
        Check::of("KeyEnabled", scope, facts.enabled, "enabled", state),
        Check::of(
            "KeyNeverExpires",
            scope,
            facts.expires.is_none_or(is_end_of_time),
            "no expiry, or 12/31/9999",
            facts.expires.map_or_else(|| "no expiry".to_owned(), |expires| format!("expires at {expires} s")),
        ),
        Check::of(
            "KeyAlreadyValid",
            scope,
            facts.not_before.is_none_or(|from| from <= now.seconds()),
            "valid now",
            facts.not_before.map_or_else(|| "valid".to_owned(), |from| format!("valid from {from} s")),
        ),
        Check::of(
            "RecoveryLevel",
            scope,
            facts.recovery_level.as_ref().is_some_and(|level| levels.0.contains(level)),
            levels,
            word(facts.recovery_level.as_deref().unwrap_or("none")),
        ),
    ]
}

/// The rules for the two keys of one policy.
///
/// Two policies may share a pair of vaults: the article keeps a key for each workload in one vault a subscription.
pub fn pair_checks(first: &RootKeyFacts, second: &RootKeyFacts) -> Vec<Check> {
    const SUBSCRIPTION: &str = "SubscriptionUniquePerScenario";
    let (one, two) = (&first.identifier, &second.identifier);
    let pair = "the two keys";
    let subscription = match (&first.subscription, &second.subscription) {
        (Some(one), Some(two)) => {
            // A GUID, which people write in either case.
            let differ = !one.eq_ignore_ascii_case(two);
            Check::of(
                SUBSCRIPTION,
                pair,
                differ,
                "two subscriptions",
                if differ { "two" } else { "one twice" },
            )
        }
        _ => Check::skipped(SUBSCRIPTION, pair, "two subscriptions", "the control plane could not be read"),
    };
    let found = |same: bool| if same { "one twice" } else { "two" };
    vec![
        Check::of("KeyUniquePerPolicy", pair, !one.is_same_key(two), "two keys", found(one.is_same_key(two))),
        Check::of(
            "VaultUniquePerPolicy",
            pair,
            !one.is_same_vault(two),
            "keys of two vaults",
            found(one.is_same_vault(two)),
        ),
        subscription,
    ]
}

fn is_rsa(key_type: &str) -> bool {
    matches!(key_type, "RSA" | "RSA-HSM")
}

/// Whether a time is 12/31/9999, wherever on earth that date was typed.
fn is_end_of_time(seconds: i64) -> bool {
    // 9999-12-31T00:00:00Z, and the clocks that are furthest ahead of UTC and behind it.
    const DAY: i64 = 253_402_214_400;
    const AHEAD: i64 = 14 * 3600;
    const BEHIND: i64 = 12 * 3600;
    (DAY - AHEAD..=DAY + BEHIND + 24 * 3600).contains(&seconds)
}

/// A word of somebody else's, short enough for a refusal.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(48).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn good(vault: &str) -> RootKeyFacts {
        let text = format!("https://{vault}.vault.azure.net/keys/k/6305d77930cb45faa87cda44ed8349fe");
        RootKeyFacts {
            identifier: KeyIdentifier::from_stored(&text).expect("canonical"),
            key_type: "RSA".into(),
            bits: Some(2048),
            key_ops: ["encrypt", "wrapKey", "unwrapKey"].map(str::to_owned).into(),
            enabled: true,
            expires: None,
            not_before: None,
            recovery_level: Some("Recoverable+ProtectedSubscription".into()),
            subscription: Some(format!("sub-of-{vault}")),
        }
    }

    fn broken(facts: &RootKeyFacts) -> Vec<&'static str> {
        let checks = key_checks(facts, &RecoveryLevels::default(), NOW);
        checks.iter().filter(|check| check.failed()).map(|check| check.rule).collect()
    }

    #[test]
    fn a_good_key_breaks_no_rule() {
        assert_eq!(broken(&good("contoso-a")), [""; 0]);
        let hsm = RootKeyFacts { key_type: "RSA-HSM".into(), bits: Some(4096), ..good("contoso-a") };
        assert_eq!(broken(&hsm), [""; 0]);
    }

    #[test]
    fn each_rule_is_broken_by_the_key_that_breaks_it_and_by_no_other() {
        let key = good("contoso-a");
        for (facts, rule) in [
            (RootKeyFacts { key_type: "EC".into(), ..key.clone() }, "KeyType"),
            (RootKeyFacts { bits: Some(1024), ..key.clone() }, "KeySize"),
            (RootKeyFacts { bits: Some(8192), ..key.clone() }, "KeySize"),
            (RootKeyFacts { bits: None, ..key.clone() }, "KeySize"),
            (RootKeyFacts { key_ops: vec!["wrapKey".into()], ..key.clone() }, "KeyOperationsSupported"),
            (RootKeyFacts { key_ops: vec!["unwrapKey".into()], ..key.clone() }, "KeyOperationsSupported"),
            (RootKeyFacts { enabled: false, ..key.clone() }, "KeyEnabled"),
            (RootKeyFacts { expires: Some(NOW.seconds() + 86_400 * 3650), ..key.clone() }, "KeyNeverExpires"),
            (RootKeyFacts { expires: Some(0), ..key.clone() }, "KeyNeverExpires"),
            (RootKeyFacts { not_before: Some(NOW.seconds() + 1), ..key.clone() }, "KeyAlreadyValid"),
            (RootKeyFacts { recovery_level: Some("Recoverable".into()), ..key.clone() }, "RecoveryLevel"),
            (RootKeyFacts { recovery_level: None, ..key.clone() }, "RecoveryLevel"),
        ] {
            assert_eq!(broken(&facts), [rule], "{facts:?}");
        }
    }

    #[test]
    fn the_last_day_of_9999_is_no_expiry_in_any_time_zone() {
        let key = good("contoso-a");
        for expires in
            [253_402_214_400, 253_402_300_799, 253_402_214_400 - 14 * 3600, 253_402_214_400 + 12 * 3600]
        {
            assert_eq!(broken(&RootKeyFacts { expires: Some(expires), ..key.clone() }), [""; 0], "{expires}");
        }
        let day_before = 253_402_214_400 - 86_400;
        assert_eq!(broken(&RootKeyFacts { expires: Some(day_before), ..key }), ["KeyNeverExpires"]);
    }

    #[test]
    fn an_operator_can_accept_other_recovery_levels_but_no_invented_ones() {
        let levels =
            RecoveryLevels::new(["Recoverable", "Recoverable+ProtectedSubscription"]).expect("known");
        let facts = RootKeyFacts { recovery_level: Some("Recoverable".into()), ..good("contoso-a") };
        assert!(!key_checks(&facts, &levels, NOW).iter().any(Check::failed));
        assert_eq!(RecoveryLevels::new(["Indestructible"]), None);
        assert_eq!(RecoveryLevels::new([]), None);
    }

    fn pair(first: &RootKeyFacts, second: &RootKeyFacts) -> Vec<&'static str> {
        pair_checks(first, second).iter().filter(|check| check.failed()).map(|check| check.rule).collect()
    }

    #[test]
    fn the_same_key_vault_or_subscription_twice_is_refused_by_name() {
        let (a, b) = (good("contoso-a"), good("contoso-b"));
        assert_eq!(pair(&a, &b), [""; 0]);
        let versionless = RootKeyFacts { identifier: a.identifier.versionless(), ..b.clone() };
        assert_eq!(pair(&a, &versionless), ["KeyUniquePerPolicy", "VaultUniquePerPolicy"]);
        let other_key = "https://contoso-a.vault.azure.net/keys/other";
        let neighbour = RootKeyFacts {
            identifier: KeyIdentifier::from_stored(other_key).expect("canonical"),
            ..b.clone()
        };
        assert_eq!(pair(&a, &neighbour), ["VaultUniquePerPolicy"]);
        let billed_together = RootKeyFacts { subscription: Some("SUB-OF-contoso-A".into()), ..b };
        assert_eq!(pair(&a, &billed_together), ["SubscriptionUniquePerScenario"]);
    }

    #[test]
    fn a_subscription_that_nobody_could_read_has_not_passed() {
        let (a, b) = (good("contoso-a"), RootKeyFacts { subscription: None, ..good("contoso-b") });
        let check = pair_checks(&a, &b).pop().expect("the last rule");
        assert_eq!(check.result, crate::check::CheckResult::NotChecked);
    }
}
