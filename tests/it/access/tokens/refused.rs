//! Tokens that prove nothing. Each differs from a right one in one thing.

use serde_json::{Value, json};

use super::{ACCOUNT_CLAIM, EXPIRED, INVALID, NO_ACCOUNT, assert_refused, assert_taken, world, world_of};
use crate::support::provider::Provider;
use crate::support::signer::{Signer, encoded};

#[tokio::test]
async fn claims_that_do_not_fit_are_refused() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    let now = chrono::Utc::now().timestamp();
    let long = "x".repeat(256);
    for (claim, refusal) in [
        (json!({"iss": "https://id.example.com"}), &INVALID),
        (json!({"iss": format!("{}/", provider.url)}), &INVALID),
        (json!({"iss": [provider.url]}), &INVALID),
        (json!({"iss": null}), &INVALID),
        (json!({"aud": "someone-else"}), &INVALID),
        (json!({"aud": ["someone-else", "Patchbay"]}), &INVALID),
        (json!({"aud": []}), &INVALID),
        (json!({"aud": {"patchbay": true}}), &INVALID),
        (json!({"aud": null}), &INVALID),
        (json!({"exp": null}), &INVALID),
        (json!({"exp": "4102444800"}), &INVALID),
        (json!({"exp": -1}), &INVALID),
        (json!({"exp": 1e300}), &INVALID),
        (json!({"exp": now - 31}), &EXPIRED),
        (json!({"exp": 0}), &EXPIRED),
        (json!({"exp": now - 31, "aud": "someone-else"}), &INVALID),
        (json!({"exp": now - 31, "sub": ""}), &INVALID),
        (json!({"nbf": now + 60}), &INVALID),
        (json!({"nbf": "0"}), &INVALID),
        (json!({"iat": now + 60}), &INVALID),
        (json!({"iat": [now]}), &INVALID),
        (json!({"sub": null}), &INVALID),
        (json!({"sub": ""}), &INVALID),
        (json!({"sub": 7}), &INVALID),
        (json!({"sub": long}), &INVALID),
        (json!({"sub": "robot\n"}), &INVALID),
        (json!({"sub": "robot\u{202e}"}), &INVALID),
        (json!({"sub": "ro\u{200b}bot"}), &INVALID),
        (json!({"sub": "robot\u{e0041}"}), &INVALID),
        (json!({"scope": 7}), &INVALID),
        (json!({"scope": ["installations:read", 7]}), &INVALID),
        (json!({"org": {"id": "*"}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": ["*"]}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": "Acme"}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": "acme globex"}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": ""}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": 7}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": true}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": {"acme": true}}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": ["acme", "Not An Account"]}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": ["acme", 7]}}), &ACCOUNT_CLAIM),
        (json!({"org": {"id": []}}), &NO_ACCOUNT),
        (json!({"org": {"id": null}}), &NO_ACCOUNT),
        (json!({"org": "acme"}), &NO_ACCOUNT),
        (json!({"org": null, "org.id": "acme"}), &NO_ACCOUNT),
    ] {
        assert_refused(&world, &signer.sign(&provider.claims(&claim)), refusal, &claim.to_string()).await;
    }
    for claim in [
        json!({}),
        json!({"aud": ["someone-else", "patchbay"]}),
        json!({"exp": now as f64 + 60.5}),
        json!({"exp": now - 20}),
        json!({"nbf": now + 20, "iat": now + 20}),
    ] {
        assert_taken(&world, &signer.sign(&provider.claims(&claim)), Some("acme"), &claim.to_string()).await;
    }
}

#[tokio::test]
async fn headers_that_do_not_fit_are_refused() {
    let signer = Signer::new("a", "ES256");
    let stranger = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let elsewhere = Provider::start(&[&stranger]).await;
    let world = world_of(&provider).await;
    let claims = provider.claims(&json!({}));
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ES384"}),
        json!({"alg": "es256"}),
        json!({"alg": null}),
        json!({"kid": "b"}),
        json!({"kid": ""}),
        json!({"kid": 7}),
        json!({"kid": ["a"]}),
        json!({"typ": "JWE"}),
        json!({"typ": "logout+jwt"}),
        json!({"typ": "dpop+jwt"}),
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"zip": "DEF"}),
        json!({"enc": "A128GCM"}),
    ] {
        assert_refused(&world, &signer.sign_with(&header, &claims), &INVALID, &header.to_string()).await;
    }
    // A key or a place for keys that the token brings along is not looked at.
    let place = format!("{}/jwks", elsewhere.url);
    for header in [
        json!({}),
        json!({"jwk": stranger.jwk()}),
        json!({"jku": place}),
        json!({"x5u": place}),
        json!({"x5c": ["AAAA"]}),
    ] {
        assert_refused(&world, &stranger.sign_with(&header, &claims), &INVALID, &header.to_string()).await;
        assert_taken(&world, &signer.sign_with(&header, &claims), Some("acme"), &header.to_string()).await;
    }
    assert_eq!(elsewhere.asked(), 0);
    for header in
        [json!({"kid": null}), json!({"typ": null}), json!({"typ": "JWT"}), json!({"typ": "application/AT+JWT"})]
    {
        assert_taken(&world, &signer.sign_with(&header, &claims), Some("acme"), &header.to_string()).await;
    }
}

