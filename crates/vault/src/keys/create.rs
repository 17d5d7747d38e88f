//! Making a key, or a new version of one.
//!
//! Owns the create operation, and [`Fresh`]: how a new private half, generated here or imported, gets its place. It is made
//! once, off the request's threads, however often the commit must be tried; it is sealed before it is stored and never leaves.

use std::collections::BTreeMap;

use crypto::{Curve, EcPrivate, PrivateKey, RsaPrivate, RsaSize};
use serde::Deserialize;
use store::Batch;

use crate::core::{Core, Found};
use crate::error::{Refused, Stop, keys as texts};
use crate::id::KeyVersion;
use crate::keys::due::Job;
use crate::keys::key::{self, AttributesInput, KeyOp, KeyRow, VersionRow};
use crate::keys::kind::{self, Kind, Public};
use crate::keys::shape::Bundle;
use crate::keys::{Call, Done, Given, deleted, private, release, rotate};
use crate::schema::{self, DELETED_KEYS, KEY_VERSIONS, KEYS};

/// The most versions of one key; a deletion takes them all in one transaction.
pub(crate) const MOST_VERSIONS: u32 = 1000;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    kty: Option<String>,
    key_size: Option<i64>,
    crv: Option<String>,
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesInput>,
    #[serde(deserialize_with = "key::tags", default)]
    tags: Option<BTreeMap<String, String>>,
    release_policy: Given,
    public_exponent: Given,
}

/// What a client says of a new key besides its type and its numbers.
pub(crate) struct About {
    pub(crate) key_ops: Option<Vec<String>>,
    pub(crate) attributes: Option<AttributesInput>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) release_policy: Given,
}

/// The same, checked.
#[derive(Debug)]
pub(crate) struct Checked {
    kind: Kind,
    key_ops: Vec<KeyOp>,
    attributes: AttributesInput,
    tags: BTreeMap<String, String>,
}

impl About {
    pub(crate) fn check(self, call: &Call<'_>, kind: Kind) -> Result<Checked, Refused> {
        let attributes = self.attributes.unwrap_or_default();
        release::check(call, attributes.exportable == Some(true), self.release_policy.is_some())?;
        attributes.check()?;
        key::check_window(attributes.nbf, attributes.exp)?;
        let tags = self.tags.unwrap_or_default();
        key::check_tags(&tags)?;
        let key_ops = match self.key_ops {
            Some(asked) => key::key_ops(&asked)?,
            None => kind.operations().to_vec(),
        };
        kind.permits(&key_ops)?;
        Ok(Checked { kind, key_ops, attributes, tags })
    }
}

/// A private half that was made and has no place yet, and the version that it will be.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) private: PrivateKey,
    pub(crate) version: KeyVersion,
}

/// The same with what a client says of it.
#[derive(Debug)]
pub(crate) struct Made {
    fresh: Fresh,
    row: VersionRow,
}

/// Checks what is asked, then generates.
pub(crate) async fn prepare(call: &Call<'_>, input: Input) -> Result<Made, Stop> {
    let kind = Kind::parse("kty", input.kty.as_deref())?;
    kind.fits(call.vault)?;
    let recipe = Recipe::of(kind, &input)?;
    let Input { key_ops, attributes, tags, release_policy, .. } = input;
    let checked = About { key_ops, attributes, tags, release_policy }.check(call, kind)?;
    Ok(Made::of(call, Fresh::generate(call.core, recipe).await?, checked))
}

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipe {
    Rsa(RsaSize),
    Ec(Curve),
}

impl Recipe {
    fn of(kind: Kind, input: &Input) -> Result<Self, Refused> {
        if input.public_exponent.is_some() {
            let message =
                "Property public_exponent is for keys of a Managed HSM: RSA keys of a vault have 65537.";
            return Err(texts::bad_parameter(message));
        }
        if !kind.is_rsa() {
            return Ok(Self::Ec(kind::curve("crv", input.crv.as_deref().unwrap_or("P-256"))?));
        }
        let bits = usize::try_from(input.key_size.unwrap_or(2048)).ok();
        bits.and_then(RsaSize::of_bits).map(Self::Rsa).ok_or_else(|| {
            texts::bad_parameter("Property key_size must be 2048, 3072 or 4096 for this type of key.")
        })
    }

