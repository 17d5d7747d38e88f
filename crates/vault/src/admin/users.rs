//! Users: made with a secret to sign in with, given another one, disabled.

use std::time::Duration;

use model::id::DirectoryId;
use serde_json::json;
use zeroize::Zeroizing;

use super::{AdminFault, Administration, LONGEST_NAME, check_name};
use crate::core::Found;
use crate::directory::principal::{self, PrincipalRow, Subject};
use crate::id::PrincipalId;
use crate::{directory, schema};

impl Administration {
    /// Makes a user and the secret to sign in with; the secret is told here and nowhere else.
    pub async fn create_user(
        &self,
        directory: DirectoryId,
        sign_in_name: &str,
        display_name: &str,
        secret_life: Duration,
    ) -> Result<(PrincipalId, Zeroizing<String>), AdminFault> {
        check_name(display_name)?;
        check_sign_in_name(sign_in_name)?;
        let home = self.directory(directory).await?;
        if principal::of_user(&self.core, directory, sign_in_name).await?.is_some() {
            return Err(AdminFault::Exists(format!("user {sign_in_name}")));
        }
        let id = PrincipalId::from_random(self.core.id());
        let owner = principal::secret_owner(directory, id);
        let (secret, text) = self.secret(&owner, secret_life);
        let subject = Subject::User { sign_in_name: sign_in_name.into(), secrets: vec![secret] };
        let batch = self.add_principal(home.basis().batch(), directory, id, display_name, subject);
        let body = json!({ "principal": id, "signInName": sign_in_name });
        self.commit(batch, directory::stream(directory), "AddUser", body).await?;
        Ok((id, text))
    }

    /// Gives a user a new secret, told here and nowhere else; the old one is no longer good.
    pub async fn renew_user_secret(
        &self,
        directory: DirectoryId,
        sign_in_name: &str,
        life: Duration,
    ) -> Result<Zeroizing<String>, AdminFault> {
        let (id, found) = self.user(directory, sign_in_name).await?;
        let (secret, text) = self.secret(&principal::secret_owner(directory, id), life);
        let subject = Subject::User { sign_in_name: sign_in_name_of(&found.value)?, secrets: vec![secret] };
        let row = PrincipalRow { subject, ..found.value.clone() };
        self.change_user(directory, id, &found, &row, "RenewUserSecret").await?;
        Ok(text)
    }

    /// Disables a user: no new token, and tokens that are out are no longer accepted.
    pub async fn disable_user(&self, directory: DirectoryId, sign_in_name: &str) -> Result<(), AdminFault> {
        let (id, found) = self.user(directory, sign_in_name).await?;
        let row = PrincipalRow { disabled: true, ..found.value.clone() };
        self.change_user(directory, id, &found, &row, "DisableUser").await
    }

    /// Takes a disabling back.
    pub async fn enable_user(&self, directory: DirectoryId, sign_in_name: &str) -> Result<(), AdminFault> {
        let (id, found) = self.user(directory, sign_in_name).await?;
        let row = PrincipalRow { disabled: false, ..found.value.clone() };
        self.change_user(directory, id, &found, &row, "EnableUser").await
    }

    async fn user(
        &self,
        directory: DirectoryId,
        sign_in_name: &str,
    ) -> Result<(PrincipalId, Found<PrincipalRow>), AdminFault> {
        let missing = || AdminFault::Missing(format!("user {sign_in_name}"));
        check_sign_in_name(sign_in_name)?;
        let named = principal::of_user(&self.core, directory, sign_in_name).await?.ok_or_else(missing)?;
        let id = named.value.principal;
        let found = principal::find(&self.core, directory, id).await?.ok_or_else(missing)?;
        Ok((id, found))
    }

    async fn change_user(
        &self,
        directory: DirectoryId,
        id: PrincipalId,
        found: &Found<PrincipalRow>,
        row: &PrincipalRow,
        operation: &'static str,
    ) -> Result<(), AdminFault> {
        let batch = found.basis().batch().put(schema::PRINCIPALS, found.key.clone(), row);
        self.commit(batch, directory::stream(directory), operation, json!({ "principal": id })).await
    }
}

fn sign_in_name_of(row: &PrincipalRow) -> Result<String, AdminFault> {
    match &row.subject {
        Subject::User { sign_in_name, .. } => Ok(sign_in_name.clone()),
        Subject::Application { .. } | Subject::Group {} => {
            Err(AdminFault::Refused("a name of a user that leads to no user".into()))
        }
    }
}

/// `NAME@DOMAIN`, in characters that are safe in a row's key, a token and a header.
fn check_sign_in_name(name: &str) -> Result<(), AdminFault> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"@.-_+'".contains(&b);
    let parts = name.split('@').filter(|part| !part.is_empty()).count();
    let shaped = name.matches('@').count() == 1 && parts == 2;
    if name.len() > LONGEST_NAME || !name.bytes().all(known) || !shaped {
        return Err(AdminFault::Refused("a sign-in name looks like alice@contoso.com".into()));
    }
    Ok(())
}
