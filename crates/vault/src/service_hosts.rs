//! Under which names the services beside the vaults are reached: token service, resource manager, Graph.
//!
//! Owns [`ServiceHosts`]. One's own lie below the suffix of the vaults; those of the public cloud lie elsewhere, and
//! which they are is a table here, as the token service of a cloud is one at whoever calls it.

use model::suffix::Suffix;

/// The suffix of the vaults of Azure's public cloud.
pub const PUBLIC_SUFFIX: &str = "vault.azure.net";

/// A service beside the vaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Login,
    Management,
    Graph,
}

/// The names of the services beside the vaults, each with its port where that is part of every URL.
///
/// A service may have more than one name: the first is the one in URLs and tokens, the others are answered too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceHosts {
    login: Vec<String>,
    management: Vec<String>,
    graph: Vec<String>,
}

impl ServiceHosts {
    /// The names that go with a suffix: Azure's for the suffix of its public cloud, else those below the suffix.
    pub fn of(suffix: &Suffix) -> Self {
        if suffix.to_string() == PUBLIC_SUFFIX { Self::public_cloud() } else { Self::below(suffix) }
    }

    /// `login.SUFFIX`, `management.SUFFIX`, `graph.SUFFIX`.
    pub fn below(suffix: &Suffix) -> Self {
        let below = |name: &str| vec![format!("{name}.{suffix}")];
        Self { login: below("login"), management: below("management"), graph: below("graph") }
    }

    /// The names of Azure's public cloud, with the older ones that its clients still use.
    pub fn public_cloud() -> Self {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            login: named(&["login.microsoftonline.com", "login.windows.net", "sts.windows.net"]),
            management: named(&["management.azure.com", "management.core.windows.net"]),
            graph: named(&["graph.microsoft.com"]),
        }
    }

    /// The token service.
    pub fn login(&self) -> &str {
        &self.login[0]
    }

    /// The resource manager.
    pub fn management(&self) -> &str {
        &self.management[0]
    }

    /// Microsoft Graph's place.
    pub fn graph(&self) -> &str {
        &self.graph[0]
    }

    /// Every name of every service.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.login.iter().chain(&self.management).chain(&self.graph).map(String::as_str)
    }

    /// The service of a host name in lower case; ports are not compared.
    pub(crate) fn service(&self, host: &str) -> Option<Service> {
        let services = [
            (&self.login, Service::Login),
            (&self.management, Service::Management),
            (&self.graph, Service::Graph),
        ];
        let without_port = |name: &str| name.split(':').next().is_some_and(|name| name == host);
        let found = services.into_iter().find(|(names, _)| names.iter().any(|name| without_port(name)));
        found.map(|(_, service)| service)
    }

    /// The audience that a client means by a resource without its final slash.
    pub(crate) fn audience(&self, resource: &str) -> Option<String> {
        let audiences = [&self.management, &self.graph].into_iter();
        let meant = |name: &String| format!("https://{name}").eq_ignore_ascii_case(resource);
        let found = audiences.into_iter().find(|names| names.iter().any(meant));
        found.map(|names| format!("https://{}", names[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_of_the_public_cloud_has_the_public_clouds_services_and_no_other_has() {
        let of = |suffix: &str| ServiceHosts::of(&suffix.parse().expect("a suffix"));
        assert_eq!(of("Vault.Azure.Net"), ServiceHosts::public_cloud());
        assert_eq!(of("vault.localhost:8443").login(), "login.vault.localhost:8443");
        assert_eq!(of("evil.vault.azure.net").management(), "management.evil.vault.azure.net");
        assert_eq!(ServiceHosts::public_cloud().graph(), "graph.microsoft.com");
    }

    #[test]
    fn an_older_name_of_a_resource_gives_the_audience_of_the_usual_one() {
        let hosts = ServiceHosts::public_cloud();
        for asked in ["https://management.azure.com", "https://Management.Core.Windows.net"] {
            assert_eq!(hosts.audience(asked).as_deref(), Some("https://management.azure.com"), "{asked}");
        }
        assert_eq!(
            hosts.audience("https://graph.microsoft.com").as_deref(),
            Some("https://graph.microsoft.com")
        );
        assert_eq!(hosts.audience("https://login.microsoftonline.com"), None);
        assert_eq!(hosts.audience("https://management.vault.localhost"), None);
    }
}