    /// The same type, size and curve again.
    pub(crate) fn like(public: &Public) -> Result<Self, Stop> {
        match public {
            Public::Rsa { size, .. } => RsaSize::of_bits(*size)
                .map(Self::Rsa)
                .ok_or(Stop::Damaged("a key of a size that is not made")),
            Public::Ec { crv, .. } => Ok(Self::Ec(kind::curve("crv", crv)?)),
        }
    }

    fn generate(self) -> Option<PrivateKey> {
        match self {
            Self::Rsa(size) => RsaPrivate::generate(size).ok().map(PrivateKey::from),
            Self::Ec(curve) => EcPrivate::generate(curve).ok().map(PrivateKey::from),
        }
    }
}

impl Fresh {
    pub(crate) fn of(core: &Core, private: PrivateKey) -> Self {
        Self { private, version: KeyVersion::from_random(core.id()) }
    }

    pub(crate) async fn generate(core: &Core, recipe: Recipe) -> Result<Self, Stop> {
        let private = core.generations.run(move || recipe.generate()).await?;
        Ok(Self::of(core, private.ok_or(Stop::Damaged("no key can be generated"))?))
    }

    /// Puts this in its place: `key` is its key's row, at `at`, which was due until now at `due`.
    fn put(
        &self,
        core: &Core,
        batch: Batch,
        at: &str,
        key: &KeyRow,
        row: &VersionRow,
        due: Option<i64>,
    ) -> Result<Batch, Stop> {
        let place = schema::version_of_key(at, self.version);
        let sealed = private::seal(core, &place, &self.private)?;
        let batch = batch.expect_absent(KEY_VERSIONS, &place).put(KEYS, at, key);
        let batch = batch.put_with_payload(KEY_VERSIONS, place, row, sealed);
        Ok(Job::Rotation.moved(batch, at, due, rotate::next(key, row)))
    }

    /// Makes this the newest version of a key that is there.
    pub(crate) fn succeed(
        &self,
        core: &Core,
        batch: Batch,
        head: &Found<KeyRow>,
        former: &Found<VersionRow>,
        row: &VersionRow,
    ) -> Result<Batch, Stop> {
        if head.value.versions >= MOST_VERSIONS {
            return Err(texts::too_many_versions(MOST_VERSIONS).into());
        }
        let versions = head.value.versions + 1;
        let key = KeyRow { current: self.version, versions, ..head.value.clone() };
        let due = rotate::next(&head.value, &former.value);
        self.put(core, key::renumber(batch, former)?, &head.key, &key, row, due)
    }
}

impl Made {
    /// A new version that holds this private half.
    pub(crate) fn of(call: &Call<'_>, fresh: Fresh, checked: Checked) -> Self {
        let now = call.core.now().seconds();
        let row = VersionRow {
            kty: checked.kind,
            public: Public::of(&fresh.private),
            key_ops: checked.key_ops,
            enabled: checked.attributes.enabled.unwrap_or(true),
            nbf: checked.attributes.nbf,
            exp: checked.attributes.exp,
            created: now,
            updated: now,
            tags: checked.tags,
        };
        Self { fresh, row }
    }

    pub(crate) async fn carry_out(&self, call: &Call<'_>) -> Result<Done, Stop> {
        let (core, vault, asked) = (call.core, call.vault.name.as_str(), call.name()?);
        // The vault may have become another one since the key was made.
        self.row.kty.fits(call.vault)?;
        let protected = call.protected().await?;
        let version = self.fresh.version;
        let (batch, name) = match key::head(core, vault, asked).await? {
            None => {
                deleted::refuse(core, vault, asked).await?;
                let at = schema::key(vault, asked.as_str());
                let key = KeyRow {
                    name: asked.to_string(),
                    current: version,
                    versions: 1,
                    policy: None,
                    notified: None,
                };
                let batch = call.batch_on(Default::default()).expect_absent(KEYS, &at);
                let batch = batch.expect_absent(DELETED_KEYS, &at);
                (self.fresh.put(core, batch, &at, &key, &self.row, None)?, key.name)
            }
            Some(head) => {
                let former = key::newest(core, vault, &head.value).await?;
                let batch = call.batch_on(head.basis().and(&former));
                (self.fresh.succeed(core, batch, &head, &former, &self.row)?, head.value.name)
            }
        };
        let kid = call.kid(&name, Some(version));
        call.commit(batch, Some(kid.clone())).await?;
        Ok(Done::json(&Bundle::of(call, kid, &self.row, protected)))
    }
}
