//! The customer's half: directory, subscriptions, vaults, rights, keys. All of it goes over the wire.

use std::time::Duration;

use api::{NewInvitation, NewTenant, Role};
use model::id::DirectoryId;
use reqwest::Method;
use serde_json::{Value, json};
use vault::{CRYPTO_OFFICER, ENCRYPTION_USER, NewSubscription, PrincipalId};

use crate::node::{API_APPLICATION, APPLICATIONS, VAULT_SUFFIX};
use crate::tour::play::{Contoso, Play};
use crate::tour::stage::Which;
use crate::tour::story::{Broken, Evidence};
use crate::wire::Person;

/// How long a sign-in of the tour's people is good for.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// The recovery level of a key that nobody can destroy before its time.
const PROTECTED: &str = "Recoverable+ProtectedSubscription";
/// RSA keys of the least size, and of the largest for the last workload in the second vault.
const SIZES: [[u32; 3]; 2] = [[2048, 2048, 2048], [2048, 2048, 4096]];
const LOCATIONS: [&str; 2] = ["westeurope", "swedencentral"];
const RETENTION: &str =
    "providers/Microsoft.Features/providers/Microsoft.Resources/features/MandatoryRetentionPeriodEnabled";

/// A role assignment of the service's application: the scene that takes the right away must find it again.
pub(super) fn assignment(which: Which, client_id: &str) -> String {
    let vault = if which == Which::A { 'a' } else { 'b' };
    format!("{}-0000-4000-8000-00000000000{vault}", &client_id[..8])
}

/// The right to use one key, as a resource of the manager.
pub(super) fn right(contoso: &Contoso, which: Which, key: &str, client_id: &str) -> String {
    let scope = format!("{}/keys/{key}", contoso.vaults[which as usize]);
    let id = assignment(which, client_id);
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}")
}

/// The body that gives the right to the application's principal in the customer's directory.
pub(super) async fn right_body(play: &Play, client_id: &str) -> Result<Value, Broken> {
    let contoso = play.contoso()?;
    let id = client_id.parse().map_err(|_| Broken::because("a client id is a UUID"))?;
    let admin = play.stage.customers().vault.administration();
    let found = admin.service_principal(id, contoso.directory).await.map_err(Broken::because)?;
    let principal = found.ok_or_else(|| Broken::because("the application was not consented"))?;
    Ok(role_body(ENCRYPTION_USER, &principal.to_string()))
}

/// The name of a key in each vault: one for each workload, as in the article.
pub(super) fn key_name(credential: &str) -> String {
    format!("Key-{credential}")
}

