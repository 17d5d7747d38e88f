//! Every built-in role on every operation at every scope, and what the two halves of a role leave each other.

use http::Method;
use serde_json::{Value, json};

use crate::world::{self, Keys, Manage, World, user, vault_body};

const READ: &[&str] = &["get", "versions", "getdeleted", "wrap", "encrypt", "verify", "rotationpolicy"];
const LISTS: &[&str] = &["list", "listdeleted"];
const USE: &[&str] = &["unwrap", "decrypt", "sign", "update", "backup"];
const OFFICE: &[&str] = &["create", "import", "delete", "recover", "purge", "rotate", "setrotationpolicy"];
const RESTORE: &[&str] = &["restore"];

/// The role, its id, and what it allows at the key, and besides at the vault and above.
fn roles() -> Vec<(&'static str, Vec<&'static str>, Vec<&'static str>)> {
    let read = || READ.to_vec();
    let no_policy = || READ.iter().copied().filter(|word| *word != "rotationpolicy").collect::<Vec<_>>();
    let none = Vec::new;
    let every = || [READ, USE, OFFICE].concat();
    vec![
        ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", none(), none()),
        ("b24988ac-6180-42a0-ab88-20f7382dd24c", none(), none()),
        ("acdd72a7-3385-48ef-bd42-f606fba81ae7", none(), none()),
        ("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", none(), none()),
        ("f25e0fa2-a7c8-4377-a976-54943a77a395", none(), none()),
        ("08bbd89e-9f13-488c-ac41-acfcb10c90ab", none(), none()),
        ("00482a5a-887f-4fb3-b363-3b7fe8e74483", every(), [LISTS, RESTORE].concat()),
        (world::OFFICER, every(), [LISTS, RESTORE].concat()),
        (world::CRYPTO_USER, [&no_policy(), USE].concat(), LISTS.to_vec()),
        (world::SERVICE, [&no_policy()[..], &["unwrap"]].concat(), LISTS.to_vec()),
        (world::READER, read(), LISTS.to_vec()),
    ]
}

/// What somebody may do. No key has the name, so whatever is allowed finds nothing or fails at its body.
async fn may(keys: &Keys<'_>) -> Vec<&'static str> {
    let used = json!({"alg": "RSA-OAEP-256", "value": world::SECRET});
    let signed = json!({"alg": "RS256", "value": world::SECRET, "digest": world::SECRET});
    let (empty, small) = (json!({}), json!({"kty": "RSA", "key_size": 1}));
    let calls: [(&'static str, Method, &str, Option<&Value>); 22] = [
        ("get", Method::GET, "/keys/none", None),
        ("versions", Method::GET, "/keys/none/versions", None),
        ("getdeleted", Method::GET, "/deletedkeys/none", None),
        ("wrap", Method::POST, "/keys/none//wrapkey", Some(&used)),
        ("encrypt", Method::POST, "/keys/none//encrypt", Some(&used)),
        ("verify", Method::POST, "/keys/none//verify", Some(&signed)),
        ("rotationpolicy", Method::GET, "/keys/none/rotationpolicy", None),
        ("list", Method::GET, "/keys", None),
        ("listdeleted", Method::GET, "/deletedkeys", None),
        ("unwrap", Method::POST, "/keys/none//unwrapkey", Some(&used)),
        ("decrypt", Method::POST, "/keys/none//decrypt", Some(&used)),
        ("sign", Method::POST, "/keys/none//sign", Some(&signed)),
        ("update", Method::PATCH, "/keys/none", Some(&empty)),
        ("backup", Method::POST, "/keys/none/backup", None),
        ("create", Method::POST, "/keys/none/create", Some(&small)),
        ("import", Method::PUT, "/keys/none", Some(&empty)),
        ("delete", Method::DELETE, "/keys/none", None),
        ("recover", Method::POST, "/deletedkeys/none/recover", None),
        ("purge", Method::DELETE, "/deletedkeys/none", None),
        ("rotate", Method::POST, "/keys/none/rotate", None),
        ("setrotationpolicy", Method::PUT, "/keys/none/rotationpolicy", Some(&empty)),
        ("restore", Method::POST, "/keys/restore", Some(&empty)),
    ];
    let mut may = Vec::new();
    for (word, method, path, body) in calls {
        let answer = keys.call(method, path, body).await;
        if answer.status == 403 {
            answer.refused(403, "Forbidden", "ForbiddenByRbac");
        } else {
            assert!(
                matches!(answer.status.as_u16(), 200 | 400 | 404),
                "{word} {} {}",
                answer.status,
                answer.json
            );
            may.push(word);
        }
    }
    may.sort_unstable();
    may
}

#[tokio::test]
async fn each_role_allows_what_it_names_at_its_scope_and_below() {
    let world = World::new().await;
    let carol = user(&world.vault.administration(), world.contoso.directory, "carol@contoso.com").await;
    let keys = world.keys(&carol).await;
    let (manage, vault) = (world.manage(), world.contoso.vault_path());
    let none = [""; 0];
    assert_eq!(may(&keys).await, none, "deny by default");
    let subscription = format!("/subscriptions/{}", world.contoso.subscription);
    let group = world.contoso.group_path();
    let (key, other) = (format!("{vault}/keys/none"), format!("{vault}/keys/other"));
    for (n, (role, at_key, above)) in roles().into_iter().enumerate() {
        for (scope, lists) in [(&subscription, true), (&group, true), (&vault, true), (&key, false)] {
            let n = 1000 + n as u128;
            assert_eq!(manage.assign(scope, &carol, role, n).await.status, 201);
            let mut expected = at_key.clone();
            expected.extend(above.iter().filter(|_| lists));
            expected.sort_unstable();
            assert_eq!(may(&keys).await, expected, "{role} at {scope}");
            assert_eq!(manage.unassign(scope, n).await.status, 200);
        }
        manage.assign(&other, &carol, role, 2000 + n as u128).await.ok();
    }
    assert_eq!(may(&keys).await, none, "every role on another key");
}

#[tokio::test]
async fn a_contributor_makes_vaults_and_gives_no_right() {
    let world = World::new().await;
    let carol = user(&world.vault.administration(), world.contoso.directory, "carol@contoso.com").await;
    let (vault, group) = (world.contoso.vault_path(), world.contoso.group_path());
    world.manage().assign(&group, &carol, "b24988ac-6180-42a0-ab88-20f7382dd24c", 50).await.ok();
    let manage = Manage { who: &carol, ..world.manage() };
    manage.put(&vault.replace("contoso-ck-a1", "carols"), &vault_body(&world.contoso)).await.ok();
    for scope in [&vault, &group] {
        manage.assign(scope, &carol, world::OFFICER, 51).await.refused(403, "AuthorizationFailed", "");
        manage.unassign(scope, 1).await.refused(403, "AuthorizationFailed", "");
    }
    let patch = json!({"properties": {"enableRbacAuthorization": false}});
    manage.call(Method::PATCH, &vault, Some(&patch)).await.refused(403, "AuthorizationFailed", "");
}
