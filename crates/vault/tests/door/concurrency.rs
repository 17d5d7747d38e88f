//! Calls that meet changes: no reply leaves on a right or a key that was taken away before its record.

use freehold_vault::Log;
use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Keys, SECRET, World, tenant, value};

/// Unwraps, and changes the world after the unwrap was decided and done and before it is committed.
async fn overtaken(world: &World, change: impl AsyncFnOnce(Keys<'_>)) -> Answer {
    let (officer, service) = (world.officer().await, world.service().await);
    let version = officer.make("k").await;
    let wrapped = value(service.wrap("k").await);
    let hold = world.gate.hold();
    let (router, host, token) = (world.router.clone(), service.host.clone(), service.token.clone());
    let unwrap = tokio::spawn(async move {
        let keys = Keys { router: &router, host, token };
        keys.unwrap("k", &version, &wrapped).await
    });
    let release = hold.reached().await;
    change(officer).await;
    release.send(()).unwrap();
    unwrap.await.unwrap()
}

/// The unwraps that the vault's log says were done.
async fn unwraps(world: &World) -> usize {
    let rows = world.vault.log(Log::Vault("contoso-ck-a1"), 0, 1000).await.unwrap();
    let records = rows.iter().map(|row| row.parse().unwrap());
    records
        .filter(|record: &Value| record["operationName"] == "KeyUnwrap" && record["resultType"] == "Success")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unwrap_that_a_disabling_overtook_is_refused() {
    let world = World::new().await;
    let answer = overtaken(&world, async |officer| {
        officer.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await.ok();
    });
    answer.await.refused(403, "Forbidden", "KeyDisabled");
    assert_eq!(unwraps(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unwrap_that_the_end_of_its_right_overtook_is_refused() {
    let world = World::new().await;
    let answer = overtaken(&world, async |_| {
        world.manage().unassign(&world.contoso.vault_path(), 2).await.ok();
    });
    answer.await.refused(403, "Forbidden", "ForbiddenByRbac");
    assert_eq!(unwraps(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unwrap_that_the_end_of_consent_overtook_is_refused() {
    let world = World::new().await;
    let contoso = &world.contoso;
    let answer = overtaken(&world, async |_| {
        let admin = world.vault.administration();
        admin.delete_service_principal(contoso.application, contoso.directory).await.unwrap();
    });
    answer.await.refused(403, "Forbidden", "ForbiddenByRbac");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unwrap_that_a_change_of_something_else_overtook_is_answered() {
    let world = World::new().await;
    let answer = overtaken(&world, async |officer| {
        officer.patch("/keys/k/", json!({"tags": {"a": "b"}})).await.ok();
    });
    assert_eq!(value(answer.await), SECRET);
    assert_eq!(unwraps(&world).await, 1, "decided twice, recorded once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_deleted_under_an_unwrap_is_gone_from_memory_too() {
    let world = World::with(false).await;
    let answer = overtaken(&world, async |officer| {
        officer.call(Method::DELETE, "/keys/k", None).await.ok();
    });
    answer.await.refused(404, "KeyNotFound", "");
    assert_eq!((unwraps(&world).await, world.vault.parsed_keys()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_set_aside_under_an_unwrap_unwraps_no_more() {
    let world = World::new().await;
    let answer = overtaken(&world, async |officer| {
        officer.call(Method::DELETE, "/keys/k", None).await.ok();
    });
    answer.await.refused(404, "KeyNotFound", "");
    assert_eq!((unwraps(&world).await, world.vault.parsed_keys()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_a_deletion_overtook_changes_nothing() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let hold = world.gate.hold();
    let (router, host, token) = (world.router.clone(), officer.host.clone(), officer.token.clone());
    let update = tokio::spawn(async move {
        let keys = Keys { router: &router, host, token };
        keys.patch("/keys/k/", json!({"attributes": {"enabled": false}})).await
    });
    let release = hold.reached().await;
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    release.send(()).unwrap();
    update.await.unwrap().refused(404, "KeyNotFound", "");
    assert_eq!(officer.get("/deletedkeys/k").await.ok()["attributes"]["enabled"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_deleted_and_made_again_under_a_deletion_keeps_its_new_version() {
    let world = World::with(false).await;
    let officer = world.officer().await;
    officer.make("k").await;
    let hold = world.gate.hold();
    let (router, host, token) = (world.router.clone(), officer.host.clone(), officer.token.clone());
    let deletion = tokio::spawn(async move {
        let keys = Keys { router: &router, host, token };
        keys.call(Method::DELETE, "/keys/k", None).await
    });
    let release = hold.reached().await;
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.make("k").await;
    release.send(()).unwrap();
    // It is decided anew, and deletes the key that is there now, with every version.
    deletion.await.unwrap().ok();
    officer.get("/keys/k").await.refused(404, "KeyNotFound", "");
    officer.make("k").await;
    let listed = officer.get("/keys/k/versions").await.ok();
    assert_eq!(listed["value"].as_array().unwrap().len(), 1, "no version was left behind");
}

#[tokio::test]
async fn two_who_make_the_same_key_make_two_versions() {
    let world = World::new().await;
    let officer = world.officer().await;
    let (one, two) = tokio::join!(officer.make("k"), officer.make("K"));
    assert_ne!(one, two);
    let listed = officer.get("/keys/k/versions").await.ok();
    assert_eq!(listed["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn two_who_want_a_vaults_name_get_one_vault() {
    let world = World::new().await;
    let fabrikam = tenant(&world.vault, "fabrikam").await;
    let mine = world.manage();
    let theirs = crate::world::Manage { router: &world.router, tenant: &fabrikam, who: &fabrikam.owner };
    let path = |group: String| format!("{group}/providers/Microsoft.KeyVault/vaults/shared-name");
    let (mine_path, theirs_path) = (path(world.contoso.group_path()), path(fabrikam.group_path()));
    let (mine_body, theirs_body) =
        (crate::world::vault_body(&world.contoso), crate::world::vault_body(&fabrikam));
    let (a, b) = tokio::join!(mine.put(&mine_path, &mine_body), theirs.put(&theirs_path, &theirs_body));
    let mut both = [a.status.as_u16(), b.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [200, 409]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_a_new_version_a_deletion_and_a_recovery_overtook_keeps_the_newest_version() {
    let world = World::new().await;
    let officer = world.officer().await;
    officer.make("k").await;
    let hold = world.gate.hold();
    let (router, host, token) = (world.router.clone(), officer.host.clone(), officer.token.clone());
    let deletion = tokio::spawn(async move {
        let keys = Keys { router: &router, host, token };
        keys.call(Method::DELETE, "/keys/k", None).await
    });
    let release = hold.reached().await;
    let newest = officer.make("k").await;
    officer.call(Method::DELETE, "/keys/k", None).await.ok();
    officer.call(Method::POST, "/deletedkeys/k/recover", None).await.ok();
    release.send(()).unwrap();
    let deleted = deletion.await.unwrap().ok();
    assert_eq!(crate::world::version(&deleted), newest);
}
