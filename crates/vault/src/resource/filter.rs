//! `$filter` of a list: the few forms that clients of the resource manager send.
//!
//! Owns the parser. A filter is terms joined by `and`, each `field eq 'value'` or `name('value')`; quotes in a value are doubled.
//! Whoever filters takes the terms that he knows and refuses the rest: a term that was passed over would show too much.

use crate::error::{Refused, resources as texts};

/// The most terms of a filter.
const MOST_TERMS: usize = 8;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    /// The field, in lower case, and the value.
    Equals(String, String),
    /// The function's name, in lower case, and its argument.
    Call(String, Option<String>),
}

/// Reads a filter; none is no condition.
pub(crate) fn parse(filter: Option<&str>) -> Result<Vec<Term>, Refused> {
    let mut rest = filter.unwrap_or_default().trim();
    let mut terms = Vec::new();
    while !rest.is_empty() {
        if !terms.is_empty() {
            rest = joined(rest).ok_or_else(refused)?;
        }
        let (term, after) = term(rest).ok_or_else(refused)?;
        terms.push(term);
        rest = after.trim_start();
        if terms.len() > MOST_TERMS {
            return Err(refused());
        }
    }
    Ok(terms)
}

/// The filter is none that the list has.
pub(crate) fn refused() -> Refused {
    texts::bad_request("The filter is not supported by this list.")
}

fn joined(text: &str) -> Option<&str> {
    let (word, rest) = text.split_at_checked(3)?;
    (word.eq_ignore_ascii_case("and") && rest.starts_with(' ')).then(|| rest.trim_start())
}

fn term(text: &str) -> Option<(Term, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).filter(|end| *end > 0)?;
    let (name, rest) = text.split_at(end);
    let name = name.to_ascii_lowercase();
    let rest = rest.trim_start();
    if let Some(rest) = rest.strip_prefix('(') {
        let rest = rest.trim_start();
        let (argument, rest) = match quoted(rest) {
            Some((argument, rest)) => (Some(argument), rest),
            None => (None, rest),
        };
        return Some((Term::Call(name, argument), rest.trim_start().strip_prefix(')')?));
    }
    let (word, rest) = rest.split_at_checked(2)?;
    if !word.eq_ignore_ascii_case("eq") || !rest.starts_with(' ') {
        return None;
    }
    let (value, rest) = quoted(rest.trim_start())?;
    Some((Term::Equals(name, value), rest))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let (head, tail) = rest.split_once('\'')?;
        value.push_str(head);
        match tail.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, tail)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equals(field: &str, value: &str) -> Term {
        Term::Equals(field.into(), value.into())
    }

    #[test]
    fn what_clients_send_is_read() {
        let of = |text| parse(Some(text)).expect("a filter");
        assert_eq!(
            of("resourceType eq 'Microsoft.KeyVault/vaults' and name eq 'V'"),
            [equals("resourcetype", "Microsoft.KeyVault/vaults"), equals("name", "V")]
        );
        assert_eq!(of(" roleName  EQ  'it''s and eq' "), [equals("rolename", "it's and eq")]);
        assert_eq!(
            of("atScope() AND assignedTo('x')"),
            [Term::Call("atscope".into(), None), Term::Call("assignedto".into(), Some("x".into()))]
        );
        assert_eq!(of("name eq ''"), [equals("name", "")]);
        assert_eq!(of(""), []);
        assert_eq!(parse(None).expect("no filter"), []);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let long = ["a eq 'b'"; MOST_TERMS + 1].join(" and ");
        for text in [
            "name",
            "name eq",
            "name eq x",
            "name eq 'x",
            "name ne 'x'",
            "name eq'x'",
            "eq 'x'",
            "'x' eq name",
            "name eq 'x' or name eq 'y'",
            "name eq 'x' and",
            "and",
            "atScope(",
            "atScope()x",
            "assignedTo('x'",
            "()",
            "name eq 'x' name eq 'y'",
            "ä eq 'x'",
            "na",
            &long,
        ] {
            assert!(parse(Some(text)).is_err(), "{text}");
        }
    }
}
