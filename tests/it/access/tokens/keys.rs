//! The provider's keys: when they are fetched, and what happens when they cannot be.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::sync::Notify;

use super::{INVALID, UNAVAILABLE, assert_refused, assert_taken, rest, world, world_of};
use crate::support::eventually;
use crate::support::provider::{Answer, Provider};
use crate::support::signer::Signer;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/tls.pem");

#[tokio::test]
async fn a_provider_that_is_down_is_503_until_it_is_up() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::down().await;
    let world = world_of(&provider).await;
    let token = signer.sign(&provider.claims(&json!({})));
    assert_refused(&world, &token, &UNAVAILABLE, "down").await;
    provider.publish(&[&signer]);
    eventually("let in", Duration::from_secs(5), async || rest(&world, &token, None).await.status == 200).await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_no_key() {
    let signer = Signer::new("a", "ES256");
    let good = json!({"keys": [signer.jwk()]}).to_string();
    let many = vec![signer.jwk(); 101];
    let elsewhere = Provider::start(&[&signer]).await;
    for (claim, answer) in [
        ("a redirect", Answer::Redirect(format!("{}/jwks", elsewhere.url))),
        ("too large", Answer::Text(format!("{good}{}", " ".repeat(256 * 1024)))),
        ("too many", Answer::Text(json!({"keys": many}).to_string())),
        ("not JSON", Answer::Text("<html>".into())),
        ("a list", Answer::Text(json!([signer.jwk()]).to_string())),
        ("nothing", Answer::Silence),
    ] {
        let provider = Provider::start(&[&signer]).await;
        provider.say(answer);
        let world = world_of(&provider).await;
        assert_refused(&world, &signer.sign(&provider.claims(&json!({}))), &UNAVAILABLE, claim).await;
    }
    assert_eq!(elsewhere.asked(), 0, "redirects are not followed");
    let provider = Provider::start(&[&signer]).await;
    provider.say(Answer::Text(format!("{good}{}", " ".repeat(256 * 1024 - good.len()))));
    assert_taken(&world_of(&provider).await, &signer.sign(&provider.claims(&json!({}))), None, "just small enough")
        .await;
}

#[tokio::test]
async fn a_discovery_that_does_not_fit_is_no_key() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let token = signer.sign(&provider.claims(&json!({})));
    let keys = format!("{}/jwks", provider.url);
    for (claim, answer) in [
        ("of another issuer", Answer::Text(json!({"issuer": "https://id.example.com", "jwks_uri": keys}).to_string())),
        ("a slash more", Answer::Text(json!({"issuer": format!("{}/", provider.url), "jwks_uri": keys}).to_string())),
        (
            "a place in the open",
            Answer::Text(json!({"issuer": provider.url, "jwks_uri": "http://192.0.2.1/jwks"}).to_string()),
        ),
        ("a file", Answer::Text(json!({"issuer": provider.url, "jwks_uri": "file:///etc/passwd"}).to_string())),
        ("no place", Answer::Text(json!({"issuer": provider.url}).to_string())),
        ("a redirect", Answer::Redirect("/jwks".into())),
        ("down", Answer::Down),
    ] {
        provider.discover(answer);
        assert_refused(&world(&[provider.settings(&json!({}))]).await, &token, &UNAVAILABLE, claim).await;
    }
    assert_eq!(provider.asked(), 0);
}

