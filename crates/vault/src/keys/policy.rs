//! The rotation policy of a key: when it gets a new version by itself, when its owner is told, how long versions are valid.
//!
//! Owns [`RotationPolicy`], how a client sets and reads it, and its rules. It stands in the key's row, so that it goes where
//! the key goes: aside with a deletion, back with a recovery, into a backup. What it leads to is decided in `rotate`.

use serde::{Deserialize, Serialize};

use crate::error::{Refused, Stop, keys as texts};
use crate::keys::due::Job;
use crate::keys::key::{self, KeyRow};
use crate::keys::period::Period;
use crate::keys::{Call, Done, rotate};
use crate::schema::KEYS;

/// The shortest validity of new versions, in days.
const SHORTEST_VALIDITY: u32 = 28;
/// The shortest time of a trigger, and the least between a rotation and the end of the version before, in days. It keeps
/// a version from being due as soon as it is made.
const SHORTEST_TRIGGER: u32 = 7;
/// How long before the end of a version its owner is told if the policy does not say, in days.
const NOTIFY_BEFORE: u32 = 30;

/// What is done by itself with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RotationPolicy {
    /// At most one of each kind, in the order in which they were sent.
    lifetime_actions: Vec<LifetimeAction>,
    attributes: Attributes,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_time: Option<Period>,
    /// Seconds; absent from the policy that a key has if none was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LifetimeAction {
    trigger: Trigger,
    action: Typed,
}

