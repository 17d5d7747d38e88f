//! The operations of the keys wire: path and method in, operation out, and what each of them needs.
//!
//! Owns the table, of the whole wire, served or not: a row that is not served yet is refused with the service's words
//! for an operation that a method does not have. To serve it is to turn its word and write its handler.

use http::{Method, StatusCode};

use crate::error::{Refused, keys as texts};
use crate::id::KeyVersion;
use crate::keys::key::{KeyName, KeyOp};
use crate::keys::wire::Wire;

/// Everything that may be asked of a vault's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Import,
    Get,
    Attestation,
    Update,
    List,
    Versions,
    Delete,
    GetDeleted,
    ListDeleted,
    Recover,
    Purge,
    Backup,
    Restore,
    /// Encrypt, decrypt, wrap, unwrap, sign, verify.
    Use(KeyOp),
    Release,
    Rotate,
    RotationPolicy,
    SetRotationPolicy,
    Random,
}

/// An operation with what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) operation: Operation,
    pub(crate) name: Option<KeyName>,
    pub(crate) version: Option<KeyVersion>,
}

/// The shapes of a path; `word` is its last segment where that is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `/keys`
    Keys,
    /// `/keys/{name}`
    Key,
    /// `/keys/{name}/{version}`
    Version,
    /// `/keys/{name}/{word}`
    KeyWord,
    /// `/keys/{name}/{version}/{word}`
    VersionWord,
    /// `/deletedkeys`
    DeletedKeys,
    /// `/deletedkeys/{name}`
    DeletedKey,
    /// `/deletedkeys/{name}/{word}`
    DeletedWord,
    /// `/{word}`
    Word,
}

struct Row {
    operation: Operation,
    method: Method,
    forms: &'static [Form],
    word: &'static str,
    /// Data actions, tried in order: whoever holds one of them may.
    actions: &'static [&'static str],
    /// The permission of an access policy, and the word in texts.
    permission: &'static str,
    /// The name in the log.
    log: &'static str,
    served: bool,
}

const KEY_OR_VERSION: &[Form] = &[Form::Key, Form::Version];
const WORD: &[Form] = &[Form::KeyWord, Form::VersionWord];

macro_rules! table {
    ($($operation:expr, $method:ident, $forms:expr, $word:literal, [$($action:literal),*], $permission:literal, $log:literal, $served:literal;)*) => {
        const TABLE: &[Row] = &[$(Row {
            operation: $operation,
            method: Method::$method,
            forms: $forms,
            word: $word,
            actions: &[$(concat!("Microsoft.KeyVault/vaults/", $action)),*],
            permission: $permission,
            log: $log,
            served: $served,
        }),*];
    };
}

