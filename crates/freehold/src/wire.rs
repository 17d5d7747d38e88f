//! Somebody at a keyboard: a person or tool that reaches vaults over the wire and in no other way.
//!
//! Owns signing in and sending one request, and the lab's names for it. It knows nothing of custody: what a customer
//! does in the tour, and what the provider does to set its own vault up, is done with a token and HTTPS.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use custody::roots::Trust;
use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::Value;
use tokio::sync::Mutex;
use vault::ServiceHosts;
use zeroize::Zeroizing;

/// The api-version that every key request carries.
const KEYS_VERSION: &str = "2025-07-01";
/// The api-version of requests to the resource manager.
const RESOURCES_VERSION: &str = "2026-02-01";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The application that people sign in with: the Azure command line's.
const COMMAND_LINE: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// Where the names of a lab are: a host, or a domain with everything under it.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<(String, SocketAddr)>);

impl Names {
    /// Each host or domain with the address of its listener; the longest that fits is taken.
    pub fn new(entries: Vec<(String, SocketAddr)>) -> Self {
        Self(entries)
    }

    /// The entries, for custody's own transport.
    pub fn entries(&self) -> &[(String, SocketAddr)] {
        &self.0
    }

    fn address(&self, host: &str) -> Option<SocketAddr> {
        let under =
            |name: &str| host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        let found = self.0.iter().filter(|(name, _)| under(name));
        found.max_by_key(|(name, _)| name.len()).map(|(_, address)| *address)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let address = self.address(name.as_str());
        let unknown = format!("{} is no name of the lab", name.as_str());
        Box::pin(async move {
            let address = address.ok_or(unknown)?;
            Ok(Box::new(std::iter::once(address)) as Addrs)
        })
    }
}

/// A client that trusts these roots alone, finds these names alone, and takes no proxy from the environment.
pub fn client(trust: &Trust, names: Names) -> Result<reqwest::Client, Unanswered> {
    built(bounded(trust).dns_resolver(Arc::new(names)))
}

/// The same for names outside the lab, which the system looks up.
pub fn outside(trust: &Trust) -> Result<reqwest::Client, Unanswered> {
    built(bounded(trust))
}

fn bounded(trust: &Trust) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(trust.tls())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .https_only(true)
        .timeout(TIMEOUT)
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Unanswered> {
    builder
        .build()
        .map_err(|error| Unanswered::Unreachable { host: "the wire".into(), why: error.to_string() })
}

/// Somebody with a sign-in of a directory.
pub struct Person {
    http: reqwest::Client,
    suffix: String,
    hosts: ServiceHosts,
    directory: String,
    name: String,
    secret: Zeroizing<String>,
    application: bool,
    tokens: Mutex<HashMap<String, String>>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the secret nor the tokens.
        f.debug_struct("Person").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A reply that was not what the person hoped for.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody answered.
    #[error("no answer from {host}: {why}")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What happened.
        why: String,
    },
    /// An answer with an error status.
    #[error("{status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error's code.
        code: String,
        /// What the vault says.
        message: String,
    },
}

impl Unanswered {
    /// Whether the answer was that the thing does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl Person {
    /// A user of the directory, who signs in with a name and a password.
    pub fn user(
        http: &reqwest::Client,
        suffix: &str,
        directory: impl ToString,
        name: &str,
        secret: Zeroizing<String>,
    ) -> Self {
        Self::new(http, suffix, directory, name.to_owned(), secret, false)
    }

    /// An application, which signs in with its client id and a client secret.
    pub fn application(
        http: &reqwest::Client,
        suffix: &str,
        directory: impl ToString,
        client_id: impl ToString,
        secret: Zeroizing<String>,
    ) -> Self {
        Self::new(http, suffix, directory, client_id.to_string(), secret, true)
    }

    fn new(
        http: &reqwest::Client,
        suffix: &str,
        directory: impl ToString,
        name: String,
        secret: Zeroizing<String>,
        application: bool,
    ) -> Self {
        let hosts = ServiceHosts::of(&suffix.parse().expect("a program's suffix was parsed before"));
        let (http, suffix, directory) = (http.clone(), suffix.to_owned(), directory.to_string());
        Self { http, suffix, hosts, directory, name, secret, application, tokens: Mutex::default() }
    }

