//! Several vault domains for one kind of policy: each is asked by its own application and hears of no other.

use std::collections::HashMap;

use model::id::TenantId;
use model::policy::PolicyKind;

use super::*;
use crate::{AzureReach, Provider, Reach, VaultConnection};

/// The application of one domain, with a secret of its own.
fn of_domain(authority: &Authority, server: &Server, secret: &str) -> Arc<Application> {
    Arc::new(Application { credential: super::secret(secret), ..application(authority, server) })
}

#[tokio::test]
async fn a_key_is_asked_where_it_lies_and_no_credential_is_shown_elsewhere() {
    let authority = Authority::new();
    let near = Server::start(&authority, "vault.localhost", |_| Reply::Sound).await;
    let far = Server::start(&authority, "far.localhost", |_| Reply::Sound).await;
    let applications =
        vec![of_domain(&authority, &near, "near-s3cret"), of_domain(&authority, &far, "far-s3cret")];
    let directory = DirectoryId::from_random([5; 16]);
    let provider = Provider {
        connection: Connection { application: applications[0].clone(), directory, version: 0 },
        roots: [key(), key()],
        availability: key(),
    };
    let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
    let reach = AzureReach::new(HashMap::from([(PolicyKind::Mailbox, applications)]), provider, clock);
    let connection = VaultConnection {
        v: 1,
        tenant: TenantId::from_random([1; 16]),
        kind: PolicyKind::Mailbox,
        directory,
        number: 1,
    };
    let roots = reach.expect("a wire").customer(&connection).expect("its applications");

    let there = key_at(&format!("https://contoso-a.far.localhost/keys/key001/{VERSION}"));
    roots.describe(&there, request()).await.expect("described");
    assert!(near.seen().is_empty(), "who holds the key is asked, and nobody else");
    roots.wrap(&key(), &seed(), request()).await.expect("wrapped");
    let shown = |server: &Server, secret: &str| server.seen().iter().any(|seen| seen.body.contains(secret));
    assert!(shown(&near, "near-s3cret") && shown(&far, "far-s3cret"));
    assert!(!shown(&near, "far-s3cret") && !shown(&far, "near-s3cret"));

    let (before, elsewhere) =
        (near.seen().len() + far.seen().len(), "https://contoso-a.else.localhost/keys/key001");
    assert_eq!(roots.describe(&key_at(elsewhere), request()).await, Err(Answer::Address));
    assert_eq!(near.seen().len() + far.seen().len(), before);
}
