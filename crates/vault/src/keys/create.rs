//! Making a key, or a new version of one.
//!
//! Owns the create operation. The private half is generated once, off the request's threads, however often the commit
//! must be tried; it is sealed before it is stored and never leaves.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{PrivateKey, RsaPrivate, RsaSize};
use serde::Deserialize;

use crate::error::{Refused, Stop, keys as texts};
use crate::id::KeyVersion;
use crate::keys::key::{self, AttributesInput, KeyOp, KeyRow, VersionRow};
use crate::keys::shape::Bundle;
use crate::keys::{Call, Done, Given, deleted, private};
use crate::schema::{self, DELETED_KEYS, KEY_VERSIONS, KEYS};

/// The most versions of one key; a deletion takes them all in one transaction.
const MOST_VERSIONS: u32 = 1000;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    kty: Option<String>,
    key_size: Option<i64>,
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesInput>,
    tags: Option<BTreeMap<String, String>>,
    release_policy: Given,
    public_exponent: Given,
}

/// A key that was generated and has no place yet.
#[derive(Debug)]
pub(crate) struct Create {
    private: PrivateKey,
    version: KeyVersion,
    row: VersionRow,
}

impl Create {
    /// Checks what is asked, then generates.
    pub(crate) async fn prepare(call: &Call<'_>, input: Input) -> Result<Self, Stop> {
        let core = call.core;
        let size = size(&input)?;
        let attributes = input.attributes.clone().unwrap_or_default();
        attributes.check()?;
        key::check_window(attributes.nbf, attributes.exp)?;
        let tags = input.tags.unwrap_or_default();
        key::check_tags(&tags)?;
        let key_ops = match &input.key_ops {
            Some(asked) => key::key_ops(asked)?,
            None => KeyOp::ALL.to_vec(),
        };
        let private = core.generations.run(move || RsaPrivate::generate(size)).await?;
        let private = private.map_err(|_| Stop::Damaged("no RSA key can be generated"))?;
        let now = core.now().seconds();
        let row = VersionRow {
            kty: "RSA".into(),
            size: size.bits(),
            n: URL_SAFE_NO_PAD.encode(private.modulus()),
            e: URL_SAFE_NO_PAD.encode(private.exponent()),
            key_ops,
            enabled: attributes.enabled.unwrap_or(true),
            nbf: attributes.nbf,
            exp: attributes.exp,
            created: now,
            updated: now,
            tags,
        };
        Ok(Self { private: private.into(), version: KeyVersion::from_random(core.id()), row })
    }

    pub(crate) async fn carry_out(&self, call: &Call<'_>) -> Result<Done, Stop> {
        let (core, vault, asked) = (call.core, call.vault.name.as_str(), call.name()?);
        let protected = call.protected().await?;
        let at = schema::key(vault, asked.as_str());
        let (batch, name, versions) = match key::head(core, vault, asked).await? {
            None => {
                deleted::refuse(core, vault, asked).await?;
                let batch = call.batch_on(Default::default()).expect_absent(KEYS, &at);
                (batch.expect_absent(DELETED_KEYS, &at), asked.to_string(), 0)
            }
            Some(head) if head.value.versions >= MOST_VERSIONS => {
                return Err(texts::too_many_versions(MOST_VERSIONS).into());
            }
            Some(head) => {
                let former = key::newest(core, vault, &head.value).await?;
                let batch = key::renumber(call.batch_on(head.basis().and(&former)), &former)?;
                (batch, head.value.name, head.value.versions)
            }
        };
        let key = KeyRow { name: name.clone(), current: self.version, versions: versions + 1 };
        let place = schema::key_version(vault, &name, self.version);
        let sealed = private::seal(core, &place, &self.private)?;
        let kid = call.kid(&name, Some(self.version));
        let batch = batch.expect_absent(KEY_VERSIONS, &place).put(KEYS, at, &key).put_with_payload(
            KEY_VERSIONS,
            place,
            &self.row,
            sealed,
        );
        call.commit(batch, Some(kid.clone())).await?;
        Ok(Done::json(&Bundle::of(kid, &self.row, call.vault, protected)))
    }
}

/// The one type of key that is served; each other is refused with the reason.
fn size(input: &Input) -> Result<RsaSize, Refused> {
    let kind = input.kty.as_deref().unwrap_or_default();
    match kind {
        "RSA" => {}
        "RSA-HSM" | "EC-HSM" => {
            return Err(texts::bad_parameter(
                "Keys in hardware are not supported by this service: use type RSA.",
            ));
        }
        "" => return Err(texts::bad_parameter("Property kty is required.")),
        other => {
            let other: String = other.chars().take(32).collect();
            return Err(texts::bad_parameter(format!(
                "Property kty has the value '{other}'; this service makes RSA keys."
            )));
        }
    }
    if input.release_policy.is_some() {
        return Err(texts::bad_parameter(
            "Property release_policy is not supported: keys are not exportable.",
        ));
    }
    if input.public_exponent.is_some() {
        return Err(texts::bad_parameter("Property public_exponent is not supported for keys of a vault."));
    }
    let bits = usize::try_from(input.key_size.unwrap_or(2048)).ok();
    bits.and_then(RsaSize::of_bits).ok_or_else(|| {
        texts::bad_parameter("Property key_size must be 2048, 3072 or 4096 for this type of key.")
    })
}
