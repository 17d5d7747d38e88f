//! Where everything is: the one answer of the resource manager that needs no token, for clients that learn a cloud from it.

use http::Method;
use serde_json::{Value, json};

use crate::core::Core;
use crate::request::Asked;

/// The versions of the wire up to this one wrap the answer in a list.
const LIST_UNTIL: &str = "2020-06-01";

/// The answer to `GET /metadata/endpoints`; `None` for every other request.
pub(super) fn answer(core: &Core, asked: &Asked) -> Option<Value> {
    let path: Vec<String> = asked.path.as_ref()?.iter().map(|word| word.to_ascii_lowercase()).collect();
    if asked.method != Method::GET || path != ["metadata", "endpoints"] {
        return None;
    }
    let settings = &core.settings;
    let manager = settings.management_audience();
    let graph = format!("https://{}", settings.hosts.graph());
    let shape = json!({
        "name": "Freehold",
        "portal": manager,
        "authentication": {
            "loginEndpoint": settings.login(),
            "audiences": [manager],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": manager,
        "microsoftGraphResourceId": graph,
        "graphAudience": format!("{graph}/"),
        "suffixes": { "keyVaultDns": settings.suffix.to_string() },
    });
    let listed = asked
        .query("api-version")
        .is_some_and(|version| ("2019".."9").contains(&version) && version <= LIST_UNTIL);
    Some(if listed { json!([shape]) } else { shape })
}
