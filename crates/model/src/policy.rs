//! What a data encryption policy is: its kind, its name, how many a tenant may have, the state that is shown.
//!
//! Owns [`PolicyKind`], [`PolicyName`], [`Description`] and the limits. What a policy is built on is in `root_key`,
//! what it covers in `assignment`.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key_identifier::KeyIdentifier;
use crate::outcome::Closed;
use crate::refusal::{Code, Refusal};
use crate::unwrap::Family;

/// The longest name, in characters.
pub const MAX_NAME: usize = 64;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 1024;
/// How many mailbox policies of a tenant may be active.
pub const MAX_ACTIVE_MAILBOX_POLICIES: usize = 50;
/// How many multi-workload policies a tenant may have; the article says "many".
pub const MAX_MULTI_WORKLOAD_POLICIES: usize = 100;

/// What a policy may be assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// One mailbox at a time.
    Mailbox,
    /// The tenant: everything that has no closer policy, except sites.
    MultiWorkload,
    /// The sites of one geo.
    SharePoint,
    /// Whatever has no other; the provider's two keys.
    ProviderManaged,
}

impl PolicyKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Mailbox, Self::MultiWorkload, Self::SharePoint, Self::ProviderManaged];

    /// Which rules of the unwrap order its keys follow.
    pub fn family(self) -> Family {
        match self {
            Self::Mailbox | Self::MultiWorkload | Self::ProviderManaged => Family::Exchange,
            Self::SharePoint => Family::SharePoint,
        }
    }

    /// The kind in words with dashes, as it stands in rows and addresses.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::MultiWorkload => "multi-workload",
            Self::SharePoint => "share-point",
            Self::ProviderManaged => "provider-managed",
        }
    }

    /// How many policies of this kind may count ([`Condition::counts`]) in one tenant, or for SharePoint in one geo.
    pub fn limit(self) -> usize {
        match self {
            Self::Mailbox => MAX_ACTIVE_MAILBOX_POLICIES,
            Self::MultiWorkload => MAX_MULTI_WORKLOAD_POLICIES,
            Self::SharePoint | Self::ProviderManaged => 1,
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl FromStr for PolicyKind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|kind| kind.slug() == text).ok_or_else(|| {
            Refusal::new(Code::BadRequest, "kind must be mailbox, multi-workload or share-point")
        })
    }
}

/// The three facts of a policy's row that its state follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Whether an administrator has it enabled.
    pub enabled: bool,
    /// An order that shuts it.
    pub closed: Option<Closed>,
    /// Whether anything has been under it.
    pub used: bool,
}

impl Condition {
    /// The state as it is shown; the words are those that administrators know.
    pub fn shown(self) -> State {
        match self {
            Self { closed: Some(Closed::Purging), .. } => State::PendingDeletion,
            Self { closed: Some(Closed::Revoked), .. } => State::Revoked,
            Self { enabled: false, .. } => State::Disabled,
            Self { used: false, .. } => State::PendingActivation,
            Self { .. } => State::Active,
        }
    }

    /// Whether the policy counts against the limit of its kind.
    pub fn counts(self, kind: PolicyKind) -> bool {
        self.enabled || kind != PolicyKind::Mailbox
    }

    /// Refused unless the policy may be assigned.
    pub fn check_assignable(self) -> Result<(), Refusal> {
        let why = match self.shown() {
            State::PendingActivation | State::Active => return Ok(()),
            State::Disabled => "it is disabled",
            State::Revoked => "the tenant's officers revoked it",
            State::PendingDeletion => "it is being purged",
        };
        Err(Refusal::new(Code::Conflict, format!("the policy cannot be assigned: {why}")))
    }
}

/// The state of a policy as administrators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum State {
    /// Enabled, and nothing has been under it yet.
    PendingActivation,
    /// Enabled, and something was.
    Active,
    /// Not enabled.
    Disabled,
    /// Shut by an order of the officers.
    Revoked,
    /// Being purged.
    PendingDeletion,
}

