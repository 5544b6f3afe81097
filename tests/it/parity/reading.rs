//! Questions that change nothing: the same account is asked all three ways.

use patchbay::domain::CatalogOrder;
use serde_json::{Value, json};

use super::{Filter, Page, Question, asking, moments};
use crate::support::World;

fn questions() -> Vec<Question> {
    let all = Filter::default();
    let filters = [
        all,
        Filter { category: Some("payments"), ..all },
        Filter { category: Some("no_such_category"), ..all },
        Filter { category: Some(""), ..all },
        Filter { status: Some("installed"), ..all },
        Filter { status: Some("available"), ..all },
        Filter { search: Some("stripe"), ..all },
        Filter { search: Some("STRIPE"), ..all },
        Filter { search: Some(""), ..all },
        Filter { search: Some("%"), ..all },
        Filter { search: Some("_"), ..all },
        Filter { search: Some("no such thing at all"), ..all },
        Filter { category: Some("payments"), status: Some("installed"), search: Some("pay"), ..all },
        Filter { search: Some("strpe"), ..all },
        Filter { search: Some("stripe"), order: Some("relevance"), ..all },
        Filter { search: Some("bill"), order: Some("relevance"), status: Some("available"), ..all },
        Filter { tag: Some("subscriptions"), ..all },
        Filter { tag: Some("Subscriptions"), ..all },
        Filter { auth_kind: Some("basic"), order: Some("name"), ..all },
        Filter { auth_kind: Some("oauth2_client_credentials"), category: Some("payments"), ..all },
        Filter { order: Some("installed_at"), ..all },
        Filter { order: Some("display_name"), search: Some("api"), auth_kind: Some("bearer"), ..all },
    ];
    let mut questions: Vec<_> = filters.into_iter().map(|filter| Question::List(filter, Page::default())).collect();
    for limit in [1, 2, 7, 50, 100] {
        for filter in [
            all,
            Filter { category: Some("payments"), ..all },
            Filter { status: Some("installed"), ..all },
            Filter { order: Some("installed_at"), ..all },
        ] {
            questions.push(Question::List(filter, Page { limit: Some(limit), cursor: None }));
        }
    }
    for id in [
        "stripe",
        "slack",
        "github",
        "c5c44806-6981-5408-a812-edbd36c0eef2",
        "C5C44806-6981-5408-A812-EDBD36C0EEF2",
        "00000000-0000-4000-8000-000000000000",
        "c5c4480669815408a812edbd36c0eef2",
        "STRIPE",
        "nobody_has_this",
    ] {
        questions.push(Question::Show(id));
    }
    questions
}

async fn furnished() -> World {
    let world = World::start().await;
    let stripe = Question::Install(
        "stripe",
        Some(json!({"api_version": "2025-09-30.clover", "deep": {"a": [1, u64::MAX, -0.5, null]}})),
        Some(json!({"api_key": "sk_CANARY", "extra": {"any": "json"}})),
    );
    asking::rest(&world, "acme", &stripe).await;
    asking::graphql(&world, "acme", &Question::Install("github", None, None)).await;
    asking::rest(&world, "acme", &Question::Install("slack", Some(json!({"kept": true})), None)).await;
    asking::graphql(&world, "acme", &Question::Uninstall("slack")).await;
    world
}

#[tokio::test]
async fn every_question_has_the_same_answer_on_both_transports_and_from_the_services() {
    let world = furnished().await;
    for account in ["acme", "newcomer"] {
        for question in questions() {
            let rest = moments(asking::rest(&world, account, &question).await, true);
            let graphql = moments(asking::graphql(&world, account, &question).await, true);
            let service = moments(asking::service(&world, account, &question).await, true);
            assert_eq!(rest, graphql, "{account}: {question:?}");
            assert_eq!(rest, service, "{account}: {question:?}");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_one_transport_continues_on_the_other() {
    let world = furnished().await;
    for order in CatalogOrder::ALL {
        continue_elsewhere(&world, order.as_str()).await;
    }
}

async fn continue_elsewhere(world: &World, order: &'static str) {
    let filter = Filter { status: Some("available"), order: Some(order), search: Some("a"), ..Filter::default() };
    let whole = asking::rest(world, "acme", &Question::List(filter, Page::default())).await;
    let mut cursor = None;
    let mut walked = Vec::new();
    for step in 0.. {
        let question = Question::List(filter, Page { limit: Some(40), cursor: cursor.take() });
        let rest = moments(asking::rest(world, "acme", &question).await, true);
        let graphql = moments(asking::graphql(world, "acme", &question).await, true);
        let service = moments(asking::service(world, "acme", &question).await, true);
        assert_eq!((&rest, &rest), (&graphql, &service), "page {step}");
        walked.extend(rest["integrations"].as_array().expect("page").clone());
        match &rest["next_cursor"] {
            Value::String(next) => cursor = Some(next.clone()),
            _ => break,
        }
    }
    assert_eq!(Value::from(walked), moments(whole["integrations"].clone(), true));
    assert!(whole["total"].as_u64().expect("total") > 40);
}

#[tokio::test]
async fn a_cursor_without_a_size_gives_the_same_page_everywhere() {
    let world = furnished().await;
    let first = Question::List(Filter::default(), Page { limit: Some(2), cursor: None });
    let cursor = asking::graphql(&world, "acme", &first).await["next_cursor"].as_str().expect("more").to_owned();
    let rest = Question::List(Filter::default(), Page { limit: None, cursor: Some(cursor) });
    let answer = moments(asking::rest(&world, "acme", &rest).await, true);
    assert_eq!(answer, moments(asking::graphql(&world, "acme", &rest).await, true));
    assert_eq!(answer, moments(asking::service(&world, "acme", &rest).await, true));
}
