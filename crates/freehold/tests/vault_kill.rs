//! A vault that is killed in the middle of its writes: what it acknowledged is there afterwards, with every version.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use freehold::cli::Flags;
use freehold::clock::SystemClock;
use freehold::config::Config;
use freehold::layout::Layout;
use freehold::node::{Edge, Lab, VAULT_SUFFIX, Wiring};
use freehold::random::SystemRandom;
use freehold::wire::{self, Names, Person, Unanswered};
use model::id::DirectoryId;
use reqwest::Method;
use serde_json::{Value, json};
use support::process::Process;
use support::text;
use tempfile::TempDir;
use vault::{CRYPTO_OFFICER, Log, NewSubscription};
use zeroize::Zeroizing;

/// How often the vault is killed.
const KILLS: u32 = 10;
/// How many versions of each key are looked at after each kill; after the last one it is all of them.
const NEWEST: usize = 5;
/// How many keys it is changed on.
const KEYS: u64 = 6;
/// The longest time from the first request to the kill; no kill comes before a twentieth of it.
const LONGEST: Duration = Duration::from_millis(600);
/// The vault that everything happens in.
const VAULT: &str = "kill-me";
/// Somebody who may do everything with its keys but use the control plane's.
const OFFICER: &str = "olivia@contoso.com";

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What the vault acknowledged of one key.
#[derive(Debug, Default, Clone)]
struct Key {
    versions: Vec<String>,
    deleted: bool,
}

/// Who signs in where, and the folder.
struct World {
    folder: TempDir,
    directory: DirectoryId,
    password: Zeroizing<String>,
}

impl World {
    fn config(&self) -> Config {
        let data = Some(text(&self.folder.path().join("data")));
        Config::load(&Flags { data, ..Flags::default() }, std::iter::empty()).expect("a configuration")
    }

    async fn lab(&self) -> Lab {
        let edge = Edge { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) };
        Lab::open(Layout::new(&self.config()), &edge, &Wiring::lab(), &[]).await.expect("a lab")
    }

    /// A vault with soft delete, and an officer of it.
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let directory = DirectoryId::from_random([7; 16]);
        let mut world = Self { folder, directory, password: Zeroizing::default() };
        let lab = world.lab().await;
        let admin = lab.customers.vault.administration();
        admin.create_directory(Some(directory), "Contoso").await.expect("a directory");
        let life = Duration::from_secs(24 * 3600);
        let (officer, password) =
            admin.create_user(directory, OFFICER, "Olivia", life).await.expect("a user");
        let new = NewSubscription { id: None, display_name: "Contoso", owner: officer };
        let subscription = admin.create_subscription(directory, new).await.expect("a subscription");
        let person = Person::user(&lab.http, VAULT_SUFFIX, directory, OFFICER, password.clone());
        let root = format!("/subscriptions/{subscription}");
        let group = format!("{root}/resourceGroups/keys");
        let vault = format!("{group}/providers/Microsoft.KeyVault/vaults/{VAULT}");
        let right = "providers/Microsoft.Authorization/roleAssignments/a11ce000-0000-4000-8000-000000000001";
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{CRYPTO_OFFICER}");
        for (method, path, body) in [
            (Method::POST, format!("{root}/providers/Microsoft.KeyVault/register"), json!({})),
            (Method::PUT, group, json!({ "location": "westeurope" })),
            (
                Method::PUT,
                vault.clone(),
                json!({ "location": "westeurope", "properties": {
                    "tenantId": directory, "sku": { "name": "standard", "family": "A" }, "enableRbacAuthorization": true } }),
            ),
            (
                Method::PUT,
                format!("{vault}/{right}"),
                json!({ "properties": { "roleDefinitionId": role, "principalId": officer } }),
            ),
        ] {
            person.manage(method, &path, Some(body)).await.expect("made");
        }
        lab.close().await;
        world.password = password;
        world
    }

    /// The vault as a process, and the officer at its door.
    async fn start(&self) -> (Process, Officer) {
        let data = text(&self.folder.path().join("data"));
        let flags = ["--role", "vault", "--listen", "127.0.0.1:0", "--set=log.level=warn"];
        let process = Process::start(&[&["serve", "--data", &data][..], &flags].concat());
        let layout = Layout::new(&self.config());
        let trust = Wiring::lab().tls.trusted(&layout.tls()).expect("the lab's authority");
        let names = Names::new(vec![(VAULT_SUFFIX.into(), ([127, 0, 0, 1], process.port()).into())]);
        let http = wire::client(&trust, names).expect("a client");
        let person = Person::user(&http, VAULT_SUFFIX, self.directory, OFFICER, self.password.clone());
        (process, Officer(person))
    }
}

struct Officer(Person);

impl Officer {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Unanswered> {
        let body = (!body.is_null()).then_some(body);
        self.0.vault(method, VAULT, path, body).await
    }

