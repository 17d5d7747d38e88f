//! How well a key is protected against deletion: the recovery level, computed when it is read.
//!
//! Owns the rule. It depends on the vault *and* on its subscription as they are now, so the level of existing keys changes
//! when purge protection or the mandatory retention period is switched on.

/// The days after which the standard level ends and the customised one begins (below it).
const STANDARD_RETENTION: u8 = 90;

/// The level of the keys of a vault.
pub(crate) fn level(
    soft_delete: bool,
    retention_days: u8,
    purge_protection: bool,
    subscription_protected: bool,
) -> &'static str {
    if !soft_delete {
        return "Purgeable";
    }
    let standard = retention_days >= STANDARD_RETENTION;
    match (standard, purge_protection, subscription_protected) {
        (true, false, _) => "Recoverable+Purgeable",
        (true, true, false) => "Recoverable",
        (true, true, true) => "Recoverable+ProtectedSubscription",
        (false, false, _) => "CustomizedRecoverable+Purgeable",
        (false, true, false) => "CustomizedRecoverable",
        (false, true, true) => "CustomizedRecoverable+ProtectedSubscription",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_seven_levels() {
        for (soft_delete, days, protection, subscription, expected) in [
            (false, 0, false, false, "Purgeable"),
            (false, 0, false, true, "Purgeable"),
            (true, 90, false, false, "Recoverable+Purgeable"),
            (true, 90, false, true, "Recoverable+Purgeable"),
            (true, 90, true, false, "Recoverable"),
            (true, 90, true, true, "Recoverable+ProtectedSubscription"),
            (true, 7, false, false, "CustomizedRecoverable+Purgeable"),
            (true, 89, false, true, "CustomizedRecoverable+Purgeable"),
            (true, 89, true, false, "CustomizedRecoverable"),
            (true, 7, true, true, "CustomizedRecoverable+ProtectedSubscription"),
        ] {
            assert_eq!(level(soft_delete, days, protection, subscription), expected);
        }
    }
}
