//! `vectors/sealed-format.json`: derivation, messages, and what is refused with which word.

use super::*;
use crate::digest;
use crate::sealed::{self, OpenError};

#[test]
fn known_answers_of_the_sealed_format() {
    let file = file("sealed-format.json");
    for case in list(&file, "cases") {
        let name = text(case, "name");
        let (key, context) = (array(case, "key"), bytes(case, "context"));
        let len = usize::try_from(number(case, "plaintext_len")).expect("short");
        let plain: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();

        let derived = sealed::derived(&key, &array(case, "salt"), &context);
        let expected = [text(case, "aead_key"), text(case, "base_nonce"), text(case, "commitment")].concat();
        assert_eq!(hex(&derived), expected, "{name}");

        let message = sealed::seal(&key, &context, &plain, &Scripted::new([bytes(case, "salt")]));
        assert_eq!(message.len() as u64, number(case, "message_len"), "{name}");
        assert_eq!(hex(&digest::sha256(&message)), text(case, "message_sha256"), "{name}");
        if let Some(whole) = case["message"].as_str() {
            assert_eq!(hex(&message), whole, "{name}");
        }
        let mut opened = Vec::new();
        assert_eq!(sealed::open(&key, &context, &message, &mut opened), Ok(()), "{name}");
        assert_eq!(opened, plain, "{name}");
    }
    for case in list(&file, "refused") {
        let mut opened = Vec::new();
        let why =
            sealed::open(&array(case, "key"), &bytes(case, "context"), &bytes(case, "message"), &mut opened);
        let expected = match text(case, "why") {
            "length" => OpenError::Length,
            "header" => OpenError::Header,
            chunk => {
                OpenError::Chunk(chunk.strip_prefix("chunk ").expect("a word").parse().expect("a number"))
            }
        };
        assert_eq!(why, Err(expected), "{}", text(case, "name"));
    }
}
