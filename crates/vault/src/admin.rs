//! The administration: what an operator of this program does that has no place on the customers' wire.
//!
//! Owns directories, users, applications, consent, subscriptions, and the last step of a feature's registration. Secrets
//! are handed out once. Every change is in a log: the directory's, or the subscription's. What a customer does with vaults,
//! keys and roles is not here; it goes over the wire.

use std::sync::Arc;
use std::time::Duration;

use model::id::DirectoryId;
use serde_json::{Value, json};
use store::{AuditEntry, Batch, Cause, CommitError, StoreError};
use zeroize::Zeroizing;

use crate::access::{Grant, Scope};
use crate::core::Core;
use crate::directory::application::{self, ApplicationRow};
use crate::directory::principal::{self, NameRow, PrincipalRow, Subject};
use crate::directory::secret::{self, MOST_SECRETS, Secret};
use crate::directory::{self, DirectoryRow};
use crate::id::{ApplicationId, AssignmentId, PrincipalId, SubscriptionId};
use crate::resource::assignment::{self, AssignmentRow};
use crate::resource::feature::{self, FeatureRow, State};
use crate::resource::role;
use crate::resource::subscription::{self, SubscriptionRow};
use crate::{resource, schema};

/// The longest display name or sign-in name, in bytes.
pub(crate) const LONGEST_NAME: usize = 256;

/// Why the administration did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminFault {
    /// The thing is there already; the text names it.
    #[error("{0} is there already")]
    Exists(String),
    /// Something that the change needs is not there; the text names it.
    #[error("{0} is not there")]
    Missing(String),
    /// The change breaks a rule; the text says which.
    #[error("{0}")]
    Refused(String),
    /// Another change came first; nothing was done.
    #[error("another change came first")]
    Conflict,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError> for AdminFault {
    fn from(fault: CommitError) -> Self {
        match fault {
            CommitError::Conflict { .. } => Self::Conflict,
            CommitError::Store(fault) => Self::Store(fault),
        }
    }
}

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

/// A subscription to be made.
#[derive(Debug, Clone)]
pub struct NewSubscription<'a> {
    /// Its id, where that is given; else one is made.
    pub id: Option<SubscriptionId>,
    /// What people call it.
    pub display_name: &'a str,
    /// The principal of the directory that gets the role Owner: it may make vaults and give rights, and use no key.
    pub owner: PrincipalId,
}

/// The operator's side of one instance.
#[derive(Debug, Clone)]
pub struct Administration {
    core: Arc<Core>,
}

impl Administration {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Makes a directory, with the id that is given or a new one.
    pub async fn create_directory(
        &self,
        id: Option<DirectoryId>,
        display_name: &str,
    ) -> Result<DirectoryId, AdminFault> {
        check_name(display_name)?;
        let id = id.unwrap_or_else(|| DirectoryId::from_random(self.core.id()));
        if directory::find(&self.core, id).await?.is_some() {
            return Err(AdminFault::Exists(format!("directory {id}")));
        }
        let row = DirectoryRow { display_name: display_name.into(), created: self.core.now() };
        let batch = Batch::new().expect_absent(schema::DIRECTORIES, id.to_string()).put(
            schema::DIRECTORIES,
            id.to_string(),
            &row,
        );
        self.commit(batch, directory::stream(id), "AddDirectory", json!({ "directory": id })).await?;
        Ok(id)
    }

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

