//! A whole server whose data keys AWS KMS wraps.

use std::time::{Duration, Instant};

use entity::{account_key, installation_secret};
use patchbay::vault::{AWS_KMS, CacheSettings, Vault};
use sea_orm::{ColumnTrait, Database, EntityTrait, QueryFilter};
use serde_json::json;

use super::Place;
use super::kms::{REGION, kms, new_alias, new_key};
use crate::support::faulty::{self, Faulty, Weather};
use crate::support::{Moto, Process, Wire, account_id, eventually, open, wrapped};

const STRIPE: &str = "/api/v1/integrations/stripe/install";
const SLACK: &str = "/api/v1/integrations/slack/install";

impl Place {
    /// A server with this key, or why it does not start.
    fn try_serve(&self, url: &str, key_id: &str, environment: &[(&str, &str)]) -> Result<Process, String> {
        let data = self.folder.path().display().to_string();
        let settings = [
            format!("keys.kms_key_id={key_id}"),
            format!("keys.kms_region={REGION}"),
            format!("keys.kms_endpoint_url={url}"),
        ];
        let database = self.database.url();
        let mut arguments = vec!["--listen", "127.0.0.1:0", "--data-dir", &data, "--database-url", &database];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        // Nothing of who runs the tests.
        let absent = self.folder.path().join("absent").display().to_string();
        let own = [
            ("AWS_CONFIG_FILE", &*absent),
            ("AWS_SHARED_CREDENTIALS_FILE", &absent),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        Process::try_serve(&arguments, &[&own, environment].concat())
    }

    fn serve(&self, url: &str, key_id: &str) -> Process {
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "CANARY")];
        self.try_serve(url, key_id, &keys).expect("started")
    }
}

/// Secrets cannot be stored, and everything else works.
async fn assert_degraded(process: &Process) {
    let wire = Wire::new(&process.url, "acme");
    assert_eq!(wire.get("/readyz").await.ok()["secrets"], "degraded");
    let refused = wire.post(STRIPE, &json!({"secrets": {"api_key": "sk_CANARY"}})).await;
    refused.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
    wire.post(STRIPE, &json!({"params": {"n": 1}})).await.ok();
}

#[tokio::test]
async fn secrets_are_sealed_with_data_keys_that_kms_wrapped_and_open_after_a_restart() {
    let Some(moto) = Moto::start() else { return };
    let arn = new_alias(&moto.url, "alias/patchbay").await;
    let place = Place::new().await;
    let install = json!({"secrets": {"api_key": "sk_CANARY"}});
    let mut logs = String::new();
    for path in [STRIPE, SLACK] {
        let process = place.serve(&moto.url, "alias/patchbay");
        let wire = Wire::new(&process.url, "acme");
        assert_eq!(wire.get("/readyz").await.ok()["secrets"], "ok");
        wire.post(path, &install).await.ok();
        logs += &process.stop().1;
    }
    assert!(!logs.contains("CANARY"), "{logs}");
    assert!(!place.folder.path().join("keyring.json").exists(), "a key ring that nobody asked for");

    let db = Database::connect(place.database.admin_url()).await.expect("connected");
    let keys = account_key::Entity::find().all(&db).await.expect("keys");
    assert_eq!((keys.len(), &keys[0].kek_ref), (1, &format!("aws-kms:{arn}")));
    let secrets = installation_secret::Entity::find();
    let secrets = secrets.filter(installation_secret::Column::AccountId.eq("acme")).all(&db).await.expect("secrets");
    db.close().await.expect("closed");
    let provider = std::sync::Arc::new(kms(&moto.url, &arn).await);
    let vault = Vault::new(vec![provider], CacheSettings { entries: 0, ttl: Duration::ZERO });
    vault.trust(AWS_KMS);
    let key = vault.data_key(&account_id("acme"), &wrapped(&keys[0])).await.expect("unwrapped");
    let opened: Vec<_> = secrets.iter().map(|row| open(&key, row)).collect();
    assert_eq!(opened, [Some(json!("sk_CANARY")), Some(json!("sk_CANARY"))]);
}

