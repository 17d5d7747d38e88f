//! Damage: rows and blobs that somebody edited never give wrong bytes, and never a name.

use freehold_workloads::{BLOB, Holder, INLINE, Replacement};
use model::refusal::{Code, Refusal};
use serde_json::Value;
use store::{Batch, Cause, Row, Table};

use crate::support::{World, caller, noise};

const OBJECTS: Table = Table("objects");

async fn row(world: &World, holder: &Holder, object: model::id::ObjectId) -> Row {
    let key = format!("{}/{}/{object}", caller(1).tenant, holder.id);
    world.store.read(OBJECTS, &key).await.expect("a read").expect("a row")
}

/// Writes a row behind the engine's back, as somebody with SQL could.
async fn write(world: &World, row: &Row, body: &Value, payload: &[u8]) {
    let batch = Batch::new().put_with_payload(OBJECTS, &row.key, body, payload.to_vec());
    world.store.commit(batch, Cause::Housekeeping("a test edits a row")).await.expect("a write");
}

fn body(row: &Row) -> Value {
    row.parse().expect("JSON")
}

fn payload(row: &Row) -> Vec<u8> {
    row.payload.clone().expect("a payload").to_vec()
}

fn assert_damage(refused: Refusal, object: model::id::ObjectId) {
    assert_eq!(refused.code, Code::Ours, "{refused}");
    assert!(refused.detail.contains(&object.to_string()), "{refused}");
    assert!(!refused.detail.contains("secret"), "{refused}");
}

#[tokio::test]
async fn a_row_whose_body_was_edited_is_damage_and_not_another_object() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let written = world.put(&caller(1), &alice, "secret", &noise(1, 2 * BLOB)).await;
    let good = row(&world, &alice, written.id).await;
    let edits: &[(&str, Value)] = &[
        ("size", (BLOB as u64).into()),
        ("size", (2 * BLOB as u64 - 1).into()),
        ("size", (3 * BLOB as u64).into()),
        ("blobs", 1.into()),
        ("version", 2.into()),
        ("v", 2.into()),
        ("attempt", "00112233aabb".into()),
        ("created", 5.into()),
        ("changed", 5.into()),
        ("kind", "message".into()),
        ("kind", "disk".into()),
    ];
    for (field, value) in edits {
        let mut edited = body(&good);
        edited[field] = value.clone();
        if *field == "size" {
            // An attacker keeps the row consistent in itself.
            edited["blobs"] = value.as_u64().expect("a number").div_ceil(BLOB as u64).into();
        }
        write(&world, &good, &edited, &payload(&good)).await;
        let refused = world.engine.read(&caller(1), alice.id, written.id, None).await;
        assert_damage(refused.err().unwrap_or_else(|| panic!("{field} = {value}")), written.id);
    }
    write(&world, &good, &body(&good), &payload(&good)).await;
    world.content(&caller(1), &alice, written.id).await.expect("it is whole again");
}

#[tokio::test]
async fn every_changed_byte_of_a_payload_is_damage() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let written = world.put(&caller(1), &alice, "secret", b"some content").await;
    let good = row(&world, &alice, written.id).await;
    for at in 0..payload(&good).len() {
        let mut edited = payload(&good);
        edited[at] ^= 0x20;
        write(&world, &good, &body(&good), &edited).await;
        let refused = world.content(&caller(1), &alice, written.id).await;
        assert_damage(refused.err().unwrap_or_else(|| panic!("byte {at}")), written.id);
    }
}

#[tokio::test]
async fn a_payload_or_a_blob_of_another_object_or_version_does_not_open() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let one = world.put(&caller(1), &alice, "secret 1", &noise(1, INLINE)).await;
    let two = world.put(&caller(1), &alice, "secret 2", &noise(2, INLINE)).await;
    let (row_one, row_two) = (row(&world, &alice, one.id).await, row(&world, &alice, two.id).await);
    write(&world, &row_one, &body(&row_two), &payload(&row_two)).await;
    assert_damage(world.content(&caller(1), &alice, one.id).await.expect_err("another's row"), one.id);
    write(&world, &row_one, &body(&row_one), &payload(&row_one)).await;

    // The blob of another object, and then of the version before, under this object's blob name.
    let name_of = async |part: String| {
        let names = world.blob_names().await;
        names.into_iter().find(|name| name.contains(&part)).expect("a blob").parse().expect("its name")
    };
    let simple = |object: model::id::ObjectId| object.to_string().replace('-', "");
    let blob_two = world.blobs.read(&name_of(simple(two.id)).await).await.expect("a read").expect("a blob");
    let blob_one = world.blobs.read(&name_of(simple(one.id)).await).await.expect("a read").expect("a blob");
    world.blobs.put_many(vec![(name_of(simple(one.id)).await, blob_two)]).await.expect("a write");
    assert_damage(world.content(&caller(1), &alice, one.id).await.expect_err("another's blob"), one.id);

    let replacement = Replacement { name: None, version: None, content: noise(3, INLINE).into() };
    world.engine.overwrite(&caller(1), alice.id, one.id, replacement).await.expect("it is replaced");
    world.blobs.put_many(vec![(name_of(simple(one.id)).await, blob_one)]).await.expect("a write");
    assert_damage(world.content(&caller(1), &alice, one.id).await.expect_err("an older blob"), one.id);
    let range = world.engine.read(&caller(1), alice.id, one.id, Some(3..7)).await.expect("the row is whole");
    assert_damage(range.bytes().await.expect_err("an older blob"), one.id);
}

