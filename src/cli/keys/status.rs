//! Which keys there are.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::print::{count, print, print_json, sentence, short};
use crate::service::{KeyKeeper, KeyStatus, ProviderStatus};
use crate::store::KeyCount;

pub(super) const HELP: &str = "\
With --json:
  providers         those that are configured: name, wraps (whether it wraps new data keys),
                    current_key, problem (why its keys cannot be used, else null)
  problem           why no server would start with these keys, else null
  data_keys         provider, provider_key, state (active, decrypt_only, destroyed), count,
                    oldest_created_at
  oldest_active_at  when the oldest active data key was made, null without any
  provider_keys     those on record, which a server needs to start: key, fingerprint
  to_reseal         accounts with secrets that are still to be sealed under their active data key
  to_rewrap         data keys that the current provider key does not wrap; null when that is unknown
  secrets_bound     whether new secrets are bound to counters: if not, `patchbay keys bind`
  rotation_begun_at when the rotation of all accounts was begun that has not ended, else null";

#[derive(Serialize)]
struct Report {
    providers: Vec<Provider>,
    problem: Option<String>,
    data_keys: Vec<DataKeys>,
    oldest_active_at: Option<DateTime<Utc>>,
    provider_keys: Vec<ProviderKey>,
    to_reseal: u64,
    to_rewrap: Option<u64>,
    secrets_bound: bool,
    rotation_begun_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Provider {
    name: &'static str,
    wraps: bool,
    current_key: Option<String>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct DataKeys {
    provider: String,
    provider_key: String,
    state: String,
    count: u64,
    oldest_created_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct ProviderKey {
    key: String,
    fingerprint: String,
}

pub(super) async fn show(keys: &KeyKeeper, json: bool) -> Result<(), String> {
    let report = Report::of(keys.status().await.map_err(sentence)?);
    match json {
        true => print_json(&report),
        false => print(&report.text()),
    }
}

impl Report {
    fn of(status: KeyStatus) -> Self {
        let providers = status.providers.into_iter().enumerate();
        let providers: Vec<_> = providers.map(|(at, provider)| Provider::of(provider, at == 0)).collect();
        let in_use = || status.counts.iter().filter(|count| count.is_in_use());
        let current = providers.first().and_then(|first| first.current_key.as_ref());
        Self {
            problem: status.refusal,
            to_rewrap: current
                .map(|current| in_use().filter(|count| count.kek_ref != *current).map(|count| count.count).sum()),
            oldest_active_at: in_use().filter(|count| count.is_active()).map(|count| count.oldest).min(),
            provider_keys: status
                .checks
                .into_iter()
                .map(|(key, fingerprint)| ProviderKey { key, fingerprint })
                .collect(),
            to_reseal: status.to_reseal,
            secrets_bound: status.binds_secrets,
            rotation_begun_at: status.unfinished_rotation,
            data_keys: status.counts.into_iter().map(DataKeys::of).collect(),
            providers,
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::from("Providers\n");
        if self.providers.is_empty() {
            text.push_str("  none: secrets cannot be stored\n");
        }
        for Provider { name, wraps, current_key, problem } in &self.providers {
            let role = if *wraps { "wraps new data keys" } else { "unwraps what it wrapped before" };
            let current = current_key.as_ref().map(|key| format!("current key {key}"));
            let problem = problem.as_ref().map(|problem| format!("cannot be used: {problem}"));
            text.push_str(&format!("  {name:<10} {role}; {}\n", current.or(problem).unwrap_or_default()));
        }
        if let Some(problem) = &self.problem {
            text.push_str(&format!("  {problem}\n"));
        }
        text.push_str("\nProvider keys on record\n");
        for ProviderKey { key, fingerprint } in &self.provider_keys {
            let fingerprint = if fingerprint.is_empty() { "" } else { &format!("fingerprint {fingerprint}") };
            text.push_str(format!("  {key:<32} {fingerprint}").trim_end());
            text.push('\n');
        }
        text.push_str("\nData keys\n");
        for DataKeys { provider_key, state, count, oldest_created_at, .. } in &self.data_keys {
            text.push_str(&format!(
                "  {provider_key:<32} {state:<13} {count:>8}  oldest {}\n",
                short(*oldest_created_at)
            ));
        }
        text.push('\n');
        for sentence in self.sentences() {
            text.push_str(&format!("{sentence}\n"));
        }
        text
    }

    /// What an operator should know of it.
    fn sentences(&self) -> Vec<String> {
        let oldest = self.oldest_active_at.map(|at| {
            format!("The oldest active data key is {} old", count((Utc::now() - at).num_days().max(0) as u64, "day"))
        });
        let to_reseal = (self.to_reseal > 0).then(|| {
            format!(
                "{} with secrets under old data keys: `patchbay keys rotate` seals them anew, and so do \
                     servers within the hour",
                count(self.to_reseal, "account")
            )
        });
        let to_rewrap = self.to_rewrap.filter(|keys| *keys > 0).map(|keys| {
            format!("{} not wrapped with the current provider key: run `patchbay keys rewrap`", count(keys, "data key"))
        });
        let rotation = self.rotation_begun_at.map(|at| {
            format!("The rotation begun at {} has not ended: run `patchbay keys rotate` to go on", short(at))
        });
        let bound = (!self.secrets_bound).then(|| {
            "Secrets are not bound to counters: run `patchbay keys bind` once every server runs this release".to_owned()
        });
        [oldest, to_reseal, to_rewrap, bound, rotation].into_iter().flatten().collect()
    }
}

impl Provider {
    fn of(ProviderStatus { name, current }: ProviderStatus, wraps: bool) -> Self {
        let problem = current.as_ref().err().cloned();
        Self { name, wraps, current_key: current.ok(), problem }
    }
}

impl DataKeys {
    fn of(KeyCount { provider, kek_ref, state, count, oldest }: KeyCount) -> Self {
        Self { provider, provider_key: kek_ref, state, count, oldest_created_at: oldest }
    }
}
