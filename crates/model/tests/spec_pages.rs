//! The tables of spec/ say what the code does: each row is read from the page and compared.

use freehold_model::caller::Initiator;
use freehold_model::check::Check;
use freehold_model::fault_table::TABLE;
use freehold_model::key_identifier::KeyIdentifier;
use freehold_model::lease::Origin;
use freehold_model::policy::{PolicyKind, State};
use freehold_model::refusal::{Actor, Code};
use freehold_model::root_key::{RecoveryLevels, RootKeyFacts, key_checks, pair_checks};
use freehold_model::settings::{Bound, Hold, OutageBudget, Preset, Settings};
use freehold_model::share_point::{GeoState, Progress};
use freehold_model::slot::Slot;
use freehold_model::time::Timestamp;
use freehold_model::unwrap::{Family, Purpose};

const UNWRAP_ORDER: &str = include_str!("../../../spec/unwrap-order.md");
const POLICIES: &str = include_str!("../../../spec/policies.md");
const LEASES: &str = include_str!("../../../spec/leases.md");
const ERRORS: &str = include_str!("../../../spec/errors.md");

/// The cells of the rows of the table whose first header is `header`.
fn table<'a>(page: &'a str, header: &str) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| -> Option<Vec<&'a str>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(str::trim).collect())
    };
    page.lines()
        .map(cells)
        .skip_while(|row| row.as_ref().is_none_or(|row| row[0] != header))
        .skip(2)
        .map_while(|row| row)
        .collect()
}

/// The whole numbers in a cell.
fn digits(cell: &str) -> Vec<u64> {
    let plain = cell.replace(',', "");
    plain.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_fault_table_of_the_page_is_the_one_of_the_code() {
    let of_page = table(UNWRAP_ORDER, "source");
    let of_code: Vec<Vec<String>> = TABLE
        .iter()
        .map(|row| {
            vec![
                row.source.to_string(),
                row.status.to_string(),
                row.code.to_owned(),
                row.inner.to_owned(),
                row.owner.map_or_else(|| "*".to_owned(), |owner| owner.to_string()),
                row.fault.to_string(),
                row.reason.to_owned(),
            ]
        })
        .collect();
    assert_eq!(of_page, of_code);
}

#[test]
fn the_codes_of_the_page_are_those_of_the_code() {
    let of_page = table(ERRORS, "code");
    let actor = |code: &Code| match code.actor() {
        Actor::Customer => "customer",
        Actor::Caller => "caller",
        Actor::Time => "time",
        Actor::Operator => "operator",
    };
    let of_code: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|code| {
            let cells = [code.text(), code.slug(), actor(code), &code.status().to_string(), code.advice()];
            cells.map(str::to_owned).to_vec()
        })
        .collect();
    assert_eq!(of_page, of_code);
}

#[test]
fn the_rules_for_root_keys_of_the_page_are_those_of_the_code() {
    let facts = RootKeyFacts {
        identifier: KeyIdentifier::from_stored("https://contoso-a.vault.azure.net/keys/k")
            .expect("canonical"),
        key_type: String::new(),
        bits: None,
        key_ops: vec![],
        enabled: false,
        expires: None,
        not_before: None,
        recovery_level: None,
        subscription: None,
    };
    let cells = |on: &str, checks: Vec<Check>| -> Vec<Vec<String>> {
        checks.into_iter().map(|check| vec![check.rule.to_owned(), on.to_owned(), check.expected]).collect()
    };
    let mut of_code = cells("key", key_checks(&facts, &RecoveryLevels::default(), Timestamp(0)));
    of_code.extend(cells("pair", pair_checks(&facts, &facts)));
    assert_eq!(table(POLICIES, "rule"), of_code);
}

