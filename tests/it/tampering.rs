//! Sealed bytes that were changed or moved behind the server's back: only that secret is an error, told to the log alone.

use entity::installation_secret::{self, Column};
use patchbay::domain::{CONNECTION, IntegrationId, Plain, SecretName};
use patchbay::vault::{SecretPlace, counter_of};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;

use crate::support::{Process, Wire, World, account_id};

const STRIPE: &str = "/api/v1/integrations/stripe";
const VALUE: &str = "sk_CANARY_1";
/// Magic, version, algorithm, flags, key id, counter.
const HEADER_BEFORE_NONCE: usize = 16;
/// Why a value does not open whose counter is another one.
const OTHER_COUNTER: &str = "not the latest value: its counter is not the one on record";

/// A server of its own whose log can be read, beside a world on the same database.
struct Tampered {
    world: World,
    process: Process,
    db: DatabaseConnection,
    /// The bytes of `api_key` as they were sealed.
    sealed: Vec<u8>,
}

impl Tampered {
    async fn start() -> Self {
        let world = World::with(&[("auth.mode", "open")]).await;
        let (data, url) = (world.folder.path().display().to_string(), world.database.url());
        let ring = format!("keys.keyring_file={data}/keyring.json");
        let process = Process::serve(&[
            "--data-dir",
            &data,
            "--database-url",
            &url,
            "--set",
            &ring,
            "--set",
            "secrets.read_back=true",
            "--set",
            "log.level=trace",
            "--set",
            "limits.rate=false",
        ]);
        let body = json!({"secrets": {"api_key": VALUE, "other": "CANARY_2"}});
        Wire::new(&process.url, "acme").post(&format!("{STRIPE}/install"), &body).await.ok();
        let sealed = world.secrets_of("acme").await.remove(0);
        assert_eq!(sealed.name, "api_key");
        Self { db: world.connect().await, world, process, sealed: sealed.sealed }
    }

    fn acme(&self) -> Wire {
        Wire::new(&self.process.url, "acme")
    }

    /// Puts these bytes into the row of `api_key`, and asserts that it cannot be read and that nothing else is told.
    async fn assert_refused(&self, bytes: Vec<u8>, claim: &str) {
        let written = installation_secret::Entity::update_many()
            .col_expr(Column::Sealed, Expr::value(bytes))
            .filter(Column::AccountId.eq("acme"))
            .filter(Column::Name.eq("api_key"))
            .exec(&self.db)
            .await;
        assert_eq!(written.expect("written").rows_affected, 1);
        let read = self.acme().post_text(&format!("{STRIPE}/secrets/read"), "").await;
        let sentence = "The stored secret api_key cannot be opened: store it again, or read the others by name";
        assert_eq!((read.status.as_u16(), &*read.text()), (500, sentence), "{claim}");
        assert_eq!(read.error_code(), "internal", "{claim}");
    }

    /// The damage is bounded by the secret, and ends when it is stored again.
    async fn assert_bounded_and_healed(&self) {
        let acme = self.acme();
        let read = acme.post(&format!("{STRIPE}/secrets/read"), &json!({"names": ["other"]})).await.ok();
        assert_eq!(read["secrets"], json!({"other": "CANARY_2"}));
        let shown = acme.get(STRIPE).await.ok();
        assert_eq!((&shown["status"], &shown["secret_names"]), (&json!("installed"), &json!(["api_key", "other"])));
        acme.get("/api/v1/integrations").await.ok();
        acme.post(&format!("{STRIPE}/install"), &json!({"secrets": {"api_key": "sk_CANARY_3"}})).await.ok();
        let read = acme.post_text(&format!("{STRIPE}/secrets/read"), "").await.ok();
        assert_eq!(read["secrets"], json!({"api_key": "sk_CANARY_3", "other": "CANARY_2"}));
    }

    /// The log says which secret, why, and how often; and no value.
    async fn assert_logged(self, reasons: &[(&str, usize)]) {
        self.db.close().await.expect("closed");
        let (out, log) = self.process.stop();
        assert!(!out.contains("CANARY") && !log.contains("CANARY"), "a value is in the log");
        let errors: Vec<_> = log.lines().filter(|line| line.contains("\"ERROR\"")).collect();
        for (reason, times) in reasons {
            let cause = format!(
                "the sealed secret api_key of acme, integration {}, connection {CONNECTION} does not open: {reason}",
                IntegrationId::of_builtin("stripe").0
            );
            assert_eq!(errors.iter().filter(|line| line.contains(&cause)).count(), *times, "{cause}");
        }
        assert_eq!(errors.len(), reasons.iter().map(|(_, times)| times).sum::<usize>(), "each is logged once");
        drop(self.world);
    }
}

