//! Another tenant of the same service, who must see nothing.

use api::NewTenant;
use api::client::{Client, ClientError};
use model::id::{DepId, TenantId};
use model::refusal::Code;
use model::time::BoxFuture;

use super::customer::user;
use crate::node::API_APPLICATION;
use crate::tour::play::{Imported, Play};
use crate::tour::reception::Voice;
use crate::tour::story::{Broken, Evidence};
use crate::tour::watch::{code, read};

/// What somebody asks for, and the answer once it is waited for.
type Asked<'a> = (&'static str, BoxFuture<'a, Result<(), ClientError>>);

pub(super) async fn stranger(play: &mut Play) -> Result<Evidence, Broken> {
    let (fabrikam, eve) = sign_up(play).await?;
    let client = play.calls_of(&eve)?;
    let contoso = play.contoso()?.tenant;
    let mut bytes = [0; 16];
    play.stage.edge.random.fill(&mut bytes);
    let nobody = TenantId::from_random(bytes);
    let mail = play.first(play.places()?.alice.id)?;
    let policy = play.policies()?.mailbox.id;
    let (mut asked, mut words) = (Vec::new(), String::new());
    // Each is asked only if the one before was refused: whoever is let in does no more harm than it takes to see it.
    let theirs = things(&client, contoso, mail, policy).into_iter().chain(whole(&client, contoso));
    let absent = things(&client, nobody, mail, policy).into_iter().chain(whole(&client, nobody));
    for ((what, theirs), (_, absent)) in theirs.zip(absent) {
        let heard = not_found(play, what, theirs.await)?.replace(&contoso.to_string(), "ID");
        words = not_found(play, what, absent.await)?.replace(&nobody.to_string(), "ID");
        if heard != words {
            return Err(Broken(format!("{what}: {heard}; of a tenant that does not exist: {words}")));
        }
        asked.push(what);
    }
    let mut lines = vec![
        "Fabrikam's administrator, with a token of Fabrikam's own directory, asks for Contoso's things by their ids:"
            .to_owned(),
        format!("  {}: each time, as for a tenant that does not exist,", asked.join(", ")),
        format!("  {words}"),
    ];
    for (what, own) in things(&client, fabrikam, mail, policy) {
        not_found(play, what, own.await)?;
    }
    lines.push("the same ids in its own tenant: not found either".to_owned());
    let seen = play.answered(client.containers(fabrikam, None).await)?.containers.len();
    if seen != 0 {
        return Err(Broken(format!("{seen} containers of another tenant are listed")));
    }
    lines.push("its own list of mailboxes and sites is empty".to_owned());
    Ok(lines)
}

/// A second tenant with a directory of its own, and its administrator.
async fn sign_up(play: &Play) -> Result<(TenantId, Voice), Broken> {
    let admin = play.stage.customers().vault.administration();
    let directory = admin.create_directory(None, "Fabrikam").await.map_err(Broken::because)?;
    let id = API_APPLICATION.parse().map_err(|_| Broken::because("a client id is a UUID"))?;
    admin.consent(id, directory).await.map_err(Broken::because)?;
    let new = NewTenant {
        name: "Fabrikam".into(),
        directory_id: directory,
        domains: vec!["fabrikam.com".into()],
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let reception = play.stage.reception();
    let made = play.answered(reception.operator.create_tenant(&new).await)?;
    let (_, eve) = user(play, directory, "eve@fabrikam.com").await?;
    Ok((made.tenant.id, reception.enrol(&eve, made.first_administrator).await?))
}

/// What is asked of a tenant about one mailbox, its mail and its policy.
fn things<'a>(client: &'a Client, tenant: TenantId, mail: &'a Imported, policy: DepId) -> [Asked<'a>; 5] {
    let mailbox = mail.container;
    [
        ("read a message", Box::pin(async move { read(client, tenant, mail).await.map(drop) })),
        ("list a mailbox", Box::pin(async move { client.objects(tenant, mailbox, None).await.map(drop) })),
        ("see where it stands", Box::pin(async move { client.standing(tenant, mailbox).await.map(drop) })),
        ("see its policy", Box::pin(async move { client.policy(tenant, policy).await.map(drop) })),
        (
            "assign another",
            Box::pin(async move { client.assign_to_container(tenant, mailbox, None).await.map(drop) }),
        ),
    ]
}

/// What is asked of a tenant as a whole.
fn whole(client: &Client, tenant: TenantId) -> [Asked<'_>; 2] {
    [
        ("read the log", Box::pin(async move { client.audit(tenant, None, None).await.map(drop) })),
        ("list the people", Box::pin(async move { client.people(tenant).await.map(drop) })),
    ]
}

/// The words of a "not found"; anything else breaks the step.
fn not_found(play: &Play, what: &str, outcome: Result<(), ClientError>) -> Result<String, Broken> {
    match outcome {
        Err(error) if code(&error) == Some(Code::NotFound) => Ok(play.told(&error)),
        Err(error) => Err(Broken(format!("{what}: {}", play.told(&error)))),
        Ok(()) => Err(Broken(format!("{what}: let in"))),
    }
}
