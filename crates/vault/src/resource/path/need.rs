//! Which action each method on a target needs, and where.
//!
//! Owns [`Need`] and the table. A list needs no right at its scope: it shows only what the caller may read.

use http::Method;

use super::{Target, Verb};
use crate::access::Scope;
use crate::error::{Refused, resources as texts};
use crate::id::SubscriptionId;

/// The action that a call needs, and where.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) action: String,
    pub(crate) scope: Scope,
    /// The handler shows only what the action is allowed on; who may read nothing sees an empty list.
    pub(crate) filtered: bool,
}

impl Target {
    /// The action that the method needs here; `None` for what every principal of a directory may ask.
    pub(crate) fn need(&self, method: &Method) -> Result<Option<Need>, Refused> {
        let refused = || texts::method_not_allowed(method);
        let (get, put) = (method == Method::GET, method == Method::PUT);
        let delete = method == Method::DELETE;
        let read_or_write = || match (get, put) {
            (true, _) => Ok("read"),
            (_, true) => Ok("write"),
            _ => Err(refused()),
        };
        let need =
            |action: String, scope: &Scope| Some(Need { action, scope: scope.clone(), filtered: false });
        let reads = |action: &str, id: SubscriptionId| need(action.into(), &Scope::subscription(id));
        let lists = |action: &str, scope: &Scope| {
            Some(Need { action: action.into(), scope: scope.clone(), filtered: true })
        };
        let verb = |verb: Verb| match (verb, method) {
            (Verb::Register, &Method::POST) => Ok("register/action"),
            (Verb::Unregister, &Method::POST) => Ok("unregister/action"),
            (Verb::Show, &Method::GET) => Ok("read"),
            _ => Err(refused()),
        };
        Ok(match self {
            Self::Subscriptions if get => None,
            Self::Subscription(id) if get => {
                need("Microsoft.Resources/subscriptions/read".into(), &Scope::subscription(*id))
            }
            Self::Alias(_) if get || put => None,
            Self::Tenants if get => None,
            Self::Locations(id) if get => reads("Microsoft.Resources/subscriptions/locations/read", *id),
            Self::Groups(id) if get => {
                lists("Microsoft.Resources/subscriptions/resourceGroups/read", &Scope::subscription(*id))
            }
            Self::Resources(scope) | Self::Vaults(scope) if get => {
                lists("Microsoft.KeyVault/vaults/read", scope)
            }
            Self::NameAvailability(id) if method == Method::POST => {
                reads("Microsoft.KeyVault/checkNameAvailability/read", *id)
            }
            Self::Providers(id) if get => reads("Microsoft.Resources/subscriptions/providers/read", *id),
            Self::Features { subscription, .. } if get => {
                reads("Microsoft.Features/features/read", *subscription)
            }
            Self::RoleAssignments(scope) if get => {
                need("Microsoft.Authorization/roleAssignments/read".into(), scope)
            }
            Self::Subscriptions
            | Self::Subscription(_)
            | Self::Alias(_)
            | Self::Tenants
            | Self::Locations(_)
            | Self::Groups(_)
            | Self::Resources(_)
            | Self::Vaults(_)
            | Self::NameAvailability(_)
            | Self::Providers(_)
            | Self::Features { .. }
            | Self::RoleAssignments(_) => return Err(refused()),
            Self::Group(scope) if method == Method::HEAD => {
                need("Microsoft.Resources/subscriptions/resourceGroups/read".into(), scope)
            }
            Self::Group(scope) if delete => {
                need("Microsoft.Resources/subscriptions/resourceGroups/delete".into(), scope)
            }
            Self::Group(scope) => {
                need(format!("Microsoft.Resources/subscriptions/resourceGroups/{}", read_or_write()?), scope)
            }
            Self::Vault(scope) if method == Method::PATCH => {
                need("Microsoft.KeyVault/vaults/write".into(), scope)
            }
            Self::Vault(scope) if delete => need("Microsoft.KeyVault/vaults/delete".into(), scope),
            Self::Vault(scope) => need(format!("Microsoft.KeyVault/vaults/{}", read_or_write()?), scope),
            Self::DeletedVaults(id) if get => {
                need("Microsoft.KeyVault/deletedVaults/read".into(), &Scope::subscription(*id))
            }
            Self::DeletedVault { subscription, purge, .. } if get && !purge => need(
                "Microsoft.KeyVault/locations/deletedVaults/read".into(),
                &Scope::subscription(*subscription),
            ),
            Self::DeletedVault { subscription, purge: true, .. } if method == Method::POST => need(
                "Microsoft.KeyVault/locations/deletedVaults/purge/action".into(),
                &Scope::subscription(*subscription),
            ),
            Self::DeletedVaults(_) | Self::DeletedVault { .. } => return Err(refused()),
            Self::Policies { scope, .. } if put => {
                need("Microsoft.KeyVault/vaults/accessPolicies/write".into(), scope)
            }
            Self::Policies { .. } => return Err(refused()),
            Self::Feature(at) => {
                let verb = verb(at.verb)?;
                need(
                    format!("Microsoft.Features/providers/features/{verb}"),
                    &Scope::subscription(at.subscription),
                )
            }
            Self::Provider(at) => {
                let scope = Scope::subscription(at.subscription);
                match verb(at.verb)? {
                    "read" => need("Microsoft.Resources/subscriptions/providers/read".into(), &scope),
                    verb => need(format!("{}/{verb}", at.namespace), &scope),
                }
            }
            Self::RoleDefinitions { .. } if !get => return Err(refused()),
            Self::RoleDefinitions { scope, .. } => scope
                .as_ref()
                .and_then(|scope| need("Microsoft.Authorization/roleDefinitions/read".into(), scope)),
            Self::RoleAssignment { scope, .. } => {
                let verb = if delete { "delete" } else { read_or_write()? };
                need(format!("Microsoft.Authorization/roleAssignments/{verb}"), scope)
            }
        })
    }
}
