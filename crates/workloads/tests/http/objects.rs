//! Mailboxes, sites and objects as bodies: made, listed page by page, found, shown and deleted.

use api::{
    Container, ContainerKind, ContainerPage, FoundObjects, ObjectKind, ObjectPage, StoredObject, text,
};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use model::refusal::Code;

use super::world::{World, get, json};

#[tokio::test]
async fn a_mailbox_and_a_site_are_made_shown_and_found_by_name() {
    let world = World::new().await;
    for (kind, word, name, otherwise) in [
        (ContainerKind::Mailbox, "mailbox", "Alice@contoso.com", "alice@CONTOSO.com"),
        (ContainerKind::Site, "site", "sites/finance", "/Sites/Finance/"),
    ] {
        let new = format!(r#"{{"kind":"{word}","name":"{name}"}}"#);
        let told = world.ask(json(Method::POST, &world.containers(), new.clone())).await;
        let made: Container = told.json();
        assert_eq!((told.status, made.kind, made.name.as_str()), (StatusCode::CREATED, kind, name));
        let location = told.header(header::LOCATION);
        assert_eq!(location, format!("{}/{}", world.containers(), made.id));
        assert_eq!(world.ask(get(location)).await.json::<Container>(), made);
        world.ask(json(Method::POST, &world.containers(), new)).await.refused(Code::Conflict);

        let find = format!("{}/find", world.containers());
        let wanted = format!(r#"{{"kind":"{word}","name":"{otherwise}"}}"#);
        assert_eq!(world.ask(json(Method::POST, &find, wanted)).await.json::<Container>(), made);
        let wanted = format!(r#"{{"kind":"{word}","name":"bob@contoso.com"}}"#);
        world.ask(json(Method::POST, &find, wanted)).await.refused(Code::NotFound);
    }
    let broken = json(Method::POST, &world.containers(), r#"{"kind":"mailbox","name":"alice"}"#);
    assert!(world.ask(broken).await.refused(Code::BadRequest).detail.starts_with("mailbox: "));
}

#[tokio::test]
async fn lists_go_page_by_page_in_the_order_of_ids() {
    let world = World::new().await;
    let mut mailboxes = Vec::new();
    for number in 0..5 {
        mailboxes.push(world.mailbox(&format!("user{number}@contoso.com")).await);
    }
    mailboxes.sort_by_key(|mailbox| mailbox.id);
    let (mut walked, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page: ContainerPage = world.ask(get(&format!("{}?{query}", world.containers()))).await.json();
        assert!(page.containers.len() <= 2);
        walked.extend(page.containers);
        let Some(next) = page.next else { break };
        query = format!("limit=2&after={next}");
    }
    assert_eq!(walked, mailboxes);
    let full: ContainerPage = world.ask(get(&format!("{}?limit=5", world.containers()))).await.json();
    assert_eq!((full.containers.len(), full.next), (5, None), "nothing follows a page that is just full");

    let mut objects = Vec::new();
    for number in 0..5 {
        objects.push(world.put(&mailboxes[0], &format!("{number}"), vec![0; number]).await.id);
    }
    let (mut walked, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page: ObjectPage =
            world.ask(get(&format!("{}?{query}", world.objects(&mailboxes[0])))).await.json();
        assert!(page.objects.len() <= 2 && page.damaged.is_empty());
        walked.extend(page.objects.iter().map(|object| object.id));
        let Some(next) = page.next else { break };
        query = format!("limit=2&after={next}");
    }
    assert_eq!(walked, objects);
    let all: ObjectPage =
        world.ask(get(&format!("{}?limit=4000000000", world.objects(&mailboxes[0])))).await.json();
    assert_eq!((all.objects.len(), all.next), (5, None));
    let full: ObjectPage = world.ask(get(&format!("{}?limit=5", world.objects(&mailboxes[0])))).await.json();
    assert_eq!((full.objects.len(), full.next), (5, None), "nothing follows a page that is just full");
}

#[tokio::test]
async fn a_message_says_of_itself_what_a_file_does_not() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let message =
        "From: Bob <bob@contoso.com>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nSubject: plans\r\n\r\nhello";
    for (kind, content_type) in [
        (ObjectKind::Message, Some("Message/RFC822; charset=utf-8")),
        (ObjectKind::File, Some("text/plain")),
        (ObjectKind::File, None),
    ] {
        let mut post = Request::post(world.objects(&mailbox))
            .header(header::CONTENT_DISPOSITION, text::disposition("m.eml"));
        if let Some(content_type) = content_type {
            post = post.header(header::CONTENT_TYPE, content_type);
        }
        let told = world.ask(post.body(Body::from(message)).expect("a request")).await;
        assert_eq!((told.status, told.header(header::ETAG)), (StatusCode::CREATED, "\"1\""));
        let written: api::WrittenObject = told.json();
        assert_eq!((written.version, written.size, written.mark), (1, message.len() as u64, None));
        let shown: StoredObject = world.ask(get(told.header(header::LOCATION))).await.json();
        let details = shown.details.expect("they open");
        let expected = (kind == ObjectKind::Message).then_some("plans");
        assert_eq!((shown.kind, details.subject.as_deref()), (kind, expected));
        assert_eq!(details.sent.is_some(), kind == ObjectKind::Message);
        let content = world.ask(get(&world.content(&mailbox, written.id))).await;
        let expected =
            if kind == ObjectKind::Message { "message/rfc822" } else { "application/octet-stream" };
        assert_eq!(content.header(header::CONTENT_TYPE), expected);
        assert_eq!(content.body, message);
    }
    let empty = Request::post(world.objects(&mailbox))
        .header(header::CONTENT_DISPOSITION, text::disposition("empty.eml"))
        .header(header::CONTENT_TYPE, "message/rfc822");
    let written: api::WrittenObject = world.ask(empty.body(Body::empty()).expect("a request")).await.json();
    assert_eq!(written.mark.as_deref(), Some("empty"));
}

#[tokio::test]
async fn a_deletion_is_of_the_version_that_it_names_and_no_condition_is_passed_over() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let object = world.put(&mailbox, "kept", b"content".to_vec()).await;
    let path = format!("{}/{}", world.objects(&mailbox), object.id);
    let delete = async |name: header::HeaderName, value: &str| {
        let request = Request::delete(&path).header(name, value).body(Body::empty());
        world.ask(request.expect("a request")).await
    };
    delete(header::IF_MATCH, "\"2\"").await.refused(Code::Conflict);
    delete(header::IF_MATCH, "2").await.refused(Code::BadRequest);
    for other in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        delete(other, "*").await.refused(Code::BadRequest);
    }
    assert_eq!(world.ask(get(&path)).await.status, StatusCode::OK);
    assert_eq!(delete(header::IF_MATCH, "\"1\"").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_was_deleted_is_not_there() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let object = world.put(&mailbox, "gone", b"content".to_vec()).await;
    let path = format!("{}/{}", world.objects(&mailbox), object.id);
    let delete = || Request::delete(&path).body(Body::empty()).expect("a request");
    let told = world.ask(delete()).await;
    assert_eq!((told.status, told.body.len()), (StatusCode::NO_CONTENT, 0));
    world.ask(delete()).await.refused(Code::NotFound);
    world.ask(get(&path)).await.refused(Code::NotFound);
    world.ask(get(&world.content(&mailbox, object.id))).await.refused(Code::NotFound);
    let wanted = json(Method::POST, &format!("{}/find", world.objects(&mailbox)), r#"{"name":"gone"}"#);
    assert_eq!(world.ask(wanted).await.json::<FoundObjects>().objects, []);
}
