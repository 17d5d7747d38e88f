//! Another tenant of the same service, who must see nothing.

use custody::NewTenant;
use custody::service::Keys;
use model::caller::{Initiator, Principal};
use model::refusal::Code;

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
    let mut lines = vec![format!("tenant {} asks for contoso's things by their ids:", fabrikam.id)];
    let read = service.engine.read(&caller, mail.container, mail.object, None).await.map(|_| ());
    let listed = service.engine.list(&caller, mail.container, None, 10).await.map(|_| ());
    let standing = service.custody.standing(&caller, mail.container).await.map(|_| ());
    let described = service.custody.policy(&caller, policy).await.map(|_| ());
    let assigned = service.custody.assign(&caller, mail.container, None).await.map(|_| ());
    for (what, outcome) in [
        ("read a message", read),
        ("list a mailbox", listed),
        ("see its policy", standing),
        ("see a policy", described),
        ("assign another", assigned),
    ] {
        match outcome {
            Err(refusal) if refusal.code == Code::NotFound => {
                lines.push(format!("  {what}: {}", refusal.code))
            }
            Err(refusal) => return Err(Broken(format!("{what}: {refusal}"))),
            Ok(()) => return Err(Broken(format!("{what}: let in"))),
        }
    }
    let holders = service.engine.holders(&caller, None, 10).await;
    let seen = holders.map_err(Broken::because)?.holders.len();
    if seen != 0 {
        return Err(Broken(format!("{seen} containers of another tenant are listed")));
    }
    lines.push("its own list of mailboxes and sites is empty".into());
    Ok(lines)
}
