//! Random sequences of install and uninstall by two accounts, over REST and GraphQL, against a model of two maps.
//!
//! 64 sequences of 25 steps, or 10,000 with `LONG_TESTS=1`. After each step the acting account sees what the model says,
//! and the other account sees, byte for byte, what it saw before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};

use crate::support::{Client, World};

const STEPS: usize = 25;
/// Names, with what each requires.
const INTEGRATIONS: [(&str, &[&str]); 3] = [
    ("stripe", &["secrets.api_key"]),
    ("shopify", &["params.shop_domain", "secrets.access_token"]),
    ("asana", &["secrets.token"]),
];

#[derive(Clone, Debug)]
struct Step {
    account: usize,
    over_graphql: bool,
    integration: usize,
    by_id: bool,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Install { params: Option<Map<String, Value>>, secrets: Option<Map<String, Value>> },
    Uninstall,
}

fn step() -> impl Strategy<Value = Step> {
    (0..2usize, any::<bool>(), 0..INTEGRATIONS.len(), any::<bool>(), action()).prop_map(
        |(account, over_graphql, integration, by_id, action)| Step {
            account,
            over_graphql,
            integration,
            by_id,
            action,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let install = (proptest::option::of(params()), proptest::option::of(secrets()))
        .prop_map(|(params, secrets)| Action::Install { params, secrets });
    prop_oneof![3 => install, 1 => Just(Action::Uninstall)]
}

/// Known and unknown params, now and then one that breaks the entry's schema.
fn params() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        8 => Just(("shop_domain", json!("a.myshopify.com"))),
        4 => any::<u64>().prop_map(|n| ("number", json!(n))),
        4 => "[a-zäø\"\\\\ ]{0,6}".prop_map(|text| ("text", json!({"deep": [text, null, true]}))),
        1 => Just(("shop_domain", json!(7))),
    ];
    proptest::collection::vec(value, 0..3).prop_map(object)
}

/// Known and unknown secrets, some removed, now and then one under a name that is not allowed.
fn secrets() -> impl Strategy<Value = Map<String, Value>> {
    let value =
        prop_oneof![Just(Value::Null), any::<u16>().prop_map(|n| json!(format!("CANARY_{n}"))), Just(json!([1]))];
    let known = prop_oneof![Just(Value::Null), any::<u16>().prop_map(|n| json!(format!("sk_CANARY_{n}")))];
    let pair = prop_oneof![
        6 => ("[xyz]", value).prop_map(|(name, value)| (leak(name), value)),
        4 => known.clone().prop_map(|value| ("api_key", value)),
        4 => known.prop_map(|value| ("token", value)),
        1 => Just(("not a name", json!("CANARY"))),
    ];
    proptest::collection::vec(pair, 0..4).prop_map(object)
}

fn leak(name: String) -> &'static str {
    match name.as_str() {
        "x" => "x",
        "y" => "y",
        _ => "z",
    }
}