    /// Makes a subscription in a directory and gives its owner the role Owner.
    pub async fn create_subscription(
        &self,
        directory: DirectoryId,
        new: NewSubscription<'_>,
    ) -> Result<SubscriptionId, AdminFault> {
        check_name(new.display_name)?;
        let home = self.directory(directory).await?;
        let owner = principal::find(&self.core, directory, new.owner)
            .await?
            .ok_or_else(|| AdminFault::Missing(format!("principal {}", new.owner)))?;
        let id = new.id.unwrap_or_else(|| SubscriptionId::from_random(self.core.id()));
        if subscription::find(&self.core, id).await?.is_some() {
            return Err(AdminFault::Exists(format!("subscription {id}")));
        }
        let now = self.core.now();
        let row = SubscriptionRow { directory, display_name: new.display_name.into(), created: now };
        let grant = Grant {
            id: AssignmentId::from_random(self.core.id()),
            principal: new.owner,
            role: role::OWNER.into(),
            scope: Scope::subscription(id),
        };
        let principal_type = match owner.value.subject {
            Subject::User { .. } => "User",
            Subject::Application { .. } => "ServicePrincipal",
        };
        let assigned = AssignmentRow {
            grant,
            principal_type: principal_type.into(),
            description: None,
            created: now,
            created_by: None,
        };
        let batch = home
            .basis()
            .and(&owner)
            .batch()
            .expect_absent(schema::SUBSCRIPTIONS, id.to_string())
            .put(schema::SUBSCRIPTIONS, id.to_string(), &row);
        let batch = assignment::add(batch, &assigned);
        let body = json!({ "subscription": id, "directory": directory, "owner": new.owner });
        self.commit(batch, resource::stream(id), "AddSubscription", body).await?;
        Ok(id)
    }

    /// Completes a subscription's registration for the mandatory retention period, which its owner has asked for.
    pub async fn register_mandatory_retention(&self, subscription: SubscriptionId) -> Result<(), AdminFault> {
        let missing = || AdminFault::Missing(format!("subscription {subscription}"));
        let home = subscription::find(&self.core, subscription).await?.ok_or_else(missing)?;
        let asked = feature::find(&self.core, subscription).await?.ok_or_else(|| {
            AdminFault::Refused(format!(
                "subscription {subscription} has not asked for {}: its owner registers the feature first",
                feature::MANDATORY_RETENTION
            ))
        })?;
        let batch = home.basis().and(&asked).batch().put(
            schema::FEATURES,
            feature::row(subscription),
            &FeatureRow { state: State::Registered },
        );
        let body = json!({ "subscription": subscription, "feature": feature::MANDATORY_RETENTION });
        self.commit(batch, resource::stream(subscription), "CompleteFeatureRegistration", body).await
    }

    async fn directory(&self, id: DirectoryId) -> Result<crate::core::Found<DirectoryRow>, AdminFault> {
        let found = directory::find(&self.core, id).await?;
        found.ok_or_else(|| AdminFault::Missing(format!("directory {id}")))
    }

    async fn application(&self, id: ApplicationId) -> Result<crate::core::Found<ApplicationRow>, AdminFault> {
        let found = application::find(&self.core, id).await?;
        found.ok_or_else(|| AdminFault::Missing(format!("application {id}")))
    }

    async fn change_application(
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

    fn add_principal(
        &self,
        batch: Batch,
        directory: DirectoryId,
        id: PrincipalId,
        display_name: &str,
        subject: Subject,
    ) -> Batch {
        let name = match &subject {
            Subject::User { sign_in_name, .. } => schema::user_in(directory, sign_in_name),
            Subject::Application { application } => schema::application_in(directory, *application),
        };
        let row = PrincipalRow {
            display_name: display_name.into(),
            disabled: false,
            created: self.core.now(),
            subject,
        };
        batch
            .expect_absent(schema::PRINCIPAL_NAMES, &name)
            .put(schema::PRINCIPAL_NAMES, name, &NameRow { principal: id })
            .put(schema::PRINCIPALS, schema::principal(directory, id), &row)
    }

    fn secret(&self, owner: &str, life: Duration) -> (Secret, Zeroizing<String>) {
        secret::generate(&*self.core.random, owner, self.core.now(), life)
    }

    async fn commit(
        &self,
        batch: Batch,
        stream: String,
        operation: &'static str,
        body: Value,
    ) -> Result<(), AdminFault> {
        let body = json!({ "category": "Administration", "identity": "operator", "properties": body });
        let entry = AuditEntry { stream, at: self.core.now(), operation: operation.into(), body };
        Ok(self.core.store.commit(batch, Cause::Audited(vec![entry])).await?)
    }
}

fn check_name(name: &str) -> Result<(), AdminFault> {
    if name.trim().is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        let rule = format!("a display name has 1 to {LONGEST_NAME} bytes and no control characters");
        return Err(AdminFault::Refused(rule));
    }
    Ok(())
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
