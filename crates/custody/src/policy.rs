//! A data encryption policy as custody keeps it: what was chosen, which generation, which epoch.
//!
//! Owns the policy's row. Its wraps lie on the shelf of their own; what its slots last said, in `memory`.

use crypto::{DepPlace, WrapSet};
use model::id::{DepId, Generation, RevocationEpoch, TenantId};
use model::key_identifier::KeyIdentifier;
use model::outcome::Closed;
use model::policy::{Condition, Description, PolicyKind, PolicyName};
use model::refusal::{Code, Refusal};
use model::settings::Settings;
use model::time::Timestamp;
use model::unwrap::Family;
use serde::{Deserialize, Serialize};

/// One data encryption policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The version of this row's shape.
    pub v: u8,
    /// Whose policy.
    pub tenant: TenantId,
    /// Its id.
    pub id: DepId,
    /// What it may be assigned to.
    pub kind: PolicyKind,
    /// The name that an administrator gave it.
    pub name: PolicyName,
    /// What it is for, in the administrator's words.
    pub description: Description,
    /// Which DEP key is current; changes only by re-key.
    pub generation: Generation,
    /// The fence for leases; raised by every denial, order or purge step.
    pub epoch: RevocationEpoch,
    /// Preset, bound, hold, outage budget.
    pub settings: Settings,
    /// The two root keys, as they stand in the wrap set, with their versions.
    pub keys: [KeyIdentifier; 2],
    /// What every seed of the policy must open to, in hexadecimal: kept here and in the log, apart from the wraps.
    ///
    /// Whoever could write both the wrap sets and their MACs (a seed of his own, wrapped for public root keys) still
    /// has another commitment than this one.
    pub commitment: String,
    /// Whether it may be assigned.
    pub enabled: bool,
    /// An order that shuts it.
    pub closed: Option<Closed>,
    /// When it was made.
    pub created: Timestamp,
    /// When its wrap set was last written.
    pub refreshed: Timestamp,
}

impl Policy {
    /// Which rules of the unwrap order it follows.
    pub fn family(&self) -> Family {
        self.kind.family()
    }

    /// The facts that its state is shown by. Whether anything was under it is not counted here.
    pub fn condition(&self) -> Condition {
        Condition { enabled: self.enabled, closed: self.closed, used: true }
    }

    /// Refused unless the wrap set is this policy's: the same commitment and the same preset as in its row.
    pub(crate) fn check_set(&self, set: &WrapSet) -> Result<(), Refusal> {
        let same =
            set.commitment.to_string() == self.commitment && set.preset == self.settings.preset.to_string();
        if same {
            Ok(())
        } else {
            Err(Refusal::new(Code::Ours, "the wrap set is not the policy's").about(self.id))
        }
    }

    pub(crate) fn key(&self) -> String {
        key(self.tenant, self.id)
    }

    pub(crate) fn place(&self) -> DepPlace {
        DepPlace { tenant: *self.tenant.as_bytes(), dep: *self.id.as_bytes(), generation: self.generation.0 }
    }
}

/// The key of a policy's row.
pub(crate) fn key(tenant: TenantId, policy: DepId) -> String {
    format!("{tenant}/{policy}")
}
