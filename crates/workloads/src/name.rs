//! Names: the path that an object bears inside its holder, and the directory name that a holder bears.
//!
//! Owns which text is a name (spec/objects.md, 1 and 5). A name is content: it is stored sealed, and found by
//! a tag that only the holder of the container key can make. How it is looked up is `find.rs`'s business.

use std::fmt;

use model::refusal::{Code, Refusal};

/// The longest name of an object, in bytes of UTF-8; as long as the longest path that Linux hands out.
pub const MAX_NAME: usize = 4096;
/// The longest directory name of a mailbox or a site, in characters.
pub const MAX_DIRECTORY_NAME: usize = 256;

/// The path of an object below its holder, exactly as it was given.
///
/// Its `Debug` shows the length alone: a name is content and does not belong in a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Takes bytes that a file system or a request gave; refused with the field and the rule.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_NAME {
            return Err(broken("at most 4,096 bytes of UTF-8"));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(_) => Err(broken("it must be UTF-8 text")),
        }
    }

    /// Takes text; refused with the field and the rule.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(broken("it must not be empty"));
        }
        if text.len() > MAX_NAME {
            return Err(broken("at most 4,096 bytes of UTF-8"));
        }
        if text.contains('\0') {
            return Err(broken("it must not contain NUL"));
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(broken("no segment between `/` may be empty, `.` or `..`"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name ({} bytes)", self.0.len())
    }
}

fn broken(rule: &str) -> Refusal {
    Refusal::new(Code::BadRequest, format!("name: {rule}"))
}

/// What a mailbox or a site is called in the tenant's directory; visible, and unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryName(String);

impl DirectoryName {
    /// Takes the address of a mailbox, `local@domain`.
    pub fn mailbox(text: &str) -> Result<Self, Refusal> {
        let name = Self::text("mailbox", text)?;
        match name.0.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !name.0.chars().any(|c| c.is_whitespace() || c == '/') =>
            {
                Ok(name)
            }
            _ => Err(wrong("mailbox", "it must be an address such as alice@contoso.com")),
        }
    }

    /// Takes the path of a site, such as `sites/finance`; slashes around it are dropped.
    pub fn site(text: &str) -> Result<Self, Refusal> {
        let name = Self::text("site", text.trim_matches('/'))?;
        if name.0.split('/').any(|segment| matches!(segment.trim(), "" | "." | "..")) {
            return Err(wrong("site", "no segment between `/` may be empty, `.` or `..`"));
        }
        Ok(name)
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that two spellings of one name share.
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    fn text(field: &str, text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(wrong(field, "it must not be empty"));
        }
        if text.chars().count() > MAX_DIRECTORY_NAME {
            return Err(wrong(field, "at most 256 characters"));
        }
        if text.chars().any(misleading) {
            return Err(wrong(field, "no control characters and no marks that change the direction of text"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DirectoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong(field: &str, rule: &str) -> Refusal {
    Refusal::new(Code::BadRequest, format!("{field}: {rule}"))
}

/// Characters that make a directory name look like another one on an operator's screen.
fn misleading(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> String {
        Name::parse(text).expect_err("breaks a rule").detail
    }

    #[test]
    fn a_name_that_breaks_a_rule_is_refused_with_the_field_and_the_rule() {
        assert_eq!(rule(""), "name: it must not be empty");
        assert_eq!(rule("a\0b"), "name: it must not contain NUL");
        for climbing in ["..", "../x", "a/../b", "/x", "x/", "x//y", "."] {
            assert!(rule(climbing).contains("`..`"), "{climbing:?}");
        }
        assert!(rule(&"あ".repeat(4000)).contains("4,096 bytes"));
        let latin1 = Name::from_bytes(b"caf\xe9.txt").expect_err("not UTF-8");
        assert_eq!((latin1.code, latin1.detail.as_str()), (Code::BadRequest, "name: it must be UTF-8 text"));
    }

    #[test]
    fn text_is_a_name_as_it_is() {
        let long = "n".repeat(4000);
        for text in ["a..b", "..x", "\u{202e}txt.exe", "line\nend", "C:\\x", " ", long.as_str(), "e\u{301}"] {
            assert_eq!(Name::parse(text).expect("a name").as_str(), text);
        }
    }

    #[test]
    fn a_refusal_and_a_debug_never_repeat_the_name() {
        assert!(!rule("geheim/../x").contains("geheim"));
        assert_eq!(format!("{:?}", Name::parse("geheim").expect("a name")), "Name (6 bytes)");
    }

    #[test]
    fn directory_names_of_mailboxes_are_addresses() {
        for good in ["alice@contoso.com", "o'brien@contoso.com", "Ålice@contoso.com"] {
            assert_eq!(DirectoryName::mailbox(good).expect("an address").as_str(), good);
        }
        for bad in ["", "alice", "@contoso.com", "alice@", "a@b@c", "a b@c", "a/b@c", "a\u{202e}@c", "a\n@c"]
        {
            let refused = DirectoryName::mailbox(bad).expect_err(bad);
            assert!(refused.detail.starts_with("mailbox: "), "{}", refused.detail);
        }
    }

    #[test]
    fn directory_names_of_sites_are_paths() {
        assert_eq!(DirectoryName::site("/sites/finance/").expect("a path").as_str(), "sites/finance");
        for bad in ["", "/", "sites//x", "sites/../x", &"s".repeat(257)] {
            assert!(DirectoryName::site(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn case_does_not_make_two_directory_names() {
        let folded = |text| DirectoryName::mailbox(text).expect("an address").folded();
        assert_eq!(folded("Alice@Contoso.com"), folded("alice@contoso.com"));
    }
}
