//! Bodies that install an integration or check its values, through the real router.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use patchbay::app::App;
use patchbay::config::{Config, Resolved, Sources};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::measure::{BODY_ALLOWANCE, Cost, excess, measure};

/// A built-in integration, and the custom one below.
const NAMES: [&str; 2] = ["stripe", "acme"];
/// A request writes rows, whatever its size.
const SETTINGS: [(&str, &str); 5] = [
    ("database.sqlite_synchronous", "normal"),
    ("limits.requests_per_minute", "0"),
    ("limits.requests_per_hour", "0"),
    ("limits.requests_per_day", "0"),
    ("limits.failures_per_minute", "0"),
];

/// A server of this thread alone, whose CPU time is measured.
struct Server {
    runtime: Runtime,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    /// Connections of the database are closed within the runtime.
    fn drop(&mut self) {
        let _context = self.runtime.enter();
        self.router = Router::new();
    }
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let folder = tempfile::tempdir().expect("folder");
        let own = [("server.data_dir", folder.path().display().to_string())];
        let settings = SETTINGS.iter().map(|(key, value)| (*key, (*value).to_owned())).chain(own);
        let flags = settings.map(|(key, value)| (key.to_owned(), "test".to_owned(), value)).collect();
        let resolved = Resolved::read(&Sources { flags, ..Sources::default() }).expect("settings");
        let app = runtime.block_on(App::prepare(Config::from(&resolved), None)).expect("prepared");
        let server = Self { runtime, router: app.router(), _folder: folder };
        let (status, answer, _) = server.post("/api/v1/integrations", custom().to_string());
        assert_eq!(status, 201, "{answer} bytes");
        // Caches, connections and the data key of the account are there before anything is measured.
        for name in NAMES {
            server.check_and_install(name, &json!({"params": {"a": "x"}}).to_string());
        }
        server
    }

    /// The status, the size of the answer, and the cost.
    fn post(&self, path: &str, body: String) -> (u16, usize, Cost) {
        let request = Request::post(path).header("x-account-id", "acme").header("content-type", "application/json");
        let request = request.body(Body::from(body)).expect("request");
        let ((status, size), cost) = measure(|| {
            self.runtime.block_on(async {
                let response = self.router.clone().oneshot(request).await.expect("infallible");
                let status = response.status().as_u16();
                (status, response.into_body().collect().await.expect("body").to_bytes().len())
            })
        });
        (status, size, cost)
    }

    /// The fault of the first request that costs or answers too much, or is a fault of the server.
    fn check_and_install(&self, name: &str, body: &str) -> Option<String> {
        ["validate", "install"].into_iter().find_map(|action| {
            let path = format!("/api/v1/integrations/{name}/{action}");
            let (status, answer, cost) = self.post(&path, body.to_owned());
            let too_large = answer > 4 * body.len() + 64 * 1_024;
            let fault = match status {
                500.. => Some(format!("status {status}")),
                _ => excess(body.len(), BODY_ALLOWANCE, cost)
                    .or_else(|| too_large.then(|| format!("an answer of {answer} bytes"))),
            };
            fault.map(|fault| format!("{action} of {name}: {fault}"))
        })
    }
}

/// A custom integration with as many costly patterns as it may have.
fn custom() -> Value {
    let field = |n: usize| match n {
        0 => json!({"name": "a", "label": "A", "type": "string", "pattern": r"^(?:[a-z]?){20}[a-z]{0,20}$"}),
        _ => json!({"name": format!("f{n}"), "label": "F", "type": "string", "pattern": r"^[\w.-]{1,200}(?:x|y)z*$"}),
    };
    json!({
        "name": "acme", "display_name": "Acme", "description": "Sells anvils.", "category": "commerce",
        "auth": [{"kind": "none"}], "params": (0..16).map(field).collect::<Vec<_>>(),
        "http": {"base_url": "https://x.example", "allowed_hosts": ["x.example"],
                 "verify": {"method": "GET", "path": "/", "expect_status": 200}}
    })
}

