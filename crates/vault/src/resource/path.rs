//! What a path of the resource manager names; which action each method on it needs is in `need`.
//!
//! Owns [`Target`]. Words of the path compare without case (clients write them in every way); names are
//! checked where they are parsed, so that every scope further in is well-formed.

mod need;

pub(crate) use self::need::Need;
use crate::access::Scope;
use crate::error::{Refused, resources as texts};
use crate::id::SubscriptionId;
use crate::keys::key::KeyName;
use crate::resource::policy::Change;
use crate::resource::{alias, group, provider, vault};

/// The longest name of a provider or a feature.
const LONGEST_WORD: usize = 128;

/// What a request is about.
#[derive(Debug)]
pub(crate) enum Target {
    Subscriptions,
    Subscription(SubscriptionId),
    /// A subscription by its alias.
    Alias(String),
    Tenants,
    Locations(SubscriptionId),
    /// Resource groups of a subscription.
    Groups(SubscriptionId),
    Group(Scope),
    /// Resources of a subscription or a group.
    Resources(Scope),
    /// Vaults of a subscription or a group.
    Vaults(Scope),
    NameAvailability(SubscriptionId),
    Vault(Scope),
    Policies {
        scope: Scope,
        change: Change,
    },
    /// Deleted vaults of a subscription: all, or one by region and name.
    DeletedVaults(SubscriptionId),
    DeletedVault {
        subscription: SubscriptionId,
        location: String,
        name: String,
        purge: bool,
    },
    /// Features of a subscription, of all providers or one.
    Features {
        subscription: SubscriptionId,
        namespace: Option<String>,
    },
    Feature(FeatureAt),
    Providers(SubscriptionId),
    Provider(ProviderAt),
    RoleDefinitions {
        scope: Option<Scope>,
        id: Option<String>,
    },
    RoleAssignments(Scope),
    RoleAssignment {
        scope: Scope,
        id: String,
    },
}

/// A feature of a provider, in a subscription.
#[derive(Debug)]
pub(crate) struct FeatureAt {
    pub(crate) subscription: SubscriptionId,
    /// `NAMESPACE/NAME` as it was asked for.
    pub(crate) name: String,
    pub(crate) verb: Verb,
}

/// A resource provider, in a subscription.
#[derive(Debug)]
pub(crate) struct ProviderAt {
    pub(crate) subscription: SubscriptionId,
    pub(crate) namespace: String,
    pub(crate) verb: Verb,
}

/// What is asked of a feature or a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Show,
    Register,
    Unregister,
}

/// Matches words without case.
fn is(word: &str, expected: &str) -> bool {
    word.eq_ignore_ascii_case(expected)
}

