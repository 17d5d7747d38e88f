//! From an error of Microsoft's client to an [`Answer`]: a walk along its chain of causes.
//!
//! Owns the reading of error bodies. Nothing is judged here, and no text of another party is kept but its codes.
//! The client's own `error_code` is never used: it is the status where a message holds an escape, and every
//! denial of a real vault holds one.

use std::error::Error as StdError;
use std::io;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::RawResponse;
use model::fault::Answer;
use serde_json::Value;

use super::connection::OtherScope;
use super::credential::NoCredential;
use super::resolver::NotDialled;
use super::transport::{NoToken, TooLarge};

/// How many links of a chain of causes are looked at.
const MAX_LINKS: usize = 32;

/// What a failed call says, by the first link of its chain that says something certain.
pub(super) fn read(error: &Error) -> Answer {
    let links = chain(error);
    let links_to = |wanted: &dyn Fn(&ErrorKind) -> bool| {
        links.iter().filter_map(|link| link.downcast_ref::<Error>()).any(|error| wanted(error.kind()))
    };
    // Every failure of a credential passes through one link of this kind, and no failure of a vault does.
    let of_token = links_to(&|kind| matches!(kind, ErrorKind::Credential));
    for error in links.iter().filter_map(|link| link.downcast_ref::<Error>()) {
        if let ErrorKind::HttpResponse { status, raw_response, .. } = error.kind() {
            let body = raw_response.as_deref().map(json).unwrap_or_default();
            return if of_token {
                token(u16::from(*status), &body)
            } else {
                vault(u16::from(*status), &body)
            };
        }
    }
    if let Some(known) = links.iter().find_map(|link| certain(*link)) {
        return known;
    }
    if let Some(http) = links.iter().find_map(|link| link.downcast_ref::<reqwest::Error>()) {
        return transport(http, &links);
    }
    match error.kind() {
        // What is left of a vault's call is the client's own refusal of a challenge; it has no type of its own.
        ErrorKind::Other | ErrorKind::DataConversion if !of_token => Answer::Challenge,
        _ if of_token => Answer::Malformed,
        _ => Answer::Internal,
    }
}

/// Links of our own making and of TLS, which mean one thing each.
fn certain(link: &(dyn StdError + 'static)) -> Option<Answer> {
    if let Some(refused) = link.downcast_ref::<NotDialled>() {
        return Some(match refused {
            NotDialled::Unknown(_) => Answer::Dns,
            NotDialled::Forbidden { .. }
            | NotDialled::Literal(_)
            | NotDialled::Elsewhere(_)
            | NotDialled::Plain(_) => Answer::Address,
        });
    }
    if let Some(tls) = link.downcast_ref::<rustls::Error>() {
        return Some(match tls {
            rustls::Error::InvalidCertificate(_) => Answer::Tls,
            _ => Answer::Refused,
        });
    }
    if link.is::<NoCredential>() {
        return Some(Answer::Internal);
    }
    if link.is::<OtherScope>() {
        return Some(Answer::Challenge);
    }
    if link.is::<TooLarge>() {
        return Some(Answer::TooLarge);
    }
    link.is::<NoToken>().then_some(Answer::Malformed)
}

/// What reqwest says where nothing more certain is in the chain.
fn transport(http: &reqwest::Error, links: &[&(dyn StdError + 'static)]) -> Answer {
    if http.is_timeout() {
        return Answer::Timeout;
    }
    if http.is_connect() || links.iter().any(|link| is_broken(*link)) {
        return Answer::Refused;
    }
    // A request that could not be built is ours; what is left came back and was no HTTP.
    if http.is_builder() { Answer::Internal } else { Answer::Malformed }
}

/// Whether the link says that the connection ended, and not that what came over it was no HTTP.
fn is_broken(link: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = link.downcast_ref::<hyper::Error>() {
        return error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    }
    // hyper also uses these two kinds for a chunk whose length cannot be read.
    let unreadable = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput];
    link.downcast_ref::<io::Error>().is_some_and(|error| !unreadable.contains(&error.kind()))
}

/// A vault's error body: `error.code` and `error.innererror.code`.
fn vault(status: u16, body: &Value) -> Answer {
    let code = body["error"]["code"].as_str();
    Answer::vault(status, code, body["error"]["innererror"]["code"].as_str())
}

/// A token service's error body: `error`, and the AADSTS numbers in `error_codes`.
fn token(status: u16, body: &Value) -> Answer {
    let numbers = body["error_codes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let numbers: Vec<i64> = numbers.iter().filter_map(Value::as_i64).collect();
    Answer::token(status, body["error"].as_str(), &numbers)
}

/// The body as JSON; null where it is none.
fn json(raw: &RawResponse) -> Value {
    serde_json::from_slice(raw.body().as_ref()).unwrap_or_default()
}

/// Every link, outermost first. An I/O error hides what it was made of from `source`: it is asked twice.
fn chain(error: &Error) -> Vec<&(dyn StdError + 'static)> {
    let mut links: Vec<&(dyn StdError + 'static)> = Vec::new();
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(link) = next.filter(|_| links.len() < MAX_LINKS) {
        links.push(link);
        next = match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => link.source(),
        };
    }
    links
}