/// Refused if one more policy of the kind would be too many; `counting` is how many count now.
pub fn check_limit(kind: PolicyKind, counting: usize) -> Result<(), Refusal> {
    let limit = kind.limit();
    if counting < limit {
        return Ok(());
    }
    Err(match kind {
        PolicyKind::Mailbox => {
            Refusal::new(Code::Conflict, format!("a tenant may have {limit} active mailbox policies"))
        }
        PolicyKind::MultiWorkload => {
            Refusal::new(Code::Conflict, format!("a tenant may have {limit} multi-workload policies"))
        }
        PolicyKind::SharePoint => Refusal::new(Code::Conflict, "this geo has a SharePoint policy already"),
        PolicyKind::ProviderManaged => {
            Refusal::new(Code::Forbidden, "the provider-managed policy is made by the service, once")
        }
    })
}

/// Refused while anything is assigned to the policy.
pub fn check_disable(assigned: u64) -> Result<(), Refusal> {
    match assigned {
        0 => Ok(()),
        _ => Err(Refusal::new(
            Code::Conflict,
            format!("the policy is assigned {assigned} times; assign another one first"),
        )),
    }
}

/// Warnings for a new policy's keys: each key that another policy of the tenant already uses, with its name.
pub fn shared_keys<'a>(
    keys: &[KeyIdentifier; 2],
    others: impl IntoIterator<Item = (&'a PolicyName, &'a [KeyIdentifier; 2])>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, roots) in others {
        for key in keys.iter().filter(|key| roots.iter().any(|root| root.is_same_key(key))) {
            warnings.push(format!("the key {} is also a root key of the policy {name}", key.versionless()));
        }
    }
    warnings
}

/// The name of a policy, within the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PolicyName(String);

impl PolicyName {
    /// Reads a name; refused with the rule that it breaks.
    pub fn parse(kind: PolicyKind, text: &str) -> Result<Self, Refusal> {
        let refused = |rule: &str| Err(Refusal::new(Code::BadRequest, format!("name: {rule}")));
        if text.is_empty() || text.chars().count() > MAX_NAME {
            return refused("it must have 1 to 64 characters");
        }
        if text.chars().any(is_unseen) {
            return refused("it may have no control character and none that cannot be seen");
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return refused("it may not begin or end with a space");
        }
        if uuid::Uuid::try_parse(text).is_ok() {
            return refused("it may not be a UUID, which would be taken for a policy's id");
        }
        if kind == PolicyKind::MultiWorkload && text.contains(' ') {
            return refused("the name of a multi-workload policy may have no spaces");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it is compared: names of one kind in one tenant are unique in this form.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PolicyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Reads rows of ours, under the rules that hold for every kind.
impl<'de> Deserialize<'de> for PolicyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(PolicyKind::Mailbox, &text).map_err(|refusal| D::Error::custom(refusal.detail))
    }
}

/// What a policy is for, in an administrator's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Description(String);

impl TryFrom<String> for Description {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        if text.chars().count() > MAX_DESCRIPTION || text.chars().any(char::is_control) {
            let rule = "description: it may have 1024 characters and no control character";
            return Err(Refusal::new(Code::BadRequest, rule));
        }
        Ok(Self(text))
    }
}

