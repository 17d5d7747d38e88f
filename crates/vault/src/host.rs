//! Which door a request is for: keys of a vault, token service or resource manager, by its Host header alone.
//!
//! Owns the routing by host name. Ports are not compared: in the lab a suffix has none, and the listener has one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use http::StatusCode;
use model::suffix::Suffix;
use serde_json::json;

use crate::core::Core;
use crate::reply::{Reply, Response};
use crate::request::Asked;
use crate::{keys, resource, token};

/// Host names below the suffix that no vault can have.
pub(crate) const RESERVED: &[&str] = &["login", "management", "graph"];

#[derive(Debug, PartialEq, Eq)]
enum Door {
    Login,
    Management,
    /// The vault of that name, in lower case; whether there is one is asked next.
    Vault(String),
    Unknown,
}

/// Answers every request of the program.
pub(crate) async fn serve(State(core): State<Arc<Core>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked::read(&core, &parts);
    match door(&core.settings.suffix, &asked.authority) {
        Door::Login => token::service::serve(&core, &asked, body).await,
        Door::Management => resource::serve(&core, &asked, body).await,
        Door::Vault(name) => keys::serve(&core, &asked, &name, body).await,
        Door::Unknown => unknown(&asked, body),
    }
}

fn unknown(asked: &Asked, _unread: Body) -> Response {
    let error =
        json!({"error": {"code": "UnknownHost", "message": "This program does not serve this host name."}});
    Reply::new(StatusCode::MISDIRECTED_REQUEST, asked).json(&error)
}

fn door(suffix: &Suffix, authority: &str) -> Door {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    let Some(name) = host.strip_suffix(suffix.host()).and_then(|rest| rest.strip_suffix('.')) else {
        return Door::Unknown;
    };
    match name {
        "login" => Door::Login,
        "management" => Door::Management,
        _ if name.is_empty() || name.contains('.') || RESERVED.contains(&name) => Door::Unknown,
        _ => Door::Vault(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_names_the_door() {
        let suffix: Suffix = "vault.localhost:8443".parse().expect("a suffix");
        let vault = |name: &str| Door::Vault(name.into());
        for (host, expected) in [
            ("contoso-a.vault.localhost:8443", vault("contoso-a")),
            ("Contoso-A.Vault.LOCALHOST", vault("contoso-a")),
            ("contoso-a.vault.localhost:1", vault("contoso-a")),
            ("login.vault.localhost:8443", Door::Login),
            ("management.vault.localhost", Door::Management),
            ("graph.vault.localhost", Door::Unknown),
            ("vault.localhost", Door::Unknown),
            (".vault.localhost", Door::Unknown),
            ("a.b.vault.localhost", Door::Unknown),
            ("contoso-avault.localhost", Door::Unknown),
            ("contoso.vault.localhost.evil.example", Door::Unknown),
            ("127.0.0.1:8443", Door::Unknown),
            ("", Door::Unknown),
        ] {
            assert_eq!(door(&suffix, host), expected, "{host}");
        }
    }
}