impl Target {
    pub(crate) fn parse(path: &[String]) -> Result<Self, Refused> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // What belongs to roles hangs below any scope, so it is looked for from the end.
        let roles =
            path.windows(2).rposition(|two| is(two[0], "providers") && is(two[1], "Microsoft.Authorization"));
        if let Some(at) = roles {
            return Self::role(&path[..at], &path[at + 2..]);
        }
        match *path {
            [p, namespace, aliases, alias]
                if is(p, "providers")
                    && is(namespace, "Microsoft.Subscription")
                    && is(aliases, "aliases") =>
            {
                alias::check_name(alias)?;
                Ok(Self::Alias(alias.into()))
            }
            [t] if is(t, "tenants") => Ok(Self::Tenants),
            [s] if is(s, "subscriptions") => Ok(Self::Subscriptions),
            [s, id] if is(s, "subscriptions") => Ok(Self::Subscription(subscription(id)?)),
            [s, id, kind] if is(s, "subscriptions") && !is(kind, "resources") => {
                let id = subscription(id)?;
                match kind {
                    kind if is(kind, "resourceGroups") => Ok(Self::Groups(id)),
                    kind if is(kind, "locations") => Ok(Self::Locations(id)),
                    kind if is(kind, "providers") => Ok(Self::Providers(id)),
                    _ => Err(texts::no_such_path()),
                }
            }
            [ref at @ .., kind] if is(kind, "resources") && at.len() != 3 => {
                Ok(Self::Resources(container(at)?))
            }
            [ref at @ .., p, namespace, kind]
                if is(p, "providers") && is(namespace, provider::KEY_VAULT) && is(kind, "vaults") =>
            {
                Ok(Self::Vaults(container(at)?))
            }
            [s, id, p, features, ref rest @ ..]
                if is(s, "subscriptions")
                    && is(p, "providers")
                    && is(features, "Microsoft.Features")
                    && rest.last().is_some_and(|word| is(word, "features")) =>
            {
                let namespace = match *rest {
                    [_] => None,
                    [p, namespace, _] if is(p, "providers") => Some(word(namespace)?),
                    _ => return Err(texts::no_such_path()),
                };
                Ok(Self::Features { subscription: subscription(id)?, namespace })
            }
            [s, id, p, features, p2, namespace, f, name, ref rest @ ..]
                if is(s, "subscriptions")
                    && is(p, "providers")
                    && is(features, "Microsoft.Features")
                    && is(p2, "providers")
                    && is(f, "features") =>
            {
                let verb = verb(rest)?;
                let name = format!("{}/{}", word(namespace)?, word(name)?);
                Ok(Self::Feature(FeatureAt { subscription: subscription(id)?, name, verb }))
            }
            [s, id, p, namespace, ref rest @ ..]
                if is(s, "subscriptions")
                    && is(p, "providers")
                    && is(namespace, provider::KEY_VAULT)
                    && rest
                        .first()
                        .is_some_and(|word| is(word, "locations") || is(word, "deletedVaults")) =>
            {
                Self::deleted(subscription(id)?, rest)
            }
            [s, id, p, namespace, check]
                if is(s, "subscriptions")
                    && is(p, "providers")
                    && is(namespace, provider::KEY_VAULT)
                    && is(check, "checkNameAvailability") =>
            {
                Ok(Self::NameAvailability(subscription(id)?))
            }
            [s, id, p, namespace, ref rest @ ..] if is(s, "subscriptions") && is(p, "providers") => {
                let (subscription, namespace) = (subscription(id)?, word(namespace)?);
                Ok(Self::Provider(ProviderAt { subscription, namespace, verb: verb(rest)? }))
            }
            [ref vault @ .., policies, change] if vault.len() == 8 && is(policies, "accessPolicies") => {
                let change = Change::by_word(change).ok_or_else(texts::no_such_path)?;
                Ok(Self::Policies { scope: scope(vault)?, change })
            }
            _ => {
                let scope = scope(&path)?;
                match scope {
                    Scope { key: Some(_), .. } => Err(texts::no_such_path()),
                    Scope { vault: Some(_), .. } => Ok(Self::Vault(scope)),
                    _ => Ok(Self::Group(scope)),
                }
            }
        }
    }

    fn deleted(subscription: SubscriptionId, rest: &[&str]) -> Result<Self, Refused> {
        let (location, name, purge) = match *rest {
            [_] if is(rest[0], "deletedVaults") => return Ok(Self::DeletedVaults(subscription)),
            [_, location, vaults, name] if is(vaults, "deletedVaults") => (location, name, false),
            [_, location, vaults, name, purge] if is(vaults, "deletedVaults") && is(purge, "purge") => {
                (location, name, true)
            }
            _ => return Err(texts::no_such_path()),
        };
        vault::check_name(name)?;
        let location = group::check_location(Some(location))?;
        Ok(Self::DeletedVault { subscription, location, name: name.into(), purge })
    }

    fn role(at: &[&str], rest: &[&str]) -> Result<Self, Refused> {
        match *rest {
            [kind] if is(kind, "roleDefinitions") => {
                Ok(Self::RoleDefinitions { scope: scope_or_root(at)?, id: None })
            }
            [kind, id] if is(kind, "roleDefinitions") => {
                Ok(Self::RoleDefinitions { scope: scope_or_root(at)?, id: Some(id.into()) })
            }
            [kind] if is(kind, "roleAssignments") => Ok(Self::RoleAssignments(scope(at)?)),
            [kind, id] if is(kind, "roleAssignments") => {
                Ok(Self::RoleAssignment { scope: scope(at)?, id: id.into() })
            }
            _ => Err(texts::no_such_path()),
        }
    }
}

fn verb(rest: &[&str]) -> Result<Verb, Refused> {
    match rest {
        [] => Ok(Verb::Show),
        [word] if is(word, "register") => Ok(Verb::Register),
        [word] if is(word, "unregister") => Ok(Verb::Unregister),
        _ => Err(texts::no_such_path()),
    }
}

/// A namespace or feature: it goes into an action and so into the log, and must be no path of its own.
fn word(text: &str) -> Result<String, Refused> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if text.len() > LONGEST_WORD || !text.bytes().all(known) {
        return Err(texts::no_such_path());
    }
    Ok(text.to_owned())
}

fn subscription(id: &str) -> Result<SubscriptionId, Refused> {
    id.parse().map_err(|_| texts::subscription_not_found(id))
}

/// A subscription or a group: what has lists.
fn container(path: &[&str]) -> Result<Scope, Refused> {
    let scope = scope(path)?;
    if scope.vault.is_some() { Err(texts::no_such_path()) } else { Ok(scope) }
}

