//! Content: streamed in and out, in ranges, by version, and only for as long as the customer allows it.

use std::task::Poll;
use std::time::Duration;

use api::{ObjectPage, WrittenObject};
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode, header};
use futures::{StreamExt, stream};
use model::caller::{Identity, Role};
use model::refusal::Code;

use freehold_workloads::IN_FLIGHT_OF_TENANT;

use super::world::{Told, World, get, noise, person};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn twenty_megabytes_go_in_and_out_as_a_stream() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let content = noise(1, 20 * MIB + 7);
    let pieces = content.chunks(100_003).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
    let body = Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()));
    let post = Request::post(world.objects(&mailbox))
        .header(header::CONTENT_DISPOSITION, api::text::disposition("large.bin"));
    let told = world.ask(post.body(body).expect("a request")).await;
    let written: WrittenObject = told.json();
    assert_eq!((told.status, written.size), (StatusCode::CREATED, content.len() as u64));

    let told = world.ask(get(&world.content(&mailbox, written.id))).await;
    assert_eq!(told.status, StatusCode::OK);
    assert!(told.body == content, "the same bytes");
    let headers = [
        (header::CONTENT_LENGTH, content.len().to_string()),
        (header::ETAG, "\"1\"".into()),
        (header::ACCEPT_RANGES, "bytes".into()),
        (header::CACHE_CONTROL, "no-store".into()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".into()),
        (header::CONTENT_TYPE, "application/octet-stream".into()),
    ];
    for (name, value) in headers {
        assert_eq!(told.header(name.clone()), value, "{name}");
    }
}

