//! What the audit log keeps of a change or of a read of secrets: who did what, when, and to which names.
//!
//! No value fits into an event. Names get in through [`FieldNames`], which takes them from params and secrets itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

use super::entry::{Entry, IntegrationId, Part};
use super::installation::{Installation, Params, SecretChange};
use super::names::{MAX_NAME_LEN, cut};
use super::principal::{Actor, Call, MAX_ACTOR_ID_BYTES};
use super::reference::Reference;
use super::secret::SecretName;
use super::words::words;

/// Most names of one event.
const MAX_NAMES: usize = 200;
/// Most bytes of the names of one event.
const MAX_NAMES_BYTES: usize = 4 * 1024;
/// Approximate size of an event without its texts, in bytes.
const ROW_BYTES: usize = 200;
/// Longest label of an actor, in characters; what is longer is cut.
const LABEL_LENGTH: usize = 200;
/// Longest request id, in characters.
const REQUEST_ID_LENGTH: usize = 128;

/// One line of the audit log. Written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Orders the events of an account.
    pub id: EventId,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// To which integration, if to one.
    pub integration: Option<Subject>,
    /// The names that were changed or read.
    pub fields: FieldNames,
    /// How it ended.
    pub outcome: Outcome,
    /// The id that the request is logged under.
    pub request_id: String,
}

/// The integration of an event. Its name is kept: the entry may be gone when the event is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its id.
    pub id: IntegrationId,
    /// Its name at that time.
    pub name: String,
}

impl Event {
    /// Something that was done now, and succeeded.
    pub fn new(call: &Call, action: Action) -> Self {
        let Actor { kind, id, label } = &call.principal.actor;
        Self {
            id: EventId::now(),
            actor: Actor {
                kind: *kind,
                id: Actor::bounded_id(&cut(id, usize::MAX), MAX_ACTOR_ID_BYTES),
                label: cut(label, LABEL_LENGTH),
            },
            action,
            integration: None,
            fields: FieldNames::default(),
            outcome: Outcome::Succeeded,
            request_id: cut(&call.request_id, REQUEST_ID_LENGTH),
        }
    }

    /// The same event, done to an integration.
    pub fn of(self, entry: &Entry) -> Self {
        self.of_named(entry.id, &entry.name)
    }

    /// The same event, done to the integration of this id and name.
    pub fn of_named(self, id: IntegrationId, name: &str) -> Self {
        Self { integration: Some(Subject { id, name: name.to_owned() }), ..self }
    }

    /// The same event, about these names.
    pub fn naming(self, fields: FieldNames) -> Self {
        Self { fields, ..self }
    }

    /// The same event with the number of its names alone.
    pub fn without_names(self) -> Self {
        let omitted = self.fields.names.len() + self.fields.omitted;
        Self { fields: FieldNames { names: Vec::new(), omitted }, ..self }
    }

    /// Approximate size of the event in the log, in bytes.
    pub fn size(&self) -> usize {
        let integration = self.integration.as_ref().map_or(0, |subject| subject.name.len());
        let actor = self.actor.id.len() + self.actor.label.len();
        ROW_BYTES + actor + integration + self.request_id.len() + self.fields.size()
    }

    /// The same event, ended this way.
    pub fn ended(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// When it happened, to the millisecond.
    pub fn at(&self) -> DateTime<Utc> {
        self.id.at()
    }
}

/// A UUIDv7: the order of events and their moments are one and the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(pub Uuid);

impl EventId {
    /// Larger than every other that this process made.
    fn now() -> Self {
        Self(Uuid::now_v7())
    }

    /// No event from this moment on has a smaller one, and none before it has one as large.
    pub fn first_at(at: DateTime<Utc>) -> Self {
        /// As many as the id has room for.
        const LAST: u64 = (1 << 48) - 1;
        // Ids know milliseconds: the first one that is not before the moment.
        let begun = i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1_000_000));
        let millis = u64::try_from(at.timestamp_millis().saturating_add(begun)).unwrap_or(0);
        Self(Builder::from_unix_timestamp_millis(millis.min(LAST), &[0; 10]).into_uuid())
    }

    /// The moment in it.
    pub fn at(self) -> DateTime<Utc> {
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
        i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, nanos)).unwrap_or_default()
    }
}

