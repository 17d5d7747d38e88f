//! Root keys behind Microsoft's client.
//!
//! Owns [`AzureRootKeys`]: which client a call uses, when it is made anew, how long a call may take, and what
//! is checked of a success. Errors are read in `answer`; what may be dialled is decided in `transport`.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::http::ClientMethodOptions;
use azure_core::http::request::options::ClientRequestId;
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_keys::KeyClient;
use azure_security_keyvault_keys::models::{
    CreateKeyParameters, EncryptionAlgorithm, Key, KeyClientCreateKeyOptions, KeyClientGetKeyOptions,
    KeyClientUnwrapKeyOptions, KeyClientWrapKeyOptions, KeyOperation, KeyOperationParameters, KeyType,
};
use crypto::Seed;
use model::fault::Answer;
use model::id::RequestId;
use model::key_identifier::KeyIdentifier;
use model::suffix::SuffixList;
use model::time::{BoxFuture, Clock, Timestamp};
use zeroize::Zeroizing;

use super::answer;
use super::connection::{Clients, Connection};
use super::transport::NoWire;
use super::{RootDescription, RootKeys};

/// How long a whole call may take: challenge, token, request, and once more with a fresh token after a 401.
pub const CALL_BOUND: Duration = Duration::from_secs(20);
/// How many vaults of one connection have a client at a time; the one that was used longest ago goes first.
pub const MAX_CLIENTS: usize = 64;
/// How many key versions' sizes are remembered.
pub const MAX_SIZES: usize = 1024;
/// How many operations of a key are read; the Azure wire knows ten.
pub const MAX_KEY_OPS: usize = 16;
/// The longest type, operation or recovery level that is read, in characters.
pub const MAX_WORD: usize = 64;
/// The size of an availability key, in bits.
const AVAILABILITY_KEY_SIZE: i32 = 2048;
/// The sizes of root keys, in bits.
pub const SIZES: [u32; 3] = [2048, 3072, 4096];

/// The root keys of one vault connection, reached over the Azure wire.
pub struct AzureRootKeys {
    clients: Clients,
    clock: Arc<dyn Clock>,
    bound: Duration,
    /// By vault URL, the one used last at the back.
    open: Mutex<VecDeque<(String, Arc<KeyClient>)>>,
    sizes: Mutex<HashMap<KeyIdentifier, u32>>,
}

impl AzureRootKeys {
    /// Root keys behind the connection; a change of the connection needs a new one, and this one dropped.
    pub fn new(connection: Connection, clock: Arc<dyn Clock>) -> Result<Self, NoWire> {
        Self::bounded(connection, clock, CALL_BOUND)
    }

    /// The same with another bound on a whole call.
    pub fn bounded(connection: Connection, clock: Arc<dyn Clock>, bound: Duration) -> Result<Self, NoWire> {
        Ok(Self {
            clients: Clients::new(connection, clock.clone())?,
            clock,
            bound,
            open: Mutex::default(),
            sizes: Mutex::default(),
        })
    }

    /// Makes an RSA-2048 key that wraps and unwraps and does nothing else; for the provider's own vault.
    ///
    /// A customer's root keys are made by the customer alone: no connection of a tenant is ever asked for this.
    pub async fn create(&self, key: &KeyIdentifier, request: RequestId) -> Result<RootDescription, Answer> {
        let answered = self.call(key, request, |client, method_options| {
            let options = KeyClientCreateKeyOptions { method_options };
            async move {
                let parameters = CreateKeyParameters {
                    kty: Some(KeyType::Rsa),
                    key_size: Some(AVAILABILITY_KEY_SIZE),
                    key_ops: Some(vec![KeyOperation::WrapKey, KeyOperation::UnwrapKey]),
                    ..CreateKeyParameters::default()
                };
                client.create_key(key.name(), parameters.try_into()?, Some(options)).await
            }
        });
        let created = answered.await?.into_model().map_err(|_| Answer::Malformed)?;
        let description = description(key, created)?;
        if let Some(size) = description.size {
            self.remember_size(&description.key, size);
        }
        Ok(description)
    }

