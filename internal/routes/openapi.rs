//! The OpenAPI document, generated from the handlers.
//!
//! A test compares `api/openapi.json` with this document. Run the test with `UPDATE_OPENAPI=1` to
//! write the file again.

use crate::e::http::Problem;
use crate::httpcontroller::{account, classic, docs, facesession, landing, ops};
use crate::json::to_json;
use crate::middleware::deadline;
use crate::paths;
use crate::responses::problem;
use bytes::Bytes;
use std::sync::LazyLock;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Required, Schema};
use utoipa::{Modify, OpenApi};

/// The document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The document of a server without the classic API.
#[must_use]
pub fn openapi_without_classic() -> utoipa::openapi::OpenApi {
    let mut document = openapi();
    document
        .paths
        .paths
        .retain(|path, _| !path.starts_with(paths::CLASSIC_PREFIX));
    if let Some(tags) = &mut document.tags {
        tags.retain(|tag| tag.name != "classic");
    }
    document
}

// The document is large: it is serialized once, and all responses share its bytes.
static JSON: LazyLock<Bytes> = LazyLock::new(|| serialize(&openapi()));
static JSON_WITHOUT_CLASSIC: LazyLock<Bytes> =
    LazyLock::new(|| serialize(&openapi_without_classic()));

fn serialize(document: &utoipa::openapi::OpenApi) -> Bytes {
    to_json(document).expect("invariant: an OpenAPI document serializes to JSON")
}

/// The document as JSON. All callers share its bytes.
#[must_use]
pub fn json() -> Bytes {
    JSON.clone()
}

/// The document of a server without the classic API as JSON. All callers share its bytes.
#[must_use]
pub fn json_without_classic() -> Bytes {
    JSON_WITHOUT_CLASSIC.clone()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "faceshare",
        description = include_str!("openapi.md"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "accounts", description = "Accounts, guests and their tokens"),
        (name = "face-sessions", description = "Sessions: opened, found, entered, changed, left, ended"),
        (name = "classic", description = "The calls of an older system, where `classic.enabled` is set. Every answer is 200; `errCode` tells how it went: 0 ServerError, 1 DataBaseError, 2 InvalidSessionError, 3 UserExistedError, 4 UserNotExistError, 5 PasswordError, 6 InvalidParamsError, 7 success. A call by POST, and signout, that comes from another site is refused with 2"),
        (name = "operations", description = "For operators")
    ),
    paths(
        account::create_guest::create_guest,
        account::sign_up::sign_up,
        account::sign_in::sign_in,
        account::refresh::refresh_tokens,
        account::sign_out::sign_out,
        account::me::get_account,
        account::patch_me::patch_account,
        account::delete_me::delete_account,
        account::change_password::change_password,
        account::put_avatar::put_avatar,
        account::avatar::show_avatar,
        classic::signup::classic_signup,
        classic::signin::classic_signin,
        classic::signout::classic_signout,
        classic::get_user_info::classic_get_user_info,
        classic::update_nickname::classic_update_nickname,
        classic::update_profile_pic::classic_update_profile_pic,
        facesession::create::create_face_session,
        facesession::list::list_face_sessions,
        facesession::search::search_face_session,
        facesession::prejoin::prejoin_face_session,
        facesession::wait::wait_for_admission,
        facesession::cancel_wait::cancel_wait,
        facesession::get::get_face_session,
        facesession::patch::patch_face_session,
        facesession::token::issue_session_token,
        facesession::quit::quit_face_session,
        facesession::end::end_face_session,
        facesession::members::list_members,
        facesession::remove_member::remove_member,
        facesession::knocks::list_knocks,
        facesession::admit_knock::admit_knock,
        facesession::deny_knock::deny_knock,
        facesession::show_number_code::show_number_code,
        facesession::rotate_number_code::rotate_number_code,
        facesession::show_invite::show_invite,
        facesession::make_invite::make_invite,
        facesession::revoke_invite::revoke_invite,
        landing::landing_page,
        ops::healthz::healthz,
        ops::readyz::readyz,
        ops::metrics::metrics_for_loopback,
        ops::openapi_document::openapi_document,
        docs::docs_page
    ),
    components(schemas(Problem)),
    modifiers(&BearerScheme, &OptionalBodies, &ExactlyOneKey, &RateLimitResponses, &IdempotencyKeys)
)]
struct Document;

struct BearerScheme;

