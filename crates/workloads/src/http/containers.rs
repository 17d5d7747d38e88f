//! Mailboxes and sites over HTTP: created, listed and found by name.

use api::server::{Asked, Body, Refused, answer};
use api::{Container, ContainerKind, ContainerName, ContainerPage, NewContainer, Paging, Problem};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Http, InContainer, InTenant, Reader, TAG, Writer};
use crate::holder::{Holder, HolderKind, HolderPage, MAX_HOLDERS};

#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/containers",
    tag = TAG,
    operation_id = "listContainers",
    summary = "List mailboxes and sites",
    params(InTenant, Paging),
    responses((status = 200, description = "A page, at most 500 of them.", body = ContainerPage), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")),
    security(("bearer" = ["reader"])),
)]
pub(super) async fn list(
    Reader(caller, _): Reader<InTenant>,
    Asked(paging): Asked<Paging>,
    State(http): State<Http>,
) -> Result<Response, Refused> {
    let limit = paging.limit.unwrap_or(MAX_HOLDERS);
    let page = http.engine.holders(&caller, paging.start()?, limit).await?;
    Ok(answer(StatusCode::OK, &ContainerPage::from(page)))
}

#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/containers",
    tag = TAG,
    operation_id = "createContainer",
    summary = "Create a mailbox or a site, with a key of its own under the policy that covers it",
    params(InTenant),
    request_body = NewContainer,
    responses(
        (
            status = 201,
            description = "It is there.",
            body = Container,
            headers(("location" = String, description = "Its path.")),
        ),
        (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["writer"])),
)]
pub(super) async fn create(
    Writer(caller, at): Writer<InTenant>,
    State(http): State<Http>,
    Body(new): Body<NewContainer>,
) -> Result<Response, Refused> {
    let kind = HolderKind::from(new.kind);
    let holder = http.engine.create_holder(&caller, kind, &kind.name(&new.name)?).await?;
    let location = format!("/v1/tenants/{}/containers/{}", at.tenant, holder.id);
    let container = answer(StatusCode::CREATED, &Container::from(holder));
    Ok(([(header::LOCATION, location)], container).into_response())
}

#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/containers/find",
    tag = TAG,
    operation_id = "findContainer",
    summary = "Find a mailbox or a site by its name, without regard to case",
    params(InTenant),
    request_body = ContainerName,
    responses((status = 200, description = "The one of that name.", body = Container), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")),
    security(("bearer" = ["reader"])),
)]
pub(super) async fn find(
    Reader(caller, _): Reader<InTenant>,
    State(http): State<Http>,
    Body(wanted): Body<ContainerName>,
) -> Result<Response, Refused> {
    let kind = HolderKind::from(wanted.kind);
    let holder = http.engine.holder_by_name(&caller, kind, &kind.name(&wanted.name)?).await?;
    Ok(answer(StatusCode::OK, &Container::from(holder)))
}

#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/containers/{container}",
    tag = TAG,
    operation_id = "getContainer",
    summary = "Show a mailbox or a site",
    params(InContainer),
    responses((status = 200, description = "The mailbox or site.", body = Container), (status = "default", description = "A refusal.", body = Problem, content_type = "application/problem+json")),
    security(("bearer" = ["reader"])),
)]
pub(super) async fn show(
    Reader(caller, at): Reader<InContainer>,
    State(http): State<Http>,
) -> Result<Response, Refused> {
    let holder = http.engine.holder(&caller, at.container).await?;
    Ok(answer(StatusCode::OK, &Container::from(holder)))
}

impl From<ContainerKind> for HolderKind {
    fn from(kind: ContainerKind) -> Self {
        match kind {
            ContainerKind::Mailbox => Self::Mailbox,
            ContainerKind::Site => Self::Site,
        }
    }
}

impl From<HolderKind> for ContainerKind {
    fn from(kind: HolderKind) -> Self {
        match kind {
            HolderKind::Mailbox => Self::Mailbox,
            HolderKind::Site => Self::Site,
        }
    }
}

impl From<Holder> for Container {
    fn from(holder: Holder) -> Self {
        let Holder { id, kind, name, created } = holder;
        Self { id, kind: kind.into(), name: name.as_str().to_owned(), created: created.into() }
    }
}

impl From<HolderPage> for ContainerPage {
    fn from(page: HolderPage) -> Self {
        Self { containers: page.holders.into_iter().map(Container::from).collect(), next: page.next }
    }
}
