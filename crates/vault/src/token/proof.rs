//! Proofs: what an application or a user shows to get a token, and what it comes to.
//!
//! Owns [`Proved`]. To somebody who proved nothing, a thing that does not exist and one of another directory are the
//! same.

use model::id::DirectoryId;
use store::Batch;

use crate::core::{Basis, Core, Found};
use crate::directory::application::{self, ApplicationRow};
use crate::directory::principal::{self, NameRow, PrincipalRow, Subject};
use crate::directory::secret::{self, Presented};
use crate::error::Stop;
use crate::id::{ApplicationId, PrincipalId};
use crate::token::No;
use crate::token::assertion::Assertion;
use crate::token::authority::Authority;
use crate::token::form::Form;
use crate::token::refusal::TokenRefused;

/// Public clients that may sign a user in: the two command lines that people have. They prove nothing about themselves.
const PUBLIC_CLIENTS: &[&str] =
    &["04b07795-8ddb-461a-bbee-02f9e1bf7b46", "1950a258-227b-4e31-a9cf-717495945fc2"];

/// Who asks, as far as he proved it.
pub(crate) struct Proved {
    pub(crate) directory: DirectoryId,
    pub(crate) principal: PrincipalId,
    pub(crate) application: ApplicationId,
    /// How the application proved itself: `0` not at all, `1` by a secret, `2` by an assertion.
    pub(crate) strength: &'static str,
    pub(crate) user: Option<SignedIn>,
    /// Holds while the proof holds, and spends what is good once.
    pub(crate) batch: Batch,
}

/// The user of a token.
pub(crate) struct SignedIn {
    pub(crate) sign_in_name: String,
    pub(crate) display_name: String,
    /// When he gave his secret.
    pub(crate) at: model::time::Timestamp,
}

/// An application with what it shows of itself.
pub(crate) async fn application(
    core: &Core,
    authority: Authority,
    client: &str,
    form: &Form,
) -> Result<Proved, No> {
    let directory = authority.one()?;
    let unknown = || TokenRefused::unknown_application(client, directory);
    let id: ApplicationId = client.parse().map_err(|_| unknown())?;
    let secret = form.optional("client_secret");
    let assertion = match form.optional("client_assertion").filter(|_| secret.is_none()) {
        Some(text) => Some(Assertion::read(form, text)?),
        None => None,
    };
    let found = application::find(core, id).await?.ok_or_else(unknown)?;
    let named = principal::of_application(core, directory, id).await?;
    let (proof, strength) = match (secret, assertion) {
        (Some(secret), _) => (by_secret(core, id, &found.value, secret), "1"),
        (None, Some(assertion)) => (assertion.check(core, directory, id, &found.value).await, "2"),
        (None, None) if named.is_none() => return Err(unknown().into()),
        (None, None) => return Err(TokenRefused::no_secret().into()),
    };
    match (proof, &named) {
        // Only who proves to own an application learns that it exists outside this directory.
        (Err(No::Refused(_)), None) => return Err(unknown().into()),
        (proof, _) => proof?,
    }
    let Some(named) = named else { return Err(TokenRefused::not_consented(id, directory).into()) };
    enabled(core, directory, id, &found, &named, strength).await
}

/// An application that this program speaks for itself: the managed identity.
pub(crate) async fn identity(core: &Core, directory: DirectoryId, id: ApplicationId) -> Result<Proved, No> {
    let unknown = || TokenRefused::unknown_application(&id.to_string(), directory);
    let found = application::find(core, id).await?.ok_or_else(unknown)?;
    let named = principal::of_application(core, directory, id).await?.ok_or_else(unknown)?;
    enabled(core, directory, id, &found, &named, "2").await
}

/// The service principal of an application that is proved, if neither is disabled.
async fn enabled(
    core: &Core,
    directory: DirectoryId,
    id: ApplicationId,
    found: &Found<ApplicationRow>,
    named: &Found<NameRow>,
    strength: &'static str,
) -> Result<Proved, No> {
    let principal = principal::find(core, directory, named.value.principal)
        .await?
        .ok_or(Stop::Damaged("a name without its principal"))?;
    if found.value.disabled || principal.value.disabled {
        return Err(TokenRefused::application_disabled(id, &found.value.display_name).into());
    }
    Ok(Proved {
        directory,
        principal: named.value.principal,
        application: id,
        strength,
        user: None,
        batch: found.basis().and(named).and(&principal).batch(),
    })
}

fn by_secret(core: &Core, id: ApplicationId, row: &ApplicationRow, presented: &str) -> Result<(), No> {
    match secret::check(&row.secrets, &application::secret_owner(id), presented, core.now()) {
        Presented::Right => Ok(()),
        Presented::Wrong => Err(TokenRefused::wrong_secret(id).into()),
        Presented::Expired => Err(TokenRefused::expired_secret(id).into()),
    }
}

/// The client of a user; only public ones can be.
pub(crate) fn public_client(client: &str, authority: Authority) -> Result<ApplicationId, No> {
    if !PUBLIC_CLIENTS.iter().any(|known| known.eq_ignore_ascii_case(client)) {
        let refused = match authority {
            Authority::One(directory) => TokenRefused::unknown_application(client, directory),
            Authority::Any => TokenRefused::unknown_application(client, "common"),
        };
        return Err(refused.into());
    }
    Ok(client.parse().map_err(|_| Stop::Damaged("a public client's id"))?)
}

/// A user with name and secret.
pub(crate) async fn user(
    core: &Core,
    authority: Authority,
    client: ApplicationId,
    name: &str,
    presented: &str,
) -> Result<Proved, No> {
    let wrong = TokenRefused::wrong_password;
    if name.len() > crate::admin::LONGEST_NAME {
        return Err(wrong().into());
    }
    let directory = authority.of_user(core, name).await?;
    let named = principal::of_user(core, directory, name).await?.ok_or_else(wrong)?;
    let found = principal::find(core, directory, named.value.principal)
        .await?
        .ok_or(Stop::Damaged("a name without its principal"))?;
    let Subject::User { secrets, .. } = &found.value.subject else { return Err(wrong().into()) };
    let owner = principal::secret_owner(directory, named.value.principal);
    if secret::check(secrets, &owner, presented, core.now()) != Presented::Right {
        return Err(wrong().into());
    }
    signed_in(directory, named.value.principal, client, &found, named.basis(), core.now())
}

/// A user who is known by now, if he may still sign in.
pub(crate) fn signed_in(
    directory: DirectoryId,
    principal: PrincipalId,
    application: ApplicationId,
    found: &Found<PrincipalRow>,
    basis: Basis,
    at: model::time::Timestamp,
) -> Result<Proved, No> {
    let Subject::User { sign_in_name, .. } = &found.value.subject else {
        return Err(Stop::Damaged("a user who is none").into());
    };
    if found.value.disabled {
        return Err(TokenRefused::user_disabled().into());
    }
    let user =
        SignedIn { sign_in_name: sign_in_name.clone(), display_name: found.value.display_name.clone(), at };
    let batch = basis.and(found).batch();
    Ok(Proved { directory, principal, application, strength: "0", user: Some(user), batch })
}
