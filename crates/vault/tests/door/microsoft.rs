//! Microsoft's own client, unchanged, through the router: its requests and its reading of our replies, without a socket.

use std::sync::Arc;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Body;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::Secret;
use azure_core::error::{ErrorKind, ErrorResponse};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use azure_security_keyvault_keys::models::{
    CreateKeyParameters, CurveName, EncryptionAlgorithm, ImportKeyParameters, JsonWebKey, KeyAttributes,
    KeyClientUnwrapKeyOptions, KeyOperationParameters, KeyRotationPolicy, KeyRotationPolicyAction,
    KeyRotationPolicyAttributes, KeyType, LifetimeAction, LifetimeActionTrigger, LifetimeActionType,
    RestoreKeyParameters, SignParameters, SignatureAlgorithm, UpdateKeyPropertiesParameters,
    VerifyParameters,
};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions, ResourceExt, ResourceId};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::world::{CRYPTO_USER, OFFICER, SUFFIX, World};

/// Hands the client's requests to the router.
#[derive(Debug)]
struct Through(Router);

#[async_trait::async_trait]
impl HttpClient for Through {
    async fn execute_request(&self, asked: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = asked.url();
        let mut request = http::Request::builder().method(asked.method().as_str()).uri(url.as_str());
        for (name, value) in asked.headers().iter() {
            request = request.header(name.as_str(), value.as_str());
        }
        let body = match asked.body() {
            azure_core::http::Body::Bytes(bytes) => Body::from(bytes.clone()),
            _ => panic!("a key client sends no stream"),
        };
        let reply = self.0.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = reply.into_parts();
        let mut headers = Headers::new();
        for (name, value) in &parts.headers {
            headers.insert(name.as_str().to_owned(), value.to_str().unwrap().to_owned());
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        Ok(AsyncRawResponse::from_bytes(parts.status.as_u16().into(), headers, bytes))
    }
}

fn client(world: &World) -> KeyClient {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = format!("https://login.{SUFFIX}");
    let options = ClientOptions {
        transport: Some(Transport::new(Arc::new(Through(world.router.clone())))),
        retry: RetryOptions::none(),
        cloud: Some(Arc::new(CloudConfiguration::from(cloud))),
        ..Default::default()
    };
    let contoso = &world.contoso;
    let secret = contoso.service.form().rsplit('=').next().unwrap().to_owned();
    let credential = ClientSecretCredential::new(
        &contoso.directory.to_string(),
        contoso.application.to_string(),
        Secret::new(secret),
        Some(ClientSecretCredentialOptions { client_options: options.clone() }),
    )
    .unwrap();
    let options = KeyClientOptions { client_options: options, ..Default::default() };
    KeyClient::new(&format!("https://{}", contoso.host()), credential, Some(options)).unwrap()
}

fn parameters(value: Vec<u8>) -> KeyOperationParameters {
    KeyOperationParameters {
        algorithm: Some(EncryptionAlgorithm::RsaOaep256),
        value: Some(value),
        ..Default::default()
    }
}

/// Status, code and inner code of a refusal, read as custody reads it.
fn refusal(error: &azure_core::Error) -> (u16, String, Option<String>) {
    let ErrorKind::HttpResponse { status, raw_response: Some(raw), .. } = error.kind() else {
        panic!("{error:?}");
    };
    let body: ErrorResponse = serde_json::from_slice(raw.body().as_ref()).unwrap();
    let error = body.error.unwrap();
    (u16::from(*status), error.code.unwrap(), error.inner_error.and_then(|inner| inner.code))
}

#[tokio::test]
async fn the_service_reads_wraps_and_unwraps() {
    let world = World::new().await;
    let version = world.officer().await.make("Key-EXO").await;
    let client = client(&world);
    let key = client.get_key("Key-EXO", None).await.unwrap().into_model().unwrap();
    let id: ResourceId = key.resource_id().unwrap();
    assert_eq!((id.name.as_str(), id.version.as_deref()), ("Key-EXO", Some(version.as_str())));
    assert_eq!(id.vault_url, "https://contoso-ck-a1.vault.localhost");
    let web = key.key.unwrap();
    assert_eq!((web.kty, web.n.unwrap().len(), web.e.unwrap()), (Some(KeyType::Rsa), 256, vec![1, 0, 1]));
    assert_eq!(key.attributes.unwrap().recovery_level.unwrap().to_string(), "Recoverable+Purgeable");
    let wrapped =
        client.wrap_key("Key-EXO", parameters(vec![7; 32]).try_into().unwrap(), None).await.unwrap();
    let wrapped = wrapped.into_model().unwrap().result.unwrap();
    assert_eq!(wrapped.len(), 256);
    let content = parameters(wrapped).try_into().unwrap();
    let options = Some(KeyClientUnwrapKeyOptions::default());
    let plain = client.unwrap_key("Key-EXO", &version, content, options).await.unwrap();
    assert_eq!(plain.into_model().unwrap().result.unwrap(), vec![7; 32]);
}

#[tokio::test]
async fn a_denial_is_read_with_its_inner_code() {
    let world = World::new().await;
    world.officer().await.make("k").await;
    let client = client(&world);
    client.get_key("k", None).await.unwrap();
    world.manage().unassign(&world.contoso.vault_path(), 2).await.ok();
    let denied = client.get_key("k", None).await.unwrap_err();
    assert_eq!(refusal(&denied), (403, "Forbidden".into(), Some("ForbiddenByRbac".into())));
    world.manage().assign(&world.contoso.vault_path(), &world.contoso.service, OFFICER, 3).await.ok();
    let missing = client.get_key("none", None).await.unwrap_err();
    assert_eq!(refusal(&missing), (404, "KeyNotFound".into(), None));
}

#[tokio::test]
async fn keys_are_made_changed_and_listed() {
    let world = World::new().await;
    let contoso = &world.contoso;
    world.manage().assign(&contoso.vault_path(), &contoso.service, OFFICER, 3).await.ok();
    world.manage().assign(&contoso.vault_path(), &contoso.service, CRYPTO_USER, 4).await.ok();
    let client = client(&world);
    let asked = CreateKeyParameters { kty: Some(KeyType::Rsa), key_size: Some(2048), ..Default::default() };
    for _ in 0..2 {
        client.create_key("k", asked.clone().try_into().unwrap(), None).await.unwrap().into_model().unwrap();
    }
    let asked = UpdateKeyPropertiesParameters {
        key_attributes: Some(KeyAttributes { enabled: Some(false), ..Default::default() }),
        ..Default::default()
    };
    let changed = client.update_key_properties("k", asked.try_into().unwrap(), None).await.unwrap();
    assert_eq!(changed.into_model().unwrap().attributes.unwrap().enabled, Some(false));
    let denied = client.get_key("k", None).await.unwrap_err();
    assert_eq!(refusal(&denied), (403, "Forbidden".into(), Some("KeyDisabled".into())));
}

#[tokio::test]
async fn keys_are_deleted_recovered_backed_up_purged_and_restored() {
    let world = World::new().await;
    let version = world.officer().await.make("Key-EXO").await;
    world.manage().assign(&world.contoso.vault_path(), &world.contoso.service, OFFICER, 3).await.ok();
    let client = client(&world);
    let wrapped =
        client.wrap_key("Key-EXO", parameters(vec![7; 32]).try_into().unwrap(), None).await.unwrap();
    let wrapped = wrapped.into_model().unwrap().result.unwrap();

    let deleted = client.delete_key("Key-EXO", None).await.unwrap().into_model().unwrap();
    let (at, until) = (deleted.deleted_date.unwrap(), deleted.scheduled_purge_date.unwrap());
    assert_eq!((until - at).whole_days(), 90);
    let shown = client.get_deleted_key("Key-EXO", None).await.unwrap().into_model().unwrap();
    assert_eq!(shown.recovery_id.unwrap(), "https://contoso-ck-a1.vault.localhost/deletedkeys/Key-EXO");
    let asked = CreateKeyParameters { kty: Some(KeyType::Rsa), ..Default::default() };
    let taken = client.create_key("key-exo", asked.try_into().unwrap(), None).await.unwrap_err();
    assert_eq!(refusal(&taken), (409, "Conflict".into(), Some("ObjectIsDeletedButRecoverable".into())));
    let back = client.recover_deleted_key("Key-EXO", None).await.unwrap().into_model().unwrap();
    assert_eq!(back.resource_id().unwrap().version.as_deref(), Some(version.as_str()));

    let backup = client.backup_key("Key-EXO", None).await.unwrap().into_model().unwrap();
    client.delete_key("Key-EXO", None).await.unwrap();
    client.purge_deleted_key("Key-EXO", None).await.unwrap();
    let gone = client.get_deleted_key("Key-EXO", None).await.unwrap_err();
    assert_eq!(refusal(&gone), (404, "KeyNotFound".into(), None));
    let asked = RestoreKeyParameters { key_backup: backup.value };
    client.restore_key(asked.clone().try_into().unwrap(), None).await.unwrap();
    let twice = client.restore_key(asked.try_into().unwrap(), None).await.unwrap_err();
    assert_eq!(refusal(&twice), (409, "Conflict".into(), None));
    let plain = client.unwrap_key("Key-EXO", &version, parameters(wrapped).try_into().unwrap(), None).await;
    assert_eq!(plain.unwrap().into_model().unwrap().result.unwrap(), vec![7; 32]);
}

#[tokio::test]
async fn a_key_on_a_curve_is_made_and_imported_signs_and_verifies() {
    let world = World::new().await;
    world.manage().assign(&world.contoso.vault_path(), &world.contoso.service, OFFICER, 3).await.ok();
    let client = client(&world);
    let asked =
        CreateKeyParameters { kty: Some(KeyType::EcHsm), curve: Some(CurveName::P384), ..Default::default() };
    let made = client.create_key("k", asked.try_into().unwrap(), None).await.unwrap().into_model().unwrap();
    let web = made.key.unwrap();
    assert_eq!((web.kty, web.crv), (Some(KeyType::EcHsm), Some(CurveName::P384)));
    assert_eq!((web.x.unwrap().len(), web.y.unwrap().len()), (48, 48));

    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
    let key = JsonWebKey {
        kty: Some(KeyType::Ec),
        crv: Some(CurveName::P384),
        d: Some(pair.private_key().as_be_bytes().unwrap().as_ref().to_vec()),
        x: Some(x.to_vec()),
        y: Some(y.to_vec()),
        ..Default::default()
    };
    let asked = ImportKeyParameters { key: Some(key), hsm: Some(false), ..Default::default() };
    let taken = client.import_key("k", asked.try_into().unwrap(), None).await.unwrap().into_model().unwrap();
    let version = taken.resource_id().unwrap().version.unwrap();
    assert_eq!(taken.key.unwrap().x.as_deref(), Some(x));

    let algorithm = Some(SignatureAlgorithm::Es384);
    let asked = SignParameters { algorithm: algorithm.clone(), value: Some(vec![7; 48]) };
    let signed = client.sign("k", asked.try_into().unwrap(), None).await.unwrap().into_model().unwrap();
    for (digest, good) in [(vec![7; 48], true), (vec![8; 48], false)] {
        let (algorithm, signature) = (algorithm.clone(), signed.result.clone());
        let asked = VerifyParameters { algorithm, digest: Some(digest), signature };
        let answer = client.verify("k", &version, asked.try_into().unwrap(), None).await.unwrap();
        assert_eq!(answer.into_model().unwrap().value, Some(good));
    }
}

#[tokio::test]
async fn a_key_gets_a_rotation_policy_and_is_rotated() {
    let world = World::new().await;
    let first = world.officer().await.make("k").await;
    world.manage().assign(&world.contoso.vault_path(), &world.contoso.service, OFFICER, 3).await.ok();
    let client = client(&world);
    let kinds = |policy: KeyRotationPolicy| -> Vec<(KeyRotationPolicyAction, LifetimeActionTrigger)> {
        let actions = policy.lifetime_actions.unwrap().into_iter();
        actions.map(|it| (it.action.unwrap().type_prop.unwrap(), it.trigger.unwrap())).collect()
    };
    let default = client.get_key_rotation_policy("k", None).await.unwrap().into_model().unwrap();
    assert!(default.attributes.as_ref().unwrap().expiry_time.is_none());
    let default = kinds(default);
    assert_eq!((&default[0].0, default.len()), (&KeyRotationPolicyAction::Notify, 1));
    assert_eq!(default[0].1.time_before_expiry.as_deref(), Some("P30D"));

    let rotate = LifetimeAction {
        action: Some(LifetimeActionType { type_prop: Some(KeyRotationPolicyAction::Rotate) }),
        trigger: Some(LifetimeActionTrigger { time_after_create: Some("P90D".into()), ..Default::default() }),
    };
    let asked = KeyRotationPolicy {
        attributes: Some(KeyRotationPolicyAttributes {
            expiry_time: Some("P1Y".into()),
            ..Default::default()
        }),
        lifetime_actions: Some(vec![rotate]),
        ..Default::default()
    };
    let set = client.update_key_rotation_policy("k", asked.try_into().unwrap(), None).await.unwrap();
    let set = set.into_model().unwrap();
    assert_eq!(set.id.as_deref(), Some("https://contoso-ck-a1.vault.localhost/keys/k/rotationpolicy"));
    let attributes = set.attributes.clone().unwrap();
    assert_eq!(attributes.expiry_time.as_deref(), Some("P1Y"));
    assert_eq!(attributes.created.unwrap().unix_timestamp(), 1_795_521_600);
    assert_eq!(kinds(set).len(), 2);

    let rotated = client.rotate_key("k", None).await.unwrap().into_model().unwrap();
    assert_ne!(rotated.resource_id().unwrap().version.as_deref(), Some(first.as_str()));
    let attributes = rotated.attributes.unwrap();
    assert_eq!((attributes.expires.unwrap() - attributes.created.unwrap()).whole_days(), 365);
    let missing = client.rotate_key("none", None).await.unwrap_err();
    assert_eq!(refusal(&missing), (404, "KeyNotFound".into(), None));
}
