//! The lab's own certificate authority: made once in tls/, and held to names below `localhost`.
//!
//! Owns its key and what it signs. Whether a certificate serves is `certificates`'. Its own certificate says that
//! it may sign names below `localhost` and loopback addresses alone: somebody who trusts it by mistake gives
//! nothing else away.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use model::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::certificates::{CertificateFault, fault, first, secret};
use crate::key_file;
use crate::pem;
use model::suffix::Suffix;
use vault::ServiceHosts;

/// How long the lab's authority is valid.
pub const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * DAY);
/// How long a certificate that it signs is valid; some clients refuse more than 398 days.
pub const CERTIFICATE_LIFE: Duration = Duration::from_secs(397 * DAY);
/// How much earlier than now a certificate begins, for clients whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(3600);
const DAY: u64 = 24 * 3600;

/// The domain that the lab's authority is held to.
const LAB_DOMAIN: &str = "localhost";
/// What the name of the lab's authority begins with.
const AUTHORITY_NAME: &str = "Freehold lab authority";
/// The names of a certificate and its key below tls/.
pub(crate) type Pair = (&'static str, &'static str);
/// The files below tls/.
pub(crate) const AUTHORITY: (&str, &str) = ("ca.pem", "ca.key");
pub(crate) const SERVER: Pair = ("server.pem", "server.key");
/// What the service shows; made by the party that has the authority, so that the service never reads its key.
pub(crate) const SERVICE: Pair = ("service.pem", "service.key");
const LOCK: &str = "lock";

/// The lab's authority, ready to sign; the folder is locked until it is dropped.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// Three parties may start at once on one folder, and only one of them makes what is missing.
    _lock: Option<File>,
}

impl Authority {
    /// Reads the authority of the folder, or makes it: the key first, so that a kill in between loses nothing.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, CertificateFault> {
        let lock = folder.join(LOCK);
        let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let lock = locked.map_err(|error| fault(&lock, error))?;
        let (certificate, key) = (folder.join(AUTHORITY.0), folder.join(AUTHORITY.1));
        let pair = if key.exists() {
            KeyPair::try_from(&secret(&key)?).map_err(|error| fault(&key, error))?
        } else if certificate.exists() {
            return Err(fault(
                &key,
                "it is missing, and only it can sign in the name of the authority beside it: restore it, or remove \
                 the folder and let the clients trust a new authority",
            ));
        } else {
            let pair = KeyPair::generate()?;
            keep(&key, &pair)?;
            pair
        };
        let params = authority_params(&pair, &[LAB_DOMAIN.to_owned()], AUTHORITY_LIFE, now);
        if !certificate.exists() {
            publish(&certificate, &pem::encode("CERTIFICATE", params.self_signed(&pair)?.der()))?;
        }
        Ok(Self { certificate: first(&certificate)?, issuer: Issuer::new(params, pair), _lock: Some(lock) })
    }

    /// Makes an authority for one run, held to these domains: its key is in memory alone, and gone when this is dropped.
    pub fn for_run(domains: &[String], now: Timestamp) -> Result<Self, CertificateFault> {
        let pair = KeyPair::generate()?;
        let params = authority_params(&pair, domains, CERTIFICATE_LIFE, now);
        let certificate = params.self_signed(&pair)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, pair), _lock: None })
    }

    /// What a client of the lab must trust.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Signs a certificate for these names with a new key, and puts both in place of what is there.
    ///
    /// The key goes first: after a kill in between the two do not go together, and are made again.
    pub fn issue(
        &self,
        certificate: &Path,
        key: &Path,
        names: &[String],
        now: Timestamp,
    ) -> Result<(), CertificateFault> {
        let (signed, pair) = self.sign(names, now)?;
        match fs::remove_file(key) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(key, error)),
            _ => {}
        }
        keep(key, &pair)?;
        publish(certificate, &pem::encode("CERTIFICATE", &signed))
    }

    /// Signs a certificate for these names with a new key.
    pub fn sign(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<(CertificateDer<'static>, KeyPair), CertificateFault> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Freehold lab");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = life(now, CERTIFICATE_LIFE);
        let pair = KeyPair::generate()?;
        let signed = params.signed_by(&pair, &self.issuer)?.der().clone();
        Ok((signed, pair))
    }
}

/// The names that the lab's certificate carries: every vault of these domains, the service, and loopback.
pub fn lab_names(suffixes: &[&Suffix]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "freehold.localhost".to_owned(), "127.0.0.1".to_owned()];
    for suffix in suffixes {
        names.push(format!("*.{}", suffix.host()));
        // Below the suffix the wildcard covers these too, for clients that know wildcards; some minimal ones do not.
        let hosts = ServiceHosts::of(suffix);
        names.extend(hosts.all().map(|host| host.split(':').next().unwrap_or(host).to_owned()));
    }
    names
}

/// Whether the authority may sign this name.
pub fn is_lab(name: &str) -> bool {
    name == LAB_DOMAIN || name.ends_with(".localhost") || name == "127.0.0.1"
}

fn authority_params(
    pair: &KeyPair,
    domains: &[String],
    lasts: Duration,
    now: Timestamp,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Named after its key: a client that trusts the authority of another folder shall hear "unknown issuer", and
    // not "bad signature", which sounds like an attack.
    let key: String = params.key_identifier(pair).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY_NAME} {key}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let loopback = GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8));
    let domains = domains.iter().cloned().map(GeneralSubtree::DnsName);
    let permitted_subtrees = domains.chain([loopback]).collect();
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    (params.not_before, params.not_after) = life(now, lasts);
    params
}

fn life(now: Timestamp, life: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let at = |when: Timestamp| {
        OffsetDateTime::from_unix_timestamp(when.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    (at(now - BACKDATED), at(now + life))
}

fn keep(path: &Path, pair: &KeyPair) -> Result<(), CertificateFault> {
    let secret = Zeroizing::new(pem::encode("PRIVATE KEY", pair.serialized_der()));
    key_file::create(path, secret.as_bytes()).map_err(|error| fault(path, error))
}

/// Writes a public file that is there whole or not at all.
fn publish(path: &Path, text: &str) -> Result<(), CertificateFault> {
    let draft = path.with_extension("pem.new");
    let written = || {
        let mut out = File::create(&draft)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(|error| fault(path, error))
}
