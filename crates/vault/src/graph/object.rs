//! Objects of a directory as the Graph shows them.
//!
//! Owns the shapes, and which kind of object a row is. An application's object has the id of its client: there is one
//! row for both here.

use serde_json::{Map, Value, json};
use store::StoreError;

use crate::core::Core;
use crate::directory::DirectoryRow;
use crate::directory::application::{self, ApplicationRow};
use crate::directory::principal::{PrincipalRow, Subject};
use crate::id::ApplicationId;
use crate::log::time_text;

/// The kinds of principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Service,
    Group,
}

impl Kind {
    pub(crate) fn of(row: &PrincipalRow) -> Self {
        match row.subject {
            Subject::User { .. } => Self::User,
            Subject::Application { .. } => Self::Service,
            Subject::Group {} => Self::Group,
        }
    }

    /// The name of the collection.
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Service => "servicePrincipals",
            Self::Group => "groups",
        }
    }

    /// The kind in `@odata.type`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "servicePrincipal",
            Self::Group => "group",
        }
    }
}

/// A principal; `id` is its object id.
pub(crate) async fn principal(core: &Core, id: &str, row: &PrincipalRow) -> Result<Value, StoreError> {
    let (name, created, enabled) = (&row.display_name, time_text(row.created), !row.disabled);
    Ok(match &row.subject {
        Subject::User { sign_in_name, .. } => json!({
            "id": id, "displayName": name, "userPrincipalName": sign_in_name, "accountEnabled": enabled,
            "createdDateTime": created, "userType": "Member", "mail": null, "givenName": null,
            "surname": null, "jobTitle": null, "mobilePhone": null, "officeLocation": null,
            "preferredLanguage": null, "businessPhones": [],
        }),
        Subject::Application { application } => {
            let home = application::find(core, *application).await?.map(|found| found.value.home);
            json!({
                "id": id, "appId": application, "displayName": name, "appDisplayName": name,
                "accountEnabled": enabled, "createdDateTime": created, "appOwnerOrganizationId": home,
                "servicePrincipalType": "Application", "servicePrincipalNames": names(*application),
                "appRoles": [], "oauth2PermissionScopes": [], "keyCredentials": [], "passwordCredentials": [],
            })
        }
        Subject::Group {} => json!({
            "id": id, "displayName": name, "createdDateTime": created, "description": null,
            "securityEnabled": true, "mailEnabled": false, "mailNickname": null, "mail": null, "groupTypes": [],
        }),
    })
}

/// By which names a token can be asked for a service principal.
fn names(application: ApplicationId) -> [String; 2] {
    [application.to_string(), format!("api://{application}")]
}

/// An application in its home directory.
pub(crate) fn application(id: &str, row: &ApplicationRow) -> Value {
    json!({
        "id": id, "appId": id, "displayName": row.display_name, "createdDateTime": time_text(row.created),
        "identifierUris": [format!("api://{id}")],
        "signInAudience": if row.shared { "AzureADMultipleOrgs" } else { "AzureADMyOrg" },
        "appRoles": [], "keyCredentials": [], "passwordCredentials": [],
    })
}

/// The directory itself.
pub(crate) fn organization(id: &str, row: &DirectoryRow) -> Value {
    let domain = |(i, name): (usize, &String)| {
        let initial = name.ends_with(".onmicrosoft.com");
        json!({"name": name, "isDefault": i == 0, "isInitial": initial, "type": "Managed", "capabilities": ""})
    };
    let domains: Vec<Value> = row.domains.iter().enumerate().map(domain).collect();
    json!({
        "id": id, "displayName": row.display_name, "createdDateTime": time_text(row.created),
        "tenantType": "AAD", "verifiedDomains": domains,
    })
}

/// The fields that `$select` names; `id` and annotations stay.
pub(crate) fn select(object: Value, fields: Option<&str>) -> Value {
    let (Some(fields), Value::Object(all)) = (fields, &object) else { return object };
    let wanted = |name: &str| {
        name.starts_with('@') || fields.split(',').any(|field| field.trim().eq_ignore_ascii_case(name))
    };
    let kept: Map<String, Value> = all
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(kept)
}