words! {
    /// What is on record.
    Action {
        /// An integration that was not installed is.
        Installed = "installation.installed",
        /// Params or secrets of an installed integration were supplied anew.
        Updated = "installation.updated",
        /// An installed integration is not any more; what it stored is kept.
        Uninstalled = "installation.uninstalled",
        /// What an installation stored was deleted.
        Purged = "installation.purged",
        /// Secret values were handed out.
        SecretsRead = "secrets.read",
        /// The data key of the account was replaced by a new one.
        DataKeyRotated = "data_key.rotated",
        /// The account's data keys were destroyed, and what it stored was deleted.
        AccountShredded = "account.shredded",
        /// Data keys were wrapped anew with the current provider key.
        ProviderKeyRewrapped = "provider_key.rewrapped",
        /// A provider key was forgotten.
        ProviderKeyRetired = "provider_key.retired",
        /// An entry was added: to the account's own part of the catalog or, in the operator's log, to the shared one.
        IntegrationCreated = "integration.created",
        /// Such an entry was changed, or is offered again.
        IntegrationUpdated = "integration.updated",
        /// Such an entry is not offered any more.
        IntegrationDeprecated = "integration.deprecated",
        /// Such an entry was deleted, and what was stored for it.
        IntegrationDeleted = "integration.deleted",
        /// An API key was made.
        ApiKeyCreated = "api_key.created",
        /// An API key was revoked.
        ApiKeyRevoked = "api_key.revoked",
    }
}

words! {
    /// How it ended.
    Outcome {
        /// It was done.
        Succeeded = "succeeded",
        /// It was allowed and tried, and failed.
        Failed = "failed",
    }
}

/// The names of what was changed or read, `secrets.api_key`, `params.region`, `definition.http`, `api_key.8Fq2LmZx` or
/// `data_key.2` style, and the number of those that were left out. At most 200 names and 4 KiB, each name of at most 128
/// characters behind its part. Secrets come first, so that a flood of params never crowds them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames {
    names: Vec<String>,
    omitted: usize,
}

impl FieldNames {
    /// The secrets that are set, or removed from those that are kept; the params that are added, changed or removed.
    pub fn changed<V>(kept: &[String], secrets: &[SecretChange<V>], before: &Params, after: &Params) -> Self {
        let is_kept = |name: &SecretName| kept.iter().any(|kept| kept == name.as_str());
        let secrets = secrets.iter().filter(|secret| secret.value.is_some() || is_kept(&secret.name));
        let secrets = BTreeSet::from_iter(secrets.map(|secret| secret.name.as_str()));
        Self::of(secrets, changed_params(before, after).iter().map(String::as_str))
    }

    /// Everything that an installation kept: its secrets and its params.
    pub fn erased(kept: &Installation) -> Self {
        let secrets = kept.secret_names.iter().map(String::as_str).collect();
        Self::of(secrets, kept.params.to_map().keys().map(String::as_str))
    }

    /// These top-level keys of an entry's definition: `definition.http` style.
    pub fn of_definition(keys: &[String]) -> Self {
        // A definition has few top-level keys: its schema lists them.
        let names = keys.iter().map(|key| format!("definition.{}", cut(key, MAX_NAME_LEN))).collect();
        Self { names, omitted: 0 }
    }

