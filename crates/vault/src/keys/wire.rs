//! Versions of the keys wire: which `api-version`s are known, and what each of them has.
//!
//! Owns [`Wire`]. A preview counts as the version that it led to.

/// A version of the wire that is known: a named one, a dated one, or a preview of either.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire<'a> {
    /// As the client wrote it.
    pub(crate) text: &'a str,
    /// The minor number of 7; 0 before 7, and [`DATED`] after its last one.
    minor: u8,
}

/// The last version that has a number; dates go on from there.
const LAST_MINOR: u8 = 6;
const DATED: u8 = LAST_MINOR + 1;

impl<'a> Wire<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (plain, preview) = match text.split_once("-preview") {
            Some((plain, rest)) => (plain, Some(rest)),
            None => (text, None),
        };
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        if let Some(minor) = plain.strip_prefix("7.") {
            let numbered =
                |rest: &str| rest.is_empty() || rest.strip_prefix('.').is_some_and(|n| digits(n, 1));
            let minor = minor.parse().ok().filter(|n| digits(minor, 1) && *n <= LAST_MINOR)?;
            return preview.is_none_or(numbered).then_some(Self { text, minor });
        }
        let parts: Vec<&str> = plain.split('-').collect();
        let dated = matches!(*parts, [year, month, day]
            if digits(year, 4) && year.starts_with("20") && digits(month, 2) && digits(day, 2));
        let known = dated && preview.is_none_or(str::is_empty) && (plain >= "2025" || plain == "2016-10-01");
        known.then_some(Self { text, minor: if plain == "2016-10-01" { 0 } else { DATED } })
    }

    /// Whether it has rotation, release and random bytes.
    pub(crate) fn has_rotation(self) -> bool {
        self.minor >= 3
    }

    /// Whether attributes have `recoverableDays`.
    pub(crate) fn shows_recoverable_days(self) -> bool {
        self.minor >= 1
    }

    /// Whether attributes have `exportable`.
    pub(crate) fn shows_exportable(self) -> bool {
        self.minor >= 4
    }

    /// Whether attributes have `hsmPlatform`.
    pub(crate) fn shows_platform(self) -> bool {
        self.minor >= 5
    }

    /// Whether attributes have `key_size`.
    pub(crate) fn shows_key_size(self) -> bool {
        self.minor >= 6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_are_known_and_what_they_have() {
        for (version, minor) in [
            ("2016-10-01", 0),
            ("7.0", 0),
            ("7.6", 6),
            ("7.6-preview.2", 6),
            ("7.5-preview", 5),
            ("2025-07-01", 7),
            ("2025-06-01-preview", 7),
            ("2026-03-01-preview", 7),
        ] {
            let wire = Wire::parse(version).unwrap_or_else(|| panic!("{version}"));
            assert_eq!((wire.text, wire.minor), (version, minor));
        }
        for version in [
            "",
            "7",
            "7.",
            "7.7",
            "7.10",
            "7.+1",
            "8.0",
            "2025",
            "2025-7-1",
            "latest",
            "2015-06-01",
            "7.6-preview.x",
        ] {
            assert!(Wire::parse(version).is_none(), "{version}");
        }
        let has = |version| Wire::parse(version).expect("known").has_rotation();
        assert_eq!(
            ["2016-10-01", "7.2", "7.3-preview", "7.3", "2025-07-01"].map(has),
            [false, false, true, true, true]
        );
    }
}
