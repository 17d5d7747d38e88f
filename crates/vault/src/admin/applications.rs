//! Applications: made at home with a secret, consented in directories, disabled, taken back.

use std::time::Duration;

use model::id::DirectoryId;
use model::time::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use super::{AdminFault, Administration, check_name};
use crate::core::Found;
use crate::directory::application::{self, ApplicationRow};
use crate::directory::principal::{self, Subject};
use crate::directory::secret::{self, MOST_SECRETS, Secret};
use crate::id::{ApplicationId, PrincipalId};
use crate::{directory, schema};

/// An application to be made.
#[derive(Debug, Clone)]
pub struct NewApplication<'a> {
    /// Its client id, where that is given; else one is made.
    pub client_id: Option<ApplicationId>,
    /// What people call it.
    pub display_name: &'a str,
    /// How long its first secret is good for.
    pub secret_life: Duration,
}

impl Administration {
    /// Makes an application in its home directory and its first secret, told here and nowhere else.
    ///
    /// It can be given rights in a directory once [`Administration::consent`] has been called there, at home too.
    pub async fn create_application(
        &self,
        home: DirectoryId,
        new: NewApplication<'_>,
    ) -> Result<(ApplicationId, Zeroizing<String>), AdminFault> {
        check_name(new.display_name)?;
        let directory = self.directory(home).await?;
        let id = new.client_id.unwrap_or_else(|| ApplicationId::from_random(self.core.id()));
        if application::find(&self.core, id).await?.is_some() {
            return Err(AdminFault::Exists(format!("application {id}")));
        }
        let (secret, text) = self.secret(&application::secret_owner(id), new.secret_life);
        let row = ApplicationRow {
            home,
            display_name: new.display_name.into(),
            disabled: false,
            secrets: vec![secret],
            shared: false,
            certificates: Vec::new(),
            federations: Vec::new(),
            created: self.core.now(),
        };
        let batch = directory.basis().batch().expect_absent(schema::APPLICATIONS, id.to_string()).put(
            schema::APPLICATIONS,
            id.to_string(),
            &row,
        );
        self.commit(batch, directory::stream(home), "AddApplication", json!({ "application": id })).await?;
        Ok((id, text))
    }

    /// Gives an application another secret beside those it has; expired ones are dropped.
    pub async fn add_secret(
        &self,
        application: ApplicationId,
        life: Duration,
    ) -> Result<Zeroizing<String>, AdminFault> {
        let (secret, text) = self.secret(&application::secret_owner(application), life);
        let now = self.core.now();
        self.change_application(application, "AddSecret", |row| {
            row.secrets.retain(|old| !old.expired(now));
            if row.secrets.len() >= MOST_SECRETS {
                return Err(AdminFault::Refused(format!(
                    "the application has {MOST_SECRETS} secrets, the most"
                )));
            }
            row.secrets.push(secret);
            Ok(())
        })
        .await?;
        Ok(text)
    }

    /// When a secret of an application ends; `None` if it is none of its secrets.
    pub async fn secret_ends(
        &self,
        application: ApplicationId,
        presented: &str,
    ) -> Result<Option<Timestamp>, AdminFault> {
        let found = self.application(application).await?;
        let owner = application::secret_owner(application);
        Ok(secret::find(&found.value.secrets, &owner, presented).map(Secret::expires))
    }

    /// Takes every secret from an application but this one.
    pub async fn remove_other_secrets(
        &self,
        application: ApplicationId,
        keep: &str,
    ) -> Result<(), AdminFault> {
        let owner = application::secret_owner(application);
        self.change_application(application, "RemoveOtherSecrets", |row| {
            row.secrets.retain(|secret| secret.is(&owner, keep));
            Ok(())
        })
        .await
    }

    /// Takes every secret from an application.
    pub async fn remove_secrets(&self, application: ApplicationId) -> Result<(), AdminFault> {
        self.change_application(application, "RemoveSecrets", |row| {
            row.secrets.clear();
            Ok(())
        })
        .await
    }

    /// Disables an application everywhere: no new token, and tokens that are out are no longer accepted.
    pub async fn disable_application(&self, application: ApplicationId) -> Result<(), AdminFault> {
        self.change_application(application, "DisableApplication", |row| {
            row.disabled = true;
            Ok(())
        })
        .await
    }

    /// Lets every directory's administrators consent to an application, not those of its home alone.
    pub async fn share_application(&self, application: ApplicationId) -> Result<(), AdminFault> {
        self.change_application(application, "ShareApplication", |row| {
            row.shared = true;
            Ok(())
        })
        .await
    }

    /// Takes a disabling back.
    pub async fn enable_application(&self, application: ApplicationId) -> Result<(), AdminFault> {
        self.change_application(application, "EnableApplication", |row| {
            row.disabled = false;
            Ok(())
        })
        .await
    }

    /// Consents to an application in a directory: makes its service principal there, which can then be given rights.
    pub async fn consent(
        &self,
        application: ApplicationId,
        directory: DirectoryId,
    ) -> Result<PrincipalId, AdminFault> {
        let home = self.directory(directory).await?;
        let found = self.application(application).await?;
        if principal::of_application(&self.core, directory, application).await?.is_some() {
            return Err(AdminFault::Exists(format!("the service principal of application {application}")));
        }
        let id = PrincipalId::from_random(self.core.id());
        let batch = home.basis().and(&found).batch();
        let subject = Subject::Application { application };
        let batch = self.add_principal(batch, directory, id, &found.value.display_name, subject);
        let body = json!({ "principal": id, "application": application });
        self.commit(batch, directory::stream(directory), "AddServicePrincipal", body).await?;
        Ok(id)
    }

    /// The service principal of an application in a directory, if there is consent.
    pub async fn service_principal(
        &self,
        application: ApplicationId,
        directory: DirectoryId,
    ) -> Result<Option<PrincipalId>, AdminFault> {
        let found = principal::of_application(&self.core, directory, application).await?;
        Ok(found.map(|found| found.value.principal))
    }

    /// Takes consent back: the service principal is gone, and with it every right, from the next call on.
    ///
    /// Another consent makes another principal, which has no right.
    pub async fn delete_service_principal(
        &self,
        application: ApplicationId,
        directory: DirectoryId,
    ) -> Result<(), AdminFault> {
        let named =
            principal::of_application(&self.core, directory, application).await?.ok_or_else(|| {
                AdminFault::Missing(format!("the service principal of application {application}"))
            })?;
        let id = named.value.principal;
        let batch = named
            .basis()
            .batch()
            .delete(schema::PRINCIPAL_NAMES, named.key.clone())
            .delete(schema::PRINCIPALS, schema::principal(directory, id));
        let body = json!({ "principal": id, "application": application });
        self.commit(batch, directory::stream(directory), "RemoveServicePrincipal", body).await
    }

    async fn application(&self, id: ApplicationId) -> Result<Found<ApplicationRow>, AdminFault> {
        let found = application::find(&self.core, id).await?;
        found.ok_or_else(|| AdminFault::Missing(format!("application {id}")))
    }

    pub(super) async fn change_application(
        &self,
        id: ApplicationId,
        operation: &'static str,
        change: impl FnOnce(&mut ApplicationRow) -> Result<(), AdminFault>,
    ) -> Result<(), AdminFault> {
        let found = self.application(id).await?;
        let mut row = found.value.clone();
        change(&mut row)?;
        let stream = directory::stream(row.home);
        let batch = found.basis().batch().put(schema::APPLICATIONS, id.to_string(), &row);
        self.commit(batch, stream, operation, json!({ "application": id })).await
    }
}
