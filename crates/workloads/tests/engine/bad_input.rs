//! Bad input: refused with the field and the rule, or kept exactly as it is.

use std::io;

use bytes::Bytes;
use freehold_workloads::{Content, INLINE, Item, Kind, MAX_OBJECTS, Mark, Outcome, Put};
use futures::{StreamExt, stream};
use model::refusal::Code;

use crate::support::{World, caller, item, message, name, noise};

#[tokio::test]
async fn odd_names_that_are_text_are_kept_as_they_are_and_found() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let long = "n".repeat(4000);
    let names = ["a..b", "\u{202e}fdp.exe", "line\nend", "tab\t", "C:\\x", " ", "e\u{301}", "\u{e9}", &long];
    for text in names {
        world.put(&caller(1), &alice, text, text.as_bytes()).await;
    }
    let listed = world.all(&caller(1), &alice).await;
    assert_eq!(listed.len(), names.len());
    for text in names {
        let found = world.engine.find(&caller(1), alice.id, &name(text)).await.expect("a lookup");
        assert_eq!(found.len(), 1, "{text:?}");
        assert_eq!(found[0].details.as_ref().expect("they open").name.as_str(), text);
        assert_eq!(world.content(&caller(1), &alice, found[0].id).await, Ok(text.as_bytes().to_vec()));
    }
}

#[tokio::test]
async fn a_refused_item_names_the_field_and_the_rule_and_stops_no_other() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let fault = || io::Error::new(io::ErrorKind::PermissionDenied, "secret/file");
    let broken = |pieces: usize| {
        let pieces = (0..pieces).map(|_| Ok(Bytes::from(vec![7; 1 << 20]))).chain([Err(fault())]);
        Content::Stream(stream::iter(pieces.collect::<Vec<_>>()).boxed())
    };
    let mut items = vec![
        item("first", Kind::File, vec![1]),
        item("../secret", Kind::File, vec![2]),
        item("secret\0", Kind::File, vec![3]),
        item(&"あ".repeat(4000), Kind::File, vec![4]),
        item("", Kind::File, vec![5]),
        item("unreadable", Kind::File, Content::again(move || Err(fault()))),
        item("breaks off", Kind::File, broken(2)),
        item("breaks off late", Kind::File, broken(9)),
        item("last", Kind::File, vec![6]),
    ];
    items.insert(3, Item { path: b"caf\xe9".to_vec(), kind: Kind::File, content: vec![7].into() });
    // A name that is refused in front of a stream that nobody reads.
    items.insert(9, item("/secret", Kind::File, broken(9)));
    let (ended, told) = world.import_told(&caller(1), &alice, items).await;
    let summary = ended.expect("nothing stops it");
    assert_eq!((summary.imported, summary.refused), (2, 9));
    assert_eq!(told.iter().map(|one| one.index).collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
    let expected = [
        (1, "name: no segment between `/` may be empty, `.` or `..`"),
        (2, "name: it must not contain NUL"),
        (3, "name: it must be UTF-8 text"),
        (4, "name: at most 4,096 bytes of UTF-8"),
        (5, "name: it must not be empty"),
        (6, "content: its source failed (permission denied)"),
        (7, "content: its source failed (permission denied)"),
        (8, "content: its source failed (permission denied)"),
        (9, "name: no segment between `/` may be empty, `.` or `..`"),
    ];
    let refused: Vec<_> = summary.refusals.iter().map(|(index, why)| (*index, why.detail.as_str())).collect();
    assert_eq!(refused, expected);
    assert!(summary.refusals.iter().all(|(_, why)| why.code == Code::BadRequest));
    assert_eq!(world.all(&caller(1), &alice).await.len(), 2);
    assert_eq!(world.blob_names().await, [""; 0]);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_kept_as_it_is_and_marked() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let parts = "From: a@b.c\nSubject: s\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\none\n--q--\n";
    let cases = [
        (b"".to_vec(), Some(Mark::Empty)),
        (noise(1, 500), Some(Mark::Unreadable)),
        (vec![0; INLINE + 1], Some(Mark::Unreadable)),
        (b"From: a@b.c\nSubj".to_vec(), Some(Mark::Truncated)),
        (parts.as_bytes()[..parts.len() - 3].to_vec(), Some(Mark::Truncated)),
        (parts.as_bytes().to_vec(), None),
        (message(1, 5 << 20), None),
    ];
    let items =
        cases.iter().enumerate().map(|(n, (bytes, _))| item(&n.to_string(), Kind::Message, bytes.clone()));
    let summary = world.import(&caller(1), &alice, items.collect()).await.expect("nothing is refused");
    assert_eq!((summary.imported, summary.marked, summary.refused), (7, 5, 0));
    for ((bytes, mark), entry) in cases.into_iter().zip(world.all(&caller(1), &alice).await) {
        assert_eq!(entry.details.expect("they open").mark, mark);
        assert!(world.content(&caller(1), &alice, entry.id).await == Ok(bytes));
    }
    // A file is no message, whatever it holds.
    let summary = world.import(&caller(1), &alice, vec![item("f", Kind::File, vec![])]).await;
    assert_eq!(summary.expect("it is brought in").marked, 0);
}

#[tokio::test]
async fn a_source_that_fails_during_a_put_leaves_nothing() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let pieces = (0..9).map(|n| {
        if n == 8 {
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        } else {
            Ok(Bytes::from(vec![n; 2 << 20]))
        }
    });
    let content = Content::Stream(stream::iter(pieces).boxed());
    let put = Put { name: name("film"), kind: Kind::File, content };
    let refused = world.engine.put(&caller(1), alice.id, put).await.expect_err("it breaks off");
    assert_eq!(refused.detail, "content: its source failed (connection reset)");
    assert_eq!(world.all(&caller(1), &alice).await, []);
    assert_eq!(world.blob_names().await, [""; 0]);
}

#[tokio::test]
async fn a_page_is_bounded_whatever_is_asked_for() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let items = (0..MAX_OBJECTS + 1).map(|n| item(&n.to_string(), Kind::File, vec![1])).collect();
    let (_, told) = world.import_told(&caller(1), &alice, items).await;
    assert!(told.iter().all(|one| matches!(one.outcome, Outcome::Imported { .. })));
    let page = world.engine.list(&caller(1), alice.id, None, u32::MAX).await.expect("a page");
    assert_eq!(page.entries.len() as u32, MAX_OBJECTS);
    let last = world.engine.list(&caller(1), alice.id, page.next, 0).await.expect("a page");
    assert_eq!(last.entries.len(), 1);
}
