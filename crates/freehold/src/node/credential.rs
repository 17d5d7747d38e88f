//! The client secrets of the lab's applications: made, renewed before they end, each in a file of its own.
//!
//! Owns the file of a secret and the note beside it that says when it ends. The vault program knows secrets by their
//! hashes alone, so a secret that is lost cannot be read again, only made anew; that is told in the log.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::time::Timestamp;
use vault::{AdminFault, Administration, ApplicationId, NewApplication};
use zeroize::Zeroizing;

use super::provider::directory;
use crate::exit::{Exit, Failure};
use crate::key_file;

/// How long the lab's own credentials are good for.
pub const SECRET_LIFE: Duration = Duration::from_secs(730 * DAY);
/// A start makes a new secret when less than this is left of the one in the file.
pub const RENEW_SECRET: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 3600;
/// Room for a credential as it is read: a buffer that grows leaves what it held behind.
const SECRET_ROOM: usize = 1024;

/// An application of the lab and the file of its secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credential<'a> {
    pub(super) name: &'a str,
    pub(super) client_id: &'a str,
    pub(super) file: &'a Path,
}

impl Credential<'_> {
    /// Makes application and secret if they are missing, and another secret if little is left of this one.
    pub(super) async fn prepare(&self, admin: &Administration, now: Timestamp) -> Result<(), Failure> {
        let id: ApplicationId = self.client_id.parse().expect("a UUID");
        let ends = if self.file.exists() {
            self.renew(admin, id, now).await?
        } else {
            self.make(admin, id, now).await?
        };
        let note = note(self.file);
        if noted(self.file).map(Timestamp::seconds) != Some(ends.seconds()) {
            fs::write(&note, format!("{}\n", ends.seconds()))
                .map_err(|error| Failure::of_ours(&note, &error))?;
        }
        Ok(())
    }

    async fn make(
        &self,
        admin: &Administration,
        id: ApplicationId,
        now: Timestamp,
    ) -> Result<Timestamp, Failure> {
        let new = NewApplication { client_id: Some(id), display_name: self.name, secret_life: SECRET_LIFE };
        let secret = match admin.create_application(directory(), new).await {
            Ok((_, secret)) => secret,
            // Nobody has the secrets that are there, whether their file was lost or a start was killed before it was
            // written; and starts that fail here again and again must not fill the application up.
            Err(AdminFault::Exists(_)) => {
                tracing::warn!(
                    application = self.name,
                    "the file of its client secret is missing: a new secret is made, and none that was given out before \
                     is accepted any more"
                );
                admin.remove_secrets(id).await?;
                admin.add_secret(id, SECRET_LIFE).await?
            }
            Err(error) => return Err(error.into()),
        };
        key_file::create(self.file, secret.as_bytes())
            .map_err(|error| Failure::of_ours(self.file, &error))?;
        Ok(now + SECRET_LIFE)
    }

    /// When the secret of the file ends, after it was renewed if that was due.
    ///
    /// The old secret is left to end by itself: a service in a process of its own goes on with it until the new file
    /// is handed to it, and reads that for its next token.
    async fn renew(
        &self,
        admin: &Administration,
        id: ApplicationId,
        now: Timestamp,
    ) -> Result<Timestamp, Failure> {
        let old = read(self.file)?;
        let ends = admin.secret_ends(id, &old).await?.ok_or_else(|| {
            let file = self.file.display();
            let why = format!(
                "{file} holds no secret that this vault knows: put back the file that belongs to this data folder, or \
                 remove it, and the next start makes a new one"
            );
            Failure::new(Exit::Ours, why)
        })?;
        if ends > now + RENEW_SECRET {
            return Ok(ends);
        }
        admin.remove_other_secrets(id, &old).await?;
        let new = admin.add_secret(id, SECRET_LIFE).await?;
        replace(self.file, new.as_bytes()).map_err(|error| Failure::of_ours(self.file, &error))?;
        tracing::info!(
            application = self.name,
            "its client secret was near its end: a new one is in its file"
        );
        Ok(now + SECRET_LIFE)
    }
}

/// The secret of a file that only its owner can read.
pub(super) fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::of_ours(file, &error);
    let mut opened = File::open(file).map_err(failed)?;
    key_file::rights(&opened, file)?;
    let mut text = Zeroizing::new(String::with_capacity(SECRET_ROOM));
    opened.read_to_string(&mut text).map_err(failed)?;
    Ok(Zeroizing::new(text.trim_end().to_owned()))
}

/// When the secret of a file ends, by the note beside it; the vault that knows the secret writes it at each start.
pub fn noted(file: &Path) -> Option<Timestamp> {
    let seconds: i64 = fs::read_to_string(note(file)).ok()?.trim_end().parse().ok()?;
    Some(Timestamp(seconds.checked_mul(1000)?))
}