fn object(pairs: Vec<(&'static str, Value)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What one account stored, by integration.
#[derive(Default)]
struct Model(BTreeMap<&'static str, Stored>);

#[derive(Default)]
struct Stored {
    installed_at: Option<Value>,
    params: Map<String, Value>,
    secrets: BTreeMap<String, Value>,
}

/// What a step must answer.
#[derive(Debug, PartialEq)]
enum Expected {
    Changed(bool),
    Invalid,
}

impl Model {
    fn apply(&mut self, step: &Step) -> Expected {
        let (name, _) = INTEGRATIONS[step.integration];
        match &step.action {
            Action::Uninstall => {
                let was = self.0.get_mut(name).and_then(|stored| stored.installed_at.take());
                Expected::Changed(was.is_some())
            }
            Action::Install { params, secrets } => {
                if breaks_schema(name, params.as_ref(), secrets.as_ref()) {
                    return Expected::Invalid;
                }
                let stored = self.0.entry(name).or_default();
                let supplied = params.is_some() || secrets.as_ref().is_some_and(|s| !s.is_empty());
                let changed = supplied || stored.installed_at.is_none();
                if let Some(params) = params {
                    stored.params = params.clone();
                }
                for (name, value) in secrets.iter().flatten() {
                    match value {
                        Value::Null => stored.secrets.remove(name),
                        value => stored.secrets.insert(name.clone(), value.clone()),
                    };
                }
                // The moment is the server's; which one it is, is learnt from the first answer.
                stored.installed_at.get_or_insert(Value::Null);
                Expected::Changed(changed)
            }
        }
    }

    /// Compares what REST shows in its list.
    fn check(&mut self, list: &Value) -> Result<(), TestCaseError> {
        let mut installed = 0;
        for (name, required) in INTEGRATIONS {
            let shown = list["integrations"].as_array().into_iter().flatten().find(|i| i["name"] == name);
            let shown = shown.ok_or_else(|| TestCaseError::fail(format!("{name} is not listed")))?;
            let nothing = Stored::default();
            let stored = self.0.get(name).unwrap_or(&nothing);
            installed += usize::from(stored.installed_at.is_some());
            let status = if stored.installed_at.is_some() { "installed" } else { "available" };
            let names: Vec<_> = stored.secrets.keys().collect();
            let missing: Vec<_> = required.iter().filter(|field| stored.lacks(field)).collect();
            prop_assert_eq!(&shown["status"], &json!(status));
            prop_assert_eq!(&shown["params"], &Value::Object(stored.params.clone()));
            prop_assert_eq!(&shown["secret_names"], &json!(names));
            prop_assert_eq!(&shown["missing_fields"], &json!(missing));
            match self.0.get_mut(name).and_then(|stored| stored.installed_at.as_mut()) {
                None => prop_assert_eq!(&shown["installed_at"], &Value::Null),
                Some(unknown) if unknown.is_null() => {
                    prop_assert!(shown["installed_at"].is_string());
                    *unknown = shown["installed_at"].clone();
                }
                Some(known) => prop_assert_eq!(&shown["installed_at"], &*known),
            }
        }
        let shown = list["integrations"].as_array().into_iter().flatten().filter(|i| i["status"] == "installed");
        prop_assert_eq!(shown.count(), installed);
        Ok(())
    }
}

impl Stored {
    fn lacks(&self, field: &str) -> bool {
        match field.split_once('.') {
            Some(("params", name)) => !self.params.contains_key(name),
            Some((_, name)) => !self.secrets.contains_key(name),
            None => true,
        }
    }
}

fn breaks_schema(integration: &str, params: Option<&Map<String, Value>>, secrets: Option<&Map<String, Value>>) -> bool {
    let domain_is_wrong = integration == "shopify"
        && params.and_then(|p| p.get("shop_domain")).is_some_and(|value| value.as_str().is_none());
    domain_is_wrong || secrets.is_some_and(|secrets| secrets.contains_key("not a name"))
}

#[test]
fn random_histories_of_two_accounts_agree_with_the_model_and_never_touch_each_other() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let world = runtime.block_on(World::start());
    let sequences = if std::env::var_os("LONG_TESTS").is_some() { 10_000 } else { 64 };
    let config = Config { cases: sequences, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let next = AtomicU32::new(0);
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&proptest::collection::vec(step(), STEPS), |steps| {
        let run = next.fetch_add(1, Ordering::Relaxed);
        runtime.block_on(play(&world, run, &steps))
    });
    runtime.block_on(async { drop(world) });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Each sequence has two accounts that nobody used before, in the one world of all sequences.
async fn play(world: &World, run: u32, steps: &[Step]) -> Result<(), TestCaseError> {
    let accounts = [format!("a-{run}"), format!("b-{run}")];
    let clients = accounts.each_ref().map(|account| world.account(account));
    let mut models = [Model::default(), Model::default()];
    let mut views = [view(&clients[0]).await, view(&clients[1]).await];
    for step in steps {
        let expected = models[step.account].apply(step);
        prop_assert_eq!(act(&clients[step.account], step).await, expected, "{:?}", step);
        views[step.account] = view(&clients[step.account]).await;
        let list = serde_json::from_slice(&views[step.account]).expect("JSON");
        models[step.account].check(&list)?;
        let other = 1 - step.account;
        prop_assert!(view(&clients[other]).await == views[other], "the other account sees a change after {:?}", step);
    }
    for (account, model) in accounts.iter().zip(models) {
        let opened = world.open_secrets_of(account).await;
        let expected = model.0.into_iter().flat_map(|(name, stored)| {
            stored.secrets.into_iter().map(move |(secret, value)| ((id_of(name), secret), value))
        });
        prop_assert_eq!(opened, expected.collect::<BTreeMap<_, _>>());
    }
    Ok(())
}

async fn view(client: &Client) -> Vec<u8> {
    let answer = client.get("/api/v1/integrations").await;
    answer.ok();
    answer.body
}

async fn act(client: &Client, step: &Step) -> Expected {
    let (name, _) = INTEGRATIONS[step.integration];
    let id = if step.by_id { id_of(name) } else { name.to_owned() };
    if step.over_graphql { over_graphql(client, step, &id).await } else { over_rest(client, step, &id).await }
}

async fn over_rest(client: &Client, step: &Step, id: &str) -> Expected {
    let answer = match &step.action {
        Action::Install { params, secrets } => {
            let body = json!({"params": params, "secrets": secrets});
            client.post(&format!("/api/v1/integrations/{id}/install"), &body).await
        }
        Action::Uninstall => client.post(&format!("/api/v1/integrations/{id}/uninstall"), &Value::Null).await,
    };
    if answer.status.as_u16() == 422 {
        return Expected::Invalid;
    }
    Expected::Changed(answer.ok()["changed"].as_bool().expect("changed"))
}

async fn over_graphql(client: &Client, step: &Step, id: &str) -> Expected {
    let reference = if step.by_id { json!({ "id": id }) } else { json!({ "name": id }) };
    let (field, kind, input) = match &step.action {
        Action::Install { params, secrets } => (
            "installIntegration",
            "InstallIntegrationInput",
            json!({"integration": reference, "params": params, "secrets": secrets}),
        ),
        Action::Uninstall => ("uninstallIntegration", "UninstallIntegrationInput", json!({ "integration": reference })),
    };
    let document =
        format!("mutation($input: {kind}!) {{ answer: {field}(input: $input) {{ changed userErrors {{ code }} }} }}");
    let data = client.graphql(&document, json!({ "input": input })).await.data();
    match data["answer"]["userErrors"].as_array().expect("list").as_slice() {
        [] => Expected::Changed(data["answer"]["changed"].as_bool().expect("changed")),
        _ => Expected::Invalid,
    }
}

fn id_of(name: &str) -> String {
    patchbay::domain::IntegrationId::of_builtin(name).to_string()
}
