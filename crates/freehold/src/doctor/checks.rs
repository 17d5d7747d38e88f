//! What the doctor looks at: folder, rights, disk, clock, ports and certificate. Each check only looks.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use model::time::{Clock, Timestamp};

use super::disk::{self, Encryption};
use super::{Finding, Verdict, credentials};
use crate::authority::{SERVER, lab_names};
use crate::certificates::{Certificate, RENEW_BEFORE};
use crate::config::Config;
use crate::folder::{self, Standing};
use crate::key_file::KeyFile;
use crate::layout::Layout;
use crate::listener::{self, ListenError};
use crate::tls::Tls;

/// A clock that shows less than this is wrong: the program is younger (2026-11-01).
const EARLIEST: Timestamp = Timestamp(1_793_491_200_000);
/// A clock that shows more than this is wrong (2100-01-01).
const LATEST: Timestamp = Timestamp(4_102_444_800_000);
/// How far a file of ours may seem to come from the future before the clock is suspect.
const FUTURE: Duration = Duration::from_secs(300);
/// Where systemd-timesyncd notes that the clock was set by the network.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// Every check, in the order in which they are shown.
pub(super) fn all(config: &Config, clock: &dyn Clock) -> Vec<Finding> {
    let layout = Layout::new(config);
    let standing = folder::examine(&layout, *config.role);
    let ours = matches!(standing, Ok(Standing::Ours));
    let mut findings = vec![data_folder(&layout, standing)];
    if ours {
        findings.push(folders(&layout));
        findings.extend(keys(config, &layout));
        findings.extend(credentials::all(config, &layout, clock.now()));
        findings.extend(replica(config, &layout));
    }
    findings.push(encryption(layout.root(), Path::new("/")));
    findings.extend(clocks(clock, ours.then_some(layout.root())));
    findings.extend(ports(config));
    findings.push(certificate(config, &layout, clock));
    findings
}

fn data_folder(layout: &Layout, standing: Result<Standing, folder::FolderError>) -> Finding {
    const CHECK: &str = "data folder";
    let root = layout.root().display();
    match standing {
        Ok(Standing::Ours) => Finding::ok(CHECK, format!("{root} has format {}", store::FORMAT)),
        Ok(Standing::New) => Finding::new(
            CHECK,
            Verdict::NotChecked,
            format!("{root} does not exist yet, or holds nothing of this role"),
            "nothing to do: the first start makes it; name another with --data",
        ),
        Err(error) => Finding::new(CHECK, Verdict::Failed, error.to_string(), ""),
    }
}

fn folders(layout: &Layout) -> Finding {
    const CHECK: &str = "folder rights";
    let open = folder::open_to_others(layout);
    if open.is_empty() {
        return Finding::ok(CHECK, "nobody else may enter");
    }
    let names: Vec<_> = open.iter().map(|(path, mode)| format!("{} ({mode:04o})", path.display())).collect();
    let paths: Vec<_> = open.iter().map(|(path, _)| path.display().to_string()).collect();
    let (what, todo) = (names.join(", "), paths.join(" "));
    Finding::new(CHECK, Verdict::Failed, format!("others may enter {what}"), format!("chmod 700 {todo}"))
}

/// The key files of the parties that have something to open.
fn keys(config: &Config, layout: &Layout) -> Vec<Finding> {
    let files = [
        ("volume key", config.role.has_service(), layout.volume_key(), layout.service_database()),
        ("vault master key", config.role.has_vault(), layout.vault_master_key(), layout.vault_database()),
        (
            "availability master key",
            config.role.has_availability_vault(),
            layout.availability_master_key(),
            layout.availability_vault_database(),
        ),
    ];
    let needed = |(check, here, key, database): (&'static str, bool, PathBuf, PathBuf)| {
        // Before the first start there is neither key nor database, and nothing to say.
        (here && (key.exists() || database.exists())).then(|| match KeyFile::examine(&key) {
            Ok(()) => Finding::ok(check, format!("{} is readable by its owner alone", key.display())),
            Err(error) => {
                let advice = "without it nothing that was written under it opens again: keep a copy apart from the data";
                Finding::new(check, Verdict::Failed, error.to_string(), advice)
            }
        })
    };
    files.into_iter().filter_map(needed).collect()
}

