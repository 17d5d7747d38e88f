//! Names: in a header or a body, whatever is in them, and never in an answer that refuses them.

use api::{FoundObjects, StoredObject, WrittenObject, text};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use model::refusal::Code;
use serde_json::json;

use super::world::{World, get, json};

#[tokio::test]
async fn a_name_comes_back_as_it_was_given() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let long = format!("long/{}", "あ".repeat(1363));
    for name in ["two words.txt", "Übersicht; \"q=1\".pdf", "a b%20c\r\nx: y", "名前/\u{202e}", "..x", &long]
    {
        let object = world.put(&mailbox, name, b"content".to_vec()).await;
        let told = world.ask(get(&world.content(&mailbox, object.id))).await;
        let disposed = text::disposed(Some(told.header(header::CONTENT_DISPOSITION))).expect("a name");
        assert_eq!(disposed, name.as_bytes());
        let shown: StoredObject =
            world.ask(get(&format!("{}/{}", world.objects(&mailbox), object.id))).await.json();
        assert_eq!(shown.details.expect("they open").name, name);
        let wanted = json(
            Method::POST,
            &format!("{}/find", world.objects(&mailbox)),
            json!({ "name": name }).to_string(),
        );
        let found: FoundObjects = world.ask(wanted).await.json();
        assert_eq!(found.objects.iter().map(|found| found.id).collect::<Vec<_>>(), [object.id]);
    }
}

#[tokio::test]
async fn a_name_that_breaks_a_rule_is_refused_without_being_repeated() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let long = "geheim".repeat(834);
    assert!(long.len() > 5000);
    let names: [&[u8]; 7] =
        [b"", b"geheim/../x", b"..", b"geheim\0", b"/geheim", b"geheim\xff", long.as_bytes()];
    for name in names {
        let disposition = format!("attachment; filename*=UTF-8''{}", text::encoded(name));
        let post =
            Request::post(world.objects(&mailbox)).header(header::CONTENT_DISPOSITION, disposition.clone());
        let told = world.ask(post.body(Body::from("content")).expect("a request")).await;
        let problem = told.refused(Code::BadRequest);
        assert!(problem.detail.starts_with("name: "), "{problem:?}");
        assert!(!format!("{told:?}").contains("geheim"), "{told:?}");
    }
    let nameless = Request::post(world.objects(&mailbox)).body(Body::from("content")).expect("a request");
    let problem = world.ask(nameless).await.refused(Code::BadRequest);
    assert!(problem.detail.starts_with("content-disposition: "), "{problem:?}");
    let twice = Request::post(world.objects(&mailbox))
        .header(header::CONTENT_DISPOSITION, text::disposition("a"))
        .header(header::CONTENT_DISPOSITION, text::disposition("b"));
    world.ask(twice.body(Body::from("content")).expect("a request")).await.refused(Code::BadRequest);
    let listed = world.ask(get(&world.objects(&mailbox))).await;
    assert_eq!(listed.json::<api::ObjectPage>().objects, []);
}

#[tokio::test]
async fn a_replacement_keeps_the_name_or_takes_the_new_one() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let object = world.put(&mailbox, "before", b"1".to_vec()).await;
    let path = world.content(&mailbox, object.id);
    for (name, after) in [(None, "before"), (Some("after"), "after"), (None, "after")] {
        let mut put = Request::put(&path);
        if let Some(name) = name {
            put = put.header(header::CONTENT_DISPOSITION, text::disposition(name));
        }
        let told = world.ask(put.body(Body::from("2")).expect("a request")).await;
        assert_eq!((told.status, told.json::<WrittenObject>().id), (StatusCode::OK, object.id));
        let told = world.ask(get(&path)).await;
        assert_eq!(told.header(header::CONTENT_DISPOSITION), text::disposition(after));
    }
}
