//! Why a call was refused, as it travels: problem+json (RFC 9457) with the stable code of spec/errors.md.

use model::id::{DepId, RequestId};
use model::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// What the type of a problem begins with; the slug of its code follows.
const TYPE: &str = "urn:freehold:problem:";

/// Why a call was refused, who must act, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A URI whose last segment is the code in words.
    #[serde(rename = "type")]
    #[schema(example = "urn:freehold:problem:refused-by-customer")]
    pub kind: String,
    /// The code in words.
    #[schema(example = "refused by customer")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 403)]
    pub status: u16,
    /// What happened and why: ids and rules, never content or names.
    pub detail: String,
    /// The stable code; the first digit says who must act.
    #[schema(example = "FH1001")]
    pub code: String,
    /// What to do next.
    pub advice: String,
    /// The id of the call, to be found in every log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub request_id: Option<RequestId>,
    /// The policy that the refusal is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub policy_id: Option<DepId>,
}

impl Problem {
    /// A refusal as it travels, with the id of its call where there is one.
    pub fn new(refusal: &Refusal, request_id: Option<RequestId>) -> Self {
        let code = refusal.code;
        Self {
            kind: format!("{TYPE}{}", code.slug()),
            title: code.slug().replace('-', " "),
            status: code.status(),
            detail: refusal.detail.clone(),
            code: code.text().to_owned(),
            advice: code.advice().to_owned(),
            request_id,
            policy_id: refusal.policy,
        }
    }

    /// The refusal that it tells of; a code of a newer service is told as ours, with its text in the detail.
    pub fn refusal(&self) -> Refusal {
        let known = Code::ALL.iter().copied().find(|code| code.text() == self.code);
        let mut detail = self.detail.clone();
        if known.is_none() {
            detail = format!("{} {detail}", self.code);
        }
        if let Some(request) = self.request_id {
            detail = format!("{detail} [request {request}]");
        }
        let refusal = Refusal::new(known.unwrap_or(Code::Ours), detail);
        match self.policy_id {
            Some(policy) => refusal.about(policy),
            None => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_wire_with_code_policy_and_request() {
        let (policy, request) = (DepId::from_random([3; 16]), RequestId::from_random([4; 16]));
        for code in Code::ALL {
            let refusal = Refusal::new(*code, "the reason").about(policy);
            let text = serde_json::to_string(&Problem::new(&refusal, Some(request))).expect("JSON");
            let told = serde_json::from_str::<Problem>(&text).expect("a problem").refusal();
            assert_eq!((told.code, told.policy), (*code, Some(policy)));
            assert!(
                told.detail.starts_with("the reason [request ") && told.detail.contains(&request.to_string())
            );
        }
    }

    #[test]
    fn a_code_that_is_not_known_here_is_told_as_ours_with_its_text() {
        let mut problem = Problem::new(&Refusal::new(Code::Outage, "later"), None);
        problem.code = "FH9999".into();
        let told = problem.refusal();
        assert_eq!((told.code, told.detail.as_str()), (Code::Ours, "FH9999 later"));
    }
}
