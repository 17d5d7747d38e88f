//! What an application of the operator's proves itself with: the words of the setting, and the credential that they name.
//!
//! Owns [`SignsWith`]. What each kind does on the wire is custody's (`spec/roots.md`).

use std::path::Path;
use std::sync::Arc;

use custody::roots::{Credential, DeveloperTool, Endpoint, IdentityName, ManagedIdentity, is_identity};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::random::SystemRandom;
use crate::settings::Kind;

/// A kind of credential, by its words in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignsWith {
    /// A client secret in a file.
    Secret,
    /// An RSA key with its certificate in a PEM file.
    Certificate,
    /// An assertion in a file that an agent of the operator's renews.
    Assertion,
    /// A token that a platform projects into a file.
    FederatedToken,
    /// The identity of a virtual machine.
    Machine(IdentityName),
    /// The identity that App Service and its kin give the program.
    AppService(IdentityName),
    /// A developer's tool; for rehearsals.
    Developer(DeveloperTool),
}

impl SignsWith {
    /// Whether it lies in a file; the others have none.
    pub(super) fn has_file(&self) -> bool {
        matches!(self, Self::Secret | Self::Certificate | Self::Assertion | Self::FederatedToken)
    }

    /// The credential; `environment` is asked for what App Service tells a program, and only where that is wanted.
    pub(super) fn open(
        &self,
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Credential, Failure> {
        let ours = |error: &dyn std::error::Error| Failure::new(Exit::Ours, error.to_string());
        let path = file.unwrap_or(Path::new(""));
        let identity = |endpoint, name: &IdentityName| {
            let identity = ManagedIdentity::new(endpoint, name.clone()).map_err(|error| ours(&error))?;
            Ok(Credential::Identity(Arc::new(identity)))
        };
        let read = match self {
            Self::Secret => Credential::secret(path),
            Self::Certificate => Credential::certificate(path, Arc::new(SystemRandom)),
            Self::Assertion => Credential::assertion(path),
            Self::FederatedToken => Credential::federated_token(path),
            Self::Machine(name) => return identity(Endpoint::machine(), name),
            Self::AppService(name) => {
                let told = |variable| environment(variable).unwrap_or_default();
                let header = Zeroizing::new(told("IDENTITY_HEADER"));
                let endpoint = Endpoint::app_service(&told("IDENTITY_ENDPOINT"), header);
                return identity(endpoint.map_err(|error| Failure::new(Exit::Usage, error))?, name);
            }
            Self::Developer(tool) => return Ok(Credential::Developer(*tool)),
        };
        read.map_err(|error| ours(&error))
    }
}

impl Kind for SignsWith {
    const EXPECTS: &'static str = "`secret`, `certificate`, `assertion`, `federated-token`, `managed-identity` or `app-service-identity` (both \
        also with `:client-id=ID`, `:object-id=ID` or `:resource-id=ID`), `azure-cli`, `azure-developer-cli` or `developer-tools`";

    fn parse(text: &str) -> Option<Self> {
        let (word, name) = match text.split_once(':') {
            Some((word, name)) => (word, identity(name)?),
            None => (text, IdentityName::System),
        };
        Some(match (word, &name) {
            ("managed-identity", _) => Self::Machine(name),
            ("app-service-identity", _) => Self::AppService(name),
            (_, name) if *name != IdentityName::System => return None,
            ("secret", _) => Self::Secret,
            ("certificate", _) => Self::Certificate,
            ("assertion", _) => Self::Assertion,
            ("federated-token", _) => Self::FederatedToken,
            ("azure-cli", _) => Self::Developer(DeveloperTool::AzureCli),
            ("azure-developer-cli", _) => Self::Developer(DeveloperTool::AzureDeveloperCli),
            ("developer-tools", _) => Self::Developer(DeveloperTool::Any),
            _ => return None,
        })
    }
}

/// A user-assigned identity, as `client-id=ID` and its like.
fn identity(text: &str) -> Option<IdentityName> {
    let (key, id) = text.split_once('=').filter(|(_, id)| is_identity(id))?;
    match key {
        "client-id" => Some(IdentityName::ClientId(id.to_owned())),
        "object-id" => Some(IdentityName::ObjectId(id.to_owned())),
        "resource-id" => Some(IdentityName::ResourceId(id.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_word_and_nothing_else_is_one() {
        for (text, file) in [
            ("secret", true),
            ("certificate", true),
            ("assertion", true),
            ("federated-token", true),
            ("managed-identity", false),
            ("managed-identity:client-id=11111111-1111-4111-8111-111111111111", false),
            ("app-service-identity:object-id=22222222-2222-4222-8222-222222222222", false),
            ("managed-identity:resource-id=/subscriptions/s/resourcegroups/g/x/y", false),
            ("azure-cli", false),
            ("azure-developer-cli", false),
            ("developer-tools", false),
        ] {
            assert_eq!(SignsWith::parse(text).map(|kind| kind.has_file()), Some(file), "{text}");
        }
        for bad in [
            "",
            "password",
            "secret:client-id=x",
            "azure-cli:client-id=x",
            "managed-identity:",
            "managed-identity:name=x",
            "managed-identity:client-id=",
            "managed-identity:client-id=a b",
        ] {
            assert_eq!(SignsWith::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_app_service_tells_is_read_where_it_is_asked_for_alone() {
        let told = |name: &str| match name {
            "IDENTITY_ENDPOINT" => Some("http://127.0.0.1:41741/msi/token".to_owned()),
            "IDENTITY_HEADER" => Some("h3ader".to_owned()),
            _ => None,
        };
        let identity = SignsWith::AppService(IdentityName::System);
        assert!(matches!(identity.open(None, told), Ok(Credential::Identity(_))));
        let refused = identity.open(None, |_| None).expect_err("nothing was told").to_string();
        assert!(refused.contains("IDENTITY_ENDPOINT") && !refused.contains("h3ader"), "{refused}");
        let asked = |name: &str| -> Option<String> { panic!("{name} was asked for") };
        assert!(SignsWith::Machine(IdentityName::System).open(None, asked).is_ok());
        assert!(
            SignsWith::Developer(DeveloperTool::Any).open(None, asked).is_ok_and(|it| it.is_for_rehearsal())
        );
    }
}