#[tokio::test]
async fn a_kms_without_the_key_that_was_used_before_refuses_to_start() {
    let (Some(right), Some(wrong)) = (Moto::start(), Moto::start()) else { return };
    let expected = new_alias(&right.url, "alias/patchbay").await;
    let configured = new_alias(&wrong.url, "alias/patchbay").await;
    let place = Place::new().await;
    place.serve(&right.url, "alias/patchbay").stop();
    let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "CANARY")];
    let complaint = place.try_serve(&wrong.url, "alias/patchbay", &keys).err().expect("no start");
    for part in [&*expected, &configured, "fingerprint", "AWS account"] {
        assert!(complaint.contains(part), "{part} not in {complaint}");
    }
    assert!(!complaint.contains("CANARY"), "{complaint}");
    let complaint = place.try_serve(&right.url, "alias/absent", &keys).err().expect("no start");
    assert!(complaint.contains("alias/absent"), "{complaint}");
    // Another key of the same KMS is no wrong one: what the first wrapped still opens.
    let next = new_key(&right.url).await;
    place.serve(&right.url, &next).stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_stops_new_data_keys_alone_and_passes() {
    let Some(moto) = Moto::start() else { return };
    let arn = new_key(&moto.url).await;
    let proxy = Faulty::before(&moto.url, Weather::Fair).await;
    let place = Place::new().await;
    let process = place.serve(&proxy.url, &arn);
    let (acme, other) = (Wire::new(&process.url, "acme"), Wire::new(&process.url, "other"));
    let install = json!({"secrets": {"api_key": "sk_CANARY"}});
    acme.post(STRIPE, &install).await.ok();
    proxy.turn(Weather::Cut);
    let refused = other.post(STRIPE, &install).await;
    refused.assert_refused(503, "secrets_unavailable", "Secret encryption service unavailable");
    assert!(refused.header("retry-after").is_some());
    acme.post(SLACK, &install).await.ok();
    other.post(STRIPE, &json!({"params": {"n": 1}})).await.ok();
    proxy.turn(Weather::Fair);
    eventually("secrets can be stored again", Duration::from_secs(60), async || {
        other.post(STRIPE, &install).await.status.is_success()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kms_that_is_away_or_refuses_at_start_degrades() {
    let refusal = json!({"__type": "AccessDeniedException", "message": "User is not authorized"}).to_string();
    let refusing = Faulty::alone(Weather::Answer(400, refusal)).await;
    for (url, told) in [(&*faulty::closed().await, "Connection refused"), (&refusing.url, "kms:Encrypt")] {
        let place = Place::new().await;
        let process = place.serve(url, "alias/patchbay");
        assert_degraded(&process).await;
        let (_, log) = process.stop();
        assert!(log.contains(told) && !log.contains("CANARY"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credentials_the_start_is_degraded_and_soon() {
    let hanging = Faulty::alone(Weather::Hang).await;
    let place = Place::new().await;
    let container = format!("{}/credentials", hanging.url);
    for (environment, told) in [
        (&[][..], "no usable AWS credentials"),
        (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*container)], "timed out after 2s"),
    ] {
        let started = Instant::now();
        let process = place.try_serve(&hanging.url, "alias/patchbay", environment).expect("started");
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert_degraded(&process).await;
        let (_, log) = process.stop();
        assert!(log.contains(told), "{log}");
    }
}

#[tokio::test]
async fn a_key_whose_region_nobody_tells_and_a_url_that_is_not_encrypted_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let (data, absent) = (folder.path().display().to_string(), folder.path().join("absent").display().to_string());
    let complaint = |settings: &[&str]| {
        let arguments = [&["--data-dir", &data, "--listen", "127.0.0.1:0"], settings].concat();
        let environment = [("AWS_CONFIG_FILE", &*absent), ("AWS_SHARED_CREDENTIALS_FILE", &absent)];
        Process::try_serve(&arguments, &environment).err().expect("no start")
    };
    let without_region = complaint(&["--set", "keys.kms_key_id=alias/patchbay"]);
    assert!(without_region.contains("keys.kms_region"), "{without_region}");
    let exposed = complaint(&["--set", "keys.kms_endpoint_url=http://kms.example.com"]);
    assert!(exposed.contains("keys.kms_endpoint_url") && exposed.contains("https://"), "{exposed}");
}