/// When an action is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Trigger {
    TimeAfterCreate(Period),
    TimeBeforeExpiry(Period),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    action: Action,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    Rotate,
    Notify,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    lifetime_actions: Option<Vec<GivenAction>>,
    attributes: Option<GivenAttributes>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenAttributes {
    expiry_time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct GivenAction {
    trigger: Option<GivenTrigger>,
    action: Option<GivenType>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenTrigger {
    time_after_create: Option<String>,
    time_before_expiry: Option<String>,
}

#[derive(Debug, Deserialize)]
struct GivenType {
    #[serde(rename = "type")]
    action: Option<String>,
}

impl Input {
    /// Checks what a client sets. It takes the place of all that was set before, except that somebody is always told.
    pub(crate) fn check(self) -> Result<RotationPolicy, Refused> {
        let expiry_time = self.attributes.and_then(|attributes| attributes.expiry_time);
        let expiry_time = expiry_time.map(|text| period("attributes.expiryTime", &text)).transpose()?;
        if expiry_time.as_ref().is_some_and(|period| period.fewest_days() < SHORTEST_VALIDITY) {
            return Err(texts::bad_parameter(format!(
                "Property attributes.expiryTime must be at least {SHORTEST_VALIDITY} days."
            )));
        }
        let mut lifetime_actions: Vec<LifetimeAction> = Vec::new();
        for given in self.lifetime_actions.unwrap_or_default() {
            let action = given.check(expiry_time.as_ref())?;
            if lifetime_actions.iter().any(|other| other.action == action.action) {
                return Err(texts::bad_parameter(
                    "Property lifetimeActions has an action twice: a policy has one Rotate and one Notify at most.",
                ));
            }
            lifetime_actions.push(action);
        }
        let attributes = Attributes { expiry_time, ..Attributes::default() };
        let mut policy = RotationPolicy { lifetime_actions, attributes };
        if policy.trigger(Action::Notify).is_none() {
            policy.lifetime_actions.extend(RotationPolicy::default().lifetime_actions);
        }
        Ok(policy)
    }
}

impl GivenAction {
    fn check(self, expiry_time: Option<&Period>) -> Result<LifetimeAction, Refused> {
        let action = self.action.and_then(|given| given.action).unwrap_or_default();
        let action = match &*action.to_ascii_lowercase() {
            "rotate" => Action::Rotate,
            "notify" => Action::Notify,
            _ => {
                return Err(texts::bad_parameter(
                    "Property lifetimeActions.action.type must be Rotate or Notify.",
                ));
            }
        };
        let GivenTrigger { time_after_create, time_before_expiry } =
            self.trigger.unwrap_or(GivenTrigger { time_after_create: None, time_before_expiry: None });
        let (name, text, trigger): (_, _, fn(Period) -> Trigger) = match (
            time_after_create,
            time_before_expiry,
        ) {
            (Some(_), None) if action == Action::Notify => {
                return Err(texts::bad_parameter(
                    "An action Notify has the trigger timeBeforeExpiry and no other.",
                ));
            }
            (Some(text), None) => ("timeAfterCreate", text, Trigger::TimeAfterCreate),
            (None, Some(text)) => ("timeBeforeExpiry", text, Trigger::TimeBeforeExpiry),
            _ => {
                return Err(texts::bad_parameter(
                    "Property lifetimeActions.trigger must have one of timeAfterCreate and timeBeforeExpiry.",
                ));
            }
        };
        let name = format!("lifetimeActions.trigger.{name}");
        let period = period(&name, &text)?;
        if period.fewest_days() < SHORTEST_TRIGGER {
            return Err(texts::bad_parameter(format!(
                "Property {name} must be at least {SHORTEST_TRIGGER} days."
            )));
        }
        let late = |valid: &Period| period.most_days() + SHORTEST_TRIGGER > valid.fewest_days();
        if action == Action::Rotate && expiry_time.is_some_and(late) {
            return Err(texts::bad_parameter(format!(
                "Property {name} must be shorter than attributes.expiryTime by at least {SHORTEST_TRIGGER} days."
            )));
        }
        Ok(LifetimeAction { trigger: trigger(period), action: Typed { action } })
    }
}

fn period(property: &str, text: &str) -> Result<Period, Refused> {
    text.parse().map_err(|_| {
        texts::bad_parameter(format!(
            "Property {property} is not a duration of years, months and days in the form of ISO 8601, such as P90D or P1Y6M."
        ))
    })
}

/// The policy of a key for which none was set: its owner is told before its end.
impl Default for RotationPolicy {
    fn default() -> Self {
        let trigger = Trigger::TimeBeforeExpiry(Period::of_days(NOTIFY_BEFORE));
        Self {
            lifetime_actions: vec![LifetimeAction { trigger, action: Typed { action: Action::Notify } }],
            attributes: Attributes::default(),
        }
    }
}

impl RotationPolicy {
    /// When it does this, if it does.
    fn trigger(&self, action: Action) -> Option<&Trigger> {
        let found = self.lifetime_actions.iter().find(|other| other.action.action == action);
        found.map(|found| &found.trigger)
    }

    /// When it does this with a version that was made and ends at these seconds, if it does.
    pub(crate) fn at(&self, action: Action, created: i64, end: Option<i64>) -> Option<i64> {
        match self.trigger(action)? {
            Trigger::TimeAfterCreate(period) => Some(period.after(created)),
            Trigger::TimeBeforeExpiry(period) => end.map(|end| period.before(end)),
        }
    }

    /// The end of a version that is made at this second by a rotation.
    pub(crate) fn end(&self, created: i64) -> Option<i64> {
        self.attributes.expiry_time.as_ref().map(|period| period.after(created).min(key::LATEST))
    }
}

/// A policy as it is shown.
#[derive(Serialize)]
struct Shape<'a> {
    id: String,
    #[serde(flatten)]
    policy: &'a RotationPolicy,
}

fn done(call: &Call<'_>, name: &str, policy: &RotationPolicy) -> Done {
    Done::json(&Shape { id: format!("{}/rotationpolicy", call.kid(name, None)), policy })
}

pub(crate) async fn show(call: &Call<'_>) -> Result<Done, Stop> {
    let asked = call.name()?;
    let head = key::head(call.core, &call.vault.name, asked).await?;
    let head = head.ok_or_else(|| texts::key_not_found(asked.as_str()))?;
    call.commit(call.batch_on(head.basis()), Some(call.kid(&head.value.name, None))).await?;
    Ok(done(call, &head.value.name, &head.value.policy.clone().unwrap_or_default()))
}

pub(crate) async fn set(call: &Call<'_>, given: &RotationPolicy) -> Result<Done, Stop> {
    let (core, vault, asked) = (call.core, &call.vault.name, call.name()?);
    let head = key::head(core, vault, asked).await?;
    let head = head.ok_or_else(|| texts::key_not_found(asked.as_str()))?;
    let newest = key::newest(core, vault, &head.value).await?;
    let now = core.now().seconds();
    let created = head.value.policy.as_ref().and_then(|before| before.attributes.created).unwrap_or(now);
    let mut policy = given.clone();
    policy.attributes.created = Some(created);
    policy.attributes.updated = Some(now);
    let row = KeyRow { policy: Some(policy.clone()), ..head.value.clone() };
    // The newest version tells apart a key that was deleted and recovered meanwhile, whose own row looks the same.
    let batch = call.batch_on(head.basis().and(&newest)).put(KEYS, head.key.clone(), &row);
    let next = |key| rotate::next(key, &newest.value);
    let batch = Job::Rotation.moved(batch, &head.key, next(&head.value), next(&row));
    call.commit(batch, Some(call.kid(&row.name, None))).await?;
    Ok(done(call, &row.name, &policy))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(json: Value) -> Result<RotationPolicy, Refused> {
        serde_json::from_value::<Input>(json).expect("the shape of a policy").check()
    }

    fn rotate(trigger: &str, period: &str) -> Value {
        json!({"trigger": {trigger: period}, "action": {"type": "Rotate"}})
    }

    fn notify(period: &str) -> Value {
        json!({"trigger": {"timeBeforeExpiry": period}, "action": {"type": "Notify"}})
    }

    #[test]
    fn what_is_sent_takes_the_place_of_all_that_was_there_and_somebody_is_always_told() {
        let default = json!({"lifetimeActions": [notify("P30D")], "attributes": {}});
        for (given, kept) in [
            (json!({}), default.clone()),
            (json!({"lifetimeActions": []}), default.clone()),
            (json!({"lifetimeActions": null, "attributes": {"expiryTime": null}}), default),
            (
                json!({"lifetimeActions": [rotate("timeAfterCreate", "P2M")], "attributes": {}}),
                json!({"lifetimeActions": [rotate("timeAfterCreate", "P2M"), notify("P30D")], "attributes": {}}),
            ),
            (
                json!({"lifetimeActions": [notify("P60D")], "attributes": {"expiryTime": "P90D"}}),
                json!({"lifetimeActions": [notify("P60D")], "attributes": {"expiryTime": "P90D"}}),
            ),
            (
                json!({"lifetimeActions": [
                    {"trigger": {"timeBeforeExpiry": "P30D", "timeAfterCreate": null}, "action": {"type": "rotate"}},
                ], "attributes": {"expiryTime": "P90D"}}),
                json!({"lifetimeActions": [rotate("timeBeforeExpiry", "P30D"), notify("P30D")],
                    "attributes": {"expiryTime": "P90D"}}),
            ),
        ] {
            let policy = check(given).expect("a policy");
            assert_eq!(serde_json::to_value(&policy).expect("JSON"), kept);
            assert_eq!(serde_json::from_value::<RotationPolicy>(kept).expect("a row"), policy);
        }
    }

    #[test]
    fn a_policy_has_rules() {
        let actions = |actions: Value, expiry: &str| json!({"lifetimeActions": actions, "attributes": {"expiryTime": expiry}});
        let after = |period| json!([rotate("timeAfterCreate", period)]);
        for good in [
            actions(json!([]), "P28D"),
            actions(json!([]), "P1M"),
            actions(after("P7D"), "P28D"),
            actions(after("P21D"), "P28D"),
            actions(after("P18M"), "P2Y"),
            json!({"lifetimeActions": after("P100Y")}),
        ] {
            check(good.clone()).unwrap_or_else(|refused| panic!("{good}: {refused:?}"));
        }
        for (bad, word) in [
            (actions(json!([]), "P27D"), "28 days"),
            (actions(json!([]), "28"), "ISO 8601"),
            (actions(json!([]), "PT672H"), "ISO 8601"),
            (actions(after("P6D"), "P90D"), "at least 7 days"),
            (actions(after("P22D"), "P28D"), "shorter"),
            (actions(json!([rotate("timeBeforeExpiry", "P11M28D")]), "P1Y"), "shorter"),
            (actions(json!([notify("P6D")]), "P90D"), "at least 7 days"),
            (actions(json!([notify("P30D"), notify("P60D")]), "P90D"), "twice"),
            (
                actions(
                    json!([rotate("timeAfterCreate", "P30D"), rotate("timeBeforeExpiry", "P30D")]),
                    "P90D",
                ),
                "twice",
            ),
            (
                actions(
                    json!([{"action": {"type": "Notify"}, "trigger": {"timeAfterCreate": "P30D"}}]),
                    "P90D",
                ),
                "Notify",
            ),
            (actions(json!([{"action": {"type": "Rotate"}}]), "P90D"), "one of"),
            (actions(json!([{"action": {"type": "Rotate"}, "trigger": {}}]), "P90D"), "one of"),
            (
                actions(
                    json!([{"action": {"type": "Rotate"}, "trigger":
                        {"timeAfterCreate": "P30D", "timeBeforeExpiry": "P30D"}}]),
                    "P90D",
                ),
                "one of",
            ),
            (actions(json!([{"trigger": {"timeAfterCreate": "P30D"}}]), "P90D"), "Rotate or Notify"),
            (
                actions(
                    json!([{"action": {"type": "Purge"}, "trigger": {"timeAfterCreate": "P30D"}}]),
                    "P90D",
                ),
                "Rotate or Notify",
            ),
        ] {
            let refused = check(bad.clone()).expect_err("a rule is broken");
            assert_eq!((refused.status.as_u16(), refused.code), (400, "BadParameter"));
            assert!(refused.message.contains(word), "{bad}: {}", refused.message);
        }
    }
}
