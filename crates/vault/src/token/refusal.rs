//! How the token service says no: an OAuth error with the number that clients look for.
//!
//! Owns [`TokenRefused`], one constructor for each case; spec/vault.md has the table.

use std::fmt;

use http::StatusCode;
use model::id::DirectoryId;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::id::{ApplicationId, CallId};
use crate::log::{second_text, time_text};

/// One refusal of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRefused {
    pub(crate) status: StatusCode,
    /// The code of RFC 6749.
    error: &'static str,
    /// The AADSTS number.
    pub(crate) number: u32,
    text: String,
}

impl TokenRefused {
    fn new(status: StatusCode, error: &'static str, number: u32, text: impl Into<String>) -> Self {
        Self { status, error, number, text: text.into() }
    }

    /// No directory has this id.
    pub(crate) fn unknown_directory(asked: &str) -> Self {
        let asked = short(asked);
        let text = format!(
            "Tenant '{asked}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", 90002, text)
    }

    /// `common`, and nothing that tells a directory.
    pub(crate) fn no_directory() -> Self {
        let text = "No tenant-identifying information found in either the request or implied by any provided \
                    credentials.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", 50059, text)
    }

    /// The host of an authorization endpoint is none of this token service's.
    pub(crate) fn foreign_instance(asked: &str) -> Self {
        let text = format!("Unknown or invalid instance: '{}'.", short(asked));
        Self::new(StatusCode::BAD_REQUEST, "invalid_instance", 50049, text)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", 900144, text)
    }

    pub(crate) fn duplicated(parameter: &str) -> Self {
        let text = format!(
            "The request is not properly formatted. The parameter '{}' is duplicated.",
            short(parameter)
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", 9000411, text)
    }

    pub(crate) fn grant_type(asked: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{}'.", short(asked));
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", 70003, text)
    }

    /// A client-credentials request whose scope is not `RESOURCE/.default`.
    pub(crate) fn scope(asked: &str) -> Self {
        let text = format!(
            "The provided value for scope {} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI).",
            short(asked)
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", 1002012, text)
    }

    pub(crate) fn two_resources(asked: &str) -> Self {
        let text = format!(
            "Provided value for the input parameter scope is not valid because it contains more than one resource. \
             Scope {} is not valid.",
            short(asked)
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", 28000, text)
    }

    pub(crate) fn resource(asked: &str, directory: DirectoryId) -> Self {
        let text = format!(
            "The resource principal named {} was not found in the tenant named {directory}. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant. You might have sent your authentication request to the wrong tenant.",
            short(asked)
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_resource", 500011, text)
    }

    /// No application of this id, as far as somebody may know who did not prove to own it.
    pub(crate) fn unknown_application(asked: &str, directory: impl fmt::Display) -> Self {
        let text = format!(
            "Application with identifier '{}' was not found in the directory '{directory}'. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant. You may have sent your authentication request to the wrong tenant.",
            short(asked)
        );
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", 700016, text)
    }

    /// The application proved itself, and this directory never consented to it or took its consent back.
    pub(crate) fn not_consented(application: ApplicationId, directory: DirectoryId) -> Self {
        let text = format!(
            "The client application {application} is missing service principal in the tenant {directory}. See \
             instructions here: https://go.microsoft.com/fwlink/?linkid=2225119"
        );
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 7000229, text)
    }

    pub(crate) fn application_disabled(application: ApplicationId, name: &str) -> Self {
        let text = format!("Application '{application}'({name}) is disabled.");
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", 7000112, text)
    }

    pub(crate) fn no_secret() -> Self {
        let text = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant \
                    type.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_client", 7000216, text)
    }

    pub(crate) fn assertion_type() -> Self {
        let text = "Unsupported 'client_assertion_type'. It must be \
                    'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", 90023, text)
    }

    /// What was sent as an assertion is none.
    pub(crate) fn invalid_assertion() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", 50027, "JWT token is invalid or malformed.")
    }

    /// The application has no certificate of the thumbprint that the assertion names.
    pub(crate) fn unknown_certificate() -> Self {
        let text = "The certificate with identifier used to sign the client assertion is not registered on \
                    application.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 700027, text)
    }

    pub(crate) fn expired_certificate() -> Self {
        let text = "Client assertion failed signature validation. The certificate used to sign the client assertion \
                    has expired or is not valid yet.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 1000502, text)
    }

    /// Signed by another key, or by an algorithm that is not taken.
    pub(crate) fn bad_signature() -> Self {
        let text = "Client assertion failed signature validation.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 700027, text)
    }

    pub(crate) fn assertion_time() -> Self {
        let text = "Client assertion is not within its valid time range. Check the clock of the client.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 700024, text)
    }

    pub(crate) fn other_client() -> Self {
        let text = "Client assertion application identifier does not match 'client_id' parameter.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 700021, text)
    }

    pub(crate) fn assertion_audience() -> Self {
        let text = "Client assertion audience claim does not match Realm issuer.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 700023, text)
    }

    /// No federated credential of the application has this issuer, subject or audience; each has a number.
    pub(crate) fn no_federation(number: u32, what: &str, found: &str) -> Self {
        let text = format!(
            "No matching federated identity record found for presented assertion {what} '{}'. Check the federated \
             credentials of the application: {what}s compare letter for letter.",
            short(found)
        );
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", number, text)
    }

    pub(crate) fn wrong_secret(application: ApplicationId) -> Self {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{application}'."
        );
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 7000215, text)
    }

    pub(crate) fn expired_secret(application: ApplicationId) -> Self {
        let text = format!(
            "The provided client secret keys for app '{application}' are expired. Ask the operator of the directory \
             for a new secret."
        );
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", 7000222, text)
    }

    /// One answer for a user who does not exist and for a wrong password.
    pub(crate) fn wrong_password() -> Self {
        let text = "Error validating credentials due to invalid username or password.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", 50126, text)
    }

    pub(crate) fn user_disabled() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", 50057, "The user account is disabled.")
    }

    /// A refresh token that is none of ours, of another client or directory, or was used before.
    pub(crate) fn invalid_grant() -> Self {
        let text = "Provided grant is invalid or malformed.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", 70000, text)
    }

    pub(crate) fn expired_refresh_token() -> Self {
        let text = "The refresh token has expired due to inactivity. Sign in again.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", 700082, text)
    }

    /// The user has another secret than the one he signed in with.
    pub(crate) fn secret_changed() -> Self {
        let text = "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user \
                    might have changed or reset their password.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", 50173, text)
    }

    pub(crate) fn not_found() -> Self {
        let text = "The request path is no endpoint of this token service.";
        Self::new(StatusCode::NOT_FOUND, "invalid_request", 900971, text)
    }

    pub(crate) fn too_large() -> Self {
        let text = "The request body is too large.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", 900971, text)
    }

    /// A fault of ours, never a refusal of the client's.
    pub(crate) fn busy() -> Self {
        let text = "The service cannot answer at the moment. Try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", 90033, text)
    }

    /// The body; the description is free of line breaks, because one client loses the status over them.
    pub(crate) fn body(&self, login: &str, now: Timestamp, trace: CallId, correlation: &str) -> Value {
        let timestamp = second_text(now);
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
            self.number, self.text
        );
        json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.number],
            "timestamp": time_text(now),
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{login}/error?code={}", self.number),
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(128).collect()
}
