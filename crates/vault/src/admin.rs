//! The administration: what an operator of this program does that has no place on the customers' wire.
//!
//! Owns directories and what all changes share; users, applications and subscriptions have a file each. Secrets are handed
//! out once. Every change is in a log: the directory's, or the subscription's. What a customer does with vaults, keys and
//! roles is not here; it goes over the wire.

mod applications;
mod credentials;
mod groups;
mod subscriptions;
mod users;

use std::sync::Arc;
use std::time::Duration;

use model::id::DirectoryId;
use serde_json::{Value, json};
use store::{AuditEntry, Batch, Cause, CommitError, StoreError};
use zeroize::Zeroizing;

pub use self::applications::NewApplication;
pub use self::credentials::{GivenCertificate, NewFederation};
pub use self::subscriptions::NewSubscription;
use crate::core::{Core, Found};
use crate::directory::domain::{self, DomainRow, MOST_DOMAINS};
use crate::directory::principal::{self, NameRow, PrincipalRow, Subject};
use crate::directory::secret::{self, Secret};
use crate::directory::{self, DirectoryRow};
use crate::id::{ApplicationId, PrincipalId};
use crate::schema;

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
        let row =
            DirectoryRow { display_name: display_name.into(), created: self.core.now(), domains: Vec::new() };
        let batch = Batch::new().expect_absent(schema::DIRECTORIES, id.to_string()).put(
            schema::DIRECTORIES,
            id.to_string(),
            &row,
        );
        self.commit(batch, directory::stream(id), "AddDirectory", json!({ "directory": id })).await?;
        Ok(id)
    }

    /// Gives a directory one more verified domain: another name for it on the wire, and the end of its users' names.
    pub async fn add_domain(&self, id: DirectoryId, domain: &str) -> Result<(), AdminFault> {
        let domain = domain.to_ascii_lowercase();
        if !domain::is_domain(&domain) {
            return Err(AdminFault::Refused("a domain looks like contoso.com".into()));
        }
        let home = self.directory(id).await?;
        if domain::directory(&self.core, &domain).await?.is_some() {
            return Err(AdminFault::Exists(format!("domain {domain}")));
        }
        let mut row = home.value.clone();
        if row.domains.len() >= MOST_DOMAINS {
            return Err(AdminFault::Refused(format!("the directory has {MOST_DOMAINS} domains, the most")));
        }
        row.domains.push(domain.clone());
        let name = schema::domain(&domain);
        let batch = home
            .basis()
            .batch()
            .put(schema::DIRECTORIES, id.to_string(), &row)
            .expect_absent(schema::PRINCIPAL_NAMES, &name)
            .put(schema::PRINCIPAL_NAMES, name, &DomainRow { directory: id });
        let body = json!({ "directory": id, "domain": domain });
        self.commit(batch, directory::stream(id), "AddDomain", body).await
    }

    /// Every directory: id, name, domains.
    pub async fn directories(&self) -> Result<Vec<(DirectoryId, String, Vec<String>)>, AdminFault> {
        let found: Vec<Found<DirectoryRow>> = self.core.all(schema::DIRECTORIES, "").await?;
        let known = found.into_iter().filter_map(|found| Some((found.key.parse().ok()?, found.value)));
        Ok(known.map(|(id, row)| (id, row.display_name, row.domains)).collect())
    }

    /// The directory that a domain belongs to.
    pub async fn directory_of(&self, domain: &str) -> Result<Option<DirectoryId>, AdminFault> {
        Ok(domain::directory(&self.core, domain).await?)
    }

    /// A principal of a directory by a user's sign-in name, an application's client id or an object id.
    pub async fn principal_of(
        &self,
        directory: DirectoryId,
        named: &str,
    ) -> Result<Option<PrincipalId>, AdminFault> {
        let user = principal::of_user(&self.core, directory, named).await?;
        if let Some(found) = user {
            return Ok(Some(found.value.principal));
        }
        if let Ok(application) = named.parse::<ApplicationId>()
            && let Some(found) = principal::of_application(&self.core, directory, application).await?
        {
            return Ok(Some(found.value.principal));
        }
        let Ok(id) = named.parse::<PrincipalId>() else { return Ok(None) };
        Ok(principal::find(&self.core, directory, id).await?.map(|_| id))
    }

    async fn directory(&self, id: DirectoryId) -> Result<Found<DirectoryRow>, AdminFault> {
        let found = directory::find(&self.core, id).await?;
        found.ok_or_else(|| AdminFault::Missing(format!("directory {id}")))
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
            Subject::Group {} => schema::group_in(directory, display_name),
        };
        let row = PrincipalRow::new(display_name, self.core.now(), subject);
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