/// Where the part of the content begins in a payload.
fn content_at(payload: &[u8]) -> usize {
    let wrap = usize::from(u16::from_be_bytes([payload[1], payload[2]]));
    let len: [u8; 4] = payload[3 + wrap..][..4].try_into().expect("four bytes");
    3 + wrap + 4 + u32::from_be_bytes(len) as usize
}

#[tokio::test]
async fn parts_of_two_writes_of_one_object_never_fit_together() {
    let (world, faults) = World::memory(1);
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let overwrite = async |object, content: Vec<u8>| {
        let replacement = Replacement { name: None, version: None, content: content.into() };
        world.engine.overwrite(&me, alice.id, object, replacement).await
    };
    // In the row: new details beside old content of the same length.
    let small = world.put(&me, &alice, "secret", b"yes").await.id;
    let old = payload(&row(&world, &alice, small).await);
    overwrite(small, b"no!".to_vec()).await.expect("it is replaced");
    let good = row(&world, &alice, small).await;
    let new = payload(&good);
    let mixed = [&new[..content_at(&new)], &old[content_at(&old)..]].concat();
    write(&world, &good, &body(&good), &mixed).await;
    assert_damage(world.content(&me, &alice, small).await.expect_err("two writes"), small);

    // In blobs: a blob of a write that lost, of the same version, under the name of the one that won.
    let large = world.put(&me, &alice, "secret", &noise(1, INLINE)).await.id;
    faults.crash_before(1);
    overwrite(large, noise(2, INLINE)).await.expect_err("it crashed");
    faults.restart();
    let before = world.blob_names().await;
    let old = body(&row(&world, &alice, large).await)["attempt"].as_str().expect("text").to_owned();
    let lost = before.iter().find(|name| !name.contains(&old)).expect("an orphan");
    overwrite(large, noise(3, INLINE)).await.expect("it is replaced");
    let after = world.blob_names().await;
    let won = after.iter().find(|name| !before.contains(name)).expect("a new blob");
    let bytes = world.blobs.read(&lost.parse().expect("a name")).await.expect("a read").expect("a blob");
    world.blobs.put_many(vec![(won.parse().expect("a name"), bytes)]).await.expect("a write");
    assert_damage(world.content(&me, &alice, large).await.expect_err("another write"), large);
}

#[tokio::test]
async fn a_blob_that_is_cut_empty_or_missing_is_damage() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let written = world.put(&caller(1), &alice, "secret", &noise(1, 3 * INLINE)).await;
    let name: store::BlobName = world.blob_names().await[0].parse().expect("a name");
    let whole = world.blobs.read(&name).await.expect("a read").expect("a blob");
    let read = async |range| {
        world.engine.read(&caller(1), alice.id, written.id, range).await.expect("the row").bytes().await
    };
    for len in [0, 1, 105, 106, 162, 163, whole.len() - 1] {
        world.blobs.put_many(vec![(name.clone(), whole.slice(..len))]).await.expect("a write");
        assert_damage(read(None).await.expect_err("it is cut"), written.id);
        let end = 3 * INLINE as u64;
        assert_damage(read(Some(end - 5..end)).await.expect_err("it is cut"), written.id);
    }
    world.blobs.delete(&name).await.expect("a removal");
    assert_damage(read(None).await.expect_err("it is missing"), written.id);
    assert_damage(read(Some(3..9)).await.expect_err("it is missing"), written.id);
}

#[tokio::test]
async fn one_damaged_row_does_not_hide_the_others_in_a_list() {
    let (world, _) = World::memory(1);
    let alice = world.mailbox(&caller(1), "alice@contoso.com").await;
    let mut objects = Vec::new();
    for number in 0..5 {
        objects.push(world.put(&caller(1), &alice, &format!("secret {number}"), b"x").await.id);
    }
    let (sealed, shape) = (row(&world, &alice, objects[1]).await, row(&world, &alice, objects[3]).await);
    let mut edited = payload(&sealed);
    edited[150] ^= 1;
    write(&world, &sealed, &body(&sealed), &edited).await;
    write(&world, &shape, &body(&shape), b"not a payload").await;
    let page = world.engine.list(&caller(1), alice.id, None, 10).await.expect("a page");
    let shown: Vec<_> = page.entries.iter().map(|entry| (entry.id, entry.details.is_ok())).collect();
    let [a, b, c, d, e] = objects[..] else { panic!("five were put") };
    assert_eq!(shown, [(a, true), (b, false), (c, true), (e, true)]);
    assert_eq!(page.damaged, [d]);
}