fn note(file: &Path) -> PathBuf {
    file.with_extension("secret.ends")
}

/// Puts another secret into a file: the old one or the new one is there, whatever happens on the way.
fn replace(file: &Path, secret: &[u8]) -> io::Result<()> {
    let next = file.with_extension("secret.next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    key_file::create(&next, secret)?;
    fs::rename(&next, file)?;
    File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crypto::{Key, Master};
    use model::time::{Clock, ManualClock};
    use store::Store;
    use tempfile::TempDir;
    use vault::{Limits, ServiceHosts, Settings, Vault};

    use super::*;
    use crate::random::SystemRandom;

    const CLIENT: &str = "00000002-0000-0ff1-ce00-000000000000";

    struct World {
        folder: TempDir,
        clock: ManualClock,
        vault: Vault,
    }

    impl World {
        async fn new() -> Self {
            let clock = ManualClock::at(Timestamp(1_795_000_000_000));
            let folder = TempDir::new().expect("a folder");
            let store =
                Store::sqlite(&folder.path().join("vault.sqlite"), &vault::SCHEMA).await.expect("a store");
            let suffix = "vault.localhost".parse().expect("a suffix");
            let hosts = ServiceHosts::of(&suffix);
            let settings = Settings {
                suffix,
                hosts,
                soft_delete: true,
                retention_at_once: false,
                limits: Limits::default(),
            };
            let (random, time) = (Arc::new(SystemRandom), Arc::new(clock.clone()));
            let master = Key::<Master>::from_file(Zeroizing::new([7; 32]));
            let vault = Vault::open(settings, store, master, time, random).await.expect("a vault");
            let admin = vault.administration();
            admin.create_directory(Some(directory()), "Provider").await.expect("a directory");
            Self { folder, clock, vault }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("exchange.secret")
        }

        /// One start; the secret of the file after it.
        async fn start(&self) -> Result<String, Failure> {
            let file = self.file();
            let credential = Credential { name: "exchange", client_id: CLIENT, file: &file };
            credential.prepare(&self.vault.administration(), self.clock.now()).await?;
            Ok(read(&file)?.to_string())
        }

        async fn ends(&self, secret: &str) -> Option<Timestamp> {
            let id = CLIENT.parse().expect("a UUID");
            self.vault.administration().secret_ends(id, secret).await.expect("asked")
        }
    }

    #[tokio::test]
    async fn a_secret_is_renewed_by_the_first_start_of_its_last_month_and_the_old_one_ends_by_itself() {
        let world = World::new().await;
        let first = world.start().await.expect("made");
        let end = world.clock.now() + SECRET_LIFE;
        assert_eq!(noted(&world.file()), Some(end));
        world.clock.advance(SECRET_LIFE - RENEW_SECRET - Duration::from_secs(1));
        assert_eq!(world.start().await.expect("kept"), first);
        world.clock.advance(Duration::from_secs(1));
        let second = world.start().await.expect("renewed");
        assert_ne!(second, first);
        assert_eq!(world.ends(&second).await, Some(world.clock.now() + SECRET_LIFE));
        assert_eq!(world.ends(&first).await, Some(end), "a service that runs on still holds it");
        assert_eq!(noted(&world.file()), world.ends(&second).await);
        assert_eq!(world.start().await.expect("kept"), second);
    }

    #[tokio::test]
    async fn an_ended_secret_is_renewed_too_and_renewals_that_died_fill_nothing_up() {
        let world = World::new().await;
        let first = world.start().await.expect("made");
        world.clock.advance(SECRET_LIFE - Duration::from_secs(1));
        for _ in 0..8 {
            let second = world.start().await.expect("renewed");
            assert_ne!(second, first);
            // As a kill before the file was replaced would leave it.
            replace(&world.file(), first.as_bytes()).expect("put back");
        }
        world.clock.advance(Duration::from_secs(2));
        let last = world.start().await.expect("renewed");
        assert!(world.ends(&last).await.is_some_and(|ends| ends > world.clock.now()));
    }

    #[tokio::test]
    async fn a_lost_file_gets_a_new_secret_and_a_strangers_file_is_left_alone() {
        let world = World::new().await;
        let first = world.start().await.expect("made");
        fs::remove_file(world.file()).expect("removed");
        let second = world.start().await.expect("made anew");
        assert_eq!((world.ends(&first).await, second == first), (None, false));
        replace(&world.file(), b"of-another-folder").expect("written");
        let refused = world.start().await.expect_err("a stranger's").to_string();
        assert!(refused.contains("exchange.secret") && refused.contains("remove it"), "{refused}");
        assert_eq!(read(&world.file()).expect("there").as_str(), "of-another-folder");
    }
}
