//! Another tenant of the same service, who must see nothing.

use custody::NewTenant;
use custody::service::Keys;
use model::caller::{Initiator, Principal};
use model::refusal::{Code, Refusal};
use model::time::BoxFuture;

use crate::tour::play::Play;
use crate::tour::story::{Broken, Evidence};

pub(super) async fn stranger(play: &mut Play) -> Result<Evidence, Broken> {
    let admin = play.stage.customers().vault.administration();
    let directory = admin.create_directory(None, "Fabrikam").await.map_err(Broken::because)?;
    let new = NewTenant {
        name: "Fabrikam".into(),
        directory,
        domains: vec!["fabrikam.com".into()],
        geos: Vec::new(),
        entitlement: "E5".into(),
    };
    let service = play.stage.service();
    let fabrikam = service.custody.create_tenant(&Principal("operator".into()), new).await;
    let fabrikam = fabrikam.map_err(Broken::because)?;
    let caller = play.caller(fabrikam.id, "eve@fabrikam.com", Initiator::User);
    let mail = play.first(play.places()?.alice.id)?.clone();
    let policy = play.policies()?.mailbox.id;
    let mut asked = Vec::new();
    // Each is asked only if the one before was refused: whoever is let in does no more harm than it takes to see it.
    let tries: [(&str, BoxFuture<'_, Result<(), Refusal>>); 5] = [
        ("read a message", {
            let read = service.engine.read(&caller, mail.container, mail.object, None);
            Box::pin(async { read.await.map(|_| ()) })
        }),
        ("list a mailbox", {
            let listed = service.engine.list(&caller, mail.container, None, 10);
            Box::pin(async { listed.await.map(|_| ()) })
        }),
        ("see where it stands", {
            let standing = service.custody.standing(&caller, mail.container);
            Box::pin(async { standing.await.map(|_| ()) })
        }),
        ("see its policy", {
            let policy = service.custody.policy(&caller, policy);
            Box::pin(async { policy.await.map(|_| ()) })
        }),
        ("assign another", {
            let assigned = service.custody.assign(&caller, mail.container, None);
            Box::pin(async { assigned.await.map(|_| ()) })
        }),
    ];
    for (what, outcome) in tries {
        match outcome.await {
            Err(refusal) if refusal.code == Code::NotFound => asked.push(what),
            Err(refusal) => return Err(Broken(format!("{what}: {}", play.told(&refusal)))),
            Ok(()) => return Err(Broken(format!("{what}: let in"))),
        }
    }
    let mut lines = vec![
        "Fabrikam, a tenant of the same service, asks for Contoso's things by their ids:".to_owned(),
        format!("  {}: each time {} (not found)", asked.join(", "), Code::NotFound),
    ];
    let holders = service.engine.holders(&caller, None, 10).await;
    let seen = holders.map_err(Broken::because)?.holders.len();
    if seen != 0 {
        return Err(Broken(format!("{seen} containers of another tenant are listed")));
    }
    lines.push("its own list of mailboxes and sites is empty".to_owned());
    Ok(lines)
}
