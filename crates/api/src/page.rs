//! Which part of a list is asked for.

use std::fmt::Display;
use std::str::FromStr;

use model::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// Which page of a list: what comes after an id, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The `next` of the page before; missing for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most; a larger number than the list allows is taken as that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1)]
    pub limit: Option<u32>,
}

impl Paging {
    /// The page after an id, or the first one.
    pub fn after(id: Option<impl Display>) -> Self {
        Self { after: id.map(|id| id.to_string()), limit: None }
    }

    /// What the page comes after; refused when it is not what ids of this list look like.
    pub fn start<T: FromStr<Err: Display>>(&self) -> Result<Option<T>, Refusal> {
        let parsed = self.after.as_deref().map(str::parse).transpose();
        parsed.map_err(|error| Refusal::new(Code::BadRequest, format!("after: {error}")))
    }
}
