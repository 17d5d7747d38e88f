//! Groups of a directory, and who administers it.

use model::id::DirectoryId;
use serde_json::json;

use super::{AdminFault, Administration, check_name};
use crate::core::Found;
use crate::directory::principal::{self, MOST_GROUPS, NameRow, PrincipalRow, Subject};
use crate::id::PrincipalId;
use crate::{directory, schema};

impl Administration {
    /// Makes a group without members, of a name that no other group of the directory has; a right that it is given is its members' right.
    pub async fn create_group(
        &self,
        directory: DirectoryId,
        display_name: &str,
    ) -> Result<PrincipalId, AdminFault> {
        check_name(display_name)?;
        let home = self.directory(directory).await?;
        if self.group_of(directory, display_name).await?.is_some() {
            return Err(AdminFault::Exists(format!("group {display_name}")));
        }
        let id = PrincipalId::from_random(self.core.id());
        let batch = self.add_principal(home.basis().batch(), directory, id, display_name, Subject::Group {});
        self.commit(batch, directory::stream(directory), "AddGroup", json!({ "group": id })).await?;
        Ok(id)
    }

    /// The group of that name, compared without case.
    pub async fn group_of(
        &self,
        directory: DirectoryId,
        display_name: &str,
    ) -> Result<Option<PrincipalId>, AdminFault> {
        let named = schema::group_in(directory, display_name);
        let found = self.core.find::<NameRow>(schema::PRINCIPAL_NAMES, &named).await?;
        Ok(found.map(|found| found.value.principal))
    }

    /// Makes a user or a service principal a member of a group. Groups have no groups as members.
    pub async fn add_member(
        &self,
        directory: DirectoryId,
        group: PrincipalId,
        member: PrincipalId,
    ) -> Result<(), AdminFault> {
        let home = self.group(directory, group).await?;
        let found = self.principal(directory, member).await?;
        let mut row = found.value.clone();
        if matches!(row.subject, Subject::Group {}) {
            return Err(AdminFault::Refused("a group cannot be a member of a group".into()));
        }
        if row.groups.contains(&group) {
            return Err(AdminFault::Exists(format!("member {member}")));
        }
        if row.groups.len() >= MOST_GROUPS {
            return Err(AdminFault::Refused(format!("{member} is in {MOST_GROUPS} groups, the most")));
        }
        row.groups.push(group);
        let batch = home.basis().and(&found).batch().put(schema::PRINCIPALS, found.key.clone(), &row);
        let body = json!({ "group": group, "member": member });
        self.commit(batch, directory::stream(directory), "AddMember", body).await
    }

    /// Takes a member from a group, and with it every right that the group gave, from the next call on.
    pub async fn remove_member(
        &self,
        directory: DirectoryId,
        group: PrincipalId,
        member: PrincipalId,
    ) -> Result<(), AdminFault> {
        let found = self.principal(directory, member).await?;
        let mut row = found.value.clone();
        if !row.groups.contains(&group) {
            return Err(AdminFault::Missing(format!("member {member}")));
        }
        row.groups.retain(|one| *one != group);
        let batch = found.basis().batch().put(schema::PRINCIPALS, found.key.clone(), &row);
        let body = json!({ "group": group, "member": member });
        self.commit(batch, directory::stream(directory), "RemoveMember", body).await
    }

    /// Says whether a user or service principal administers the directory: only administrators change it over the wire.
    pub async fn set_administrator(
        &self,
        directory: DirectoryId,
        principal: PrincipalId,
        administrator: bool,
    ) -> Result<(), AdminFault> {
        let found = self.principal(directory, principal).await?;
        if matches!(found.value.subject, Subject::Group {}) {
            return Err(AdminFault::Refused("a group cannot administer a directory".into()));
        }
        let row = PrincipalRow { administrator, ..found.value.clone() };
        let batch = found.basis().batch().put(schema::PRINCIPALS, found.key.clone(), &row);
        let body = json!({ "principal": principal, "administrator": administrator });
        self.commit(batch, directory::stream(directory), "SetAdministrator", body).await
    }

    async fn group(
        &self,
        directory: DirectoryId,
        id: PrincipalId,
    ) -> Result<Found<PrincipalRow>, AdminFault> {
        let found = self.principal(directory, id).await?;
        match found.value.subject {
            Subject::Group {} => Ok(found),
            _ => Err(AdminFault::Missing(format!("group {id}"))),
        }
    }

    async fn principal(
        &self,
        directory: DirectoryId,
        id: PrincipalId,
    ) -> Result<Found<PrincipalRow>, AdminFault> {
        let found = principal::find(&self.core, directory, id).await?;
        found.ok_or_else(|| AdminFault::Missing(format!("principal {id}")))
    }
}
