//! Which door a request is for: keys of a vault, token service or resource manager, by its Host header alone.
//!
//! Owns the routing by host name. Ports are not compared: in the lab a suffix has none, and the listener has one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use http::StatusCode;
use serde_json::json;

use crate::core::Core;
use crate::reply::{Reply, Response};
use crate::request::Asked;
use crate::service_hosts::Service;
use crate::settings::Settings;
use crate::{graph, keys, resource, token};

/// Host names below the suffix that no vault can have.
pub(crate) const RESERVED: &[&str] = &["login", "management", "graph"];

#[derive(Debug, PartialEq, Eq)]
enum Door {
    Service(Service),
    /// The vault of that name, in lower case; whether there is one is asked next.
    Vault(String),
    Unknown,
}

/// Answers every request of the program.
pub(crate) async fn serve(State(core): State<Arc<Core>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::read(&core, &parts);
    match door(&core.settings, &asked.authority) {
        Door::Service(Service::Login) => token::service::serve(&core, &asked, body).await,
        Door::Service(Service::Management) => resource::serve(&core, &asked, body).await,
        Door::Vault(name) => keys::serve(&core, &asked, &name, body).await,
        Door::Service(Service::Graph) => graph::serve(&core, &asked, body).await,
        Door::Unknown => unknown(&asked, body),
    }
}

fn unknown(asked: &Asked, _unread: Body) -> Response {
    let error =
        json!({"error": {"code": "UnknownHost", "message": "This program does not serve this host name."}});
    Reply::new(StatusCode::MISDIRECTED_REQUEST, asked).json(&error)
}

fn door(settings: &Settings, authority: &str) -> Door {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    if let Some(service) = settings.hosts.service(&host) {
        return Door::Service(service);
    }
    match host.strip_suffix(settings.suffix.host()).and_then(|rest| rest.strip_suffix('.')) {
        Some(name) if !name.is_empty() && !name.contains('.') && !RESERVED.contains(&name) => {
            Door::Vault(name.to_owned())
        }
        _ => Door::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_hosts::ServiceHosts;
    use crate::settings::Limits;
    use model::suffix::Suffix;

    fn settings(suffix: &str) -> Settings {
        let suffix: Suffix = suffix.parse().expect("a suffix");
        Settings {
            hosts: ServiceHosts::of(&suffix),
            suffix,
            soft_delete: true,
            retention_at_once: false,
            limits: Limits::default(),
        }
    }

    fn vault(name: &str) -> Door {
        Door::Vault(name.into())
    }

    #[test]
    fn the_host_name_names_the_door() {
        let settings = settings("vault.localhost:8443");
        for (host, expected) in [
            ("contoso-a.vault.localhost:8443", vault("contoso-a")),
            ("Contoso-A.Vault.LOCALHOST", vault("contoso-a")),
            ("contoso-a.vault.localhost:1", vault("contoso-a")),
            ("login.vault.localhost:8443", Door::Service(Service::Login)),
            ("management.vault.localhost", Door::Service(Service::Management)),
            ("Graph.vault.localhost", Door::Service(Service::Graph)),
            ("management.azure.com", Door::Unknown),
            ("vault.localhost", Door::Unknown),
            (".vault.localhost", Door::Unknown),
            ("a.b.vault.localhost", Door::Unknown),
            ("contoso-avault.localhost", Door::Unknown),
            ("contoso.vault.localhost.evil.example", Door::Unknown),
            ("127.0.0.1:8443", Door::Unknown),
            ("", Door::Unknown),
        ] {
            assert_eq!(door(&settings, host), expected, "{host}");
        }
    }

    #[test]
    fn the_public_cloud_has_its_services_outside_the_suffix() {
        let settings = settings("vault.azure.net");
        for (host, expected) in [
            ("contoso-a.vault.azure.net", vault("contoso-a")),
            ("login.microsoftonline.com:443", Door::Service(Service::Login)),
            ("login.windows.net", Door::Service(Service::Login)),
            ("management.azure.com", Door::Service(Service::Management)),
            ("graph.microsoft.com", Door::Service(Service::Graph)),
            ("login.vault.azure.net", Door::Unknown),
            ("azure.com", Door::Unknown),
            ("vault.azure.net.evil.example", Door::Unknown),
        ] {
            assert_eq!(door(&settings, host), expected, "{host}");
        }
    }
}