#[tokio::test]
async fn a_flipped_bit_of_a_sealed_value_is_an_error_of_that_secret_alone() {
    let tampered = Tampered::start().await;
    // Of what follows the counter, one bit of each byte: nonce, ciphertext and tag.
    let in_header = 0..HEADER_BEFORE_NONCE * 8;
    let behind = (HEADER_BEFORE_NONCE..tampered.sealed.len()).map(|byte| byte * 8 + byte % 8);
    for bit in in_header.chain(behind) {
        let mut changed = tampered.sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        tampered.assert_refused(changed, &format!("bit {bit}")).await;
    }
    tampered.assert_bounded_and_healed().await;
    let behind = tampered.sealed.len() - HEADER_BEFORE_NONCE;
    let reasons = [
        ("not an envelope", 8),
        ("unknown format version", 8),
        ("unknown algorithm", 8),
        ("unknown flags", 8),
        ("sealed under another key", 32),
        (OTHER_COUNTER, 64),
        ("changed, or sealed for another place", behind),
    ];
    tampered.assert_logged(&reasons).await;
}

#[tokio::test]
async fn a_truncated_sealed_value_is_an_error_of_that_secret_alone() {
    let tampered = Tampered::start().await;
    let whole = tampered.sealed.len();
    for length in 0..whole {
        tampered.assert_refused(tampered.sealed[..length].to_vec(), &format!("{length} bytes")).await;
    }
    tampered.assert_refused([&*tampered.sealed, &[0]].concat(), "a byte more").await;
    tampered.assert_bounded_and_healed().await;
    // Header and tag are 44 bytes.
    let reasons = [("truncated envelope", 44), ("changed, or sealed for another place", whole - 44 + 1)];
    tampered.assert_logged(&reasons).await;
}

#[tokio::test]
async fn a_value_sealed_for_another_place_is_an_error_of_that_secret_alone() {
    let tampered = Tampered::start().await;
    // Under the key of the account, so that nothing but the place is wrong.
    let key = tampered.world.data_key_of("acme").await;
    let (acme, stranger) = (account_id("acme"), account_id("stranger"));
    let (stripe, slack) = (IntegrationId::of_builtin("stripe"), IntegrationId::of_builtin("slack"));
    let (name, other) = (SecretName::parse("api_key").expect("name"), SecretName::parse("other").expect("name"));
    let sealed_at = |account, integration, connection, name| {
        let counter = counter_of(&tampered.sealed);
        let place = SecretPlace { account, integration, connection, name, counter };
        key.seal(&place, &Plain::new(format!("\"{VALUE}\"").into_bytes())).expect("sealed").bytes
    };
    for (bytes, claim) in [
        (sealed_at(&stranger, stripe, CONNECTION, &name), "account"),
        (sealed_at(&acme, slack, CONNECTION, &name), "integration"),
        (sealed_at(&acme, stripe, "second", &name), "connection"),
        (sealed_at(&acme, stripe, CONNECTION, &other), "name"),
    ] {
        tampered.assert_refused(bytes, claim).await;
    }
    tampered.assert_bounded_and_healed().await;
    tampered.assert_logged(&[("changed, or sealed for another place", 4)]).await;
}

#[tokio::test]
async fn an_earlier_value_put_back_is_an_error_of_that_secret_alone() {
    let tampered = Tampered::start().await;
    let install = json!({"secrets": {"api_key": "sk_CANARY_2"}});
    tampered.acme().post(&format!("{STRIPE}/install"), &install).await.ok();
    tampered.assert_refused(tampered.sealed.clone(), "the value before").await;
    // Removed and stored again: no counter comes twice.
    for value in [json!(null), json!(VALUE)] {
        tampered.acme().post(&format!("{STRIPE}/install"), &json!({"secrets": {"api_key": value}})).await.ok();
    }
    tampered.assert_refused(tampered.sealed.clone(), "the same value, of an earlier life").await;
    tampered.assert_bounded_and_healed().await;
    tampered.assert_logged(&[(OTHER_COUNTER, 2)]).await;
}
