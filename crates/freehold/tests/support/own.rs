//! An operator's own certificates: an authority that nobody else knows, and what it signed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use freehold::pem::encode;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::text;

/// Writes `own.pem` (with the authority at its end), `own.key` and `own-ca.pem`; the flags that name the first two.
pub(crate) fn certificates(folder: &Path, names: &[&str]) -> Vec<String> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pair = KeyPair::generate().expect("a key");
    let authority = encode("CERTIFICATE", params.self_signed(&pair).expect("an authority").der());
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let server = KeyPair::generate().expect("a key");
    let signed = CertificateParams::new(names).expect("names").signed_by(&server, &Issuer::new(params, pair));
    let (chain, key) = (folder.join("own.pem"), folder.join("own.key"));
    fs::write(&chain, encode("CERTIFICATE", signed.expect("signed").der()) + &authority).expect("written");
    fs::write(folder.join("own-ca.pem"), authority).expect("written");
    fs::write(&key, encode("PRIVATE KEY", server.serialized_der())).expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("rights");
    let set = |setting: &str, path: &Path| ["--set".to_owned(), format!("{setting}={}", text(path))];
    [set("tls.certificate", &chain), set("tls.key", &key)].concat()
}