impl From<Description> for String {
    fn from(description: Description) -> Self {
        description.0
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that make two names look alike: controls, joiners, marks of direction, spaces that are no space.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(kind: PolicyKind, text: &str) -> Result<PolicyName, Refusal> {
        PolicyName::parse(kind, text)
    }

    #[test]
    fn spaces_are_for_all_names_but_those_of_multi_workload_policies() {
        assert!(name(PolicyKind::Mailbox, "US Mailboxes").is_ok());
        assert!(name(PolicyKind::MultiWorkload, "Contoso_Global").is_ok());
        let refused = name(PolicyKind::MultiWorkload, "Contoso Global").expect_err("a space");
        assert!(refused.detail.contains("no spaces"), "{refused}");
    }

    #[test]
    fn a_name_that_could_be_taken_for_another_is_refused() {
        for text in [
            "",
            " a",
            "a ",
            "a\nb",
            "a\u{200b}",
            "\u{202e}a",
            "a\u{a0}b",
            "11111111-1111-4111-8111-111111111111",
            "11111111111141118111111111111111",
            &"a".repeat(MAX_NAME + 1),
        ] {
            assert!(name(PolicyKind::Mailbox, text).is_err(), "{text:?}");
        }
        let (one, two) = (name(PolicyKind::Mailbox, "EU-Mail"), name(PolicyKind::Mailbox, "eu-mail"));
        assert_eq!(one.expect("legal").folded(), two.expect("legal").folded());
        assert!(
            name(PolicyKind::Mailbox, &"ä".repeat(MAX_NAME)).is_ok(),
            "characters are counted, not bytes"
        );
    }

    #[test]
    fn fifty_active_mailbox_policies_are_enough() {
        assert!(check_limit(PolicyKind::Mailbox, 49).is_ok());
        assert!(check_limit(PolicyKind::Mailbox, 50).is_err());
        assert!(check_limit(PolicyKind::SharePoint, 0).is_ok());
        assert!(check_limit(PolicyKind::SharePoint, 1).is_err());
        let disabled = Condition { enabled: false, closed: None, used: true };
        assert!(!disabled.counts(PolicyKind::Mailbox));
        let purging = Condition { enabled: true, closed: Some(Closed::Purging), used: true };
        assert!(purging.counts(PolicyKind::Mailbox), "until it is purged");
    }

    #[test]
    fn what_is_shut_or_disabled_cannot_be_assigned() {
        let fresh = Condition { enabled: true, closed: None, used: false };
        assert_eq!(fresh.shown(), State::PendingActivation);
        assert!(fresh.check_assignable().is_ok());
        assert!(Condition { used: true, ..fresh }.check_assignable().is_ok());
        for (condition, shown) in [
            (Condition { enabled: false, ..fresh }, State::Disabled),
            (Condition { closed: Some(Closed::Revoked), ..fresh }, State::Revoked),
            (Condition { closed: Some(Closed::Purging), enabled: false, ..fresh }, State::PendingDeletion),
        ] {
            assert_eq!(condition.shown(), shown);
            assert!(condition.check_assignable().is_err(), "{condition:?}");
        }
    }

    #[test]
    fn a_policy_in_use_is_not_disabled() {
        assert!(check_disable(0).is_ok());
        let refused = check_disable(3).expect_err("in use");
        assert!(refused.detail.contains("3 times"), "{refused}");
    }

    #[test]
    fn a_key_of_another_policy_is_a_warning_that_names_it() {
        let key = |text| KeyIdentifier::from_stored(text).expect("canonical");
        let mine = [key("https://aaa.vault.azure.net/keys/k"), key("https://bbb.vault.azure.net/keys/k")];
        let version = "https://aaa.vault.azure.net/keys/k/6305d77930cb45faa87cda44ed8349fe";
        let theirs = [key(version), key("https://ccc.vault.azure.net/keys/k")];
        let other = name(PolicyKind::Mailbox, "Other").expect("legal");
        let warnings = shared_keys(&mine, [(&other, &theirs)]);
        assert_eq!(
            warnings,
            ["the key https://aaa.vault.azure.net/keys/k is also a root key of the policy Other"]
        );
    }

    #[test]
    fn a_kind_survives_text() {
        for kind in PolicyKind::ALL {
            assert_eq!(kind.slug().parse::<PolicyKind>().ok(), Some(kind));
            let json = serde_json::to_string(&kind).expect("a word");
            assert_eq!(json, format!("{:?}", kind.slug()));
        }
    }
}
