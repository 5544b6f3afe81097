//! Random sequences of installs, uninstalls, purges and reads of secrets by two accounts, over REST and GraphQL, against
//! a model of two maps. Where a credential is good for one account alone, some steps try the other's name with it.
//!
//! 64 sequences of 25 steps, 24 in another mode than `open`; 10,000 and 1,000 with `LONG_TESTS=1`. After each step the acting
//! account sees what the model says, its audit log included, and the other account sees, byte for byte, what it saw
//! before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};

use crate::support::{Answer, Client, Mode, World};

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
    /// One time in six, where that is to be refused.
    names_the_other: bool,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Install { params: Option<Map<String, Value>>, secrets: Option<Map<String, Value>> },
    Uninstall,
    Purge,
    ReadSecrets,
}

fn step() -> impl Strategy<Value = Step> {
    let names_the_other = proptest::bool::weighted(1.0 / 6.0);
    (0..2usize, any::<bool>(), 0..INTEGRATIONS.len(), any::<bool>(), names_the_other, action()).prop_map(
        |(account, over_graphql, integration, by_id, names_the_other, action)| Step {
            account,
            // Secrets are read back over REST alone.
            over_graphql: over_graphql && !matches!(action, Action::ReadSecrets),
            integration,
            by_id,
            names_the_other,
            action,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let install = (proptest::option::of(params()), proptest::option::of(secrets()))
        .prop_map(|(params, secrets)| Action::Install { params, secrets });
    prop_oneof![6 => install, 2 => Just(Action::Uninstall), 1 => Just(Action::Purge), 1 => Just(Action::ReadSecrets)]
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

/// What one account has.
#[derive(Default)]
struct Model {
    stored: BTreeMap<&'static str, Stored>,
    /// Its log, oldest first: what was done to which integration.
    events: Vec<(&'static str, &'static str)>,
}

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
    Secrets(BTreeMap<String, Value>),
    NotInstalled,
}

impl Model {
    fn apply(&mut self, step: &Step) -> Expected {
        let (name, _) = INTEGRATIONS[step.integration];
        let stored = self.stored.entry(name).or_default();
        let was_installed = stored.installed_at.is_some();
        let (expected, event) = match &step.action {
            Action::Uninstall => {
                stored.installed_at = None;
                (Expected::Changed(was_installed), "installation.uninstalled")
            }
            Action::Purge => {
                let had_something = was_installed || !stored.params.is_empty() || !stored.secrets.is_empty();
                *stored = Stored::default();
                (Expected::Changed(had_something), "installation.purged")
            }
            Action::ReadSecrets if was_installed => (Expected::Secrets(stored.secrets.clone()), "secrets.read"),
            Action::ReadSecrets => (Expected::NotInstalled, ""),
            Action::Install { params, secrets } if breaks_schema(name, params.as_ref(), secrets.as_ref()) => {
                (Expected::Invalid, "")
            }
            Action::Install { params, secrets } => {
                let supplied = params.is_some() || secrets.as_ref().is_some_and(|s| !s.is_empty());
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
                let event = if was_installed { "installation.updated" } else { "installation.installed" };
                (Expected::Changed(supplied || !was_installed), event)
            }
        };
        if matches!(expected, Expected::Changed(true) | Expected::Secrets(_)) {
            self.events.push((event, name));
        }
        expected
    }

    /// Compares what REST shows in its lists.
    fn check(&mut self, view: &View) -> Result<(), TestCaseError> {
        let [list, log] = view.each_ref().map(|body| serde_json::from_slice::<Value>(body).expect("JSON"));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        // The key that lets an account in is on its log as well.
        let of_keys = |event: &&Value| event["integration_name"].is_null();
        let shown = log["events"].as_array().into_iter().flatten().rev().filter(|event| !of_keys(event));
        let shown: Vec<_> = shown.map(|event| (text(&event["action"]), text(&event["integration_name"]))).collect();
        let events = self.events.iter().map(|(action, name)| ((*action).to_owned(), (*name).to_owned()));
        prop_assert_eq!(shown, events.collect::<Vec<_>>());
        let mut installed = 0;
        for (name, required) in INTEGRATIONS {
            let shown = list["integrations"].as_array().into_iter().flatten().find(|i| i["name"] == name);
            let shown = shown.ok_or_else(|| TestCaseError::fail(format!("{name} is not listed")))?;
            let nothing = Stored::default();
            let stored = self.stored.get(name).unwrap_or(&nothing);
            installed += usize::from(stored.installed_at.is_some());
            let status = if stored.installed_at.is_some() { "installed" } else { "available" };
            let names: Vec<_> = stored.secrets.keys().collect();
            let missing: Vec<_> = required.iter().filter(|field| stored.lacks(field)).collect();
            prop_assert_eq!(&shown["status"], &json!(status));
            prop_assert_eq!(&shown["params"], &Value::Object(stored.params.clone()));
            prop_assert_eq!(&shown["secret_names"], &json!(names));
            prop_assert_eq!(&shown["missing_fields"], &json!(missing));
            match self.stored.get_mut(name).and_then(|stored| stored.installed_at.as_mut()) {
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
    let world = runtime.block_on(World::with(&[("secrets.read_back", "true")]));
    let sequences = match (std::env::var_os("LONG_TESTS"), world.mode()) {
        (Some(_), Mode::Open) => 10_000,
        (None, Mode::Open) => 64,
        // The same rows again, behind another door.
        (Some(_), _) => 1_000,
        (None, _) => 24,
    };
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
    let intruders = [world.holder_for(&accounts[0], &accounts[1]), world.holder_for(&accounts[1], &accounts[0])];
    let mut models = [Model::default(), Model::default()];
    let mut views = [view(&clients[0]).await, view(&clients[1]).await];
    for step in steps {
        let (own, other) = (step.account, 1 - step.account);
        if step.names_the_other && world.mode().binds() {
            let refused = send(&intruders[own], step).await;
            prop_assert_eq!(refused.status.as_u16(), 403, "{:?}: {}", step, refused.text());
            prop_assert!(refused.text().contains("The credentials are not for this account"), "{}", refused.text());
            prop_assert!(view(&clients[own]).await == views[own], "something changed after {:?}", step);
        } else {
            let expected = models[own].apply(step);
            prop_assert_eq!(told(step, &send(&clients[own], step).await), expected, "{:?}", step);
            views[own] = view(&clients[own]).await;
            models[own].check(&views[own])?;
        }
        prop_assert!(view(&clients[other]).await == views[other], "the other account sees a change after {:?}", step);
    }
    for (account, model) in accounts.iter().zip(models) {
        let opened = world.open_secrets_of(account).await;
        let expected = model.stored.into_iter().flat_map(|(name, stored)| {
            stored.secrets.into_iter().map(move |(secret, value)| ((id_of(name), secret), value))
        });
        prop_assert_eq!(opened, expected.collect::<BTreeMap<_, _>>());
    }
    Ok(())
}

/// What an account sees of its installations and of its log, byte for byte.
type View = [Vec<u8>; 2];

async fn view(client: &Client) -> View {
    let (list, log) = tokio::join!(client.get("/api/v1/integrations"), client.get("/api/v1/events?limit=200"));
    // Compared byte by byte: to read them each time would take longer than everything else.
    assert!(list.status.is_success() && log.status.is_success(), "{} {}", list.status, log.status);
    [list.body, log.body]
}

async fn send(client: &Client, step: &Step) -> Answer {
    let (name, _) = INTEGRATIONS[step.integration];
    let id = if step.by_id { id_of(name) } else { name.to_owned() };
    if step.over_graphql { over_graphql(client, step, &id).await } else { over_rest(client, step, &id).await }
}

async fn over_rest(client: &Client, step: &Step, id: &str) -> Answer {
    let (verb, body) = match &step.action {
        Action::Install { params, secrets } => ("install", json!({"params": params, "secrets": secrets})),
        Action::Uninstall => ("uninstall", Value::Null),
        Action::Purge => ("purge", Value::Null),
        Action::ReadSecrets => ("secrets/read", Value::Null),
    };
    client.post(&format!("/api/v1/integrations/{id}/{verb}"), &body).await
}

async fn over_graphql(client: &Client, step: &Step, id: &str) -> Answer {
    let reference = if step.by_id { json!({ "id": id }) } else { json!({ "name": id }) };
    let mut input = json!({ "integration": reference });
    let (field, kind) = match &step.action {
        Action::Install { params, secrets } => {
            (input["params"], input["secrets"]) = (json!(params), json!(secrets));
            ("installIntegration", "InstallIntegrationInput")
        }
        Action::Uninstall => ("uninstallIntegration", "UninstallIntegrationInput"),
        Action::Purge => ("purgeInstallationData", "PurgeInstallationDataInput"),
        Action::ReadSecrets => unreachable!("over REST alone"),
    };
    let document =
        format!("mutation($input: {kind}!) {{ answer: {field}(input: $input) {{ changed userErrors {{ code }} }} }}");
    client.graphql(&document, json!({ "input": input })).await
}

fn told(step: &Step, answer: &Answer) -> Expected {
    if step.over_graphql {
        let payload = answer.data()["answer"].take();
        return match payload["userErrors"].as_array().expect("list").as_slice() {
            [] => Expected::Changed(payload["changed"].as_bool().expect("changed")),
            _ => Expected::Invalid,
        };
    }
    match (answer.status.as_u16(), &step.action) {
        (422, _) => Expected::Invalid,
        (409, Action::ReadSecrets) => Expected::NotInstalled,
        (_, Action::ReadSecrets) => {
            Expected::Secrets(serde_json::from_value(answer.ok()["secrets"].take()).expect("secrets"))
        }
        _ => Expected::Changed(answer.ok()["changed"].as_bool().expect("changed")),
    }
}

fn id_of(name: &str) -> String {
    patchbay::domain::IntegrationId::of_builtin(name).to_string()
}
