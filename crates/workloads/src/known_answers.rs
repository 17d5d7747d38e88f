//! Known answers of objects: `vectors/objects.json`, frozen with version 1 of spec/objects.md.
//!
//! The answers were made by a second implementation that was written from the specification alone.

use bytes::Bytes;
use crypto::{Container, Context, Key, Lookup, Volume, Wrapped};
use model::id::{ContainerId, Generation, TenantId};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::blob::Address;
use crate::mail::Letter;
use crate::name::Name;
use crate::object::{BLOB, ObjectRow, Payload, Place, open_details, take_wrap};
use crate::tag::{ContentDigest, Tag};

const FILE: &str = include_str!("../../../vectors/objects.json");

struct Frozen {
    file: Value,
    key: Key<Container>,
    tenant: TenantId,
    container: ContainerId,
}

fn frozen() -> Frozen {
    let file: Value = serde_json::from_str(FILE).expect("JSON");
    let volume = bytes(&file["volume_key"]).try_into().expect("32 bytes");
    let (tenant, container) = (text(&file["container"]["tenant"]), text(&file["container"]["container"]));
    let (tenant, container): (TenantId, ContainerId) =
        (tenant.parse().expect("an id"), container.parse().expect("an id"));
    let place = crypto::ContainerPlace {
        tenant: *tenant.as_bytes(),
        container: *container.as_bytes(),
        generation: Generation::FIRST.0,
    };
    let wrapped = Wrapped::from_bytes(bytes(&file["wrapped_container_key"]));
    let key = Key::<Volume>::from_file(Zeroizing::new(volume))
        .unwrap(&wrapped, &Context::container_under_volume(&place))
        .expect("the frozen wrap");
    Frozen { file, key, tenant, container }
}

impl Frozen {
    fn cases(&self, what: &str) -> &[Value] {
        self.file[what].as_array().expect("a list")
    }

    fn place(&self, case: &Value) -> Place {
        let object = text(&case["object"]).parse().expect("an id");
        Place { tenant: self.tenant, container: self.container, object }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn bytes(value: &Value) -> Vec<u8> {
    let (pairs, rest) = text(value).as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "pairs of digits");
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit") as u8;
    pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number").try_into().expect("a length")
}

/// The content of the vectors: byte i is i mod 251.
fn pattern(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

#[test]
fn tags_and_digests_are_the_frozen_ones() {
    let frozen = frozen();
    let (names, imports) = (frozen.key.lookup_key(Lookup::Name), frozen.key.lookup_key(Lookup::Import));
    for case in frozen.cases("names") {
        let name = Name::parse(text(&case["name"])).expect("a name");
        assert_eq!(Tag::of_name(&names, &name).to_string(), text(&case["tag"]));
    }
    for case in frozen.cases("imports") {
        let (path, size) = (Name::parse(text(&case["path"])).expect("a name"), number(&case["size"]));
        let digest = ContentDigest::of(&pattern(size));
        assert_eq!(String::from(digest), text(&case["digest"]), "{size}");
        let tag = Tag::of_import(&imports, &path, size as u64, &digest);
        assert_eq!(tag.to_string(), text(&case["tag"]), "{size}");
    }
}

#[test]
fn frozen_rows_open_and_are_written_the_same() {
    let frozen = frozen();
    for case in frozen.cases("rows") {
        let (what, place, sealed) = (text(&case["name"]), frozen.place(case), bytes(&case["payload"]));
        let row: ObjectRow = serde_json::from_value(case["row"].clone()).expect(what);
        assert!(row.is_whole(), "{what}");
        assert_eq!(serde_json::to_value(&row).expect(what), case["row"], "{what}");
        let payload = Payload::decode(Bytes::from(sealed.clone())).expect(what);
        assert_eq!(payload.encode(), sealed, "{what}");

        let (details, digest) = open_details(&frozen.key, &place, &row, &payload.details).expect(what);
        let expected = &case["details"];
        assert_eq!(details.name.as_str(), text(&expected["name"]), "{what}");
        assert_eq!(details.subject.as_deref(), expected["subject"].as_str(), "{what}");
        assert_eq!(details.from.as_deref(), expected["from"].as_str(), "{what}");
        assert_eq!(details.sent.map(|sent| sent.0), expected["sent"].as_i64(), "{what}");
        assert_eq!(serde_json::to_value(details.mark).expect(what), expected["mark"], "{what}");
        assert_eq!(digest.map(String::from).as_deref(), expected["digest"].as_str(), "{what}");
        let names = frozen.key.lookup_key(Lookup::Name);
        assert_eq!(row.name_tag, Tag::of_name(&names, &details.name), "{what}");

        if let Some(content) = payload.content {
            let at = place.blob(row.generation, row.attempt, 0);
            let content = content.open(&frozen.key, &at).expect(what);
            assert_eq!(content, bytes(&case["content"]), "{what}");
            let letter = Letter::read(&content);
            assert_eq!((letter.subject, letter.mark), (details.subject, details.mark), "{what}");
        }
    }
}

#[test]
fn a_frozen_blob_is_found_by_its_name_and_opens() {
    let frozen = frozen();
    for case in frozen.cases("blobs") {
        let attempt = text(&case["attempt"]).parse().expect("12 digits");
        let address = Address { place: frozen.place(case), attempt, number: number(&case["number"]) as u16 };
        assert_eq!(address.name().as_str(), text(&case["name"]));
        let mut file = Bytes::from(bytes(&case["file"]));
        let dek = take_wrap(&mut file).expect("a wrapped key");
        let at = address.place.blob(Generation::FIRST, attempt, address.number);
        assert_eq!(frozen.key.open(&dek, &file, &at), Ok(bytes(&case["content"])));
    }
    let row = frozen.cases("rows").iter().find(|case| case["row"]["blobs"] == 2).expect("a row with blobs");
    let row: ObjectRow = serde_json::from_value(row["row"].clone()).expect("a row");
    assert_eq!((row.blob_len(0), row.blob_len(1)), (BLOB as u64, 5));
}