/// Asks, and lets the clock of the world run until there is an answer.
async fn asked(world: &World, who: &Identity, request: Request<Body>) -> Response<Body> {
    let mut answer = std::pin::pin!(world.send(Some(who), request));
    loop {
        if let Poll::Ready(answer) = futures::poll!(&mut answer) {
            return answer;
        }
        world.clock.advance(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn readers_that_take_nothing_hold_no_more_than_the_share_of_their_tenant() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let object = world.put(&mailbox, "large.bin", noise(9, 2 * MIB)).await;
    let reader = person(&world.contoso, Role::Writer);
    let read = || get(&world.content(&mailbox, object.id));
    let mut slow = Vec::new();
    for _ in 0..IN_FLIGHT_OF_TENANT / MIB {
        let answer = world.send(Some(&reader), read()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        slow.push(answer);
    }
    Told::of(asked(&world, &reader, read()).await).await.refused(Code::Busy);
    let large = || Request::put(world.content(&mailbox, object.id)).body(Body::from(noise(8, MIB)));
    Told::of(asked(&world, &reader, large().expect("a request")).await).await.refused(Code::Busy);
    let small = Request::put(world.content(&mailbox, object.id)).header(header::IF_MATCH, "\"7\"");
    let small = small.body(Body::from("small")).expect("a request");
    Told::of(asked(&world, &reader, small).await).await.refused(Code::Conflict);
    let import = Request::post(format!("{}/{}/imports", world.containers(), mailbox.id))
        .header(header::CONTENT_TYPE, "application/vnd.freehold.import")
        .body(Body::empty());
    Told::of(asked(&world, &reader, import.expect("a request")).await).await.refused(Code::Busy);
    drop(slow);
    assert_eq!(world.ask(read()).await.status, StatusCode::OK);
    assert_eq!(world.ask(large().expect("a request")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn one_range_is_served_and_several_are_the_whole() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let content = noise(2, 17 * MIB);
    let size = content.len();
    let object = world.put(&mailbox, "large.bin", content.clone()).await;
    let ask = async |range: &str, condition: Option<&str>| {
        let mut request = Request::get(world.content(&mailbox, object.id)).header(header::RANGE, range);
        if let Some(condition) = condition {
            request = request.header(header::IF_RANGE, condition);
        }
        world.ask(request.body(Body::empty()).expect("a request")).await
    };
    let blob = 8 * MIB;
    for (range, start, end) in [
        ("bytes=0-0".to_owned(), 0, 1),
        (format!("bytes={}-{}", blob - 5, blob + 4), blob - 5, blob + 5),
        (format!("bytes=3-{}", 2 * blob + 9), 3, 2 * blob + 10),
        (format!("bytes={}-", size - 10), size - 10, size),
        ("bytes=-1000".into(), size - 1000, size),
        (format!("bytes={}-{}", size - 1, size * 2), size - 1, size),
    ] {
        let told = ask(&range, None).await;
        assert_eq!(told.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(told.header(header::CONTENT_RANGE), format!("bytes {start}-{}/{size}", end - 1));
        assert_eq!(told.header(header::CONTENT_LENGTH), (end - start).to_string());
        assert!(told.body == content[start..end], "{range}");
    }
    for range in ["bytes=0-1,5-6", "bytes=9-2", "lines=1-2"] {
        let told = ask(range, None).await;
        assert_eq!((told.status, told.body.len()), (StatusCode::OK, size), "{range}");
        assert_eq!(told.header(header::CONTENT_RANGE), "");
    }
    assert_eq!(ask("bytes=0-9", Some("\"1\"")).await.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(ask("bytes=0-9", Some("\"2\"")).await.status, StatusCode::OK);
    for range in [format!("bytes={size}-"), "bytes=-0".into()] {
        let told = ask(&range, None).await;
        let problem = told.refused_as(Code::BadRequest, 416);
        assert!(problem.detail.starts_with("range: "), "{problem:?}");
        assert_eq!(told.header(header::CONTENT_RANGE), format!("bytes */{size}"));
    }
}

#[tokio::test]
async fn a_replacement_of_a_version_that_is_not_there_any_more_is_refused() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let object = world.put(&mailbox, "a", b"one".to_vec()).await;
    let path = world.content(&mailbox, object.id);
    let put = async |if_match: Option<&str>, content: &'static str| {
        let mut request = Request::put(&path);
        if let Some(tag) = if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        world.ask(request.body(Body::from(content)).expect("a request")).await
    };
    let told = put(Some("\"1\""), "two").await;
    assert_eq!((told.status, told.header(header::ETAG)), (StatusCode::OK, "\"2\""));
    put(Some("\"1\""), "lost").await.refused(Code::Conflict);
    put(Some("W/\"2\""), "lost").await.refused(Code::BadRequest);
    for (tag, content, version) in [(None, "three", "\"3\""), (Some("*"), "four", "\"4\"")] {
        let told = put(tag, content).await;
        assert_eq!((told.status, told.header(header::ETAG)), (StatusCode::OK, version));
        let read = world.ask(get(&path)).await;
        assert_eq!((read.header(header::ETAG), &read.body[..]), (version, content.as_bytes()));
    }
    let part = Request::put(&path).header(header::CONTENT_RANGE, "bytes 0-1/4").body(Body::from("xx"));
    world.ask(part.expect("a request")).await.refused(Code::BadRequest);
    let nothing = world.content(&mailbox, "0199f0a1-c2d3-7004-8005-060708090a0b".parse().expect("an id"));
    let nothing = Request::put(nothing).body(Body::from("x")).expect("a request");
    world.ask(nothing).await.refused(Code::NotFound);
}

#[tokio::test]
async fn a_content_that_is_cut_on_its_way_in_leaves_nothing() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let cut = |len| {
        let pieces = [Ok(Bytes::from(noise(3, len))), Err(std::io::Error::other("/mail/alice is gone"))];
        Body::from_stream(stream::iter(pieces))
    };
    for len in [10, 9 * MIB] {
        let post = Request::post(world.objects(&mailbox))
            .header(header::CONTENT_DISPOSITION, api::text::disposition("cut"));
        let problem = world.ask(post.body(cut(len)).expect("a request")).await.refused(Code::BadRequest);
        assert!(!problem.detail.contains("alice"), "{problem:?}");
    }
    assert_eq!(world.ask(get(&world.objects(&mailbox))).await.json::<ObjectPage>().objects, []);
    let left = world.blobs.list_older(model::time::Timestamp(i64::MAX));
    assert_eq!(left.count().await, 0, "blobs of what was refused");
}

#[tokio::test]
async fn what_the_customer_refuses_is_told_as_his_refusal() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    world.cover(mailbox.id).await;
    let object = world.put(&mailbox, "a", b"content".to_vec()).await;
    let path = world.content(&mailbox, object.id);
    assert_eq!(world.ask(get(&path)).await.status, StatusCode::OK);
    world.deny().await;
    let problem = world.ask(get(&path)).await.refused(Code::RefusedByCustomer);
    assert!(problem.policy_id.is_some(), "{problem:?}");
    for path in [world.objects(&mailbox), format!("{}/{}", world.objects(&mailbox), object.id)] {
        world.ask(get(&path)).await.refused(Code::RefusedByCustomer);
    }
    let put = Request::put(&path).body(Body::from("new")).expect("a request");
    world.ask(put).await.refused(Code::RefusedByCustomer);
    // To remove something needs no key.
    let delete = Request::delete(format!("{}/{}", world.objects(&mailbox), object.id)).body(Body::empty());
    assert_eq!(world.ask(delete.expect("a request")).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_stream_ends_with_the_access_before_the_length_that_was_promised() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    world.cover(mailbox.id).await;
    let content = noise(4, 20 * MIB);
    let object = world.put(&mailbox, "large.bin", content.clone()).await;
    let reader = person(&world.contoso, Role::Reader);
    let response = world.send(Some(&reader), get(&world.content(&mailbox, object.id))).await;
    assert_eq!(response.headers()[header::CONTENT_LENGTH], content.len().to_string());
    let mut pieces = response.into_body().into_data_stream();
    let first = pieces.next().await.expect("a piece").expect("it was open");
    assert!(first == content[..MIB]);
    world.deny().await;
    pieces.next().await.expect("an end").expect_err("it is cut");
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn damage_that_is_seen_at_once_is_told_and_not_cut() {
    let world = World::new().await;
    let mailbox = world.mailbox("alice@contoso.com").await;
    let object = world.put(&mailbox, "a", noise(5, MIB)).await;
    let mut names = world.blobs.list_older(model::time::Timestamp(i64::MAX));
    let name = names.next().await.expect("a blob").expect("its name");
    world.blobs.delete(&name).await.expect("it is gone");
    world.ask(get(&world.content(&mailbox, object.id))).await.refused(Code::Ours);
}