    /// The connection that these keys are reached through.
    pub fn connection(&self) -> &Connection {
        self.clients.connection()
    }

    /// Asks once, and once more with a fresh token after a 401, both within one bound.
    async fn call<T, F>(
        &self,
        key: &KeyIdentifier,
        request: RequestId,
        ask: impl Fn(Arc<KeyClient>, ClientMethodOptions<'static>) -> F,
    ) -> Result<T, Answer>
    where
        F: Future<Output = azure_core::Result<T>>,
    {
        let application = &self.connection().application;
        if !application.cloud.holds(key) {
            return Err(Answer::Address);
        }
        let vault = key.vault_url();
        let mut over = self.clock.sleep(self.bound);
        let mut once = async || {
            let client = self.client(&vault)?;
            let mut options = ClientMethodOptions::default();
            options.context.insert(ClientRequestId::new(request.to_string()));
            let answered = tokio::select! {
                biased;
                answered = ask(client.clone(), options) => answered.map_err(|error| answer::read(&error)),
                () = &mut over => Err(Answer::OperationTimedOut),
            };
            if let Err(answer) = &answered
                && (answer.needs_fresh_token() || *answer == Answer::Challenge)
            {
                // It holds a token that the vault refuses, or a scope that no token is given for, and keeps both.
                self.close(&vault, &client);
            }
            answered
        };
        match once().await {
            Err(first) if first.needs_fresh_token() => match once().await {
                Ok(answered) => Ok(answered),
                Err(second) => Err(first.after_fresh_token(second, application.owner)),
            },
            answered => answered,
        }
    }

    /// The client of a vault, made now where there is none.
    fn client(&self, vault: &str) -> Result<Arc<KeyClient>, Answer> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match open.iter().position(|(url, _)| url == vault).and_then(|at| open.remove(at)) {
            Some((_, client)) => client,
            None => Arc::new(self.clients.client(vault).map_err(|_| Answer::Internal)?),
        };
        open.push_back((vault.to_owned(), client.clone()));
        if open.len() > MAX_CLIENTS {
            open.pop_front();
        }
        Ok(client)
    }

    /// Forgets this client and its token, unless another call has replaced it already.
    fn close(&self, vault: &str, client: &Arc<KeyClient>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(url, other)| url != vault || !Arc::ptr_eq(client, other));
    }

    fn remember_size(&self, key: &KeyIdentifier, size: u32) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if sizes.len() >= MAX_SIZES {
            sizes.clear();
        }
        sizes.insert(key.clone(), size);
    }

    /// Whether a wrap of this length can come from the key: its own size where it is known, or any root key's.
    fn is_size_of(&self, key: &KeyIdentifier, wrapped: &[u8]) -> bool {
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let bits = u32::try_from(wrapped.len()).unwrap_or(u32::MAX).saturating_mul(8);
        sizes.get(key).map_or_else(|| SIZES.contains(&bits), |size| *size == bits)
    }
}

