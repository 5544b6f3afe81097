//! Properties of the parsers that read request headers: nothing outside the grammar is accepted, and what is kept
//! is bounded.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::collection::vec;
use proptest::prelude::*;

use super::gate::parse_actor;
use super::visitor::account_in;
use super::{ACCOUNT_HEADER, ACTOR_HEADER, Gate, IDEMPOTENCY_KEY_HEADER, idempotency_key};
use crate::domain::Principal;
use crate::domain::text::has_deceptive;

/// A header value: near the grammars, any text, or any bytes that HTTP allows.
fn value() -> impl Strategy<Value = HeaderValue> {
    let bytes = prop_oneof![
        "[a-z0-9][a-z0-9_-]{0,66}".prop_map(String::into_bytes),
        "(?i:bearer) {0,2}[!-~]{0,40} ?".prop_map(String::into_bytes),
        "\"?[!-~]{0,260}\"?".prop_map(String::into_bytes),
        "\\PC{0,140}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..300),
    ];
    bytes.prop_filter_map("not a header value", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn headers(name: HeaderName) -> impl Strategy<Value = HeaderMap> {
    vec(value(), 0..3)
        .prop_map(move |values| values.into_iter().map(|value| (name.clone(), value)).collect::<Vec<_>>())
        .prop_map(|pairs| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(name, value);
            }
            map
        })
}

fn only(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes().to_vec();
    values.next().is_none().then_some(first)
}

fn is_account(bytes: &[u8]) -> bool {
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    matches!(bytes, [first, rest @ ..] if is_word(first)
        && rest.len() <= 62 && rest.iter().all(|b| is_word(b) || *b == b'_' || *b == b'-'))
}

fn gate() -> Gate {
    Gate { open: None, gateway: None, bearer: true }
}

proptest! {
    #[test]
    fn an_account_header_is_one_account_id_or_refused(headers in headers(ACCOUNT_HEADER)) {
        let given = only(&headers, &ACCOUNT_HEADER);
        match account_in(&headers) {
            Ok(None) => prop_assert!(headers.is_empty()),
            Ok(Some(account)) => prop_assert_eq!(given.as_deref(), Some(account.as_str().as_bytes())),
            Err(_) => prop_assert!(!given.is_some_and(|bytes| is_account(&bytes))),
        }
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii_or_refused(headers in headers(IDEMPOTENCY_KEY_HEADER)) {
        if let Ok(Some(key)) = idempotency_key(&headers) {
            let text = key.as_str();
            let is_plain = |b: u8| (b'!'..=b'~').contains(&b) && b != b'"' && b != b'\\';
            prop_assert!((1..=255).contains(&text.len()) && text.bytes().all(is_plain));
            let given = only(&headers, &IDEMPOTENCY_KEY_HEADER).expect("one header");
            let quoted = format!("\"{text}\"").into_bytes();
            prop_assert!(given == text.as_bytes() || given == quoted);
        }
    }

    #[test]
    fn an_actor_is_bounded_text_without_deceptive_characters(value in value()) {
        let bytes = value.as_bytes();
        let text = std::str::from_utf8(bytes).ok();
        match parse_actor(bytes) {
            Some(actor) => {
                prop_assert!(!actor.is_empty() && actor.len() <= 128 && !has_deceptive(&actor));
                prop_assert!(bytes.len() > 128 || actor.as_bytes() == bytes);
            }
            None => prop_assert!(text.is_none_or(|text| text.trim().is_empty() || has_deceptive(text))),
        }
    }

    #[test]
    fn actors_with_a_long_common_beginning_stay_different(a in "[a-z]{0,20}", b in "[a-z]{0,20}") {
        let long = |end: &str| parse_actor(format!("{}{end}", "x".repeat(200)).as_bytes());
        prop_assert_eq!(long(&a) == long(&b), a == b);
    }

    #[test]
    fn a_credential_is_the_rest_of_one_bearer_header(
        headers in headers(header::AUTHORIZATION), init in headers(header::AUTHORIZATION),
    ) {
        if let Ok(Some((credential, is_in_headers))) = gate().credential(&headers, &init) {
            let source = if is_in_headers { &headers } else { &init };
            let given = String::from_utf8(only(source, &header::AUTHORIZATION).expect("one header")).expect("ASCII");
            let (scheme, rest) = given.split_once(' ').unwrap_or((&given, ""));
            prop_assert!(scheme.eq_ignore_ascii_case("bearer") && rest.trim() == credential);
        }
        let is_twice = |map: &HeaderMap| map.get_all(header::AUTHORIZATION).iter().count() > 1;
        if is_twice(&headers) || is_twice(&init) {
            prop_assert!(gate().credential(&headers, &init).is_err());
        }
    }

    #[test]
    fn an_unusable_actor_never_keeps_the_anonymous_name(headers in headers(ACTOR_HEADER)) {
        let anyone = std::sync::Arc::new(Principal::trusted(crate::domain::ActorKind::Anonymous, ""));
        if let Ok(named) = super::gate::named(&anyone, &headers) {
            prop_assert_eq!(named.actor.id.is_empty(), headers.is_empty());
        }
    }
}