#[tokio::test]
async fn a_rotation_is_seen_at_once() {
    let (old, new) = (Signer::new("old", "ES256"), Signer::new("new", "ES256"));
    let provider = Provider::start(&[&old]).await;
    let world = world_of(&provider).await;
    let [before, after] = [&old, &new].map(|signer| signer.sign(&provider.claims(&json!({}))));
    assert_taken(&world, &before, None, "before").await;
    provider.publish(&[&new]);
    assert_taken(&world, &after, None, "the new key").await;
    assert_refused(&world, &before, &INVALID, "the old key").await;
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn keys_stay_good_while_the_provider_is_down() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world(&[provider.settings(&json!({"jwks_ttl_s": 1}))]).await;
    let served = world.serve().await;
    eventually("fetched at the start", Duration::from_secs(5), async || provider.asked() == 1).await;
    provider.say(Answer::Down);
    eventually("asked again", Duration::from_secs(10), async || provider.asked() > 1).await;
    assert_taken(&world, &signer.sign(&provider.claims(&json!({}))), None, "stale").await;
    // And fresh ones are taken when it is back, without a token that asks for them.
    provider.publish(&[&Signer::new("b", "ES256")]);
    let token = signer.sign(&provider.claims(&json!({})));
    eventually("replaced", Duration::from_secs(10), async || rest(&world, &token, None).await.status == 401).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_names_makes_one_request() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let world = world_of(&provider).await;
    let claims = provider.claims(&json!({}));
    let token = signer.sign(&claims);
    let cold = join_all((0..50).map(|_| rest(&world, &token, None))).await;
    assert!(cold.iter().all(|answer| answer.status == 200));
    assert_eq!(provider.asked(), 1, "the first fifty share one");
    let flood = (0..500).map(|i| signer.sign_with(&json!({"kid": format!("k{i}")}), &claims));
    let refused = join_all(flood.map(async |token| rest(&world, &token, None).await.status)).await;
    assert!(refused.iter().all(|status| *status == 401));
    assert_eq!(provider.asked(), 2, "one more for all unknown names");
    assert_taken(&world, &token, None, "meanwhile").await;
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_use_up_the_fetch() {
    let (old, new) = (Signer::new("old", "ES256"), Signer::new("new", "ES256"));
    let provider = Provider::start(&[&old]).await;
    let world = world_of(&provider).await;
    assert_taken(&world, &old.sign(&provider.claims(&json!({}))), None, "before").await;
    provider.publish(&[&new]);
    let token = new.sign(&provider.claims(&json!({})));
    let services = world.app.services();
    // Polled once, so that the fetch is under way, and dropped.
    let mut hasty = Box::pin(services.authenticate(&token));
    assert!(futures_util::poll!(&mut hasty).is_pending());
    drop(hasty);
    assert_taken(&world, &token, None, "by the fetch of the one who hung up").await;
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn fetch_goes_on_after_its_caller_stops_waiting() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    let release = Arc::new(Notify::new());
    provider.say(Answer::Held(release.clone(), json!({"keys": [signer.jwk()]}).to_string()));
    let world = world_of(&provider).await;
    let token = signer.sign(&provider.claims(&json!({})));
    assert_eq!(rest(&world, &token, None).await.status, 503, "the wait for the fetch is over");
    release.notify_one();
    assert_eq!(rest(&world, &token, None).await.status, 200);
    assert_eq!(provider.asked(), 1, "the fetch of the first request");
}

#[tokio::test]
async fn a_provider_is_known_by_its_certificate() {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).expect("certificate");
    let key = PrivateKeyDer::Pkcs8(include_bytes!("../../../vectors/tls.pk8").to_vec().into());
    let tls = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("https://{}", listener.local_addr().expect("address"));
    let signer = Signer::new("a", "ES256");
    let plain = Provider::start(&[&signer]).await;
    let behind = plain.url.trim_start_matches("http://").to_owned();
    let proxy = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = tokio::net::TcpStream::connect(behind).await.expect("connected");
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    let settings = |more| {
        let mut settings = plain.settings(&json!({"issuer": url, "jwks_url": format!("{url}/jwks")}));
        if let Some(path) = more {
            settings["ca_file"] = json!(path);
        }
        settings
    };
    let token = signer.sign(&plain.claims(&json!({"iss": url})));
    assert_taken(&world(&[settings(Some(CERTIFICATE))]).await, &token, None, "known").await;
    assert_eq!(plain.asked(), 1);
    assert_refused(&world(&[settings(None)]).await, &token, &UNAVAILABLE, "not by a public authority").await;
    // Neither does it send us from an encrypted place to one in the open, even on this machine.
    let mut discovered = settings(Some(CERTIFICATE));
    discovered.as_object_mut().expect("object").remove("jwks_url");
    plain.discover(Answer::Text(json!({"issuer": url, "jwks_uri": format!("{}/jwks", plain.url)}).to_string()));
    assert_refused(&world(&[discovered]).await, &token, &UNAVAILABLE, "keys in the open").await;
    assert_eq!(plain.asked(), 1);
    proxy.abort();
}

#[tokio::test]
async fn each_key_with_the_same_kid_is_tried() {
    let [old, new, other] = ["a", "a", "a"].map(|kid| Signer::new(kid, "ES256"));
    let provider = Provider::start(&[&old, &new]).await;
    let world = world_of(&provider).await;
    let claims = provider.claims(&json!({}));
    for signer in [&old, &new] {
        assert_taken(&world, &signer.sign(&claims), None, "one of two").await;
    }
    assert_refused(&world, &other.sign(&claims), &INVALID, "neither of them").await;
    let unnamed = new.sign_with(&json!({"kid": null}), &claims);
    assert_refused(&world, &unnamed, &INVALID, "without a name there is a choice").await;
    let provider = Provider::start(&[]).await;
    provider.publish_keys(vec![old.jwk(), old.jwk()]);
    let world = world_of(&provider).await;
    assert_taken(&world, &old.sign(&provider.claims(&json!({}))), None, "the same key twice").await;
}

#[tokio::test]
async fn key_replaced_under_its_kid_is_fetched_at_once() {
    let [old, new, forger] = ["a", "a", "a"].map(|kid| Signer::new(kid, "ES256"));
    let provider = Provider::start(&[&old]).await;
    let world = world_of(&provider).await;
    let [before, after] = [&old, &new].map(|signer| signer.sign(&provider.claims(&json!({}))));
    assert_taken(&world, &before, None, "before").await;
    provider.publish(&[&new]);
    assert_taken(&world, &after, None, "the new key").await;
    assert_refused(&world, &before, &INVALID, "the old key").await;
    for _ in 0..20 {
        assert_eq!(rest(&world, &forger.sign(&provider.claims(&json!({}))), None).await.status, 401);
    }
    assert_eq!(provider.asked(), 2, "forged signatures fetch no more than unknown names");
}

#[tokio::test]
async fn requests_wait_at_most_a_second_for_the_first_keys() {
    let signer = Signer::new("a", "ES256");
    let provider = Provider::start(&[&signer]).await;
    provider.say(Answer::Silence);
    let world = world_of(&provider).await;
    let token = signer.sign(&provider.claims(&json!({})));
    let started = std::time::Instant::now();
    let answers = join_all((0..200).map(|_| rest(&world, &token, None))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    assert!(started.elapsed() < Duration::from_millis(2_800), "{:?}", started.elapsed());
}