// Whoever may read a key has its public half, so reading is enough for what that half does.
#[rustfmt::skip]
mod rows {
    use super::*;
    table! {
        Operation::Create, POST, &[Form::KeyWord], "create", ["keys/create/action"], "create", "KeyCreate", true;
        Operation::Import, PUT, &[Form::Key], "import", ["keys/import/action"], "import", "KeyImport", true;
        Operation::Get, GET, KEY_OR_VERSION, "get", ["keys/read"], "get", "KeyGet", true;
        Operation::Attestation, GET, WORD, "attestation", ["keys/read"], "get", "KeyGet", false;
        Operation::Update, PATCH, KEY_OR_VERSION, "update", ["keys/update/action"], "update", "KeyUpdate", true;
        Operation::List, GET, &[Form::Keys], "list", ["keys/read"], "list", "KeyList", true;
        Operation::Versions, GET, &[Form::KeyWord], "versions", ["keys/read"], "list", "KeyListVersions", true;
        Operation::Delete, DELETE, &[Form::Key], "delete", ["keys/delete"], "delete", "KeyDelete", true;
        Operation::GetDeleted, GET, &[Form::DeletedKey], "getdeleted", ["keys/read"], "get", "KeyGetDeleted", true;
        Operation::ListDeleted, GET, &[Form::DeletedKeys], "listdeleted", ["keys/read"], "list", "KeyListDeleted", true;
        Operation::Recover, POST, &[Form::DeletedWord], "recover", ["keys/recover/action"], "recover", "KeyRecover", true;
        Operation::Purge, DELETE, &[Form::DeletedKey], "purge", ["keys/purge/action"], "purge", "KeyPurge", true;
        Operation::Backup, POST, &[Form::KeyWord], "backup", ["keys/backup/action"], "backup", "KeyBackup", true;
        Operation::Restore, POST, &[Form::Key], "restore", ["keys/restore/action"], "restore", "KeyRestore", true;
        Operation::Use(KeyOp::Encrypt), POST, WORD, "encrypt", ["keys/encrypt/action", "keys/read"], "encrypt", "KeyEncrypt", true;
        Operation::Use(KeyOp::Decrypt), POST, WORD, "decrypt", ["keys/decrypt/action"], "decrypt", "KeyDecrypt", true;
        Operation::Use(KeyOp::WrapKey), POST, WORD, "wrapkey", ["keys/wrap/action", "keys/read"], "wrapKey", "KeyWrap", true;
        Operation::Use(KeyOp::UnwrapKey), POST, WORD, "unwrapkey", ["keys/unwrap/action"], "unwrapKey", "KeyUnwrap", true;
        Operation::Use(KeyOp::Sign), POST, WORD, "sign", ["keys/sign/action"], "sign", "KeySign", true;
        Operation::Use(KeyOp::Verify), POST, WORD, "verify", ["keys/verify/action", "keys/read"], "verify", "KeyVerify", true;
        Operation::Release, POST, WORD, "release", ["keys/release/action"], "release", "KeyRelease", true;
        Operation::Rotate, POST, &[Form::KeyWord], "rotate", ["keys/rotate/action"], "rotate", "KeyRotate", true;
        Operation::RotationPolicy, GET, &[Form::KeyWord], "rotationpolicy", ["keyrotationpolicies/read"], "getrotationpolicy", "KeyRotationPolicyGet", true;
        Operation::SetRotationPolicy, PUT, &[Form::KeyWord], "rotationpolicy", ["keyrotationpolicies/write"], "setrotationpolicy", "KeyRotationPolicySet", true;
        Operation::Random, POST, &[Form::Word], "rng", [], "rng", "RandomBytesGet", false;
    }
    pub(super) const ALL: &[Row] = TABLE;
}

/// Every permission that an operation needs.
#[cfg(test)]
pub(crate) fn permissions() -> impl Iterator<Item = &'static str> {
    rows::ALL.iter().map(|row| row.permission)
}

impl Operation {
    /// Whether a version of the wire has it.
    fn is_in(self, wire: Wire<'_>) -> bool {
        let later =
            [Self::Rotate, Self::RotationPolicy, Self::SetRotationPolicy, Self::Release, Self::Random];
        wire.has_rotation() || !later.contains(&self)
    }

    fn row(self) -> &'static Row {
        rows::ALL.iter().find(|row| row.operation == self).expect("every operation has its row")
    }

    /// The data actions of which one is needed, in the order in which they decide.
    pub(crate) fn actions(self) -> &'static [&'static str] {
        self.row().actions
    }

    /// What an access policy calls it, and what texts call it.
    pub(crate) fn permission(self) -> &'static str {
        self.row().permission
    }

    /// What a caller hears when it was done.
    pub(crate) fn status(self) -> StatusCode {
        if self == Self::Purge { StatusCode::NO_CONTENT } else { StatusCode::OK }
    }

    /// What the log calls it.
    pub(crate) fn log_name(self) -> &'static str {
        self.row().log
    }
}

impl Target {
    /// Reads method and path; refuses what the wire does not have and what is not served.
    pub(crate) fn parse(method: &Method, path: &[String], wire: Wire<'_>) -> Result<Self, Refused> {
        let Parsed { form, word, name, version } = Parsed::of(method, path)?;
        let row = rows::ALL.iter().find(|row| {
            let named = matches!(form, Form::KeyWord | Form::VersionWord | Form::DeletedWord | Form::Word)
                || row.operation == Operation::Restore;
            row.method == *method
                && row.forms.contains(&form)
                && (!named || row.word.eq_ignore_ascii_case(word))
        });
        let row = row.ok_or_else(|| texts::not_allowed(method, word))?;
        if !row.served || !row.operation.is_in(wire) {
            return Err(texts::not_allowed(method, row.word));
        }
        // What is restored is named in the body: it is the vault that this is asked of.
        let name = name.filter(|_| row.operation != Operation::Restore);
        let name = name.map(str::parse).transpose().map_err(|_| name_rule())?;
        Ok(Self { operation: row.operation, name, version })
    }
}

