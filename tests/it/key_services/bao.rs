//! A real OpenBao of a test's own, in memory.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{eventually, exchange, signal, skip};

pub const ROOT: &str = "CANARYroottoken";
/// As the documentation has it.
pub const POLICY: &str = r#"
path "transit/encrypt/patchbay" { capabilities = ["update"] }
path "transit/decrypt/patchbay" { capabilities = ["update"] }
path "transit/rewrap/patchbay"  { capabilities = ["update"] }
path "transit/hmac/patchbay"    { capabilities = ["update"] }
"#;
const POLICY_PER_ACCOUNT: &str = r#"
path "transit/encrypt/patchbay-*" { capabilities = ["create", "update"] }
path "transit/decrypt/patchbay-*" { capabilities = ["update"] }
path "transit/rewrap/patchbay-*"  { capabilities = ["update"] }
path "transit/keys/patchbay-*"    { capabilities = ["update", "delete"] }
"#;

/// `bao server -dev`, ended when it is dropped.
pub struct Bao {
    child: Child,
    address: String,
    unseal_key: String,
}

impl Bao {
    /// The program that `TEST_BAO` names, with the engine mounted, the key `patchbay` and the policies `patchbay` and
    /// `per-account`; `None` when there is no program.
    pub async fn start() -> Option<Self> {
        let bao = Self::launch(&["-dev"]).await?;
        bao.post("sys/mounts/transit", json!({"type": "transit"})).await;
        bao.post("transit/keys/patchbay", json!({"type": "aes256-gcm96", "derived": true})).await;
        for (name, policy) in [("patchbay", POLICY), ("per-account", POLICY_PER_ACCOUNT)] {
            bao.post(&format!("sys/policies/acl/{name}"), json!({ "policy": policy })).await;
        }
        Some(bao)
    }

    /// One that is reached by TLS alone, and has nothing in it; it leaves `vault-ca.pem` in the folder.
    pub async fn start_with_tls(folder: &Path) -> Option<Self> {
        Self::launch(&["-dev-tls", &format!("-dev-tls-cert-dir={}", folder.display())]).await
    }

    async fn launch(arguments: &[&str]) -> Option<Self> {
        let Ok(program) = std::env::var("TEST_BAO") else {
            skip("TEST_BAO names no OpenBao; scripts/test installs one");
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = free.local_addr().expect("address").to_string();
        drop(free);
        let mut child = Command::new(program)
            .args(["server", "-dev-no-store-token", "-log-level=error"])
            .args(arguments)
            .args([&format!("-dev-root-token-id={ROOT}"), &format!("-dev-listen-address={address}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let unseal_key = lines.find_map(|line| line.trim().strip_prefix("Unseal Key: ").map(str::to_owned));
        // Read to the end, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let bao = Self { child, address, unseal_key: unseal_key.expect("it says how it is unsealed") };
        eventually("OpenBao listens", Duration::from_secs(30), async || TcpStream::connect(&bao.address).await.is_ok())
            .await;
        Some(bao)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What an operator does with every right; it must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.send("POST", path, &body.to_string()).await
    }

    pub async fn delete(&self, path: &str) {
        self.send("DELETE", path, "").await;
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Value {
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-vault-token: {ROOT}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let stream = TcpStream::connect(&self.address).await.expect("connected");
        let answer = exchange(stream, request.as_bytes()).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// A token that these policies alone allow something.
    pub async fn token(&self, policies: &[&str]) -> String {
        let wish = json!({"policies": policies, "no_default_policy": true, "ttl": "1h"});
        let made = self.post("auth/token/create", wish).await;
        made["auth"]["client_token"].as_str().expect("token").to_owned()
    }

    pub async fn seal(&self) {
        self.post("sys/seal", json!({})).await;
    }

    pub async fn unseal(&self) {
        self.post("sys/unseal", json!({"key": self.unseal_key})).await;
    }

    /// Halts the process where it is. The signal alone is only on its way: a thread may still answer.
    pub async fn halt(&self) {
        self.signal("STOP");
        eventually("every thread has stopped", Duration::from_secs(10), async || self.has_stopped()).await;
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// See proc_pid_stat(5): the state follows the name, which is in parentheses.
    fn has_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("threads");
        let states = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        states.into_iter().all(|state| state.rsplit(") ").next().is_some_and(|state| state.starts_with('T')))
    }

    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
