//! Subscriptions: made in a directory with an owner, and registered for the mandatory retention period.

use model::id::DirectoryId;
use serde_json::json;
use store::Batch;

use super::{AdminFault, Administration, check_name};
use crate::access::{Grant, Scope};
use crate::core::Found;
use crate::directory::principal::{self, PrincipalRow, Subject};
use crate::id::{AssignmentId, PrincipalId, SubscriptionId};
use crate::resource::assignment::{self, AssignmentRow};
use crate::resource::feature::{self, FeatureRow, State};
use crate::resource::role;
use crate::resource::subscription::{self, Offer, SubscriptionRow};
use crate::{resource, schema};

/// A subscription to be made.
#[derive(Debug, Clone)]
pub struct NewSubscription<'a> {
    /// Its id, where that is given; else one is made.
    pub id: Option<SubscriptionId>,
    /// What people call it.
    pub display_name: &'a str,
    /// The principal of the directory that gets the role Owner: it may make vaults and give rights, and use no key.
    pub owner: PrincipalId,
}

impl Administration {
    /// Every subscription: id, directory, name.
    pub async fn subscriptions(&self) -> Result<Vec<(SubscriptionId, DirectoryId, String)>, AdminFault> {
        let found: Vec<Found<SubscriptionRow>> = self.core.all(schema::SUBSCRIPTIONS, "").await?;
        let known = found.into_iter().filter_map(|found| Some((found.key.parse().ok()?, found.value)));
        Ok(known.map(|(id, row)| (id, row.directory, row.display_name)).collect())
    }

    /// Makes a subscription in a directory and gives its owner the role Owner.
    pub async fn create_subscription(
        &self,
        directory: DirectoryId,
        new: NewSubscription<'_>,
    ) -> Result<SubscriptionId, AdminFault> {
        check_name(new.display_name)?;
        let home = self.directory(directory).await?;
        let owner = principal::find(&self.core, directory, new.owner)
            .await?
            .ok_or_else(|| AdminFault::Missing(format!("principal {}", new.owner)))?;
        let id = new.id.unwrap_or_else(|| SubscriptionId::from_random(self.core.id()));
        if subscription::find(&self.core, id).await?.is_some() {
            return Err(AdminFault::Exists(format!("subscription {id}")));
        }
        let row = SubscriptionRow {
            directory,
            display_name: new.display_name.into(),
            created: self.core.now(),
            offer: Offer::default(),
            unpaid: false,
        };
        let batch = home
            .basis()
            .and(&owner)
            .batch()
            .expect_absent(schema::SUBSCRIPTIONS, id.to_string())
            .put(schema::SUBSCRIPTIONS, id.to_string(), &row);
        let batch = self.add_owner(batch, id, new.owner, &owner);
        let body = json!({ "subscription": id, "directory": directory, "owner": new.owner });
        self.commit(batch, resource::stream(id), "AddSubscription", body).await?;
        Ok(id)
    }

    /// Gives another principal of the directory the role Owner of a subscription: the way back when the last owner is gone.
    pub async fn add_subscription_owner(
        &self,
        subscription: SubscriptionId,
        owner: PrincipalId,
    ) -> Result<(), AdminFault> {
        let missing = || AdminFault::Missing(format!("subscription {subscription}"));
        let home = subscription::find(&self.core, subscription).await?.ok_or_else(missing)?;
        let found = principal::find(&self.core, home.value.directory, owner)
            .await?
            .ok_or_else(|| AdminFault::Missing(format!("principal {owner}")))?;
        let scope = Scope::subscription(subscription);
        let held = assignment::grants(&self.core, owner, subscription).await?;
        if held.iter().any(|grant| grant.value.role == role::OWNER && grant.value.scope.row() == scope.row())
        {
            return Err(AdminFault::Exists(format!("the role Owner of principal {owner}")));
        }
        let batch = self.add_owner(home.basis().and(&found).batch(), subscription, owner, &found);
        let body = json!({ "subscription": subscription, "owner": owner });
        self.commit(batch, resource::stream(subscription), "AddSubscriptionOwner", body).await
    }

    /// Says under which offer a subscription is held and whether its bill is open: a new one is under an enterprise agreement and paid.
    pub async fn set_subscription_offer(
        &self,
        subscription: SubscriptionId,
        offer: Offer,
        unpaid: bool,
    ) -> Result<(), AdminFault> {
        let missing = || AdminFault::Missing(format!("subscription {subscription}"));
        let home = subscription::find(&self.core, subscription).await?.ok_or_else(missing)?;
        let row = SubscriptionRow { offer, unpaid, ..home.value.clone() };
        let batch = home.basis().batch().put(schema::SUBSCRIPTIONS, home.key, &row);
        let body = json!({ "subscription": subscription, "offer": offer, "unpaid": unpaid });
        self.commit(batch, resource::stream(subscription), "SetSubscriptionOffer", body).await
    }

    /// Completes a subscription's registration for the mandatory retention period, which its owner has asked for.
    pub async fn register_mandatory_retention(&self, subscription: SubscriptionId) -> Result<(), AdminFault> {
        let missing = || AdminFault::Missing(format!("subscription {subscription}"));
        let home = subscription::find(&self.core, subscription).await?.ok_or_else(missing)?;
        let asked = feature::find(&self.core, subscription).await?.ok_or_else(|| {
            AdminFault::Refused(format!(
                "subscription {subscription} has not asked for {}: its owner registers the feature first",
                feature::MANDATORY_RETENTION
            ))
        })?;
        let batch = home.basis().and(&asked).batch().put(
            schema::FEATURES,
            feature::row(subscription),
            &FeatureRow { state: State::Registered },
        );
        let body = json!({ "subscription": subscription, "feature": feature::MANDATORY_RETENTION });
        self.commit(batch, resource::stream(subscription), "CompleteFeatureRegistration", body).await
    }

    fn add_owner(
        &self,
        batch: Batch,
        subscription: SubscriptionId,
        owner: PrincipalId,
        found: &Found<PrincipalRow>,
    ) -> Batch {
        let grant = Grant {
            id: AssignmentId::from_random(self.core.id()),
            principal: owner,
            role: role::OWNER.into(),
            scope: Scope::subscription(subscription),
        };
        let principal_type = match found.value.subject {
            Subject::User { .. } => "User",
            Subject::Application { .. } => "ServicePrincipal",
            Subject::Group {} => "Group",
        };
        let row = AssignmentRow {
            grant,
            principal_type: principal_type.into(),
            description: None,
            created: self.core.now(),
            created_by: None,
        };
        assignment::add(batch, &row)
    }
}
