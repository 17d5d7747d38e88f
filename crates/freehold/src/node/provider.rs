//! The provider's own house: its applications, its directory, its vaults and root keys, made on the first start.
//!
//! Owns what has to be there before the first tenant. Every step looks first and does only what is missing, so a
//! start that was killed goes on. Vaults, rights and keys are made over the wire, as everybody has to.

use std::path::PathBuf;

use model::id::DirectoryId;
use model::policy::PolicyKind;
use model::time::Timestamp;
use reqwest::Method;
use serde_json::json;
use vault::{
    AdminFault, Administration, ApplicationId, CRYPTO_OFFICER, ENCRYPTION_USER, NewApplication,
    NewSubscription, SubscriptionId,
};

use super::Program;
use super::credential::{self, Credential, SECRET_LIFE};
use crate::exit::{Exit, Failure};
use crate::layout::Layout;
use crate::wire::Person;

/// The provider's directory, in both vault programs.
pub const PROVIDER_DIRECTORY: &str = "f4ee401d-0000-4000-8000-000000000001";
/// The subscription that the provider's vaults lie in.
const PROVIDER_SUBSCRIPTION: &str = "f4ee401d-0000-4000-8000-000000000002";
/// The applications that customers consent to: kind of policy, name of the credential, client id.
pub const APPLICATIONS: [(PolicyKind, &str, &str); 3] = [
    (PolicyKind::Mailbox, "exchange", "00000002-0000-0ff1-ce00-000000000000"),
    (PolicyKind::SharePoint, "sharepoint", "00000003-0000-0ff1-ce00-000000000000"),
    (PolicyKind::MultiWorkload, "data-at-rest", "c066d759-24ae-40e7-a56f-027002b5d3e4"),
];
/// The application that tokens for the service's own API are for; it has no secret.
pub const API_APPLICATION: &str = "f4ee401d-0000-4000-8000-000000000005";
/// The name of the service's credential for the availability vault.
pub const AVAILABILITY_SERVICE: &str = "availability-vault";
/// The name of the credential that the availability vault is set up with.
pub const AVAILABILITY_OPERATOR: &str = "availability-vault-operator";
/// The service's application in the availability vault: credential and client id.
pub(super) const SERVICE: (&str, &str) = (AVAILABILITY_SERVICE, "f4ee401d-0000-4000-8000-000000000003");
/// Who sets the provider's vaults up: credential and client id.
const OPERATOR: (&str, &str) = (AVAILABILITY_OPERATOR, "f4ee401d-0000-4000-8000-000000000004");

/// The provider's directory.
pub(super) fn directory() -> DirectoryId {
    PROVIDER_DIRECTORY.parse().expect("a UUID")
}

