//! Why a call brought nothing, by who must act: the refusal's actor, time, whoever set the client up, or us.

use std::error::Error;
use std::io;

use model::refusal::{Actor, Refusal};
use reqwest::Url;

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The service refused, for a reason that it gave.
    #[error("{0}")]
    Refused(Refusal),
    /// Nobody answered, or the connection was lost.
    #[error("no answer from {server}: {why}. See that the service runs there, and try again")]
    Unreachable {
        /// Who was asked.
        server: String,
        /// What happened.
        why: String,
    },
    /// Whoever answered is not vouched for by an authority that is trusted.
    #[error("{server} is not trusted: {why}. Name the authority that vouches for it")]
    Untrusted {
        /// Who was asked.
        server: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The answer is not what the API promises.
    #[error(
        "the answer is broken: {what}{}",
        request.as_ref().map(|id| format!(" [request {id}, to be found in the service's log]")).unwrap_or_default()
    )]
    Broken {
        /// What is wrong with it.
        what: String,
        /// The id of the call, where the answer had one.
        request: Option<String>,
    },
}

impl ClientError {
    /// Who must act before the same call can succeed.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Refused(refusal) => refusal.code.actor(),
            Self::Unreachable { .. } => Actor::Time,
            Self::Untrusted { .. } => Actor::Caller,
            Self::Broken { .. } => Actor::Operator,
        }
    }

    /// A call that got no answer.
    pub(super) fn unanswered(server: &Url, error: &reqwest::Error) -> Self {
        let server = server.origin().ascii_serialization();
        let cause = first_cause(error);
        let why = cause.to_string();
        if is_about_the_certificate(cause) {
            return Self::Untrusted { server, why };
        }
        let why = if error.is_timeout() { "it said nothing for too long".into() } else { why };
        Self::Unreachable { server, why }
    }

    /// An answer that ended before its end.
    pub(super) fn cut(server: &Url, error: &reqwest::Error, request: Option<String>) -> Self {
        if error.is_timeout() {
            return Self::unanswered(server, error);
        }
        Self::Broken { what: format!("it was cut before its end ({})", first_cause(error)), request }
    }
}

/// The first cause of a failed request: "invalid peer certificate" tells more than "error sending request".
fn first_cause(error: &reqwest::Error) -> &(dyn Error + 'static) {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

fn is_about_the_certificate(mut cause: &(dyn Error + 'static)) -> bool {
    // An io::Error does not give the error that it carries as its source, and one may carry another.
    while let Some(carried) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = carried;
    }
    matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
}

/// Why no client can be made of what was given.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// The address of the service is none.
    #[error("{0:?} is no address of a service: expected https://HOST or https://HOST:PORT")]
    Server(String),
    /// An address without TLS that is not on this machine.
    #[error("{0:?} has no TLS, and a token is sent in clear on this machine alone: write https://")]
    Plain(String),
    /// A token that no header takes.
    #[error("the token is no token: it is one line of printable characters without spaces")]
    Token,
    /// The authorities of this machine cannot be used.
    #[error("the authorities that this machine trusts cannot be used: {0}. Name one instead")]
    Platform(rustls::Error),
    /// No HTTP client can be made here.
    #[error("no HTTP client can be made: {0}")]
    Http(#[from] reqwest::Error),
}
