//! Messages and files, as they are listed and written.

use model::id::ObjectId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::time::Time;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// A message as it went over the wire (RFC 5322).
    Message,
    /// Any bytes.
    File,
}

impl ObjectKind {
    /// The media type that says what a content is.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Message => "message/rfc822",
            Self::File => "application/octet-stream",
        }
    }
}

/// Bytes, streamed; what the document says of a body that is no JSON.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Bytes(());

/// One object as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredObject {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: ObjectId,
    /// What it is.
    pub kind: ObjectKind,
    /// Which state of it this is; 1 for the first.
    pub version: u32,
    /// The length of its content in bytes.
    pub size: u64,
    /// When its first version was acknowledged.
    pub created: Time,
    /// When this version was acknowledged.
    pub changed: Time,
    /// What a customer typed or a message says of itself; missing when it does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<ObjectDetails>,
    /// Why the details do not open; one damaged row does not hide the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What a customer typed or a message says of itself; sealed at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDetails {
    /// The path of the object below its mailbox or site.
    pub name: String,
    /// The subject of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The first sender of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The date that the sender wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Time>,
    /// Why a message is kept but could not be read as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// A page of objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectPage {
    /// The objects, in the order of their ids, which is the order in which they came.
    pub objects: Vec<StoredObject>,
    /// Objects of this page whose rows are damaged beyond showing anything of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub damaged: Vec<ObjectId>,
    /// Give this as `after` for the next page; missing after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub next: Option<ObjectId>,
}

/// The name that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectName {
    /// The path of the object below its mailbox or site.
    pub name: String,
}

/// The objects that bear a name, in the order of their ids; at most 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundObjects {
    /// The objects.
    pub objects: Vec<StoredObject>,
}

/// What was acknowledged by a write: it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WrittenObject {
    /// The object.
    #[schema(value_type = String, format = Uuid)]
    pub id: ObjectId,
    /// Its version.
    pub version: u32,
    /// The length of its content.
    pub size: u64,
    /// Why a message is kept but could not be read as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}
