//! Every text of the resource manager's wire; spec/vault.md lists them with the case that each belongs to.

use http::StatusCode;
use model::id::DirectoryId;

use crate::access::Scope;
use crate::error::Refused;
use crate::id::{PrincipalId, SubscriptionId};
use crate::token::check::{TokenFault, Who};

fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refused {
    Refused::new(status, code, message)
}

pub(crate) fn unauthorized(fault: &TokenFault) -> Refused {
    let (code, message) = match fault {
        TokenFault::Missing => {
            ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.".into())
        }
        TokenFault::Invalid | TokenFault::Issuer { .. } => {
            ("InvalidAuthenticationToken", "The access token is invalid.".into())
        }
        TokenFault::Expired => {
            ("ExpiredAuthenticationToken", "The access token expiry is earlier than the current time.".into())
        }
        TokenFault::Audience { expected, found } => (
            "InvalidAuthenticationTokenAudience",
            format!(
                "The access token has been obtained for wrong audience or resource '{found}'. It should exactly \
                 match with one of the allowed audiences '{expected}', '{expected}/'."
            ),
        ),
        TokenFault::Disabled => {
            ("InvalidAuthenticationToken", "The application or user of the access token is disabled.".into())
        }
    };
    refused(StatusCode::UNAUTHORIZED, code, message)
}

pub(crate) fn forbidden(who: &Who, action: &str, scope: &str) -> Refused {
    let client = who.sign_in_name.clone().unwrap_or_else(|| who.application.to_string());
    let message = format!(
        "The client '{client}' with object id '{}' does not have authorization to perform action '{action}' over \
         scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        who.principal
    );
    refused(StatusCode::FORBIDDEN, "AuthorizationFailed", message)
}