#[tokio::test]
async fn text_that_is_no_token_is_refused() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    let token = signer.sign(&provider.claims(&json!({})));
    assert_taken(&world, &token, Some("acme"), "as it is").await;
    let [header, claims, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let other = signer.sign(&provider.claims(&json!({"sub": "someone"})));
    let [_, other_claims, other_signature]: [&str; 3] = other.split('.').collect::<Vec<_>>().try_into().expect("three");
    let header_text = r#"{"alg":"ES256","kid":"a"}"#;
    let claims_text = provider.claims(&json!({})).to_string();
    let twice = |more: &str| format!("{},{more}}}", claims_text.trim_end_matches('}'));
    let twice =
        |more: &str| signer.sign_text(header_text, &twice(more).replace("{\"id\":\"acme\",", "{\"id\":\"acme\"},"));
    let deep = signer.sign_text(header_text, &format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)));
    for (claim, bad) in [
        ("empty", String::new()),
        ("dots", "..".into()),
        ("garbage", "a.b.c".into()),
        ("two parts", format!("{header}.{claims}")),
        ("no signature", format!("{header}.{claims}.")),
        ("four parts", format!("{token}.{signature}")),
        ("five parts", format!("{header}.{claims}.{signature}.{claims}.{signature}")),
        ("padding", format!("{header}.{claims}.{signature}==")),
        ("another's claims", format!("{header}.{other_claims}.{signature}")),
        ("another's signature", format!("{header}.{claims}.{other_signature}")),
        ("one bit", flipped(&token)),
        ("an unsigned header", format!("{}.{claims}.{signature}", encoded(r#"{"alg":"ES256","kid":"a","typ":"JWT"}"#))),
        ("alg none", format!("{}.{claims}.", encoded(r#"{"alg":"none"}"#))),
        ("alg None", format!("{}.{claims}.", encoded(r#"{"alg":"None","kid":"a"}"#))),
        ("a signature of nothing", format!("{header}.{claims}.{}", encoded([0; 64]))),
        ("claims that are a list", signer.sign_text(header_text, "[]")),
        ("claims that are text", signer.sign_text(header_text, "\"acme\"")),
        ("claims that are cut off", signer.sign_text(header_text, &claims_text[..claims_text.len() - 1])),
        ("nesting", deep),
        ("exp twice", twice(r#""exp":4102444800"#)),
        ("an account twice", twice(r#""org":{"id":"globex"}"#)),
        ("scopes twice", twice(r#""scope":"admin""#)),
        ("alg twice", signer.sign_text(r#"{"alg":"HS256","alg":"ES256","kid":"a"}"#, &claims_text)),
        ("kid twice", signer.sign_text(r#"{"alg":"ES256","kid":"b","kid":"a"}"#, &claims_text)),
        ("too long", signer.sign(&provider.claims(&json!({"filler": "x".repeat(12_400)})))),
    ] {
        assert_refused(&world, &bad, &INVALID, claim).await;
    }
    let long = signer.sign(&provider.claims(&json!({"filler": "x".repeat(11_500)})));
    assert!((15_000..=16_384).contains(&long.len()), "{}", long.len());
    assert_taken(&world, &long, Some("acme"), "long").await;
}

/// The token with one bit of its signature changed.
fn flipped(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{message}.{first}{}", &signature[1..])
}

/// The classic: the public key, which everyone has, as the secret of a MAC.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let signer = Signer::new("a", "RS256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    let claims = provider.claims(&json!({}));
    assert_taken(&world, &signer.sign(&claims), Some("acme"), "signed").await;
    let jwk = signer.jwk();
    let secrets = [jwk.to_string(), jwk["n"].as_str().expect("n").to_owned(), json!({"keys": [jwk]}).to_string()];
    for secret in secrets {
        for header in [json!({"alg": "HS256", "kid": "a"}), json!({"alg": "HS256"})] {
            let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let token = format!("{message}.{}", encoded(ring::hmac::sign(&key, message.as_bytes())));
            assert_refused(&world, &token, &INVALID, &header.to_string()).await;
        }
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_on_the_list_is_refused() {
    let signers = [Signer::new("rs", "RS256"), Signer::new("ps", "PS256"), Signer::new("es", "ES384")];
    let provider = Provider::start(&signers.each_ref()).await;
    let world = world(&[provider.settings(&json!({"algorithms": ["RS256"]}))]).await;
    let [rs, ps, es] = signers.each_ref().map(|signer| signer.sign(&provider.claims(&json!({}))));
    assert_taken(&world, &rs, Some("acme"), "on the list").await;
    assert_refused(&world, &ps, &INVALID, "same key, another algorithm").await;
    assert_refused(&world, &es, &INVALID, "another key").await;
}

/// RFC 7517, sections 4.2 to 4.4: what a key is for.
#[tokio::test]
async fn a_key_that_is_for_something_else_proves_nothing() {
    let signer = Signer::new("a", "PS256");
    let provider = Provider::down().await;
    let claims = provider.claims(&json!({}));
    let token = signer.sign(&claims);
    for (more, is_good) in [
        (json!({"use": "sig", "alg": "PS256", "key_ops": ["verify"]}), true),
        (json!({"use": "enc"}), false),
        (json!({"alg": "RS256"}), false),
        (json!({"alg": "RSA-OAEP"}), false),
        (json!({"key_ops": ["encrypt"]}), false),
        (json!({"key_ops": []}), false),
        (json!({"n": "AQAB"}), false),
        (json!({"n": ""}), false),
        (json!({"kty": "oct", "k": "AAAA"}), false),
        (json!({"kty": "EC"}), false),
        (json!({"kty": "AKP"}), false),
    ] {
        let mut jwk = signer.jwk();
        for (name, value) in more.as_object().expect("object") {
            jwk[name] = value.clone();
        }
        let others = [Value::Null, json!({"kty": "new", "kid": "a"}), json!("key"), Signer::new("b", "ES256").jwk()];
        provider.publish_keys([&others[..], &[jwk]].concat());
        let world = world_of(&provider).await;
        match is_good {
            true => assert_taken(&world, &token, Some("acme"), &more.to_string()).await,
            false => assert_refused(&world, &token, &INVALID, &more.to_string()).await,
        }
    }
}

/// Signed rightly, with a key that can be broken.
#[tokio::test]
async fn a_short_rsa_key_proves_nothing() {
    let weak: Value = serde_json::from_str(include_str!("../../../vectors/rsa_1024.json")).expect("JSON");
    let provider = Provider::start(&[]).await;
    provider.publish_keys(vec![weak["jwk"].clone()]);
    let place = format!("{}/jwks", provider.url);
    let world = world(&[provider.settings(&json!({"issuer": "https://weak.example.com", "jwks_url": place}))]).await;
    assert_refused(&world, weak["token"].as_str().expect("token"), &INVALID, "1,024 bits").await;
    assert!(provider.asked() > 0, "the key was seen");
}

#[tokio::test]
async fn without_a_name_there_must_be_no_choice_of_keys() {
    let (first, second) = (Signer::new("a", "ES256"), Signer::new("b", "ES256"));
    let provider = Provider::start(&[&first, &second, &Signer::new("c", "ES384")]).await;
    let world = world_of(&provider).await;
    let claims = provider.claims(&json!({}));
    assert_refused(&world, &first.sign_with(&json!({"kid": null}), &claims), &INVALID, "two keys fit").await;
    assert_taken(&world, &first.sign(&claims), Some("acme"), "named").await;
}

#[tokio::test]
async fn a_provider_cannot_speak_for_another() {
    let (ours, theirs) = (Signer::new("a", "ES256"), Signer::new("b", "ES256"));
    let (first, second) = (Provider::start(&[&ours]).await, Provider::start(&[&theirs]).await);
    let world = world(&[first.settings(&json!({})), second.settings(&json!({"audience": ["other"]}))]).await;
    assert_taken(&world, &ours.sign(&first.claims(&json!({}))), Some("acme"), "own").await;
    assert_refused(&world, &theirs.sign(&first.claims(&json!({}))), &INVALID, "signed by the second").await;
    assert_refused(&world, &theirs.sign(&second.claims(&json!({}))), &INVALID, "audience of the first").await;
    assert_taken(&world, &theirs.sign(&second.claims(&json!({"aud": "other"}))), Some("acme"), "second").await;
}
