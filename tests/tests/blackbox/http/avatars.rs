//! Pictures of accounts.

use super::accounts::QUICK;
use faceshare_tests::http::{Answer, Http, send};
use faceshare_tests::picture::PNG;
use faceshare_tests::server::Server;
use reqwest::Method;

async fn put(http: &Http, token: &str, media_type: &str, file: impl Into<reqwest::Body>) -> Answer {
    let request = http
        .request(Method::PUT, "/v1/accounts/me/avatar")
        .bearer_auth(token)
        .header("content-type", media_type);
    send(request.body(file)).await
}

#[tokio::test]
async fn a_picture_is_served_to_everybody_until_there_is_another() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    let mut paths = Vec::new();
    for _ in 0..2 {
        let account = put(&http, &ann.access, "image/png", PNG.to_vec())
            .await
            .ok(200);
        assert_eq!(account["account"]["id"], ann.id);
        let path = account["account"]["avatarUrl"]
            .as_str()
            .expect("a path")
            .to_owned();
        assert!(
            path.strip_prefix("/v1/avatars/")
                .is_some_and(|key| key.len() == 22),
            "{path}"
        );
        let shown = http
            .request(Method::GET, &path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(shown.status(), 200);
        assert_eq!(shown.headers()["content-type"], "image/jpeg");
        assert_eq!(
            shown.headers()["cache-control"],
            "public, max-age=31536000, immutable"
        );
        assert_eq!(shown.headers()["x-content-type-options"], "nosniff");
        assert!(
            shown
                .bytes()
                .await
                .expect("a body")
                .starts_with(&[0xff, 0xd8]),
            "encoded again as JPEG"
        );
        paths.push(path);
    }
    http.call(Method::GET, &paths[0], None, None)
        .await
        .problem(404, "NOT_FOUND");
    let me = http.get("/v1/accounts/me", &ann.access).await.ok(200);
    assert_eq!(me["account"]["avatarUrl"], paths[1].as_str());
    http.delete("/v1/accounts/me", &ann.access).await.ok(204);
    http.call(Method::GET, &paths[1], None, None)
        .await
        .problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn an_upload_that_is_not_a_picture_or_too_large_is_refused() {
    let server = Server::start_with(&[("limits.avatar_bytes", "1024")]).await;
    let http = server.http();
    let ann = http.guest("Ann").await.access;
    put(&http, &ann, "image/gif", PNG.to_vec())
        .await
        .problem(415, "UNSUPPORTED_MEDIA_TYPE");
    put(&http, &ann, "image/png", "GIF89a")
        .await
        .problem(415, "UNSUPPORTED_MEDIA_TYPE");
    put(&http, &ann, "image/png", PNG[..40].to_vec())
        .await
        .problem(400, "INVALID_ARGUMENT");
    put(&http, &ann, "image/png", vec![0; 1025])
        .await
        .problem(413, "PAYLOAD_TOO_LARGE");
    put(&http, "rubbish", "image/png", PNG.to_vec())
        .await
        .problem(401, "UNAUTHENTICATED");
    // A header that announces a hundred million pixels, without data.
    let mut huge = PNG.to_vec();
    huge[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
    put(&http, &ann, "image/png", huge)
        .await
        .problem(400, "INVALID_ARGUMENT");
    for missing in ["x", "..%2f..", "%ff", &"x".repeat(200)] {
        http.call(Method::GET, &format!("/v1/avatars/{missing}"), None, None)
            .await
            .problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn an_upload_under_a_key_takes_effect_once() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    let put = async |key: &str, file: Vec<u8>| {
        let request = http
            .request(Method::PUT, "/v1/accounts/me/avatar")
            .bearer_auth(&ann.access)
            .header("content-type", "image/png");
        send(request.header("idempotency-key", key).body(file)).await
    };
    let first = put("a", PNG.to_vec()).await;
    let again = put("a", PNG.to_vec()).await;
    assert_eq!(
        first.ok(200),
        again.ok(200),
        "the same picture, at the same address"
    );
    assert_eq!(again.header("idempotency-replayed"), "true");
    put("a", [&PNG[..], b"x"].concat())
        .await
        .problem(409, "CONFLICT");
    put("a b", PNG.to_vec())
        .await
        .problem(400, "INVALID_ARGUMENT");
    let other = put("b", PNG.to_vec()).await.ok(200);
    assert_ne!(
        other["account"]["avatarUrl"],
        first.ok(200)["account"]["avatarUrl"]
    );
    let refused = put("c", b"GIF89a".to_vec()).await;
    refused.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(
        put("c", b"GIF89a".to_vec())
            .await
            .header("idempotency-replayed"),
        "true",
        "a refusal is kept, too"
    );
}
