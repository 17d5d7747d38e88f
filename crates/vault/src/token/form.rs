//! A form as clients post it to the token service.
//!
//! Owns [`Form`]. Values are secrets until shown otherwise, and a name that comes twice is refused.

use axum::body::Body;
use zeroize::Zeroizing;

use crate::core::Core;
use crate::request::{self, BodyFault};
use crate::token::refusal::TokenRefused;

/// More form fields than any client sends.
const MOST_FIELDS: usize = 64;

/// The fields of a form.
pub(crate) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    pub(crate) async fn read(core: &Core, body: Body) -> Result<Self, TokenRefused> {
        let bytes = request::body(body, core.settings.limits.body).await.map_err(|fault| match fault {
            BodyFault::TooLarge => TokenRefused::too_large(),
            BodyFault::Broken => TokenRefused::missing("grant_type"),
        })?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, TokenRefused> {
        let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes).take(MOST_FIELDS) {
            // Two values for one name would let two readers see two requests.
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(TokenRefused::duplicated(&name));
            }
            fields.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(fields))
    }

    /// A field that is there and not empty.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, TokenRefused> {
        self.optional(name).ok_or_else(|| TokenRefused::missing(name))
    }
}