impl RootKeys for AzureRootKeys {
    fn describe<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        request: RequestId,
    ) -> BoxFuture<'a, Result<RootDescription, Answer>> {
        Box::pin(async move {
            let version = key.version().map(|version| version.to_string());
            let answered = self.call(key, request, |client, method_options| {
                let options = KeyClientGetKeyOptions { key_version: version.clone(), method_options };
                async move { client.get_key(key.name(), Some(options)).await }
            });
            let described = answered.await?.into_model().map_err(|_| Answer::Malformed)?;
            let description = description(key, described)?;
            if let Some(size) = description.size {
                self.remember_size(&description.key, size);
            }
            Ok(description)
        })
    }

    fn wrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        seed: &'a Seed,
        request: RequestId,
    ) -> BoxFuture<'a, Result<Vec<u8>, Answer>> {
        Box::pin(async move {
            let version = key.version().ok_or(Answer::Internal)?.to_string();
            let answered = self.call(key, request, |client, method_options| {
                let options = KeyClientWrapKeyOptions { key_version: Some(version.clone()), method_options };
                async move { client.wrap_key(key.name(), parameters(seed.expose())?, Some(options)).await }
            });
            let wrapped = answered.await?.into_model().map_err(|_| Answer::Malformed)?;
            named(key, wrapped.kid.as_deref())?;
            let wrapped = wrapped.result.ok_or(Answer::Malformed)?;
            match self.is_size_of(key, &wrapped) {
                true => Ok(wrapped),
                false => Err(Answer::Mismatch),
            }
        })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyIdentifier,
        wrapped: &'a [u8],
        request: RequestId,
    ) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, Answer>> {
        Box::pin(async move {
            let version = key.version().ok_or(Answer::Internal)?.to_string();
            let answered =
                self.call(key, request, |client, method_options| {
                    let (options, version) = (KeyClientUnwrapKeyOptions { method_options }, version.clone());
                    async move {
                        client.unwrap_key(key.name(), &version, parameters(wrapped)?, Some(options)).await
                    }
                });
            let unwrapped = answered.await?.into_model().map_err(|_| Answer::Malformed)?;
            let seed = unwrapped.result.map(Zeroizing::new).ok_or(Answer::Malformed)?;
            named(key, unwrapped.kid.as_deref())?;
            Ok(seed)
        })
    }
}

impl fmt::Debug for AzureRootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = self.connection();
        f.debug_struct("AzureRootKeys")
            .field("directory", &connection.directory)
            .field("version", &connection.version)
            .finish_non_exhaustive()
    }
}

/// The body of a wrap or an unwrap: RSA-OAEP with SHA-256, and nothing else is ever asked for.
fn parameters(value: &[u8]) -> azure_core::Result<azure_core::http::RequestContent<KeyOperationParameters>> {
    KeyOperationParameters {
        algorithm: Some(EncryptionAlgorithm::RsaOaep256),
        value: Some(value.to_vec()),
        ..KeyOperationParameters::default()
    }
    .try_into()
}

/// The key that a success names, which must be the one that was asked: vault, name, and version if one was given.
fn named(asked: &KeyIdentifier, kid: Option<&str>) -> Result<KeyIdentifier, Answer> {
    let suffixes = SuffixList::new([asked.suffix().to_string().as_str()]).map_err(|_| Answer::Internal)?;
    let named =
        KeyIdentifier::parse(kid.ok_or(Answer::Malformed)?, &suffixes).map_err(|_| Answer::Mismatch)?;
    let same = named.is_same_key(asked)
        && named.version().is_some()
        && (asked.version().is_none() || asked.version() == named.version());
    if same { Ok(named) } else { Err(Answer::Mismatch) }
}

fn description(asked: &KeyIdentifier, described: Key) -> Result<RootDescription, Answer> {
    let key = described.key.ok_or(Answer::Malformed)?;
    let attributes = described.attributes.unwrap_or_default();
    let key_ops = key.key_ops.unwrap_or_default();
    if key_ops.len() > MAX_KEY_OPS {
        return Err(Answer::Malformed);
    }
    Ok(RootDescription {
        key: named(asked, key.kid.as_deref())?,
        kty: word(key.kty.ok_or(Answer::Malformed)?.to_string())?,
        size: key.n.as_deref().map(bits),
        key_ops: key_ops.into_iter().map(word).collect::<Result<_, _>>()?,
        enabled: attributes.enabled.unwrap_or(true),
        expires: attributes.expires.map(timestamp),
        not_before: attributes.not_before.map(timestamp),
        recovery_level: attributes.recovery_level.map(|level| word(level.to_string())).transpose()?,
    })
}

/// A word of a vault's as it may be shown, stored and logged; a text that is none makes the answer unreadable.
fn word(text: String) -> Result<String, Answer> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-_.".contains(&byte));
    if plain && (1..=MAX_WORD).contains(&text.len()) { Ok(text) } else { Err(Answer::Malformed) }
}

/// The length of a number in bits, whatever zeros stand in front of it.
fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let top = number.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from((number.len() - zeros) * 8).unwrap_or(u32::MAX).saturating_sub(top)
}

fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp(time.unix_timestamp().saturating_mul(1000))
}
