//! The public examples of the three schemes, and what a verifier must refuse.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use secrecy::SecretString;
use wps2sign::{
    BodyDigest, BodyHasher, MAX_SKEW, Message, Presented, PresentedError, Scheme, Signer,
    SignerError, VerifyError,
};

const JSON: &str = "application/json";

fn at(date: &str) -> SystemTime {
    httpdate::parse_http_date(date).expect("a date")
}

fn signer(scheme: Scheme, key: &str, secret: &str) -> Signer {
    Signer::new(scheme, key, SecretString::from(secret)).expect("credentials")
}

fn headers(
    signer: &Signer,
    message: &Message<'_>,
    now: SystemTime,
) -> HashMap<&'static str, String> {
    signer.sign(message, now).into_iter().collect()
}

fn present(
    scheme: Scheme,
    headers: &HashMap<&'static str, String>,
) -> Result<Option<Presented>, PresentedError> {
    Presented::from_headers(scheme, |name| headers.get(name).map(String::as_str))
}

/// Signs and says what stands after the last colon of the authorization header.
fn signature(signer: &Signer, scheme: Scheme, message: &Message<'_>, date: &str) -> String {
    let headers = headers(signer, message, at(date));
    assert_eq!(headers[scheme.date_header()], date);
    let (_, signature) = headers[scheme.authorization_header()]
        .rsplit_once(':')
        .expect("a colon");
    signature.to_owned()
}

#[test]
fn kso_1_signs_its_public_examples() {
    let signer = signer(Scheme::Kso1, "AK123456", "sk098765");
    let date = "Mon, 02 Jan 2006 15:04:05 GMT";
    let get = Message {
        method: "GET",
        uri: "/v7/test?key=value",
        content_type: JSON,
        body: &BodyDigest::empty(),
    };
    assert_eq!(
        signature(&signer, Scheme::Kso1, &get, date),
        "ce8df66877175e5198c8ea1362ffddf82e4941c6f25a4ca205a1ad09d0faaf03"
    );
    let post = Message {
        method: "POST",
        uri: "/v7/test/body",
        content_type: JSON,
        body: &BodyDigest::of(br#"{"key": "value"}"#),
    };
    assert_eq!(
        signature(&signer, Scheme::Kso1, &post, date),
        "c46e6c988130818ecba2484d51ac685948fbbef6814602c7874d6bfc41dc17b3"
    );
    let headers = headers(&signer, &post, at(date));
    assert!(headers["x-kso-authorization"].starts_with("KSO-1 AK123456:c46e6c98"));
    assert!(!headers.contains_key("content-md5"));
}

fn do_something(body: &BodyDigest) -> Message<'_> {
    Message {
        method: "POST",
        uri: "/api/v1/dosomething?name=xiaoming&age=18",
        content_type: JSON,
        body,
    }
}

