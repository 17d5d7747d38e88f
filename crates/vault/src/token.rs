//! Tokens: the keys that sign them, the service that gives them out, and the check at every other door.

mod assertion;
pub(crate) mod authority;
pub(crate) mod check;
pub(crate) mod claims;
mod discovery;
mod form;
mod proof;
mod refresh;
pub(crate) mod refusal;
pub(crate) mod service;
pub(crate) mod signing;
mod wanted;

use store::StoreError;

use crate::error::Stop;
use crate::token::refusal::TokenRefused;

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum No {
    Refused(TokenRefused),
    Fault(Stop),
}

impl From<TokenRefused> for No {
    fn from(refused: TokenRefused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Stop> for No {
    fn from(fault: Stop) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for No {
    fn from(fault: StoreError) -> Self {
        Self::Fault(fault.into())
    }
}
