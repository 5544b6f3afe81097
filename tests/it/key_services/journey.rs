//! The documented way from the key ring to a key service and back, with the commands an operator types and a server that
//! runs beside them.

use std::path::Path;

use serde_json::{Value, json};

use super::bao::Bao;
use super::{INSTALL, Place};
use crate::support::{Process, Wire};

const READ: &str = "/api/v1/integrations/stripe/secrets/read";
const ACCOUNTS: usize = 12;

/// A key service, and how Patchbay is told of it.
struct Service {
    provider: &'static str,
    settings: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// Its key, as the database knows it.
    key: String,
}

impl Place {
    fn ring(&self) -> String {
        format!("keys.keyring_file={}", self.folder.path().join("keyring.json").display())
    }

    fn arguments(&self, words: &[&str], settings: &[String]) -> Vec<String> {
        let data = self.folder.path().display().to_string();
        let url = self.database.url();
        let place = ["--data-dir", &data, "--database-url", &url];
        let own = words.iter().chain(&place).map(|word| (*word).to_owned());
        own.chain(settings.iter().flat_map(|setting| ["--set".to_owned(), setting.clone()])).collect()
    }

    /// A server with these settings, whose secrets can be stored.
    async fn serve_ready(&self, settings: &[String], environment: &[(&str, String)]) -> Process {
        let read_back = "secrets.read_back=true".to_owned();
        let settings = [settings, &[read_back]].concat();
        let arguments = self.arguments(&["--listen", "127.0.0.1:0"], &settings);
        let process = Process::serve_with(&borrowed(&arguments), &environment_of(environment));
        assert_eq!(Wire::new(&process.url, "acme").get("/readyz").await.ok()["secrets"], "ok");
        process
    }

    /// A command, which must succeed; its JSON document.
    fn run(&self, words: &[&str], settings: &[String], environment: &[(&str, String)]) -> Value {
        let words = [words, &["--json"]].concat();
        let arguments = self.arguments(&words, settings);
        let output = Process::run_with(&borrowed(&arguments), &environment_of(environment));
        let (out, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {out}{complaint}");
        assert!(!format!("{out}{complaint}").contains("CANARY"), "{out}{complaint}");
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{words:?}: {e}: {out}"))
    }
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn environment_of<'a>(environment: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn account(n: usize) -> String {
    format!("account-{n}")
}

async fn install(process: &Process, account: &str, secret: &str) {
    let body = json!({"secrets": {"api_key": format!("sk_CANARY_{secret}")}});
    Wire::new(&process.url, account).post(INSTALL, &body).await.ok();
}

async fn reads(process: &Process, account: &str, secret: &str) {
    let answer = Wire::new(&process.url, account).post(READ, &json!({})).await.ok();
    assert_eq!(answer["secrets"]["api_key"], format!("sk_CANARY_{secret}"), "{account}");
}

/// Moves everything to `to` beside a running server, which stores meanwhile, and forgets `old`.
async fn move_to(place: &Place, to: &str, old: &str, settings: &[String], environment: &[(&str, String)]) {
    let process = place.serve_ready(settings, environment).await;
    // A server with both providers reads what either of them wrapped, and wraps with the new one.
    reads(&process, &account(0), "0").await;
    install(&process, &format!("new-with-{to}"), to).await;
    let rewrapped = place.run(&["keys", "rewrap"], settings, environment);
    assert_eq!(rewrapped["outcome"], "finished", "{rewrapped}");
    assert!(rewrapped["rewrapped_keys"].as_u64() >= Some(ACCOUNTS as u64), "{rewrapped}");
    let verified = place.run(&["keys", "verify"], settings, environment);
    assert!(verified["opened"].as_u64() > Some(ACCOUNTS as u64) && verified["broken"] == 0, "{verified}");
    reads(&process, &account(ACCOUNTS - 1), &(ACCOUNTS - 1).to_string()).await;
    assert_eq!(place.run(&["keys", "retire", old], settings, environment), json!({ "retired": old }));
    process.stop();
}

async fn there_and_back(service: Service) {
    let place = Place::new().await;
    let ring = [place.ring()];
    let alone = [&service.settings[..], &[format!("keys.provider={}", service.provider)]].concat();
    let both = |provider: &str| [&service.settings[..], &[place.ring(), format!("keys.provider={provider}")]].concat();
    let environment = &service.environment;

    new_ring(&place.folder.path().join("keyring.json"));
    let process = place.serve_ready(&ring, &[]).await;
    for n in 0..ACCOUNTS {
        install(&process, &account(n), &n.to_string()).await;
    }
    process.stop();

    // Step 1 of the documentation: the service is known everywhere before anything depends on it.
    place.serve_ready(&both("local"), environment).await.stop();
    move_to(&place, service.provider, "local:1", &both(service.provider), environment).await;
    std::fs::remove_file(place.folder.path().join("keyring.json")).expect("the key ring is taken away");
    let process = place.serve_ready(&alone, environment).await;
    for n in 0..ACCOUNTS {
        reads(&process, &account(n), &n.to_string()).await;
    }
    process.stop();

    // Back, to a key ring of its own: the retired id is not used again.
    new_ring(&place.folder.path().join("keyring.json"));
    place.serve_ready(&both(service.provider), environment).await.stop();
    move_to(&place, "local", &service.key, &both("local"), environment).await;
    let process = place.serve_ready(&ring, &[]).await;
    for n in 0..ACCOUNTS {
        reads(&process, &account(n), &n.to_string()).await;
    }
    for provider in [service.provider, "local"] {
        reads(&process, &format!("new-with-{provider}"), provider).await;
    }
    process.stop();
}

fn new_ring(path: &Path) {
    let made = Process::run(&["keys", "generate", "--out", &path.display().to_string()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_key_ring_to_openbao_and_back() {
    let Some(bao) = Bao::start().await else { return };
    there_and_back(Service {
        provider: "transit",
        settings: vec![format!("keys.transit_url={}", bao.url())],
        environment: vec![("PATCHBAY_TRANSIT_TOKEN", bao.token(&["patchbay"]).await)],
        key: "transit:transit/patchbay:v1".into(),
    })
    .await;
}

#[cfg(feature = "aws-kms")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_key_ring_to_kms_and_back() {
    let Some(moto) = crate::support::Moto::start() else { return };
    let arn = super::kms::new_key(&moto.url).await;
    there_and_back(Service {
        provider: "aws-kms",
        settings: vec![
            format!("keys.kms_key_id={arn}"),
            format!("keys.kms_region={}", super::kms::REGION),
            format!("keys.kms_endpoint_url={}", moto.url),
        ],
        environment: vec![
            ("AWS_ACCESS_KEY_ID", "id".into()),
            ("AWS_SECRET_ACCESS_KEY", "CANARY".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ],
        key: format!("aws-kms:{arn}"),
    })
    .await;
}