#[test]
fn the_kinds_of_the_page_are_those_of_the_code() {
    for (row, kind) in table(POLICIES, "kind").iter().zip(PolicyKind::ALL) {
        let family = match kind.family() {
            Family::Exchange => "Exchange",
            Family::SharePoint => "SharePoint",
        };
        assert_eq!(row[..2], [kind.slug(), family]);
        let limit: String = row[2].chars().take_while(char::is_ascii_digit).collect();
        assert_eq!(limit, kind.limit().to_string(), "{kind}");
    }
    assert_eq!(table(POLICIES, "kind").len(), PolicyKind::ALL.len());
}

#[test]
fn the_settings_of_the_page_are_those_of_the_code() {
    let (mail, sites) = (Settings::default_of(Family::Exchange), Settings::default_of(Family::SharePoint));
    let rows = table(POLICIES, "setting");
    let row = |name: &str| rows.iter().find(|row| row[0] == name).expect("a row of that name");
    assert_eq!(row("preset")[1], format!("{}; SharePoint {}", mail.preset, sites.preset));
    assert_eq!(digits(row("bound")[1]), [mail.bound.secs()]);
    assert_eq!(digits(row("bound")[2]), [Bound::LEAST, Bound::MOST]);
    assert_eq!(digits(row("hold")[1]), [mail.hold.secs(), sites.hold.secs()]);
    assert_eq!(digits(row("hold")[2]), [Hold::LEAST, Hold::MOST]);
    assert_eq!(digits(row("outage budget")[1])[0], mail.outage_budget.secs());
    assert_eq!(digits(row("outage budget")[2]), [OutageBudget::LEAST, OutageBudget::MOST]);
}

#[test]
fn the_states_of_the_page_are_those_of_the_code() {
    let shown =
        [State::PendingActivation, State::Active, State::Disabled, State::Revoked, State::PendingDeletion];
    let of_page: Vec<String> = table(POLICIES, "shown").iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(of_page, shown.map(|state| format!("{state:?}")));

    let some = Progress { done: 0, total: 1 };
    let geo = [
        GeoState::Unregistered,
        GeoState::Registering(some),
        GeoState::Registered,
        GeoState::Rolling { slot: Slot::First, progress: some },
        GeoState::Recovering,
    ];
    let of_code = geo.map(|state| {
        let percent = if state.percent().is_some() { "yes" } else { "no" };
        vec![state.number().to_string(), state.word().to_owned(), percent.to_owned()]
    });
    assert_eq!(table(POLICIES, "number"), of_code);
}

#[test]
fn the_two_numbers_of_the_page_on_leases_are_those_of_the_page_on_policies() {
    let settings = table(POLICIES, "setting");
    let numbers = table(LEASES, "number");
    assert_eq!(numbers.len(), 2);
    for row in numbers {
        let same = settings.iter().find(|other| other[0] == row[0]).expect("a setting of that name");
        assert_eq!(row[1..3], same[1..3]);
    }
}

#[test]
fn the_origins_of_the_page_serve_whom_the_code_lets_them_serve() {
    let origins =
        [Origin::Root, Origin::AvailabilityByOutage, Origin::AvailabilityBySystem, Origin::Recovery];
    let uses = [
        (Initiator::User, Purpose::Content),
        (Initiator::System, Purpose::Content),
        (Initiator::System, Purpose::PolicyChange),
        (Initiator::Recovery, Purpose::Content),
    ];
    let rows = table(LEASES, "origin");
    assert_eq!(rows.len(), origins.len());
    for (row, origin) in rows.iter().zip(origins) {
        for (cell, (initiator, purpose)) in row[1..].iter().zip(uses) {
            for preset in [Preset::Never, Preset::OutageOnly, Preset::OutageAndSystem] {
                let may = match *cell {
                    "yes" => true,
                    "no" => false,
                    "yes, unless the preset is `never`" => preset != Preset::Never,
                    "only with the preset `outage-and-system`" => preset == Preset::OutageAndSystem,
                    other => panic!("{other:?} is no answer"),
                };
                assert_eq!(
                    origin.may_serve(initiator, purpose, preset),
                    may,
                    "{origin:?} {initiator} {preset}"
                );
            }
        }
    }
}