fn object(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(members.into_iter().collect::<Map<_, _>>())
}

fn attacks() -> Vec<String> {
    let unknown = |count: usize| object((0..count).map(|n| (format!("unknown_{n}"), json!("x"))));
    let costly = object((0..16).map(|n| (if n == 0 { "a".into() } else { format!("f{n}") }, json!("a".repeat(3_900)))));
    let mut bodies: Vec<String> = [
        json!({"params": unknown(4_000)}),
        json!({"secrets": unknown(4_000)}),
        json!({"secrets": object((0..4_000).map(|n| (format!("s{n}"), Value::Null)))}),
        json!({"params": costly}),
        json!({"params": {"a": "x".repeat(900_000)}}),
        json!({"secrets": {"api_key": "x".repeat(900_000)}}),
        json!({"params": {"k".repeat(60_000): 1}}),
        json!({"params": {"a": vec![json!({}); 10_000]}}),
        json!({"params": {"a": vec![json!([]); 10_000]}}),
        json!({"params": vec![0; 30_000], "secrets": vec![0; 30_000]}),
        object((0..6_000).map(|n| (format!("ignored_{n}"), json!(1)))),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    bodies.push(format!("{{\"params\": {{{}}}}}", vec!["\"a\": \"x\""; 6_000].join(",")));
    bodies.push("[".repeat(60_000));
    bodies.push(format!("{{\"params\": {}1{}}}", "[".repeat(100), "]".repeat(100)));
    bodies.push("\"\\u0000\",".repeat(8_000));
    bodies
}

#[test]
fn known_attacks_are_answered_in_proportion() {
    let server = Server::start();
    for body in attacks() {
        for name in NAMES {
            let fault = server.check_and_install(name, &body);
            let beginning: String = body.chars().take(100).collect();
            assert_eq!(fault, None, "{} bytes: {beginning}", body.len());
        }
    }
}

/// Values of any kind and size, some of them costly to match.
fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[ -~]{0,20}", "\\PC{0,8}", Just("a".to_owned()), Just("\0".to_owned())];
    let count = prop_oneof![8 => 0..4_usize, 2 => 0..300_usize, 1 => 0..20_000_usize];
    let texts = (text, count).prop_map(|(text, count)| json!(text.repeat(count)));
    let leaf = prop_oneof![4 => texts, 1 => any::<i64>().prop_map(Value::from), 1 => Just(Value::Null)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let list = (inner.clone(), 0..2_000_usize).prop_map(|(value, count)| match value.to_string().len() {
            0..20 => json!(vec![value; count]),
            _ => value,
        });
        prop_oneof![list, prop::collection::btree_map("[a-z_]{0,12}", inner, 0..4).prop_map(Value::from_iter)]
    })
}

fn bodies() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        4 => Just("a".to_owned()),
        2 => (1..16_usize).prop_map(|n| format!("f{n}")),
        2 => prop::sample::select(vec!["api_key", "webhook_secret"]).prop_map(str::to_owned),
        1 => "\\PC{0,30}",
    ];
    let part = || prop_oneof![9 => prop::collection::btree_map(name.clone(), values(), 0..20).prop_map(Value::from_iter), 1 => values()];
    (part(), part(), prop::option::of(values())).prop_map(|(params, secrets, ignored)| {
        let mut body = json!({"params": params, "secrets": secrets});
        if let Some(ignored) = ignored {
            body["ignored"] = ignored;
        }
        body
    })
}

#[test]
fn any_body_is_answered_in_proportion() {
    let server = Server::start();
    let mut runner = TestRunner::new(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() });
    let outcome = runner.run(&(bodies(), prop::sample::select(&NAMES[..])), |(body, name)| {
        let fault = server.check_and_install(name, &body.to_string());
        prop_assert!(fault.is_none(), "{}", fault.unwrap_or_default());
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