fn replica(config: &Config, layout: &Layout) -> Option<Finding> {
    const CHECK: &str = "wrap set replica";
    if !config.role.has_service() || !layout.wraps().exists() {
        return None;
    }
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
    Some(match (device(&layout.wraps()), device(layout.wraps_replica())) {
        (Ok(wraps), Ok(replica)) if wraps != replica => Finding::ok(CHECK, "it lies on another disk"),
        (Ok(_), Ok(_)) => Finding::new(
            CHECK,
            Verdict::Warning,
            "it lies on the same disk as the wrap sets: one dead disk would take both, and with them all content",
            "set wraps.replica to a folder on another disk",
        ),
        (_, Err(error)) | (Err(error), _) => {
            let detail = format!("{}: {error}", layout.wraps_replica().display());
            Finding::new(
                CHECK,
                Verdict::Failed,
                detail,
                "mount or make that folder, for this process's user alone",
            )
        }
    })
}

fn encryption(data: &Path, system: &Path) -> Finding {
    const CHECK: &str = "disk encryption";
    match disk::encryption(data, system) {
        Encryption::On(what) => Finding::ok(CHECK, what),
        Encryption::Off(what) => Finding::new(
            CHECK,
            Verdict::Warning,
            what,
            "put the data folder on an encrypted disk (dm-crypt, LUKS): sizes, times and ids are not sealed; a disk \
             that encrypts itself cannot be seen from here",
        ),
        Encryption::Unknown(why) => {
            Finding::new(CHECK, Verdict::NotChecked, why, "see for yourself whether the disk is encrypted")
        }
    }
}

fn clocks(clock: &dyn Clock, data: Option<&Path>) -> Vec<Finding> {
    const CHECK: &str = "clock";
    const ADVICE: &str = "set the clock, best by NTP: certificates, tokens and records depend on it";
    let now = clock.now();
    let newest = data.and_then(newest);
    let wall = if !(EARLIEST..LATEST).contains(&now) {
        Finding::new(CHECK, Verdict::Failed, "it shows a year that cannot be", ADVICE)
    } else if let Some((path, ahead)) = newest.filter(|(_, written)| *written > now + FUTURE) {
        let by = ahead.since(now).as_secs();
        let detail = format!("{} was written {by} s in its future: it was set back", path.display());
        Finding::new(CHECK, Verdict::Failed, detail, ADVICE)
    } else {
        Finding::ok(CHECK, "it shows a possible time")
    };
    let synchronized = if Path::new(SYNCHRONIZED).exists() {
        Finding::ok("clock source", "systemd-timesyncd set it from the network")
    } else {
        let why = "this machine does not say by systemd-timesyncd whether its clock is set from the network";
        Finding::new("clock source", Verdict::NotChecked, why, "")
    };
    vec![wall, synchronized]
}

/// The newest thing in the folder and in the folders right below it.
fn newest(data: &Path) -> Option<(PathBuf, Timestamp)> {
    let entries = walkdir::WalkDir::new(data).max_depth(2).into_iter().filter_map(Result::ok);
    let written = entries.filter_map(|entry| {
        let since = entry.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((entry.into_path(), Timestamp(0) + since))
    });
    written.max_by_key(|(_, written)| *written)
}

