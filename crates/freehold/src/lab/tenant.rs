//! The lab's tenant: Contoso with its directory, people, subscriptions, mailboxes and a site, and Fabrikam beside it.
//!
//! Owns what every run finds. Directories and subscriptions are the operator's to make; the service's side goes through
//! its API, as for every customer.

use std::sync::Arc;
use std::time::Duration;

use api::client::Client;
use api::import::{ImportLine, ImportOutcome};
use api::{ContainerKind, Enrolment, NewContainer, NewTenant, ObjectKind};
use futures::stream;
use model::id::{DirectoryId, TenantId};
use rustls::RootCertStore;
use serde_json::{Map, Value, json};
use vault::{Administration, ApplicationId, NewApplication, NewSubscription, PrincipalId};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::node::{API_APPLICATION, APPLICATIONS, Lab};
use crate::tour::input;
use crate::wire::Person;

/// The directory of Contoso.
pub(super) const CONTOSO: &str = "c0405000-0000-4000-8000-000000000001";
/// The directory of Fabrikam.
const FABRIKAM: &str = "fab41000-0000-4000-8000-000000000001";
/// Each directory with the name of its customer.
const DIRECTORIES: [(&str, &str); 2] = [(CONTOSO, "Contoso"), (FABRIKAM, "Fabrikam")];
/// The domains of Contoso; the first is that of its people.
const CONTOSO_DOMAINS: [&str; 3] = ["contoso.com", "contoso.onmicrosoft.com", "contoso-admin.sharepoint.com"];
/// The domains of Fabrikam.
const FABRIKAM_DOMAINS: [&str; 1] = ["fabrikam.com"];
/// The subscriptions of Contoso; one vault in each is what the article asks for.
const SUBSCRIPTIONS: [&str; 2] =
    ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
/// The application that COMMAND signs in as.
pub(super) const APPLICATION: &str = "1ab00000-0000-4000-8000-000000000001";
/// How long a sign-in of the lab is good for: longer than any jump of the clock that is rehearsed.
const LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// The people of Contoso; the first is its administrator.
const PEOPLE: [&str; 5] = ["admin", "alice", "bob", "olivia", "omar"];
/// Mailboxes that are nobody's own: shared, of a group, of a mail user who is migrating, of public folders.
const OTHERS: [&str; 4] = ["info", "team", "migrating", "public-folders"];
/// The site.
const SITE: &str = "sites/operations";

/// Sign-ins of the run: what COMMAND is handed.
pub(super) struct SignIns {
    /// The secret of [`APPLICATION`].
    pub(super) application: Zeroizing<String>,
    /// Name, directory, object id and password of every user, as JSON.
    pub(super) users: Zeroizing<String>,
}

impl std::fmt::Debug for SignIns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIns(..)")
    }
}

/// The service as the lab's people reach it.
pub(super) struct Reached {
    /// Its URL.
    pub(super) server: String,
    /// Who vouches for it.
    pub(super) roots: Arc<RootCertStore>,
    /// The operator's token.
    pub(super) operator: Zeroizing<String>,
}

impl Reached {
    fn client(&self, token: Zeroizing<String>) -> Result<Client, Failure> {
        let roots = Some(Arc::clone(&self.roots));
        Client::new(api::client::Settings { server: self.server.clone(), roots, token }).map_err(ours)
    }
}

/// Makes everything in a folder that is new.
pub(super) async fn furnish(lab: &Lab, reached: &Reached) -> Result<SignIns, Failure> {
    let admin = lab.customers.vault.administration();
    for (id, name) in DIRECTORIES {
        admin.create_directory(Some(directory(id)), name).await?;
        let domains = if id == CONTOSO { &CONTOSO_DOMAINS[..] } else { &FABRIKAM_DOMAINS };
        for domain in domains {
            admin.add_domain(directory(id), domain).await?;
        }
        for application in APPLICATIONS.map(|(_, _, id)| id).into_iter().chain([API_APPLICATION]) {
            admin.consent(application.parse().expect("a UUID"), directory(id)).await?;
        }
    }
    let mut told = Map::new();
    let mut administrators = Vec::new();
    for (id, name) in users() {
        let (principal, password) = admin.create_user(directory(id), &name, &name, LIFE).await?;
        told.insert(name.clone(), json!({ "directoryId": id, "objectId": principal, "password": *password }));
        if name.starts_with(PEOPLE[0]) {
            let person = Person::user(&lab.http, &lab.customers.suffix, id, &name, password);
            administrators.push((principal, person));
        }
    }
    let [contoso, fabrikam] = <[_; 2]>::try_from(administrators).map_err(|_| ours("two administrators"))?;
    let application = application(&admin, contoso.0).await?;
    let (tenant, client) = take_in(reached, &contoso.1, DIRECTORIES[0], &CONTOSO_DOMAINS).await?;
    fill(&client, tenant).await?;
    take_in(reached, &fabrikam.1, DIRECTORIES[1], &FABRIKAM_DOMAINS).await?;
    Ok(SignIns { application, users: Zeroizing::new(Value::Object(told).to_string()) })
}