    /// These secrets.
    pub fn of_secrets<'a>(names: impl IntoIterator<Item = &'a SecretName>) -> Self {
        Self::of(BTreeSet::from_iter(names.into_iter().map(SecretName::as_str)), [])
    }

    /// This API key, by the id that it shows: `api_key.3fK9aB2x` style.
    pub fn of_api_key(public_id: &str) -> Self {
        Self::single(format!("api_key.{}", cut(public_id, MAX_NAME_LEN)))
    }

    /// This generation of the account's data key: `data_key.2` style.
    pub fn of_data_key(key_id: u32) -> Self {
        Self::single(format!("data_key.{key_id}"))
    }

    /// This provider key: `provider_key.local:2` style.
    pub fn of_provider_key(kek_ref: &str) -> Self {
        Self::single(format!("provider_key.{}", cut(kek_ref, MAX_NAME_LEN)))
    }

    /// The names as [`to_stored`](Self::to_stored) has them.
    pub fn stored(mut names: Vec<String>) -> Self {
        let omitted = names.last().and_then(|last| last.strip_prefix('+')?.parse().ok());
        if omitted.is_some() {
            names.pop();
        }
        Self { names, omitted: omitted.unwrap_or(0) }
    }

    /// The names, and `+N` behind them when N were left out. No name begins with a plus: a version that does not know the
    /// number shows it as the last name.
    pub fn to_stored(&self) -> Vec<String> {
        let omitted = (self.omitted > 0).then(|| format!("+{}", self.omitted));
        self.names.iter().cloned().chain(omitted).collect()
    }

    /// The names.
    pub fn as_slice(&self) -> &[String] {
        &self.names
    }

    /// How many names were left out.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    fn single(name: String) -> Self {
        Self { names: vec![name], omitted: 0 }
    }

    fn size(&self) -> usize {
        self.names.iter().map(String::len).sum()
    }

    fn of<'a>(secrets: BTreeSet<&'a str>, params: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets = secrets.into_iter().map(|name| (Part::Secrets, name));
        let mut names = secrets.chain(params.into_iter().map(|name| (Part::Params, name)));
        let mut fields = Self::default();
        let mut bytes = 0;
        for (part, name) in names.by_ref() {
            let name = format!("{}.{}", part.as_str(), cut(name, MAX_NAME_LEN));
            bytes += name.len();
            if fields.names.len() == MAX_NAMES || bytes > MAX_NAMES_BYTES {
                fields.omitted = 1 + names.count();
                break;
            }
            fields.names.push(name);
        }
        fields
    }
}

/// Sorted.
fn changed_params(before: &Params, after: &Params) -> BTreeSet<String> {
    if before == after {
        return BTreeSet::new();
    }
    let (before, mut after) = (before.members(), after.members());
    let mut changed = BTreeSet::new();
    for (name, value) in before {
        if after.remove(&name) != Some(value) {
            changed.insert(name);
        }
    }
    // What is left was added.
    changed.extend(after.into_keys());
    changed
}