struct Parsed<'a> {
    form: Form,
    word: &'a str,
    name: Option<&'a str>,
    version: Option<KeyVersion>,
}

impl<'a> Parsed<'a> {
    fn of(method: &Method, path: &'a [String]) -> Result<Self, Refused> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let keys = |word: &str| word.eq_ignore_ascii_case("keys");
        let deleted = |word: &str| word.eq_ignore_ascii_case("deletedkeys");
        let (form, word, name, version) = match *path.as_slice() {
            [first] if keys(first) => (Form::Keys, "", None, None),
            // `restore` is a reserved word in the place of a name, for POST alone.
            [first, name] if keys(first) => {
                let word = if name.eq_ignore_ascii_case("restore") { "restore" } else { "" };
                (Form::Key, word, Some(name), None)
            }
            [first, name, last] if keys(first) => match last.parse::<KeyVersion>() {
                Ok(version) => (Form::Version, "", Some(name), Some(version)),
                Err(_) => (Form::KeyWord, last, Some(name), None),
            },
            [first, name, version, word] if keys(first) => match version.parse::<KeyVersion>() {
                Ok(version) => (Form::VersionWord, word, Some(name), Some(version)),
                Err(_) => return Err(texts::not_allowed(method, version)),
            },
            [first] if deleted(first) => (Form::DeletedKeys, "", None, None),
            [first, name] if deleted(first) => (Form::DeletedKey, "", Some(name), None),
            [first, name, word] if deleted(first) => (Form::DeletedWord, word, Some(name), None),
            [word] => (Form::Word, word, None, None),
            _ => return Err(texts::not_allowed(method, path.first().copied().unwrap_or_default())),
        };
        Ok(Self { form, word, name, version })
    }
}