/// New sign-ins in a folder of an earlier run, which was told others.
pub(super) async fn renew(lab: &Lab) -> Result<SignIns, Failure> {
    let admin = lab.customers.vault.administration();
    let id: ApplicationId = APPLICATION.parse().expect("a UUID");
    admin.remove_secrets(id).await?;
    let application = admin.add_secret(id, LIFE).await?;
    let mut told = Map::new();
    for (id, name) in users() {
        let password = admin.renew_user_secret(directory(id), &name, LIFE).await?;
        told.insert(name, json!({ "directoryId": id, "password": *password }));
    }
    Ok(SignIns { application, users: Zeroizing::new(Value::Object(told).to_string()) })
}

/// Every user with the directory; the administrator of each comes first.
fn users() -> impl Iterator<Item = (&'static str, String)> {
    let contoso = PEOPLE.iter().map(|name| (CONTOSO, format!("{name}@{}", CONTOSO_DOMAINS[0])));
    contoso.chain([(FABRIKAM, format!("{}@{}", PEOPLE[0], FABRIKAM_DOMAINS[0]))])
}

async fn application(admin: &Administration, owner: PrincipalId) -> Result<Zeroizing<String>, Failure> {
    let contoso = directory(CONTOSO);
    let id: ApplicationId = APPLICATION.parse().expect("a UUID");
    let new = NewApplication { client_id: Some(id), display_name: "freehold-lab", secret_life: LIFE };
    let (_, secret) = admin.create_application(contoso, new).await?;
    let principal = admin.consent(id, contoso).await?;
    for (number, subscription) in SUBSCRIPTIONS.into_iter().enumerate() {
        let name = format!("Contoso keys {}", number + 1);
        let id = subscription.parse().expect("a UUID");
        let new = NewSubscription { id: Some(id), display_name: &name, owner };
        admin.create_subscription(contoso, new).await?;
        admin.add_subscription_owner(id, principal).await?;
    }
    Ok(secret)
}

/// Takes a customer in, and lets its administrator come in.
async fn take_in(
    reached: &Reached,
    administrator: &Person,
    (id, name): (&str, &str),
    domains: &[&str],
) -> Result<(TenantId, Client), Failure> {
    let new = NewTenant {
        name: name.into(),
        directory_id: directory(id),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let made = reached.client(reached.operator.clone())?.create_tenant(&new).await.map_err(ours)?;
    let token = administrator.token(&format!("api://{API_APPLICATION}")).await.map_err(ours)?;
    let client = reached.client(Zeroizing::new(token))?;
    let credential = made.first_administrator.credential;
    client.enrol(&Enrolment { credential }).await.map_err(ours)?;
    Ok((made.tenant.id, client))
}

/// Makes mailboxes and the site, with samples of our own in each.
async fn fill(client: &Client, tenant: TenantId) -> Result<(), Failure> {
    let mailboxes = PEOPLE.iter().chain(&OTHERS).map(|name| format!("{name}@{}", CONTOSO_DOMAINS[0]));
    let mailboxes = mailboxes.map(|name| (ContainerKind::Mailbox, name));
    for (kind, name) in mailboxes.chain([(ContainerKind::Site, SITE.to_owned())]) {
        let new = NewContainer { kind, name };
        let container = client.create_container(tenant, &new).await.map_err(ours)?;
        let (objects, samples) = match kind {
            ContainerKind::Mailbox => (ObjectKind::Message, "mail"),
            ContainerKind::Site => (ObjectKind::File, "files"),
        };
        let given = input::gather(&[], samples)?;
        let items: Vec<_> = given.iter().map(|given| given.item(objects)).collect();
        let mut import = client.import(tenant, container.id, stream::iter(items)).await.map_err(ours)?;
        while let Some(line) = import.next().await.map_err(ours)? {
            let refused = matches!(&line, ImportLine::Item(item) if item.outcome == ImportOutcome::Refused);
            if refused || matches!(&line, ImportLine::End(end) if end.stopped.is_some()) {
                return Err(ours(format!("a sample was not taken: {line:?}")));
            }
        }
    }
    Ok(())
}

fn directory(id: &str) -> DirectoryId {
    id.parse().expect("a UUID")
}

fn ours(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Ours, format!("the lab's tenant cannot be made: {error}"))
}
