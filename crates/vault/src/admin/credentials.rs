//! What an application may show instead of a secret: certificates, and the word of other issuers.

use model::time::Timestamp;

use super::{AdminFault, Administration, check_name};
use crate::directory::certificate::{Certificate, MOST_CERTIFICATES};
use crate::directory::federation::{self, EXCHANGE, Federation, LONGEST_CLAIM, MOST_FEDERATIONS};
use crate::id::ApplicationId;

/// A certificate that an application was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenCertificate {
    /// SHA-256 of the certificate in base64url: its name here.
    pub thumbprint: String,
    /// When it ends, as it says itself.
    pub expires: Timestamp,
}

/// A federated credential to be given to an application.
#[derive(Debug, Clone, Copy)]
pub struct NewFederation<'a> {
    /// Its name, once in an application.
    pub name: &'a str,
    /// The `iss` of the assertions.
    pub issuer: &'a str,
    /// Their `sub`.
    pub subject: &'a str,
    /// Their `aud`; `api://AzureADTokenExchange` if it is not given.
    pub audience: Option<&'a str>,
    /// The issuer's keys, a JSON Web Key set. Without one, the issuer must be a directory of this program.
    pub keys: Option<&'a str>,
}

impl Administration {
    /// Gives an application a certificate in PEM; whoever holds its private half can sign in as the application.
    pub async fn add_certificate(
        &self,
        application: ApplicationId,
        pem: &str,
    ) -> Result<GivenCertificate, AdminFault> {
        let certificate = Certificate::read(pem).map_err(|why| AdminFault::Refused(why.into()))?;
        let now = self.core.now();
        if certificate.expires <= now {
            return Err(AdminFault::Refused("the certificate has expired".into()));
        }
        let given =
            GivenCertificate { thumbprint: certificate.thumbprint.clone(), expires: certificate.expires };
        self.change_application(application, "AddCertificate", |row| {
            row.certificates.retain(|old| old.expires > now);
            if row.certificates.iter().any(|old| old.thumbprint == certificate.thumbprint) {
                return Err(AdminFault::Exists("the certificate".into()));
            }
            if row.certificates.len() >= MOST_CERTIFICATES {
                let rule = format!("the application has {MOST_CERTIFICATES} certificates, the most");
                return Err(AdminFault::Refused(rule));
            }
            row.certificates.push(certificate);
            Ok(())
        })
        .await?;
        Ok(given)
    }

    /// Takes a certificate from an application, by its thumbprint.
    pub async fn remove_certificate(
        &self,
        application: ApplicationId,
        thumbprint: &str,
    ) -> Result<(), AdminFault> {
        self.change_application(application, "RemoveCertificate", |row| {
            let before = row.certificates.len();
            row.certificates.retain(|one| one.thumbprint != thumbprint);
            if row.certificates.len() == before {
                return Err(AdminFault::Missing("the certificate".into()));
            }
            Ok(())
        })
        .await
    }

    /// Lets an application sign in with assertions of another issuer; the same name again replaces what it was.
    pub async fn add_federated_credential(
        &self,
        application: ApplicationId,
        new: NewFederation<'_>,
    ) -> Result<(), AdminFault> {
        check_name(new.name)?;
        let federation = self.federation(new).await?;
        self.change_application(application, "AddFederatedCredential", |row| {
            row.federations.retain(|old| old.name != federation.name);
            if row.federations.len() >= MOST_FEDERATIONS {
                let rule = format!("the application has {MOST_FEDERATIONS} federated credentials, the most");
                return Err(AdminFault::Refused(rule));
            }
            row.federations.push(federation);
            Ok(())
        })
        .await
    }

    /// Takes a federated credential from an application, by its name.
    pub async fn remove_federated_credential(
        &self,
        application: ApplicationId,
        name: &str,
    ) -> Result<(), AdminFault> {
        self.change_application(application, "RemoveFederatedCredential", |row| {
            let before = row.federations.len();
            row.federations.retain(|one| one.name != name);
            if row.federations.len() == before {
                return Err(AdminFault::Missing(format!("federated credential {name}")));
            }
            Ok(())
        })
        .await
    }

    async fn federation(&self, new: NewFederation<'_>) -> Result<Federation, AdminFault> {
        let refused = |why: &str| AdminFault::Refused(why.into());
        let audience = new.audience.unwrap_or(EXCHANGE);
        if [new.issuer, new.subject, audience]
            .iter()
            .any(|text| text.is_empty() || text.len() > LONGEST_CLAIM)
        {
            return Err(refused("issuer, subject and audience have 1 to 600 bytes"));
        }
        if !new.issuer.starts_with("https://") {
            return Err(refused("an issuer is an https URL"));
        }
        let own = match new.issuer.strip_prefix(&format!("{}/", self.core.settings.login())) {
            Some(rest) => rest.strip_suffix('/').and_then(|id| id.parse().ok()),
            None => None,
        };
        let keys = match (own, new.keys) {
            (Some(directory), None) => {
                self.directory(directory).await?;
                Vec::new()
            }
            (Some(_), Some(_)) => {
                return Err(refused("the keys of a directory of this program are its own: leave them out"));
            }
            (None, Some(document)) => federation::read_keys(document).map_err(refused)?,
            (None, None) => {
                return Err(refused(
                    "an issuer elsewhere needs its JSON Web Key set: this program does not fetch it",
                ));
            }
        };
        Ok(Federation {
            name: new.name.into(),
            issuer: new.issuer.into(),
            subject: new.subject.into(),
            audience: audience.into(),
            keys,
            created: self.core.now(),
        })
    }
}
