//! The frozen files in `vectors/`, checked against our own code. They are read and never written.
//!
//! The files were made by another implementation (`vectors/verify.py`, from `spec/` alone), so that a mistake
//! of this crate is not frozen with them. When a value differs, the test prints what was expected and what was found; a released
//! format is never edited, so the code is what is wrong.

mod keys;
mod lifecycle;
mod sealed_format;
mod wrap_set;

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::level::AtRandom;
use crate::place::{ContainerPlace, DepPlace, Part, PartPlace};
use crate::random::Random;
use crate::{Key, Seed, Slot};

/// Reads one of the files.
fn file(name: &str) -> Value {
    let path = format!("{}/../../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the vectors lie beside the crates");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

/// The elements of a list, which is never empty.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value[name].as_array().expect(name);
    assert!(!list.is_empty(), "{name} lists something");
    list
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect(name)
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().expect(name)
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    unhex(text(value, name))
}

fn array<const N: usize>(value: &Value, name: &str) -> [u8; N] {
    bytes(value, name).try_into().expect(name)
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).expect("hexadecimal") as u8).collect();
    assert!(digits.len().is_multiple_of(2), "two digits for each byte");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn generation(value: &Value) -> u32 {
    u32::try_from(number(value, "generation")).expect("a generation")
}

fn dep_place(value: &Value) -> DepPlace {
    DepPlace { tenant: array(value, "tenant"), dep: array(value, "dep"), generation: generation(value) }
}

fn container_place(value: &Value) -> ContainerPlace {
    ContainerPlace {
        tenant: array(value, "tenant"),
        container: array(value, "container"),
        generation: generation(value),
    }
}

fn part_place(value: &Value) -> PartPlace {
    let part = match value["part"].as_u64() {
        Some(number) => Part::Blob(number),
        None => {
            assert_eq!(text(value, "part"), "metadata");
            Part::Metadata
        }
    };
    PartPlace { container: container_place(&value["container"]), object: array(value, "object"), part }
}

fn seed(value: &Value) -> Seed {
    Seed::from_unwrapped(Zeroizing::new(bytes(value, "seed"))).expect("32 bytes")
}

fn slots(value: &Value) -> Vec<Slot> {
    let slot = |slot: &Value| Slot {
        key_identifier: text(slot, "key_identifier").to_owned(),
        directory: slot["directory"].as_str().map(|hex| unhex(hex).try_into().expect("16 bytes")),
        wrapped: bytes(slot, "wrapped"),
    };
    list(value, "slots").iter().map(slot).collect()
}

/// A key of the bytes that a file gives.
fn key<L: AtRandom>(bytes: Vec<u8>) -> Key<L> {
    Key::generate(&Scripted::new([bytes]))
}

/// Randomness that hands out what the file says, in order, and checks that nothing else was asked for.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<Vec<u8>>>);

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(Mutex::new(answers.into_iter().collect()))
    }
}

impl Random for Scripted {
    fn fill(&self, out: &mut [u8]) {
        let answer = self.0.lock().expect("one thread").pop_front().expect("the script has an answer");
        out.copy_from_slice(&answer);
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(
                self.0.lock().expect("one thread").is_empty(),
                "every answer of the script was asked for"
            );
        }
    }
}