    /// One change of one key. An error leaves open whether it was done; the state then is what the vault says next.
    async fn change(&self, name: &str, known: &mut Key, dice: &mut Dice) -> Result<(), Unanswered> {
        let version = |bundle: &Value| {
            let kid = bundle["key"]["kid"].as_str().expect("an identifier");
            kid.rsplit('/').next().expect("a version").to_owned()
        };
        if known.deleted {
            self.ask(Method::POST, &format!("/deletedkeys/{name}/recover"), json!({})).await?;
            known.deleted = false;
            return Ok(());
        }
        match dice.roll(8) {
            0 if !known.versions.is_empty() => {
                self.ask(Method::DELETE, &format!("/keys/{name}"), Value::Null).await?;
                known.deleted = true;
            }
            1 if !known.versions.is_empty() => {
                let rotated = self.ask(Method::POST, &format!("/keys/{name}/rotate"), json!({})).await?;
                known.versions.push(version(&rotated));
            }
            2 if !known.versions.is_empty() => {
                let tags = json!({ "tags": { "turn": dice.roll(1000).to_string() } });
                self.ask(Method::PATCH, &format!("/keys/{name}"), tags).await?;
            }
            _ => {
                let made = json!({ "kty": "EC", "crv": "P-256" });
                let made = self.ask(Method::POST, &format!("/keys/{name}/create"), made).await?;
                known.versions.push(version(&made));
            }
        }
        Ok(())
    }

    /// Changes keys until the vault is gone. What was under way on the last key may have been done or not.
    async fn work(&self, known: &mut BTreeMap<String, Key>, dice: &mut Dice) -> String {
        loop {
            let name = format!("k{}", dice.roll(KEYS));
            let key = known.entry(name.clone()).or_default();
            match self.change(&name, key, dice).await {
                Ok(()) => {}
                Err(Unanswered::Unreachable { .. }) => return name,
                Err(refused) => panic!("{name}: {refused}"),
            }
        }
    }

    /// The newest acknowledged versions are there and their private halves work; where the last change is open, the key may
    /// be live or deleted.
    async fn check(&self, name: &str, known: &mut Key, open: bool, newest: usize) {
        if open && !known.versions.is_empty() {
            let live = self.ask(Method::GET, &format!("/keys/{name}"), Value::Null).await;
            known.deleted = live.is_err();
        }
        if known.deleted {
            let gone = self.ask(Method::GET, &format!("/deletedkeys/{name}"), Value::Null).await;
            gone.unwrap_or_else(|fault| panic!("{name} was deleted and is not among the deleted: {fault}"));
            self.ask(Method::POST, &format!("/deletedkeys/{name}/recover"), json!({}))
                .await
                .expect("recovered");
            known.deleted = false;
        }
        let digest = URL_SAFE_NO_PAD.encode([7; 32]);
        for version in known.versions.iter().rev().take(newest) {
            let at = format!("/keys/{name}/{version}");
            let signed = self
                .ask(Method::POST, &format!("{at}/sign"), json!({ "alg": "ES256", "value": digest }))
                .await;
            let signed = signed.unwrap_or_else(|fault| panic!("{at} was acknowledged: {fault}"));
            let body = json!({ "alg": "ES256", "digest": digest, "value": signed["value"] });
            let verified = self.ask(Method::POST, &format!("{at}/verify"), body).await.expect("an answer");
            assert_eq!(verified["value"], true, "{at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_killed_at_ten_moments_keeps_every_key_and_version_that_it_acknowledged() {
    let began = Instant::now();
    let world = World::new().await;
    let seed = u64::from(std::process::id()) ^ began.elapsed().as_nanos() as u64;
    println!("seed {seed}");
    let (mut dice, mut known) = (Dice(seed), BTreeMap::<String, Key>::new());
    let mut open = None;
    let mut changed = 0;
    for kill in 0..=KILLS {
        let (mut process, officer) = world.start().await;
        for (name, key) in &mut known {
            let newest = if kill == KILLS { usize::MAX } else { NEWEST };
            officer.check(name, key, open.as_ref() == Some(name), newest).await;
        }
        if kill == KILLS {
            assert_eq!(process.stop(), Some(0));
            break;
        }
        let before: usize = known.values().map(|key| key.versions.len()).sum();
        let share = 0.05 + 0.95 * dice.roll(1000) as f64 / 1000.0;
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::sleep(LONGEST.mul_f64(share));
            process.child.kill().expect("killed");
            process.child.wait().expect("gone");
        });
        open = Some(officer.work(&mut known, &mut dice).await);
        killer.await.expect("it ran");
        let after: usize = known.values().map(|key| key.versions.len()).sum();
        changed += u32::from(after > before);
    }
    println!(
        "{changed} of {KILLS} kills after an acknowledged version, {:?}",
        known.values().map(|key| key.versions.len()).sum::<usize>()
    );
    assert!(changed >= KILLS / 2, "only {changed} kills hit a vault at work");
    each_version_has_a_record(&world, &known).await;
}

/// An acknowledged version without a record in the vault's log would be a key that nobody made.
async fn each_version_has_a_record(world: &World, known: &BTreeMap<String, Key>) {
    let lab = world.lab().await;
    let (mut after, mut made) = (0, Vec::new());
    loop {
        let page = lab.customers.vault.log(Log::Vault(VAULT), after, 500).await.expect("the log");
        let Some(last) = page.last() else { break };
        after = last.seq;
        for row in page.iter().filter(|row| ["KeyCreate", "KeyRotate"].contains(&row.operation.as_str())) {
            let body: Value = row.parse().expect("a record");
            made.push(body["properties"]["id"].as_str().expect("an identifier").to_owned());
        }
    }
    for (name, key) in known {
        for version in &key.versions {
            let end = format!("/keys/{name}/{version}");
            assert_eq!(made.iter().filter(|id| id.ends_with(&end)).count(), 1, "{end}");
        }
    }
    lab.close().await;
}
