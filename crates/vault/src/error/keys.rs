//! Every text of the keys wire; spec/vault.md lists them with the case that each belongs to.
//!
//! Clients tell cases apart by these words (one of them loses the inner code), so they change only with the spec.

use http::StatusCode;

use crate::error::Refused;
use crate::token::check::{TokenFault, Who};

/// A request that breaks a rule of the wire.
pub(crate) fn bad_parameter(message: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "BadParameter", message)
}

/// A method, or a word of the path, that this wire does not have or this program does not serve.
pub(crate) fn not_allowed(method: &http::Method, word: &str) -> Refused {
    let word: String = word.chars().take(64).collect();
    bad_parameter(format!("Method {method} does not allow operation '{word}'"))
}

pub(crate) fn api_version() -> Refused {
    bad_parameter("The api-version query parameter is missing, or names a version that is not known.")
}

pub(crate) fn too_large(limit: usize) -> Refused {
    let message = format!("The request body is larger than {limit} bytes.");
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
}

/// No token, or one that is not accepted; the reply carries the challenge.
pub(crate) fn unauthorized(fault: &TokenFault) -> Refused {
    let message = match fault {
        TokenFault::Missing => "AKV10000: Request is missing a Bearer or PoP token.".into(),
        TokenFault::Invalid => {
            "[InvalidToken] Error validating token: 'it is not a signed token of this token service'.".into()
        }
        TokenFault::Expired => "[TokenExpired] Error validating token: 'S2S12086'.".into(),
        TokenFault::Audience { expected, found } => {
            format!("AKV10022: Invalid audience. Expected {expected}, found: {found}.")
        }
        TokenFault::Issuer { expected, found } => {
            format!("AKV10032: Invalid issuer. Expected one of {expected}, found {found}.")
        }
        TokenFault::Disabled => {
            "[PrincipalDisabled] Error validating token: 'the application or user is disabled'.".into()
        }
    };
    Refused::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
}

/// No role assignment allows it.
pub(crate) fn forbidden_by_rbac(
    who: &Who,
    issuer: &str,
    action: &str,
    resource: &str,
    vault: &str,
    location: &str,
) -> Refused {
    let message = format!(
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role \
         definitions were changed recently, please observe propagation time.\r\nCaller: appid={};oid={};iss={issuer}\
         \r\nAction: '{action}'\r\nResource: '{resource}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\n\
         DecisionReason: null \r\nVault: {vault};location={location}\r\n",
        who.application, who.principal
    );
    forbidden(message).inner("ForbiddenByRbac")
}

/// The vault goes by access policies, and none allows it.
pub(crate) fn forbidden_by_policy(
    who: &Who,
    issuer: &str,
    permission: &str,
    vault: &str,
    location: &str,
) -> Refused {
    let message = format!(
        "The user, group or application 'appid={};oid={};numgroups=0;iss={issuer}' does not have keys {permission} \
         permission on key vault '{vault};location={location}'. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125287",
        who.application, who.principal
    );
    forbidden(message).inner("ForbiddenByPolicy")
}

/// The vault's firewall does not name the caller's address.
pub(crate) fn forbidden_by_firewall(
    who: &Who,
    issuer: &str,
    address: &str,
    vault: &str,
    location: &str,
) -> Refused {
    let message = format!(
        "Client address is not authorized and caller is not a trusted service.\r\nClient address: {address}\r\nCaller: \
         appid={};oid={};iss={issuer}\r\nVault: {vault};location={location}",
        who.application, who.principal
    );
    forbidden(message).inner("ForbiddenByFirewall")
}

/// The vault is not reached from the network.
pub(crate) fn forbidden_by_connection(who: &Who, issuer: &str, vault: &str, location: &str) -> Refused {
    let message = format!(
        "Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\n\
         Caller: appid={};oid={};iss={issuer}\r\nVault: {vault};location={location}",
        who.application, who.principal
    );
    forbidden(message).inner("ForbiddenByConnection")
}

pub(crate) fn key_disabled(operation: &str) -> Refused {
    forbidden(format!("Operation {operation} is not allowed on a disabled key.")).inner("KeyDisabled")
}