fn ports(config: &Config) -> Vec<Finding> {
    let listeners: [(&'static str, &'static str, bool, SocketAddr); 3] = [
        ("service port", "service.listen", config.role.has_service(), *config.service_listen),
        ("vault port", "vault.listen", config.role.has_vault(), *config.vault_listen),
        (
            "availability port",
            "availability-vault.listen",
            config.role.has_availability_vault(),
            *config.availability_listen,
        ),
    ];
    let here: Vec<_> = listeners.into_iter().filter(|(_, _, here, _)| *here).collect();
    let mut findings = Vec::new();
    for (at, (check, setting, _, address)) in here.iter().enumerate() {
        let twin = here[..at].iter().find(|(_, _, _, other)| other == address && address.port() != 0);
        findings.push(match (twin, listener::bind(setting, *address)) {
            (Some((_, other, _, _)), _) => Finding::new(
                check,
                Verdict::Failed,
                format!("{setting} and {other} are both {address}"),
                "give each party an address of its own",
            ),
            (None, Ok(_)) if address.port() == 0 => {
                Finding::ok(check, format!("any free port of {}", address.ip()))
            }
            (None, Ok(_)) => Finding::ok(check, format!("{address} is free")),
            (None, Err(error @ ListenError::InUse { .. })) => Finding::new(
                check,
                Verdict::Warning,
                error.to_string(),
                "nothing to do if freehold itself runs there",
            ),
            (None, Err(error)) => {
                let advice = format!("set {setting} to an address of this machine");
                Finding::new(check, Verdict::Failed, error.to_string(), advice)
            }
        });
    }
    findings
}