#[test]
fn wps_3_signs_its_public_examples() {
    let signer = signer(Scheme::Wps3, "AK123", "sk456");
    let date = "Wed, 03 Nov 2021 02:55:55 GMT";
    assert_eq!(
        signature(
            &signer,
            Scheme::Wps3,
            &do_something(&BodyDigest::empty()),
            date
        ),
        "695229194add4899ffde601d691a1f2d398e7fab"
    );
    let body = BodyDigest::of(br#"{"key":"value"}"#);
    assert_eq!(
        signature(&signer, Scheme::Wps3, &do_something(&body), date),
        "995beeb31091d56cf6f203ff2eddbf04d65ac4b8"
    );
    let headers = headers(&signer, &do_something(&body), at(date));
    assert!(headers["x-auth"].starts_with("WPS-3:AK123:995beeb3"));
}

#[test]
fn wps_2_signs_its_public_example() {
    // The example's MD5 is that of no byte, which a request has whose URI is empty.
    let signer = signer(Scheme::Wps2, "AK", "wJalrXUtnFEYEXAMPLEKES");
    let message = Message {
        method: "GET",
        uri: "",
        content_type: JSON,
        body: &BodyDigest::empty(),
    };
    let headers = headers(&signer, &message, at("Wed, 23 Jan 2013 06:43:08 GMT"));
    assert_eq!(headers["content-md5"], "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(
        headers["authorization"],
        "WPS-2:AK:083500176fa3aab58ca2dc962978013b3ca2b6df"
    );
}

#[test]
fn wps_2_takes_the_md5_of_the_uri_when_there_is_no_body() {
    let signer = signer(Scheme::Wps2, "AK", "secret");
    let now = at("Wed, 23 Jan 2013 06:43:08 GMT");
    let mut message = Message {
        method: "GET",
        uri: "/v1/a?b=c",
        content_type: JSON,
        body: &BodyDigest::empty(),
    };
    let md5_of_uri = hex::encode(BodyDigest::of(b"/v1/a?b=c").md5());
    assert_eq!(headers(&signer, &message, now)["content-md5"], md5_of_uri);
    let body = BodyDigest::of(b"{}");
    message.body = &body;
    let md5_of_body = hex::encode(body.md5());
    assert_eq!(headers(&signer, &message, now)["content-md5"], md5_of_body);
}

#[test]
fn a_signature_is_good_for_five_minutes_before_and_after_its_date() {
    let secret = SecretString::from("secret");
    let signed_at = at("Wed, 03 Nov 2021 02:55:55 GMT");
    for scheme in Scheme::ALL {
        let message = Message {
            method: "GET",
            uri: "/a",
            content_type: JSON,
            body: &BodyDigest::empty(),
        };
        let headers = headers(&signer(scheme, "AK", "secret"), &message, signed_at);
        let presented = present(scheme, &headers).expect("readable").expect("there");
        assert_eq!(presented.access_key(), "AK");
        assert_eq!(presented.scheme(), scheme);
        for now in [signed_at, signed_at - MAX_SKEW, signed_at + MAX_SKEW] {
            let verified = presented.verify(&message, &secret, now).expect("good");
            assert_eq!(verified.expires_at, signed_at + MAX_SKEW);
        }
        let second = Duration::from_secs(1);
        for now in [signed_at - MAX_SKEW - second, signed_at + MAX_SKEW + second] {
            let refused = presented.verify(&message, &secret, now);
            assert_eq!(refused, Err(VerifyError::Skew), "{scheme}");
        }
    }
}

#[test]
fn one_signature_in_two_spellings_is_one_replay() {
    let secret = SecretString::from("secret");
    let now = at("Wed, 03 Nov 2021 02:55:55 GMT");
    for scheme in Scheme::ALL {
        let message = Message {
            method: "GET",
            uri: "/a",
            content_type: JSON,
            body: &BodyDigest::empty(),
        };
        let lower = headers(&signer(scheme, "AK", "secret"), &message, now);
        let mut upper = lower.clone();
        let header = upper.get_mut(scheme.authorization_header()).expect("there");
        let (before, hex) = header.rsplit_once(':').expect("a colon");
        *header = format!("{before}:{}", hex.to_uppercase());
        let keys = [lower, upper].map(|headers| {
            let presented = present(scheme, &headers).expect("readable").expect("there");
            let verified = presented.verify(&message, &secret, now);
            verified.expect("good").replay_key
        });
        assert_eq!(keys[0], keys[1]);
    }
}

#[test]
fn a_content_md5_of_another_body_is_refused() {
    let secret = SecretString::from("secret");
    let now = at("Wed, 03 Nov 2021 02:55:55 GMT");
    let body = BodyDigest::of(b"{}");
    let message = Message {
        method: "POST",
        uri: "/a",
        content_type: JSON,
        body: &body,
    };
    for scheme in [Scheme::Wps2, Scheme::Wps3] {
        let mut headers = headers(&signer(scheme, "AK", "secret"), &message, now);
        headers.insert("content-md5", "0".repeat(32));
        let presented = present(scheme, &headers).expect("readable").expect("there");
        let refused = presented.verify(&message, &secret, now);
        assert_eq!(refused, Err(VerifyError::Body));
    }
}

#[test]
fn headers_that_cannot_be_read_are_told_from_headers_that_are_not_there() {
    let good = |name: &str| match name {
        "x-kso-date" => Some("Mon, 02 Jan 2006 15:04:05 GMT"),
        _ => None,
    };
    let read = |authorization: &'static str, date: Option<&'static str>| {
        Presented::from_headers(Scheme::Kso1, |name| match name {
            "x-kso-authorization" => Some(authorization),
            "x-kso-date" => date,
            _ => None,
        })
        .map(|found| found.is_some())
    };
    let date = good("x-kso-date");
    assert!(matches!(
        Presented::from_headers(Scheme::Kso1, good),
        Ok(None)
    ));
    assert_eq!(read("Bearer abc", date), Ok(false));
    assert_eq!(read("KSO-1 AK:00ff", date), Ok(true));
    let long: &str = Box::leak(format!("KSO-1 AK:{}", "0".repeat(4096)).into_boxed_str());
    for malformed in [
        "KSO-1 AK",
        "KSO-1 :00ff",
        "KSO-1 AK:",
        "KSO-1 AK:xyz",
        "KSO-1 A K:00",
        long,
    ] {
        assert_eq!(read(malformed, date), Err(PresentedError::Authorization));
    }
    for date in [
        None,
        Some(""),
        Some("2006-01-02T15:04:05Z"),
        Some("Monday, 02-Jan-06 15:04:05 GMT"),
        Some("Tue, 02 Jan 2006 15:04:05 GMT"),
    ] {
        assert_eq!(read("KSO-1 AK:00ff", date), Err(PresentedError::Date));
    }
}

#[test]
fn credentials_that_cannot_stand_in_a_header_are_refused_at_once() {
    let new = |key: &str, secret: &str| {
        Signer::new(Scheme::Kso1, key, SecretString::from(secret)).map(|_| ())
    };
    let long = "a".repeat(65);
    for key in ["", "a:b", "a b", "ä", "a\n", long.as_str()] {
        assert_eq!(new(key, "secret"), Err(SignerError::AccessKey), "{key:?}");
    }
    assert_eq!(new("AK", ""), Err(SignerError::Secret));
    assert_eq!(new("AK", "secret"), Ok(()));
}

#[test]
fn a_secret_is_not_printed() {
    let printed = format!("{:?}", signer(Scheme::Kso1, "AK", "very-secret"));
    assert!(printed.contains("AK") && !printed.contains("very-secret"));
}

fn put(body: &BodyDigest) -> Message<'_> {
    Message {
        method: "PUT",
        uri: "/a",
        content_type: JSON,
        body,
    }
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop::sample::select(Scheme::ALL.to_vec())
}