pub(super) async fn tenant(play: &mut Play) -> Result<Evidence, Broken> {
    let admin = play.stage.customers().vault.administration();
    let directory = admin.create_directory(None, "Contoso").await.map_err(Broken::because)?;
    let new = NewTenant {
        name: "Contoso".into(),
        directory_id: directory,
        domains: vec!["contoso.com".into()],
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let reception = play.stage.reception();
    let made = reception.operator.create_tenant(&new).await.map_err(|error| play.because(&error))?;
    let tenant = made.tenant;
    let (mut owner, mut people) = (None, Vec::new());
    for name in ["admin@contoso.com", "alice@contoso.com", "bob@contoso.com"] {
        let (id, person) = user(play, directory, name).await?;
        owner.get_or_insert(id);
        people.push((id, person));
    }
    let owner = owner.ok_or_else(|| Broken::because("nobody was made"))?;
    let mut vaults = Vec::new();
    for which in Which::BOTH {
        let name = format!("Contoso keys {which:?}");
        let new = NewSubscription { id: None, display_name: &name, owner };
        let subscription = admin.create_subscription(directory, new).await.map_err(Broken::because)?;
        let group = format!("/subscriptions/{subscription}/resourceGroups/customer-key");
        vaults.push(format!("{group}/providers/Microsoft.KeyVault/vaults/{}", which.name()));
    }
    for client_id in APPLICATIONS.map(|(_, _, id)| id).into_iter().chain([API_APPLICATION]) {
        let id = client_id.parse().map_err(|_| Broken::because("a client id is a UUID"))?;
        admin.consent(id, directory).await.map_err(Broken::because)?;
    }
    let [admin, alice, bob] =
        <[_; 3]>::try_from(people).map_err(|_| Broken::because("three people were asked for"))?;
    let vaults = <[String; 2]>::try_from(vaults).map_err(|_| Broken::because("two vaults were asked for"))?;
    let administrator = reception.enrol(&admin.1, made.first_administrator).await?;
    let invited = administrator.client.invite(tenant.id, &NewInvitation { roles: vec![Role::Reader] }).await;
    let reader = reception.enrol(&alice.1, invited.map_err(|error| play.because(&error))?).await?;
    let lines = vec![
        format!("Contoso, contoso.com, entitlement {}; its directory is {directory}", tenant.entitlement),
        format!("alice will hold the keys of {}, bob those of {}", Which::A.name(), Which::B.name()),
        "the administrator consents to the service's three applications, one for each kind of policy, and to its API".into(),
        "and enrols there with a token of the directory and the one-time credential; alice is invited as a reader".into(),
    ];
    let holders = [alice, bob];
    let rights: Vec<(String, String)> =
        holders.iter().zip(&vaults).map(|((id, _), vault)| (vault.clone(), id.to_string())).collect();
    play.contoso = Some(Contoso {
        tenant: tenant.id,
        directory,
        admin: admin.1,
        administrator,
        reader,
        holders: holders.map(|(_, person)| person),
        vaults,
    });
    play.key_holder_rights = rights;
    Ok(lines)
}

/// Makes somebody in a directory, with a password to sign in.
pub(super) async fn user(
    play: &Play,
    directory: DirectoryId,
    name: &str,
) -> Result<(PrincipalId, Person), Broken> {
    let admin = play.stage.customers().vault.administration();
    let made = admin.create_user(directory, name, name, YEAR).await;
    let (id, secret) = made.map_err(Broken::because)?;
    Ok((id, Person::user(play.stage.http(), VAULT_SUFFIX, directory, name, secret)))
}

pub(super) async fn vaults(play: &mut Play) -> Result<Evidence, Broken> {
    let contoso = play.contoso()?;
    let manage = async |method, path: &str, body| {
        contoso.admin.manage(method, path, body).await.map_err(Broken::because)
    };
    let mut lines = Vec::new();
    for (which, path) in Which::BOTH.into_iter().zip(&contoso.vaults) {
        let (subscription, group) = scopes(path)?;
        manage(Method::POST, &format!("{subscription}/{RETENTION}/register"), None).await?;
        let asked = manage(Method::GET, &format!("{subscription}/{RETENTION}"), None).await?;
        let id = subscription.rsplit('/').next().unwrap_or_default().parse();
        let id = id.map_err(|_| Broken::because("a subscription's id is a UUID"))?;
        // The service request's last step, which is the directory's operator's and nobody else's.
        let admin = play.stage.customers().vault.administration();
        admin.register_mandatory_retention(id).await.map_err(Broken::because)?;
        let state = manage(Method::GET, &format!("{subscription}/{RETENTION}"), None).await?;
        manage(Method::POST, &format!("{subscription}/providers/Microsoft.KeyVault/register"), None).await?;
        let location = LOCATIONS[which as usize];
        manage(Method::PUT, group, Some(json!({ "location": location }))).await?;
        let body = json!({
            "location": location,
            "properties": {
                "tenantId": contoso.directory,
                "sku": { "name": "premium", "family": "A" },
                "enableRbacAuthorization": true,
                "enableSoftDelete": true,
                "enablePurgeProtection": true,
            },
        });
        let made = manage(Method::PUT, path, Some(body)).await?;
        let properties = &made["properties"];
        lines.push(format!(
            "{}: soft delete {} for {} days, purge protection {}; mandatory retention {} → {}",
            properties["vaultUri"].as_str().unwrap_or("?"),
            on(&properties["enableSoftDelete"]),
            properties["softDeleteRetentionInDays"],
            on(&properties["enablePurgeProtection"]),
            asked["properties"]["state"].as_str().unwrap_or("?"),
            state["properties"]["state"].as_str().unwrap_or("?"),
        ));
    }
    Ok(lines)
}

pub(super) async fn keys(play: &mut Play) -> Result<Evidence, Broken> {
    let contoso = play.contoso()?;
    for (number, (vault, holder)) in play.key_holder_rights.iter().enumerate() {
        let id = format!("a11ce000-0000-4000-8000-00000000000{number}");
        let path = format!("{vault}/providers/Microsoft.Authorization/roleAssignments/{id}");
        let body = role_body(CRYPTO_OFFICER, holder);
        contoso.admin.manage(Method::PUT, &path, Some(body)).await.map_err(Broken::because)?;
    }
    let mut lines = Vec::new();
    for (which, holder) in Which::BOTH.into_iter().zip(&contoso.holders) {
        let (mut names, mut identifier) = (Vec::new(), String::new());
        for ((_, credential, client_id), size) in APPLICATIONS.into_iter().zip(SIZES[which as usize]) {
            let name = key_name(credential);
            let body = json!({ "kty": "RSA", "key_size": size, "key_ops": ["wrapKey", "unwrapKey"] });
            let path = format!("/keys/{name}/create");
            let key = holder.vault(Method::POST, which.name(), &path, Some(body)).await;
            let key = key.map_err(Broken::because)?;
            let right = right(contoso, which, &name, client_id);
            let body = right_body(play, client_id).await?;
            contoso.admin.manage(Method::PUT, &right, Some(body)).await.map_err(Broken::because)?;
            let level = key["attributes"]["recoveryLevel"].as_str().unwrap_or("none");
            if level != PROTECTED || !key["attributes"]["exp"].is_null() {
                return Err(Broken(format!(
                    "{name}: recovery level {level}, exp {}",
                    key["attributes"]["exp"]
                )));
            }
            names.push(format!("{name} (RSA {size})"));
            if identifier.is_empty() {
                identifier = key["key"]["kid"].as_str().unwrap_or("no identifier").to_owned();
            }
        }
        lines.push(format!("{}: {}; {PROTECTED}, no expiry", which.name(), names.join(", ")));
        lines.push(format!("  as {identifier}"));
    }
    // A key holder of one vault has nothing to say in the other.
    let stranger = contoso.holders[0].vault(Method::GET, Which::B.name(), "/keys/Key-exchange", None).await;
    match stranger {
        Err(refused) => lines.push(format!(
            "alice asks for a key in {}: {}",
            Which::B.name(),
            first_line(&refused.to_string())
        )),
        Ok(_) => return Err(Broken::because("alice may read a key in bob's vault")),
    }
    Ok(lines)
}

fn role_body(role: &str, principal: &str) -> Value {
    let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
    json!({ "properties": { "roleDefinitionId": role, "principalId": principal } })
}

fn scopes(vault: &str) -> Result<(&str, &str), Broken> {
    let group = vault.split("/providers/").next();
    let subscription = vault.split("/resourceGroups/").next();
    subscription.zip(group).ok_or_else(|| Broken::because("a vault's path names its subscription and group"))
}

fn on(set: &Value) -> &'static str {
    if *set == Value::Bool(true) { "on" } else { "off" }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
