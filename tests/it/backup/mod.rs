//! Backups of the embedded database, by the real binary, beside real servers.

mod making;
mod restoring;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{Process, Told, Wire};

const STRIPE: &str = "/api/v1/integrations/stripe";

/// A folder with data directories and backups.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Starts a server on this data directory.
    fn serve(&self, data: &str) -> Process {
        Process::serve(&["--data-dir", &self.text(data)])
    }

    /// Runs a command on this data directory.
    fn run(&self, data: &str, words: &[&str]) -> Told {
        Told::of(&Process::run(&[words, &["--data-dir", &self.text(data)]].concat()))
    }

    fn backup(&self, data: &str, to: &str) -> Told {
        self.run(data, &["backup", "--to", &self.text(to), "--json"])
    }

    fn restore(&self, data: &str, from: &str, more: &[&str]) -> Told {
        self.run(data, &[&["restore", "--from", &self.text(from), "--json"], more].concat())
    }

    /// A data directory with an account that has installed something, at rest.
    async fn filled(&self, data: &str) {
        let server = self.serve(data);
        install(&server, "acme", 1).await;
        server.stop();
    }

    /// Another data directory with the same key ring and pepper, and nothing else.
    fn keys_alone(&self, of: &str, data: &str) {
        std::fs::create_dir(self.path(data)).expect("made");
        for file in ["keyring.json", "pepper"] {
            std::fs::copy(self.path(of).join(file), self.path(data).join(file)).expect("copied");
        }
    }

    fn manifest(&self, backup: &str) -> PathBuf {
        self.path(&format!("{backup}.manifest.json"))
    }

    /// Writes a manifest anew that fits a file which was changed.
    fn describe_anew(&self, backup: &str) {
        let bytes = std::fs::read(self.path(backup)).expect("backup");
        let mut manifest = json_of(&self.manifest(backup));
        manifest["bytes"] = json!(bytes.len());
        manifest["sha256"] = json!(Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect::<String>());
        std::fs::write(self.manifest(backup), manifest.to_string()).expect("written");
    }

    fn names(&self, folder: &str) -> BTreeSet<String> {
        names(&self.path(folder))
    }
}

async fn install(server: &Process, account: &str, number: usize) {
    let body = json!({"params": {"n": number}, "secrets": {"api_key": format!("sk_CANARY_{number}")}});
    Wire::new(&server.url, account).post(&format!("{STRIPE}/install"), &body).await.ok();
}

/// The number that was installed last.
async fn installed(server: &Process, account: &str) -> Value {
    Wire::new(&server.url, account).get(STRIPE).await.ok()["params"]["n"].clone()
}

fn json_of(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).expect("text")).expect("JSON")
}

/// What lies in a folder, but for the files by which processes keep out of each other's way.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").file_name());
    let names = entries.map(|name| name.into_string().expect("UTF-8"));
    names.filter(|name| !name.ends_with(".lock") && !name.ends_with(".in-use")).collect()
}
