//! The OpenAPI document of the service, as it is served and committed: made of the routes themselves.
//!
//! Owns what holds for every operation alike, because every call passes `passage`: the id that it bears.

use utoipa::openapi::header::Header;
use utoipa::openapi::info::{Info, InfoBuilder, LicenseBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{KnownFormat, Object, OpenApi, OpenApiBuilder, Ref, RefOr, SchemaFormat, Type};

use super::health;
use super::passage::REQUEST_ID;

/// What the components of the document call the header, both ways.
const ID: &str = "RequestId";

/// The document, of every room's routes.
pub fn openapi() -> OpenApi {
    let mut document = OpenApiBuilder::new().info(about()).build();
    document.merge(health::routes().into_openapi());
    document.merge(custody::http::routes().into_openapi());
    document.merge(workloads::http::routes().into_openapi());
    document.paths.paths.values_mut().for_each(bear_ids);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(BEARER)).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.parameters.insert(ID.into(), RefOr::T(asked()));
    components.headers.insert(ID.into(), RefOr::T(told()));
    document
}

/// The document as the text that is committed.
pub fn openapi_text() -> String {
    let mut text = openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

const BEARER: &str = "The operator's token, or a token of the tenant's directory";

fn about() -> Info {
    InfoBuilder::new()
        .title("Freehold")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The service's own API. What a type cannot say is in spec/http-api.md."))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0 OR MIT").identifier(Some("Apache-2.0 OR MIT")).build(),
        ))
        .build()
}

/// The header of a request.
fn asked() -> Parameter {
    let says = "The id that the call shall have, a UUID; anything else is ignored and the service gives one.";
    Parameter::builder()
        .name(REQUEST_ID)
        .parameter_in(ParameterIn::Header)
        .description(Some(says))
        .schema(Some(uuid()))
        .build()
}

/// The header of every answer.
fn told() -> Header {
    let mut header = Header::new(uuid());
    header.description = Some("The id of the call, to be found in every log.".into());
    header
}

fn uuid() -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    Object::builder().schema_type(Type::String).format(Some(format)).build()
}

/// Says of the operations of a path that call and answer bear an id.
fn bear_ids(path: &mut PathItem) {
    let asked = RefOr::Ref(Ref::new(format!("#/components/parameters/{ID}")));
    path.parameters.get_or_insert_default().push(asked);
    let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
    for operation in operations.into_iter().flatten() {
        answer_with_id(operation);
    }
}

fn answer_with_id(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let told = RefOr::Ref(Ref::new(format!("#/components/headers/{ID}")));
            response.headers.insert(REQUEST_ID.into(), told);
        }
    }
}