fn certificate(config: &Config, layout: &Layout, clock: &dyn Clock) -> Finding {
    const CHECK: &str = "certificate";
    let mut suffixes = Vec::new();
    if config.role.has_vault() {
        suffixes.push(&*config.vault_suffix);
    }
    if config.role.has_availability_vault() {
        suffixes.push(&*config.availability_suffix);
    }
    let failed =
        |error: &dyn ToString, advice: &str| Finding::new(CHECK, Verdict::Failed, error.to_string(), advice);
    let tls = Tls::of(config);
    if suffixes.is_empty() {
        return match tls.trusted(&layout.tls()) {
            Ok(_) => Finding::ok(CHECK, "whom to trust for the vaults is known"),
            Err(error) => {
                failed(&error, "start the vaults first, or set tls.authority to who signed for them")
            }
        };
    }
    let (certificate, names, advice) = match tls.own() {
        Ok(Some(own)) => {
            let vaults = lab_names(&suffixes).split_off(lab_names(&[]).len());
            (
                own,
                vaults,
                "ask your authority for a new one for these names, or name that authority in tls.authority",
            )
        }
        Ok(None) if !layout.tls().join(SERVER.0).exists() => {
            let detail = "there is none yet; the first start makes one";
            return Finding::new(CHECK, Verdict::NotChecked, detail, "");
        }
        Ok(None) => match Certificate::kept(&layout.tls()) {
            Ok(certificate) => {
                (certificate, lab_names(&suffixes), "start the service again: it makes a new one")
            }
            Err(error) => return failed(&error, ""),
        },
        Err(error) => {
            return failed(
                &error,
                "set tls.certificate, tls.key and tls.authority to files that belong together",
            );
        }
    };
    let now = clock.now();
    match (certificate.problem(&names, now), certificate.problem(&names, now + RENEW_BEFORE)) {
        (Some(problem), _) => failed(&problem, advice),
        (None, Some(_)) => {
            let days = RENEW_BEFORE.as_secs() / 86_400;
            Finding::new(CHECK, Verdict::Warning, format!("it ends in less than {days} days"), advice)
        }
        (None, None) => Finding::ok(CHECK, "it is valid and covers every name"),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt;

    use model::time::ManualClock;
    use tempfile::TempDir;

    use super::*;
    use crate::cli::Flags;
    use crate::node::{RENEW_SECRET, SECRET_LIFE};
    use crate::random::SystemRandom;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    fn config(data: &Path, more: &[(&str, &str)]) -> Config {
        let mut set: Vec<_> = ["service", "vault", "availability-vault"]
            .map(|party| (format!("{party}.listen"), "127.0.0.1:0".to_owned()))
            .into();
        set.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let data = Some(data.display().to_string());
        let flags = Flags { data, set, ..Flags::default() };
        Config::load(&flags, std::iter::empty::<(OsString, OsString)>()).expect("a configuration")
    }

    fn verdict(findings: &[Finding], check: &str) -> Option<Verdict> {
        findings.iter().find(|finding| finding.check == check).map(|finding| finding.verdict)
    }

    /// A data folder as the first start leaves it, and a clock that is right.
    fn started() -> (TempDir, Layout, ManualClock) {
        let keep = TempDir::new().expect("a folder");
        let layout = Layout::inside(keep.path().join("data"));
        folder::DataFolder::open(layout.clone(), crate::settings::Role::All).expect("made");
        KeyFile::open(&layout.volume_key(), &layout.service_database(), &SystemRandom).expect("a key");
        let clock = ManualClock::at(NOW);
        let system = crate::clock::SystemClock.now();
        clock.advance(system.since(NOW));
        let config = config(layout.root(), &[]);
        let names = lab_names(&[&config.vault_suffix, &config.availability_suffix]);
        Certificate::lab(&layout.tls(), &names, &clock).expect("a certificate");
        let ends = clock.now() + SECRET_LIFE;
        let names = ["exchange", "sharepoint", "data-at-rest", "availability-vault"];
        for file in names.map(|name| layout.credential(name)).into_iter().chain([layout.operator_secret()]) {
            crate::key_file::create(&file, b"secret").expect("written");
            fs::write(file.with_extension("secret.ends"), ends.seconds().to_string()).expect("written");
        }
        (keep, layout, clock)
    }

    #[test]
    fn a_folder_after_its_first_start_has_nothing_to_mend() {
        let (_keep, layout, clock) = started();
        let findings = all(&config(layout.root(), &[]), &clock);
        assert!(findings.iter().all(|finding| finding.verdict != Verdict::Failed), "{findings:#?}");
        for check in ["data folder", "folder rights", "volume key", "clock", "vault port", "certificate"] {
            assert_eq!(verdict(&findings, check), Some(Verdict::Ok), "{check}");
        }
        assert_eq!(verdict(&findings, "wrap set replica"), Some(Verdict::Warning));
    }

    #[test]
    fn a_key_that_others_can_read_is_to_be_mended() {
        let (_keep, layout, clock) = started();
        fs::set_permissions(layout.volume_key(), fs::Permissions::from_mode(0o644)).expect("rights");
        assert_eq!(verdict(&all(&config(layout.root(), &[]), &clock), "volume key"), Some(Verdict::Failed));
    }

    #[test]
    fn a_key_that_is_missing_while_its_database_is_there_is_to_be_mended() {
        let (_keep, layout, clock) = started();
        fs::write(layout.vault_database(), "rows").expect("written");
        assert_eq!(
            verdict(&all(&config(layout.root(), &[]), &clock), "vault master key"),
            Some(Verdict::Failed)
        );
    }

    #[test]
    fn client_secrets_say_how_long_they_last_and_a_role_is_asked_for_its_own() {
        let (_keep, layout, clock) = started();
        let found = |role: &str, clock: &ManualClock| -> Vec<_> {
            let findings = all(&config(layout.root(), &[("role", role)]), clock);
            let secrets = findings.into_iter().filter(|finding| finding.check == "client secret");
            secrets.map(|finding| (finding.verdict, finding.detail)).collect()
        };
        assert_eq!(found("all", &clock).len(), 5);
        assert_eq!([found("vault", &clock).len(), found("service", &clock).len()], [3, 4]);
        let further = [("role", "service"), ("application.exchange.secret", "no/such/file")];
        let findings = all(&config(layout.root(), &further), &clock);
        assert!(findings.iter().any(|finding| finding.detail.contains("application.exchange.secret")
            && finding.detail.contains("no/such/file")));
        assert!(found("vault", &clock).iter().all(|(verdict, _)| *verdict == Verdict::Ok));
        clock.advance(SECRET_LIFE - RENEW_SECRET);
        let soon = found("vault", &clock);
        assert!(
            soon.iter()
                .all(|(verdict, detail)| *verdict == Verdict::Warning && detail.contains("ends in 29 days"))
        );
        clock.advance(RENEW_SECRET);
        assert!(found("vault", &clock).iter().all(|(verdict, _)| *verdict == Verdict::Failed));
        fs::remove_file(layout.credential("exchange").with_extension("secret.ends")).expect("removed");
        assert!(found("vault", &clock).iter().any(|(verdict, _)| *verdict == Verdict::NotChecked));
        fs::remove_file(layout.credential("exchange")).expect("removed");
        assert!(found("service", &clock).iter().all(|(verdict, _)| *verdict == Verdict::Failed));
    }

    #[test]
    fn a_clock_that_was_set_back_is_found_by_the_files() {
        let (_keep, layout, _) = started();
        let behind = ManualClock::at(crate::clock::SystemClock.now() - 2 * FUTURE);
        assert_eq!(verdict(&all(&config(layout.root(), &[]), &behind), "clock"), Some(Verdict::Failed));
        let unset = ManualClock::at(Timestamp(0));
        assert_eq!(verdict(&all(&config(layout.root(), &[]), &unset), "clock"), Some(Verdict::Failed));
    }

    #[test]
    fn a_certificate_near_its_end_is_a_warning_and_past_it_a_failure() {
        let (_keep, layout, clock) = started();
        let check = |clock: &ManualClock| certificate(&config(layout.root(), &[]), &layout, clock).verdict;
        clock.advance(crate::authority::CERTIFICATE_LIFE - RENEW_BEFORE + Duration::from_secs(60));
        assert_eq!(check(&clock), Verdict::Warning);
        clock.advance(RENEW_BEFORE);
        assert_eq!(check(&clock), Verdict::Failed);
    }

    #[test]
    fn half_of_an_own_certificate_is_to_be_mended() {
        let (_keep, layout, clock) = started();
        let half = config(layout.root(), &[("tls.certificate", "chain.pem")]);
        assert_eq!(verdict(&all(&half, &clock), "certificate"), Some(Verdict::Failed));
    }

    #[test]
    fn a_port_that_is_taken_is_a_warning_and_two_parties_on_one_a_failure() {
        let (_keep, layout, clock) = started();
        let taken =
            listener::bind("vault.listen", "127.0.0.1:0".parse().expect("an address")).expect("bound");
        let address = taken.local_addr().expect("an address").to_string();
        let findings = all(&config(layout.root(), &[("vault.listen", &address)]), &clock);
        assert_eq!(verdict(&findings, "vault port"), Some(Verdict::Warning));
        let both = [("vault.listen", address.as_str()), ("availability-vault.listen", address.as_str())];
        let findings = all(&config(layout.root(), &both), &clock);
        assert_eq!(verdict(&findings, "availability port"), Some(Verdict::Failed));
    }

    #[test]
    fn a_role_is_asked_about_its_own_party_alone() {
        let (_keep, layout, clock) = started();
        let findings = all(&config(layout.root(), &[("role", "vault")]), &clock);
        assert_eq!(verdict(&findings, "service port"), None);
        assert_eq!(verdict(&findings, "volume key"), None);
        assert_eq!(verdict(&findings, "vault port"), Some(Verdict::Ok));
    }

    #[test]
    fn before_the_first_start_nothing_is_made_and_nothing_failed() {
        let keep = TempDir::new().expect("a folder");
        let data = keep.path().join("data");
        let findings = all(&config(&data, &[]), &crate::clock::SystemClock);
        assert_eq!(verdict(&findings, "data folder"), Some(Verdict::NotChecked));
        assert_eq!(verdict(&findings, "certificate"), Some(Verdict::NotChecked));
        assert!(!data.exists());
    }
}