fn name_rule() -> Refused {
    texts::bad_parameter(
        "The request URI contains an invalid name: a key's name has 1 to 127 letters, digits and dashes.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: &str = "6305d77930cb45faa87cda44ed8349fe";

    fn parse(method: Method, path: &str) -> Result<Target, Refused> {
        parse_in("2025-07-01", method, path)
    }

    fn parse_in(version: &str, method: Method, path: &str) -> Result<Target, Refused> {
        let path: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        Target::parse(&method, &path, Wire::parse(version).expect("a known version"))
    }

    #[test]
    fn every_spelling_of_a_path_means_its_operation() {
        let wrap = Operation::Use(KeyOp::WrapKey);
        for (method, path, operation, version) in [
            (Method::GET, "/keys".to_owned(), Operation::List, false),
            (Method::GET, "/keys/".into(), Operation::List, false),
            (Method::GET, "/keys/k1".into(), Operation::Get, false),
            (Method::GET, "/keys/k1/".into(), Operation::Get, false),
            (Method::GET, format!("/keys/k1/{V}"), Operation::Get, true),
            (Method::GET, format!("/keys/k1/{}", V.to_uppercase()), Operation::Get, true),
            (Method::GET, "/keys/restore".into(), Operation::Get, false),
            (Method::GET, "/keys/k1/versions".into(), Operation::Versions, false),
            (Method::PATCH, "/keys/k1/".into(), Operation::Update, false),
            (Method::PATCH, format!("/keys/k1/{V}"), Operation::Update, true),
            (Method::POST, "/keys/k1/create".into(), Operation::Create, false),
            (Method::POST, "/keys/create/create".into(), Operation::Create, false),
            (Method::POST, "/keys/k1//wrapkey".into(), wrap, false),
            (Method::POST, "/keys/k1/wrapKey".into(), wrap, false),
            (Method::POST, format!("//Keys/k1/{V}/WRAPKEY"), wrap, true),
            (Method::POST, "/keys/k1//sign".into(), Operation::Use(KeyOp::Sign), false),
            (Method::POST, format!("/keys/k1/{V}/verify"), Operation::Use(KeyOp::Verify), true),
            (Method::PUT, "/keys/k1".into(), Operation::Import, false),
            (Method::PUT, "/keys/restore".into(), Operation::Import, false),
            (Method::DELETE, "/keys/k1".into(), Operation::Delete, false),
            (Method::POST, "/keys/restore/backup".into(), Operation::Backup, false),
            (Method::POST, "/Keys/Restore/".into(), Operation::Restore, false),
            (Method::GET, "/DeletedKeys/".into(), Operation::ListDeleted, false),
            (Method::GET, "/deletedkeys/k1/".into(), Operation::GetDeleted, false),
            (Method::POST, "/deletedkeys//k1/Recover".into(), Operation::Recover, false),
            (Method::DELETE, "/deletedkeys/k1".into(), Operation::Purge, false),
            (Method::POST, "/keys/k1/Rotate".into(), Operation::Rotate, false),
            (Method::GET, "/keys/k1/RotationPolicy/".into(), Operation::RotationPolicy, false),
            (Method::PUT, "/keys/k1//rotationpolicy".into(), Operation::SetRotationPolicy, false),
        ] {
            let target = parse(method, &path).unwrap_or_else(|refused| panic!("{path}: {refused:?}"));
            assert_eq!(target.operation, operation, "{path}");
            assert_eq!(target.version.is_some(), version, "{path}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused_with_the_services_words() {
        for (method, path, word) in [
            (Method::GET, "/keys/k1/rotate", "rotate"),
            (Method::POST, "/keys/k1/rotationpolicy", "rotationpolicy"),
            (Method::POST, "/deletedkeys/k1/restore", "restore"),
            (Method::PATCH, "/deletedkeys/k1", ""),
            (Method::POST, "/rng", "rng"),
            (Method::GET, "/secrets", "secrets"),
            (Method::GET, "/keys/k1/abc", "abc"),
            (Method::GET, "/keys/k1/abc/def", "abc"),
            (Method::POST, "/keys/k1", ""),
            (Method::PUT, "/keys", ""),
            (Method::GET, "/", ""),
        ] {
            let refused = parse(method.clone(), path).expect_err(path);
            assert_eq!(refused.code, "BadParameter");
            assert_eq!(
                refused.message,
                format!("Method {method} does not allow operation '{word}'"),
                "{path}"
            );
        }
    }

    #[test]
    fn rotation_is_in_the_versions_that_have_it() {
        for (method, path) in [
            (Method::POST, "/keys/k1/rotate"),
            (Method::GET, "/keys/k1/rotationpolicy"),
            (Method::PUT, "/keys/k1/rotationpolicy"),
        ] {
            for old in ["2016-10-01", "7.0", "7.2", "7.2-preview"] {
                let refused = parse_in(old, method.clone(), path).expect_err(path);
                assert!(
                    refused.message.starts_with(&format!("Method {method} does not allow")),
                    "{old} {path}"
                );
                assert!(parse_in(old, Method::GET, "/keys/k1").is_ok());
            }
            for new in ["7.3-preview", "7.3", "7.6-preview.2", "2026-03-01-preview"] {
                assert!(parse_in(new, method.clone(), path).is_ok(), "{new} {path}");
            }
        }
    }

    #[test]
    fn a_name_that_breaks_the_rule_is_a_bad_parameter() {
        for name in ["Key_01", "a.b", "ä", "a b", &"k".repeat(128)] {
            assert_eq!(parse(Method::GET, &format!("/keys/{name}")).expect_err(name).code, "BadParameter");
        }
    }

    #[test]
    fn every_operation_but_the_anonymous_one_needs_a_right() {
        for row in rows::ALL {
            assert_eq!(row.actions.is_empty(), row.operation == Operation::Random, "{:?}", row.operation);
            assert_eq!(row.operation.row().word, row.word);
        }
    }
}