impl Modify for BearerScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("PASETO")
            .description(Some("The `accessToken` of a guest or account. `TOKEN_EXPIRED`: refresh it; `UNAUTHENTICATED`: sign in."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Removes `null` from optional bodies: a client may leave the body out, but may not send `null`.
struct OptionalBodies;

impl Modify for OptionalBodies {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let operations = document
            .paths
            .paths
            .values_mut()
            .filter_map(|path| path.post.as_mut());
        let bodies = operations.filter_map(|operation| match &mut operation.request_body {
            Some(RefOr::T(body)) => Some(body),
            _ => None,
        });
        for content in bodies.flat_map(|body| body.content.values_mut()) {
            let RefOr::T(content) = content else { continue };
            if let Some(RefOr::T(Schema::OneOf(choice))) = &content.schema {
                content.schema = choice
                    .items
                    .iter()
                    .find(|item| matches!(item, RefOr::Ref(_)))
                    .cloned();
            }
        }
    }
}

/// A prejoin request holds exactly one key: a number code or an invite token.
struct ExactlyOneKey;

impl Modify for ExactlyOneKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let schemas = &mut document.components.get_or_insert_default().schemas;
        let Some(RefOr::T(Schema::Object(both))) = schemas.remove("PrejoinRequest") else {
            return;
        };
        let mut choice = OneOfBuilder::new().description(both.description.clone());
        for (key, other) in [("numberCode", "inviteToken"), ("inviteToken", "numberCode")] {
            let mut one = both.clone();
            one.description = None;
            one.required = vec![key.to_owned()];
            // With both keys it is not clear which one is meant, so the other one must be absent or
            // null.
            one.properties.insert(
                other.to_owned(),
                Schema::Object(ObjectBuilder::new().schema_type(Type::Null).build()).into(),
            );
            if let Some(RefOr::T(Schema::Object(said))) = one.properties.get_mut(key) {
                said.schema_type = Type::String.into();
            }
            choice = choice.item(one);
        }
        schemas.insert("PrejoinRequest".to_owned(), Schema::from(choice).into());
    }
}

/// Adds the 429 response to every client call.
struct RateLimitResponses;

impl Modify for RateLimitResponses {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
                &mut item.patch,
            ];
            for operation in operations
                .into_iter()
                .flatten()
                .filter(|_| path.starts_with("/v1/"))
            {
                let too_often = || {
                    problem(
                        "`RATE_LIMITED`: too often, from this address or by this account; see `Retry-After`",
                    )
                };
                operation
                    .responses
                    .responses
                    .entry("429".to_owned())
                    .or_insert_with(too_often);
            }
        }
    }
}

/// Adds the `Idempotency-Key` header and the 409 response to calls that change something and need a
/// token.
struct IdempotencyKeys;

impl Modify for IdempotencyKeys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (_, item) in document
            .paths
            .paths
            .iter_mut()
            .filter(|(path, _)| *path != deadline::WAIT_PATH)
        {
            let operations = [
                &mut item.post,
                &mut item.put,
                &mut item.delete,
                &mut item.patch,
            ];
            for operation in operations
                .into_iter()
                .flatten()
                .filter(|operation| operation.security.is_some())
            {
                let schema = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .min_length(Some(1))
                    .max_length(Some(64))
                    .pattern(Some("^[!-~]+$"));
                let key = ParameterBuilder::new()
                    .name("Idempotency-Key")
                    .parameter_in(ParameterIn::Header)
                    .required(Required::False)
                    .description(Some(
                        "Names this call, so that a repeat after a lost answer takes no effect and is answered as the first was",
                    ))
                    .schema(Some(schema))
                    .build();
                operation
                    .parameters
                    .get_or_insert_default()
                    .push(RefOr::T(key));
                let conflict = || {
                    problem(
                        "`CONFLICT`: the state does not allow it, or the `Idempotency-Key` was used for another request or is in use",
                    )
                };
                operation
                    .responses
                    .responses
                    .entry("409".to_owned())
                    .or_insert_with(conflict);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{json, json_without_classic, openapi};
    use faceshare_biz::ErrorCode;
    use std::path::Path;

    #[test]
    fn openapi_document_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api/openapi.json");
        let fresh = openapi().to_pretty_json().expect("serialises") + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some_and(|v| v == "1") {
            std::fs::write(&path, &fresh).expect("writes the document");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == fresh,
            "api/openapi.json is stale: run this test with UPDATE_OPENAPI=1"
        );
    }

    #[test]
    fn the_document_lists_every_error_code() {
        let document = serde_json::to_value(openapi()).expect("serialises");
        let schemas = &document["components"]["schemas"];
        let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(schemas["ErrorCode"]["enum"], serde_json::json!(codes));
        assert_eq!(schemas["ErrorCode"]["type"], "string");
        let code = schemas["Problem"]["properties"]["code"].to_string();
        assert!(code.contains("#/components/schemas/ErrorCode"), "{code}");
    }

    #[test]
    fn all_responses_share_the_bytes_of_one_document() {
        for (json, has_classic) in [(json as fn() -> _, true), (json_without_classic, false)] {
            let (one, other) = (json(), json());
            assert_eq!(one.as_ptr(), other.as_ptr());
            assert_eq!(
                one.windows(14).any(|text| text == b"/api/entrytask"),
                has_classic
            );
        }
    }

    #[test]
    fn every_operation_says_what_it_is_and_how_it_fails() {
        let document = serde_json::to_value(openapi()).expect("serialises");
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object()
                .expect("an item")
                .iter()
                .map(move |(method, op)| (path, method, op))
        });
        for (path, method, operation) in operations {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["operationId"].is_string(), "{method} {path}");
            let own = ["/v1/accounts/me", "/v1/accounts/sign-out"];
            let takes_token = path.starts_with("/v1/face-sessions")
                || path == "/v1/accounts"
                || own.iter().any(|own| path.starts_with(own));
            assert_eq!(
                operation["security"].is_array(),
                takes_token,
                "{method} {path}"
            );
            if path.starts_with("/v1/") {
                assert!(
                    operation["responses"]["default"]["content"]["application/problem+json"]
                        .is_object(),
                    "{method} {path}"
                );
            }
        }
    }
}