    /// A request to a key vault; `path` begins with `/keys`.
    pub async fn vault(
        &self,
        method: Method,
        vault: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Unanswered> {
        let resource = format!("https://{}", self.suffix);
        let url = format!("https://{vault}.{}{path}?api-version={KEYS_VERSION}", self.suffix);
        self.send(method, &url, &resource, body).await
    }

    /// A request to the resource manager; `path` begins with `/subscriptions`.
    pub async fn manage(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Unanswered> {
        let resource = format!("https://{}", self.hosts.management());
        let url = format!("{resource}{path}?api-version={RESOURCES_VERSION}");
        self.send(method, &url, &resource, body).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        resource: &str,
        body: Option<Value>,
    ) -> Result<Value, Unanswered> {
        let token = self.token(resource).await?;
        let mut request = self.http.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// A token of the person's directory for a resource; kept for the next call.
    pub async fn token(&self, resource: &str) -> Result<String, Unanswered> {
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(resource) {
            return Ok(token.clone());
        }
        let login = format!("https://{}", self.hosts.login());
        let grant = match self.application {
            true => Grant::Application { client_id: &self.name, secret: &self.secret },
            false => Grant::Password { user: &self.name, password: &self.secret },
        };
        let token = sign_in(&self.http, &login, &self.directory, &grant, resource).await?;
        tokens.insert(resource.to_owned(), token.to_string());
        Ok(token.to_string())
    }
}

/// What somebody signs in with.
pub enum Grant<'a> {
    /// A name and a password of a directory.
    Password {
        /// The name.
        user: &'a str,
        /// The password.
        password: &'a str,
    },
    /// An application's client id and client secret.
    Application {
        /// The client id.
        client_id: &'a str,
        /// The client secret.
        secret: &'a str,
    },
}

/// Signs in at a token service, `https://HOST` or `https://HOST:PORT`, and gets a token for a resource.
pub async fn sign_in(
    http: &reqwest::Client,
    login: &str,
    directory: &str,
    grant: &Grant<'_>,
    resource: &str,
) -> Result<Zeroizing<String>, Unanswered> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("scope", &format!("{resource}/.default"));
    match grant {
        Grant::Password { user, password } => {
            form.append_pair("grant_type", "password").append_pair("client_id", COMMAND_LINE);
            form.append_pair("username", user).append_pair("password", password);
        }
        Grant::Application { client_id, secret } => {
            form.append_pair("grant_type", "client_credentials");
            form.append_pair("client_id", client_id).append_pair("client_secret", secret);
        }
    }
    let url = format!("{}/{directory}/oauth2/v2.0/token", login.trim_end_matches('/'));
    let request = http.post(url).header("content-type", "application/x-www-form-urlencoded");
    let reply = answer(request.body(form.finish())).await?;
    Ok(Zeroizing::new(reply["access_token"].as_str().unwrap_or_default().to_owned()))
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Unanswered> {
    let reply = request.send().await.map_err(|error| Unanswered::Unreachable {
        host: error.url().and_then(|url| url.host_str()).unwrap_or("the vault").to_owned(),
        why: why(&error),
    })?;
    let status = reply.status();
    let body: Value = reply.json().await.unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(body);
    }
    let error = &body["error"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Err(Unanswered::Refused {
        status: status.as_u16(),
        code: if error.is_string() { text(error) } else { text(&error["code"]) },
        message: text(if error.is_string() { &body["error_description"] } else { &error["message"] }),
    })
}

/// The first cause of a failed request: "invalid peer certificate" tells more than "error sending request".
fn why(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_is_taken() {
        let names = Names::new(vec![
            ("vault.localhost".into(), ([127, 0, 0, 1], 1).into()),
            ("contoso-a.vault.localhost".into(), ([127, 0, 0, 1], 2).into()),
        ]);
        let port = |host: &str| names.address(host).map(|address| address.port());
        assert_eq!(port("login.vault.localhost"), Some(1));
        assert_eq!(port("contoso-a.vault.localhost"), Some(2));
        assert_eq!(port("evilvault.localhost"), None);
    }
}