pub(crate) fn api_version() -> Refused {
    let message = "The api-version query parameter (?api-version=) is required for all requests.";
    refused(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", message)
}

pub(crate) fn no_such_path() -> Refused {
    let message = "The resource type or action of the request is not known or not served here.";
    refused(StatusCode::NOT_FOUND, "InvalidResourceType", message)
}

pub(crate) fn method_not_allowed(method: &http::Method) -> Refused {
    let message = format!("The HTTP method '{method}' is not supported at this scope.");
    refused(StatusCode::METHOD_NOT_ALLOWED, "HttpMethodNotAllowed", message)
}

pub(crate) fn bad_body(message: impl Into<String>) -> Refused {
    refused(StatusCode::BAD_REQUEST, "InvalidRequestContent", message)
}

pub(crate) fn bad_request(message: impl Into<String>) -> Refused {
    refused(StatusCode::BAD_REQUEST, "BadRequest", message)
}

pub(crate) fn too_large(limit: usize) -> Refused {
    let message = format!("The request content is larger than {limit} bytes.");
    refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestContentTooLarge", message)
}

/// Also for a subscription of another directory: nobody learns that it exists.
pub(crate) fn subscription_not_found(id: &str) -> Refused {
    let id: String = id.chars().take(64).collect();
    refused(
        StatusCode::NOT_FOUND,
        "SubscriptionNotFound",
        format!("The subscription '{id}' could not be found."),
    )
}

pub(crate) fn alias_not_found(alias: &str) -> Refused {
    let message = format!("The alias '{alias}' of a subscription could not be found.");
    refused(StatusCode::NOT_FOUND, "SubscriptionAliasNotFound", message)
}

pub(crate) fn too_many_subscriptions(limit: usize) -> Refused {
    let message = format!("The caller owns {limit} subscriptions, the most with which more can be made.");
    refused(StatusCode::FORBIDDEN, "SubscriptionLimitExceeded", message)
}

pub(crate) fn group_not_found(group: &str) -> Refused {
    let message = format!("Resource group '{group}' could not be found.");
    refused(StatusCode::NOT_FOUND, "ResourceGroupNotFound", message)
}

pub(crate) fn group_is_being_deleted(group: &str) -> Refused {
    let message =
        format!("The resource group '{group}' is in deprovisioning state and cannot perform this operation.");
    refused(StatusCode::CONFLICT, "ResourceGroupBeingDeleted", message)
}

pub(crate) fn vault_not_found(vault: &str, group: &str) -> Refused {
    let message = format!(
        "The Resource 'Microsoft.KeyVault/vaults/{vault}' under resource group '{group}' was not found. For more \
         details please go to https://aka.ms/ARMResourceNotFoundFix"
    );
    refused(StatusCode::NOT_FOUND, "ResourceNotFound", message)
}

pub(crate) fn vault_name_taken(vault: &str) -> Refused {
    let message = format!(
        "The vault name '{vault}' is already in use. Vault names are globally unique so it is possible that the \
         name is already taken. If you are sure that the vault name was not taken then it is possible that a vault \
         with the same name was recently deleted but not purged after being placed in a recoverable state."
    );
    refused(StatusCode::CONFLICT, "VaultAlreadyExists", message)
}

/// A deleted vault of the same subscription has the name.
pub(crate) fn vault_is_deleted() -> Refused {
    let message = "A vault with the same name already exists in deleted state. You need to either recover or purge \
                   existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more \
                   information on soft delete.";
    refused(StatusCode::CONFLICT, "ConflictError", message)
}

pub(crate) fn deleted_vault_not_found(vault: &str) -> Refused {
    let vault: String = vault.chars().take(64).collect();
    let message = format!("The specified deleted vault '{vault}' does not exist.");
    refused(StatusCode::NOT_FOUND, "DeletedVaultNotFound", message)
}

pub(crate) fn vault_is_purge_protected() -> Refused {
    let message = "Operation 'DeletedVaultPurge' is not allowed. Purge protection is enabled for this vault; it is purged \
                   automatically after the retention period has passed.";
    refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}

pub(crate) fn vault_name(vault: &str) -> Refused {
    let message = format!(
        "The vault name '{vault}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name \
         must begin with a letter, end with a letter or digit, and not contain consecutive hyphens."
    );
    refused(StatusCode::BAD_REQUEST, "VaultNameNotValid", message)
}

pub(crate) fn group_name(group: &str) -> Refused {
    let message = format!("The provided resource group name '{group}' is not valid.");
    refused(StatusCode::BAD_REQUEST, "InvalidResourceGroupName", message)
}

pub(crate) fn location_differs(name: &str, is: &str, asked: &str) -> Refused {
    let message = format!(
        "The resource '{name}' already exists in location '{is}'. It cannot be made in location '{asked}'; select \
         a new resource name."
    );
    refused(StatusCode::CONFLICT, "InvalidResourceLocation", message)
}

pub(crate) fn provider_not_registered(namespace: &str) -> Refused {
    let message = format!(
        "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how \
         to register subscriptions."
    );
    refused(StatusCode::CONFLICT, "MissingSubscriptionRegistration", message)
}

pub(crate) fn provider_not_found(namespace: &str) -> Refused {
    let message = format!("The resource namespace '{namespace}' is invalid.");
    refused(StatusCode::NOT_FOUND, "InvalidResourceNamespace", message)
}

pub(crate) fn provider_in_use(namespace: &str) -> Refused {
    let message = format!("The resource namespace '{namespace}' is in use and cannot be unregistered.");
    refused(StatusCode::CONFLICT, "CannotUnregisterProvider", message)
}

pub(crate) fn feature_not_found(feature: &str) -> Refused {
    let message = format!("The feature '{feature}' could not be found.");
    refused(StatusCode::NOT_FOUND, "FeatureNotFound", message)
}

/// The mandatory retention period protects against the subscription's own owner, too.
pub(crate) fn feature_stays(feature: &str) -> Refused {
    let message = format!(
        "The feature '{feature}' is registered for this subscription, and only the operator can undo that."
    );
    refused(StatusCode::CONFLICT, "FeatureUnregistrationUnsupported", message)
}

pub(crate) fn purge_protection_is_for_ever() -> Refused {
    bad_request(
        "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is \
         an irreversible action.",
    )
}

pub(crate) fn soft_delete_is_for_ever() -> Refused {
    bad_request(
        "The property \"enableSoftDelete\" cannot be set to false. Soft delete is on for every vault of this service.",
    )
}

pub(crate) fn soft_delete_is_absent() -> Refused {
    bad_request(
        "The properties \"enableSoftDelete\", \"softDeleteRetentionInDays\" and \"enablePurgeProtection\" cannot be \
         set: the vaults of this service are built without soft delete.",
    )
}

pub(crate) fn retention_is_set() -> Refused {
    bad_request("The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.")
}

pub(crate) fn vault_is_too_large(limit: usize) -> Refused {
    bad_request(format!("The vault's tags and network rules have more than {limit} bytes together."))
}

pub(crate) fn too_many_policies(limit: usize) -> Refused {
    bad_request(format!(
        "A vault has at most {limit} access policies; give the right to a group, or go by roles."
    ))
}

pub(crate) fn principal_not_found(principal: PrincipalId, directory: DirectoryId) -> Refused {
    let message = format!(
        "Principal {principal} does not exist in the directory {directory}. Check that you have the correct \
         principal ID."
    );
    refused(StatusCode::BAD_REQUEST, "PrincipalNotFound", message)
}

pub(crate) fn role_not_found(role: &str) -> Refused {
    let role: String = role.chars().take(128).collect();
    let message = format!("The specified role definition with ID '{role}' does not exist.");
    refused(StatusCode::NOT_FOUND, "RoleDefinitionDoesNotExist", message)
}

pub(crate) fn assignment_not_found(id: &str) -> Refused {
    let id: String = id.chars().take(64).collect();
    refused(
        StatusCode::NOT_FOUND,
        "RoleAssignmentNotFound",
        format!("The role assignment '{id}' is not found."),
    )
}

pub(crate) fn assignment_exists(id: impl std::fmt::Display) -> Refused {
    let message =
        format!("The role assignment already exists. The ID of the existing role assignment is {id}.");
    refused(StatusCode::CONFLICT, "RoleAssignmentExists", message)
}

pub(crate) fn assignment_is_another() -> Refused {
    let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
    refused(StatusCode::CONFLICT, "RoleAssignmentUpdateNotPermitted", message)
}

pub(crate) fn too_many_assignments(limit: usize) -> Refused {
    let message =
        format!("The principal has {limit} role assignments in this subscription, the most it may have.");
    refused(StatusCode::BAD_REQUEST, "RoleAssignmentLimitExceeded", message)
}

pub(crate) fn scope_not_found(scope: &Scope, subscription: SubscriptionId) -> Refused {
    match (&scope.vault, &scope.group) {
        (Some(vault), Some(group)) => vault_not_found(vault, group),
        (_, Some(group)) => group_not_found(group),
        _ => subscription_not_found(&subscription.to_string()),
    }
}