/// Which events are wanted. An empty filter matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only this.
    pub action: Option<Action>,
    /// Only of this integration. A name matches what it was called at the time.
    pub integration: Option<Reference>,
    /// Only of actors with this kind or this id.
    pub actor: Option<String>,
    /// Only what ended so.
    pub outcome: Option<Outcome>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before this.
    pub until: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::domain::{ActorKind, Principal};

    fn params(value: Value) -> Params {
        let Value::Object(map) = value else { unreachable!("an object") };
        Params::from(&map)
    }

    fn change(name: &str, value: Option<()>) -> SecretChange<()> {
        SecretChange { name: SecretName::parse(name).expect("a name"), value }
    }

    #[test]
    fn names_are_those_that_differ_secrets_first() {
        let before = params(json!({"same": 1, "changed": {"a": 1}, "removed": "x"}));
        let after = params(json!({"same": 1, "changed": {"a": 2}, "added": null}));
        let secrets = [change("b", Some(())), change("gone", None), change("never_there", None), change("a", Some(()))];
        let names = FieldNames::changed(&["gone".into(), "a".into()], &secrets, &before, &after);
        let expected = ["secrets.a", "secrets.b", "secrets.gone", "params.added", "params.changed", "params.removed"];
        assert_eq!(names.as_slice(), expected);
        assert_eq!(FieldNames::changed::<()>(&[], &[], &before, &before), FieldNames::default());
        assert_eq!(FieldNames::of_api_key("3fK9aB2x").as_slice(), ["api_key.3fK9aB2x"]);
    }

    #[test]
    fn names_are_bounded_in_number_and_length() {
        let many: Map<_, _> = (0..9_000).map(|n| (format!("{n:0>6}{}", "é".repeat(300)), Value::Null)).collect();
        let names = FieldNames::changed(&[], &[change("z", Some(()))], &Params::default(), &Params::from(&many));
        assert_eq!((names.as_slice().len() + names.omitted(), &*names.as_slice()[0]), (9_001, "secrets.z"));
        assert!(names.as_slice()[1..].iter().all(|name| name.chars().count() == "params.".len() + MAX_NAME_LEN));
        assert!((MAX_NAMES_BYTES - 300..=MAX_NAMES_BYTES).contains(&names.size()), "{}", names.size());
        let short: Map<_, _> = (0..9_000).map(|n| (n.to_string(), Value::Null)).collect();
        let names = FieldNames::changed::<()>(&[], &[], &Params::default(), &Params::from(&short));
        assert_eq!((names.as_slice().len(), names.omitted()), (MAX_NAMES, 9_000 - MAX_NAMES));
    }

    #[test]
    fn omitted_names_survive_storage() {
        let all: Map<_, _> = (0..500).map(|n| (format!("+{n}"), Value::Null)).collect();
        let names = FieldNames::changed::<()>(&[], &[], &Params::default(), &Params::from(&all));
        assert_eq!(names.to_stored().last().map(String::as_str), Some("+300"));
        assert_eq!(FieldNames::stored(names.to_stored()), names);
        let few = FieldNames::of_data_key(2);
        assert_eq!((few.to_stored(), few.omitted()), (vec!["data_key.2".to_owned()], 0));
        assert_eq!(FieldNames::stored(few.to_stored()), few);
        let call =
            Call { principal: Principal::trusted(ActorKind::System, String::new()).into(), request_id: "r".into() };
        let event = Event::new(&call, Action::Updated).naming(names);
        let reduced = event.clone().without_names();
        assert_eq!((reduced.fields.as_slice().len(), reduced.fields.omitted()), (0, 500));
        assert!(event.size() > reduced.size() + 1_000);
    }

    #[test]
    fn what_names_the_actor_is_bounded_and_without_control_characters() {
        let mut principal = Principal::trusted(ActorKind::Token, "a\0b\u{1b}[2J".to_owned() + &"é".repeat(500));
        principal.actor.id = "x".repeat(500);
        let call = Call { principal: principal.into(), request_id: "r".repeat(500).into() };
        let event = Event::new(&call, Action::SecretsRead).ended(Outcome::Failed);
        assert!(event.actor.label.starts_with("ab[2Jé"), "{}", event.actor.label);
        let lengths = [&event.actor.label, &event.actor.id, &event.request_id].map(|text| text.chars().count());
        assert_eq!(lengths, [LABEL_LENGTH, MAX_ACTOR_ID_BYTES, REQUEST_ID_LENGTH]);
    }

    #[test]
    fn an_id_holds_its_moment_and_sorts_by_it() {
        let moment = |text: &str| text.parse::<DateTime<Utc>>().expect("a moment");
        let at = moment("2026-11-24T12:00:00.001Z");
        assert_eq!(EventId::first_at(at).at(), at);
        for (earlier, later) in [
            ("2026-11-24T12:00:00.001Z", "2026-11-24T12:00:00.002Z"),
            ("2026-11-24T12:00:00.001Z", "2026-11-24T12:00:00.001000001Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z"),
        ] {
            assert!(EventId::first_at(moment(earlier)) < EventId::first_at(moment(later)), "{earlier} {later}");
        }
        assert_eq!(EventId::first_at(moment("1969-01-01T00:00:00Z")), EventId::first_at(DateTime::UNIX_EPOCH));
        assert!(EventId::first_at(DateTime::<Utc>::MAX_UTC) > EventId::now());
        let made: Vec<_> = (0..1_000).map(|_| EventId::now()).collect();
        assert!(made.is_sorted());
        let now = Utc::now();
        assert!((made[0].at() - now).num_seconds().abs() < 2, "{} {now}", made[0].at());
    }

    #[test]
    fn words_are_read_back() {
        assert!(Action::ALL.iter().all(|action| Action::parse(action.as_str()) == Some(*action)));
        assert!(Outcome::ALL.iter().all(|outcome| Outcome::parse(outcome.as_str()) == Some(*outcome)));
        assert_eq!((Action::parse("installed"), Outcome::parse("")), (None, None));
    }
}
