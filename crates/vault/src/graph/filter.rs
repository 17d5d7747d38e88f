//! The `$filter` of a list: the few forms that command lines send, tried on an object as it is shown.
//!
//! Owns [`Filter`]. Served are `FIELD eq 'TEXT'`, `FIELD eq true`, `startswith(FIELD,'TEXT')` and
//! `FIELD/any(c:c eq 'TEXT')`, joined by `and` or by `or`. Text compares without case.

use serde_json::Value;

/// The longest filter, in bytes.
const LONGEST_FILTER: usize = 2048;
/// Conditions in one filter.
const MOST_CONDITIONS: usize = 32;

/// What an object must be to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    conditions: Vec<Condition>,
    /// Whether one of them is enough.
    any: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Is(String, String),
    IsSwitched(String, bool),
    Begins(String, String),
    Holds(String, String),
}

impl Filter {
    /// Reads a filter; `None` if it has another form than those served.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_FILTER {
            return None;
        }
        let (mut rest, mut conditions, mut joint) = (text.trim(), Vec::new(), None);
        loop {
            let (condition, after) = condition(rest)?;
            conditions.push(condition);
            rest = after.trim_start();
            if rest.is_empty() {
                return Some(Self { conditions, any: joint == Some("or") });
            }
            let (word, after) = rest.split_once(' ')?;
            let word = ["and", "or"].into_iter().find(|known| known.eq_ignore_ascii_case(word))?;
            if conditions.len() >= MOST_CONDITIONS || *joint.get_or_insert(word) != word {
                return None;
            }
            rest = after.trim_start();
        }
    }

    pub(crate) fn holds(&self, object: &Value) -> bool {
        let mut each = self.conditions.iter().map(|condition| condition.holds(object));
        if self.any { each.any(|holds| holds) } else { each.all(|holds| holds) }
    }
}

impl Condition {
    fn holds(&self, object: &Value) -> bool {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_lowercase();
        match self {
            Self::Is(field, wanted) => object[field].is_string() && text(field) == *wanted,
            Self::IsSwitched(field, wanted) => object[field].as_bool() == Some(*wanted),
            Self::Begins(field, wanted) => object[field].is_string() && text(field).starts_with(wanted),
            Self::Holds(field, wanted) => object[field].as_array().is_some_and(|all| {
                all.iter().filter_map(Value::as_str).any(|one| one.to_lowercase() == *wanted)
            }),
        }
    }
}

/// One condition, and what follows it.
fn condition(text: &str) -> Option<(Condition, &str)> {
    if let Some(rest) = text.strip_prefix("startswith(") {
        let (field, rest) = field(rest)?;
        let (wanted, rest) = quoted(rest.trim_start().strip_prefix(',')?.trim_start())?;
        return Some((Condition::Begins(field, wanted), rest.trim_start().strip_prefix(')')?));
    }
    let (field, rest) = field(text)?;
    if let Some(rest) = rest.strip_prefix("/any(") {
        let (variable, rest) = rest.split_once(':')?;
        let rest = rest.trim_start().strip_prefix(variable.trim())?;
        let (wanted, rest) = quoted(equals(rest)?)?;
        return Some((Condition::Holds(field, wanted), rest.trim_start().strip_prefix(')')?));
    }
    let rest = equals(rest)?;
    for (word, on) in [("true", true), ("false", false)] {
        if let Some(rest) = rest.strip_prefix(word) {
            return Some((Condition::IsSwitched(field, on), rest));
        }
    }
    let (wanted, rest) = quoted(rest)?;
    Some((Condition::Is(field, wanted), rest))
}

/// A field's name as objects show it, whose first letter clients write in either case.
fn field(text: &str) -> Option<(String, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut letters = name.chars();
    let first = letters.next()?.to_ascii_lowercase();
    Some((std::iter::once(first).chain(letters).collect(), rest))
}

fn equals(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix("eq").filter(|rest| rest.starts_with(' ')).map(str::trim_start)
}

/// A text in single quotes, in lower case; two quotes in it are one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut out = String::new();
    loop {
        let (before, after) = rest.split_once('\'')?;
        out.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                out.push('\'');
                rest = more;
            }
            None => return Some((out.to_lowercase(), after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_forms_that_command_lines_send_are_read() {
        let object = json!({
            "appId": "0f", "displayName": "Alice's App", "accountEnabled": true,
            "servicePrincipalNames": ["0f", "api://0f"],
        });
        for (text, expected) in [
            ("appId eq '0F'", true),
            ("DisplayName eq 'alice''s app'", true),
            ("servicePrincipalNames/any(c:c eq 'api://0f')", true),
            ("servicePrincipalNames/any(c:c eq 'api://1f')", false),
            ("startswith(displayName,'alice')", true),
            ("startswith(displayName, 'bob')", false),
            ("appId eq '0f' and accountEnabled eq false", false),
            ("appId eq '1f' or accountEnabled eq true", true),
            ("mail eq ''", false),
        ] {
            assert_eq!(Filter::parse(text).expect(text).holds(&object), expected, "{text}");
        }
        for text in [
            "",
            "appId",
            "appId eq 0f",
            "appId ne '0f'",
            "appId eq '0f",
            "a eq 'b' and",
            "a eq 'b' and c eq 'd' or e eq 'f'",
            "not(a eq 'b')",
        ] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