proptest! {
    #[test]
    fn what_was_signed_verifies_and_another_secret_does_not(
        scheme in scheme(),
        method in "(GET|PUT|POST|DELETE)",
        uri in "/[ -~]{0,40}",
        body in prop::collection::vec(any::<u8>(), 0..64),
        secret in "[ -~]{1,40}",
        other in "[ -~]{0,40}",
        seconds in 0_u64..4_000_000_000,
    ) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let digest = BodyDigest::of(&body);
        let message = Message { method: &method, uri: &uri, content_type: JSON, body: &digest };
        let headers = headers(&signer(scheme, "AK", &secret), &message, now);
        let presented = present(scheme, &headers).expect("readable").expect("there");
        let right = presented.verify(&message, &SecretString::from(secret.as_str()), now);
        prop_assert!(right.is_ok());
        if other != secret {
            let wrong = presented.verify(&message, &SecretString::from(other), now);
            prop_assert_eq!(wrong, Err(VerifyError::Signature));
        }
    }

    #[test]
    fn a_changed_body_does_not_verify(
        scheme in scheme(),
        body in prop::collection::vec(any::<u8>(), 1..64),
        changed in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let now = at("Wed, 03 Nov 2021 02:55:55 GMT");
        let digest = BodyDigest::of(&body);
        let headers = headers(&signer(scheme, "AK", "secret"), &put(&digest), now);
        let presented = present(scheme, &headers).expect("readable").expect("there");
        let mut other = body.clone();
        other[changed.index(body.len())] ^= 1 << bit;
        for received in [BodyDigest::of(&other), BodyDigest::empty()] {
            let refused = presented.verify(&put(&received), &SecretString::from("secret"), now);
            prop_assert!(refused.is_err());
        }
    }

    #[test]
    fn a_body_hashed_in_pieces_has_the_digest_of_the_whole(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..16), 0..8),
    ) {
        let mut hasher = BodyHasher::default();
        for piece in &pieces {
            hasher.update(piece);
        }
        let digest = hasher.finish();
        let whole = pieces.concat();
        prop_assert_eq!(digest, BodyDigest::of(&whole));
        prop_assert_eq!(digest.is_empty(), whole.is_empty());
    }

    #[test]
    fn no_header_makes_reading_panic(authorization in ".{0,200}", date in ".{0,40}") {
        for scheme in Scheme::ALL {
            let _ = Presented::from_headers(scheme, |name| {
                Some(if name == scheme.date_header() { date.as_str() } else { &authorization })
            });
        }
    }
}