pub(crate) fn key_not_yet_valid(operation: &str) -> Refused {
    forbidden(format!("Operation {operation} is not allowed on a key that is not yet valid."))
        .inner("KeyNotYetValid")
}

pub(crate) fn key_expired(operation: &str) -> Refused {
    forbidden(format!("Operation {operation} is not allowed on an expired key.")).inner("KeyExpired")
}

pub(crate) fn operation_forbidden(operation: &str) -> Refused {
    forbidden(format!("Operation {operation} is not permitted on this key.")).inner("KeyOperationForbidden")
}

/// `name` as it was asked for: the key, or key and version.
pub(crate) fn key_not_found(name: &str) -> Refused {
    let message = format!(
        "A key with (name/id) {name} was not found in this key vault. If you recently deleted this key you may be \
         able to recover it using the correct recovery command. For help resolving this issue, please see \
         https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    Refused::new(StatusCode::NOT_FOUND, "KeyNotFound", message)
}

/// No deleted key has this name.
pub(crate) fn deleted_key_not_found(name: &str) -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "KeyNotFound", format!("Deleted Key not found: {name}"))
}

/// The name belongs to a key that was deleted and is kept.
pub(crate) fn deleted_but_recoverable(name: &str) -> Refused {
    let message = format!(
        "Key {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the \
         key can only be recovered or purged."
    );
    conflict(message).inner("ObjectIsDeletedButRecoverable")
}

/// A key of the backup's name is there already.
pub(crate) fn restore_conflict(kid: &str) -> Refused {
    conflict(format!(
        "There was a conflict restoring the key '{kid}'. A key of this name exists in this vault: restore into another \
         vault of the subscription and geography, or delete and purge that key before."
    ))
}

/// The vault lets nobody purge before the time is over.
pub(crate) fn purge_protected(vault: &str, location: &str) -> Refused {
    forbidden(format!(
        "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will \
         automatically purge it after the retention period has passed. Vault: {vault};location={location}"
    ))
}

/// The host names no vault. In a cloud such a name does not resolve at all.
pub(crate) fn vault_not_found() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "VaultNotFound", "No key vault has this name.")
}

pub(crate) fn throttled() -> Refused {
    let message = "Request was not processed because too many requests were received. Reason: \
                   VaultRequestTypeLimitReached";
    Refused::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", message).retry_after(1)
}

/// The key has as many versions as one key may have.
pub(crate) fn too_many_versions(limit: u32) -> Refused {
    forbidden(format!("The key has {limit} versions, which is the most that one key may have."))
}

/// The operation is none of those that keys of this type have.
pub(crate) fn operation_of_another_type(word: &str) -> Refused {
    bad_parameter(format!("Property key_ops has the invalid operation '{word}' for this type of key."))
}

/// A type of key that vaults do not have; symmetric keys belong to another service, the Managed HSM.
pub(crate) fn key_type_not_supported(kty: &str) -> Refused {
    let kty: String = kty.chars().take(32).collect();
    bad_parameter(format!("Invalid kty value: {kty}")).inner("KeyTypeNotSupported")
}

/// A key shall be exportable, in a vault or a version of the wire that does not have such keys.
pub(crate) fn exportable_elsewhere() -> Refused {
    bad_parameter(
        "AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= \
         '7.3-preview'.",
    )
}

pub(crate) fn exportable_without_policy() -> Refused {
    bad_parameter("AKV.SKR.1004: Exportable keys must have release policy.")
}

pub(crate) fn policy_without_exportable() -> Refused {
    bad_parameter("AKV.SKR.1005: Non-exportable keys must not have release policy.")
}

pub(crate) fn exportable_stays() -> Refused {
    bad_parameter("AKV.SKR.1003: The exportable attribute of an existing key cannot be changed.")
}

/// Asked by all the rules, and refused all the same.
pub(crate) fn nothing_is_exported() -> Refused {
    bad_parameter(
        "Keys of this vault are never exportable, because private halves do not leave it: make the key without \
         attributes.exportable and release_policy.",
    )
}

fn conflict(message: String) -> Refused {
    Refused::new(StatusCode::CONFLICT, "Conflict", message)
}

fn forbidden(message: String) -> Refused {
    Refused::new(StatusCode::FORBIDDEN, "Forbidden", message)
}