fn scope_or_root(path: &[&str]) -> Result<Option<Scope>, Refused> {
    if path.is_empty() { Ok(None) } else { scope(path).map(Some) }
}

/// Reads a scope: a subscription, a group, a vault or a key.
pub(crate) fn scope(path: &[&str]) -> Result<Scope, Refused> {
    let [s, id, ref below @ ..] = *path else { return Err(texts::no_such_path()) };
    if !is(s, "subscriptions") {
        return Err(texts::no_such_path());
    }
    let id = subscription(id)?;
    let [g, group, ref below @ ..] = *below else {
        return if below.is_empty() { Ok(Scope::subscription(id)) } else { Err(texts::no_such_path()) };
    };
    if !is(g, "resourceGroups") {
        return Err(texts::no_such_path());
    }
    group::check_name(group)?;
    let [p, namespace, kind, vault, ref below @ ..] = *below else {
        return if below.is_empty() { Ok(Scope::group(id, group)) } else { Err(texts::no_such_path()) };
    };
    if !is(p, "providers") || !is(namespace, "Microsoft.KeyVault") || !is(kind, "vaults") {
        return Err(texts::no_such_path());
    }
    vault::check_name(vault)?;
    let scope = Scope::vault(id, group, vault);
    match *below {
        [] => Ok(scope),
        [k, key] if is(k, "keys") && key.parse::<KeyName>().is_ok() => Ok(scope.key(key)),
        _ => Err(texts::no_such_path()),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    const S: &str = "/subscriptions/11111111-1111-4111-8111-111111111111";

    fn parse(path: &str) -> Result<Target, Refused> {
        let path: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        Target::parse(&path)
    }

    fn action(method: Method, path: &str) -> Option<String> {
        let need = parse(path).expect("a path").need(&method).expect("a method")?;
        Some(format!("{} at {}", need.action, need.scope))
    }

    #[test]
    fn every_path_names_its_action_and_scope_whatever_its_case() {
        let vault = format!("{S}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso");
        let auth = "providers/microsoft.authorization";
        for (method, path, expected) in [
            (Method::GET, "/subscriptions".to_owned(), None),
            (Method::GET, S.to_uppercase(), Some(format!("Microsoft.Resources/subscriptions/read at {S}"))),
            (
                Method::PUT,
                format!("{S}/resourcegroups/rg"),
                Some(format!(
                    "Microsoft.Resources/subscriptions/resourceGroups/write at {S}/resourceGroups/rg"
                )),
            ),
            (Method::GET, vault.to_lowercase(), Some(format!("Microsoft.KeyVault/vaults/read at {vault}"))),
            (
                Method::PUT,
                format!("{vault}/AccessPolicies/ADD"),
                Some(format!("Microsoft.KeyVault/vaults/accessPolicies/write at {vault}")),
            ),
            (
                Method::POST,
                format!("{S}/providers/Microsoft.Features/providers/Microsoft.Resources/features/X/register"),
                Some(format!("Microsoft.Features/providers/features/register/action at {S}")),
            ),
            (
                Method::POST,
                format!("{S}/providers/Microsoft.KeyVault/register"),
                Some(format!("Microsoft.KeyVault/register/action at {S}")),
            ),
            (Method::GET, format!("/{auth}/roleDefinitions"), None),
            (
                Method::PUT,
                format!("{vault}/keys/k1/{auth}/roleAssignments/x"),
                Some(format!("Microsoft.Authorization/roleAssignments/write at {vault}/keys/k1")),
            ),
            (
                Method::DELETE,
                format!("{S}/{auth}/roleassignments/x"),
                Some(format!("Microsoft.Authorization/roleAssignments/delete at {S}")),
            ),
        ] {
            assert_eq!(action(method, &path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in [
            "/",
            "/tenants/x",
            "/subscriptions/x",
            "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/locations",
            "/subscriptions/11111111-1111-4111-8111-111111111111/things",
            "/resources",
            "/providers/Microsoft.KeyVault/vaults",
            "/subscriptions/11111111-1111-4111-8111-111111111111/providers/Microsoft.Features/things/x/features",
            "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/a*b",
            "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/login",
            "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso/keys/k",
            "/providers/Microsoft.Authorization/roleAssignments/x",
            "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso/accessPolicies",
            "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso/accessPolicies/set",
            "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Microsoft.KeyVault/managedHSMs/contoso/accessPolicies/add",
            "/subscriptions/11111111-1111-4111-8111-111111111111/providers/Microsoft.KeyVault/register/more",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