/// Makes the applications that customers consent to, in the program of the customers' vaults.
pub async fn prepare_applications(program: &Program, layout: &Layout, now: Timestamp) -> Result<(), Failure> {
    let admin = program.vault.administration();
    make_directory(&admin).await?;
    for (_, name, client_id) in APPLICATIONS {
        Credential { name, client_id, file: &layout.credential(name) }.prepare(&admin, now).await?;
    }
    let id: ApplicationId = API_APPLICATION.parse().expect("a UUID");
    let api = NewApplication { client_id: Some(id), display_name: "freehold-api", secret_life: SECRET_LIFE };
    match admin.create_application(directory(), api).await {
        // Nobody signs in as the service's API: it is only what tokens are for.
        Ok(_) => Ok(admin.remove_secrets(id).await?),
        Err(AdminFault::Exists(_)) => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}

/// Makes the provider's vaults, rights and root keys, in the availability vault's program.
pub async fn prepare_provider(
    program: &Program,
    layout: &Layout,
    http: &reqwest::Client,
    now: Timestamp,
) -> Result<(), Failure> {
    let admin = program.vault.administration();
    make_directory(&admin).await?;
    let operator_file = layout.operator_secret();
    for ((name, client_id), file) in [(OPERATOR, &operator_file), (SERVICE, &layout.credential(SERVICE.0))] {
        Credential { name, client_id, file }.prepare(&admin, now).await?;
    }
    let operator = consented(&admin, OPERATOR.1).await?;
    let service = consented(&admin, SERVICE.1).await?;
    let id: SubscriptionId = PROVIDER_SUBSCRIPTION.parse().expect("a UUID");
    let subscription = NewSubscription { id: Some(id), display_name: "Provider", owner: operator };
    there(admin.create_subscription(directory(), subscription).await.map(|_| ()))?;

    let secret = credential::read(&operator_file)?;
    let person = Person::application(http, &program.suffix, PROVIDER_DIRECTORY, OPERATOR.1, secret);
    let root = format!("/subscriptions/{PROVIDER_SUBSCRIPTION}");
    wired(person.manage(Method::POST, &format!("{root}/providers/Microsoft.KeyVault/register"), None).await)?;
    let group = format!("{root}/resourceGroups/freehold");
    wired(person.manage(Method::PUT, &group, Some(json!({ "location": "westeurope" }))).await)?;
    assign(&person, &root, CRYPTO_OFFICER, &operator.to_string(), 1).await?;
    assign(&person, &root, ENCRYPTION_USER, &service.to_string(), 2).await?;
    for name in ["provider-a", "provider-b", "availability"] {
        let path = format!("{group}/providers/Microsoft.KeyVault/vaults/{name}");
        let missing = match person.manage(Method::GET, &path, None).await {
            Ok(_) => false,
            Err(error) if error.is_missing() => true,
            Err(error) => return Err(Failure::new(Exit::Ours, error)),
        };
        if missing {
            let body = json!({
                "location": "westeurope",
                "properties": {
                    "tenantId": PROVIDER_DIRECTORY,
                    "sku": { "name": "premium", "family": "A" },
                    "enableRbacAuthorization": true,
                },
            });
            wired(person.manage(Method::PUT, &path, Some(body)).await)?;
        }
    }
    // In the vault of the availability keys the service makes and disables keys; of the roots it is a user.
    let availability = format!("{group}/providers/Microsoft.KeyVault/vaults/availability");
    assign(&person, &availability, CRYPTO_OFFICER, &service.to_string(), 3).await?;
    for vault in ["provider-a", "provider-b"] {
        match person.vault(Method::GET, vault, "/keys/root", None).await {
            Ok(_) => {}
            Err(error) if error.is_missing() => {
                if has_policies(&person).await? {
                    let database = layout.availability_vault_database();
                    return Err(Failure::new(Exit::Ours, Lost { vault, database }));
                }
                let body = json!({ "kty": "RSA", "key_size": 3072, "key_ops": ["wrapKey", "unwrapKey"] });
                wired(person.vault(Method::POST, vault, "/keys/root/create", Some(body)).await)?;
            }
            Err(error) => return Err(Failure::new(Exit::Ours, error)),
        }
    }
    Ok(())
}

/// Whether a policy was ever made: each has an availability key.
async fn has_policies(person: &Person) -> Result<bool, Failure> {
    let page = person.vault(Method::GET, "availability", "/keys", None).await;
    let page = page.map_err(|error| Failure::new(Exit::Ours, error))?;
    Ok(page["value"].as_array().is_none_or(|keys| !keys.is_empty()))
}

/// A root key of the provider that is gone, although policies were made under it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the provider's root key in vault {vault} is gone, and policies were made under it: restore {} from a copy; a new \
     key is not made, because it would open nothing", database.display()
)]
struct Lost {
    vault: &'static str,
    database: PathBuf,
}

async fn make_directory(admin: &Administration) -> Result<(), Failure> {
    there(admin.create_directory(Some(directory()), "Provider").await.map(|_| ()))
}

async fn consented(admin: &Administration, client_id: &str) -> Result<vault::PrincipalId, Failure> {
    let id: ApplicationId = client_id.parse().expect("a UUID");
    match admin.service_principal(id, directory()).await? {
        Some(principal) => Ok(principal),
        None => Ok(admin.consent(id, directory()).await?),
    }
}

/// Gives a role at a scope; asking again for the same assignment changes nothing.
async fn assign(
    person: &Person,
    scope: &str,
    role: &str,
    principal: &str,
    number: u8,
) -> Result<(), Failure> {
    let id = format!("f4ee401d-0000-4000-8000-0000000001{number:02}");
    let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}");
    if person.manage(Method::GET, &path, None).await.is_ok() {
        return Ok(());
    }
    let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal } });
    wired(person.manage(Method::PUT, &path, Some(body)).await)
}

/// What is there already is as good as made.
pub fn there(outcome: Result<(), AdminFault>) -> Result<(), Failure> {
    match outcome {
        Ok(()) | Err(AdminFault::Exists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn wired<T>(outcome: Result<T, crate::wire::Unanswered>) -> Result<(), Failure> {
    outcome.map(|_| ()).map_err(|error| Failure::new(Exit::Ours, error))
}
