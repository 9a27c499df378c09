//! The page `/docs`.

use faceshare_tests::server::Server;
use reqwest::Method;

#[tokio::test]
async fn the_calls_can_be_browsed_without_anything_from_elsewhere() {
    let server = Server::start().await;
    let http = server.http();
    let page = http.call(Method::GET, "/docs", None, None).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy");
    let directives: Vec<_> = policy.split(';').map(str::trim).collect();
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(
            directives.contains(&directive),
            "{directive} is not in {policy}"
        );
    }
    assert!(!policy.contains("unsafe"), "{policy}");

    let files: Vec<_> = page
        .text
        .split(['"'])
        .filter(|text| text.starts_with("docs/"))
        .collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in files {
        let answer = http
            .call(Method::HEAD, &format!("/{file}"), None, None)
            .await;
        let kind = match file.rsplit('.').next() {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            _ => "image/png",
        };
        assert_eq!(answer.status, 200, "{file}");
        assert!(
            answer.header("content-type").starts_with(kind),
            "{file}: {}",
            answer.header("content-type")
        );
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=300",
            "{file}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{file}");
    }
    http.call(Method::GET, "/docs/../page.html", None, None)
        .await
        .problem(404, "NOT_FOUND");
    http.call(Method::GET, "/docs/index.html", None, None)
        .await
        .problem(404, "NOT_FOUND");
}
