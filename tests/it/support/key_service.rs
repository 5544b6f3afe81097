//! A key service in this process that does as a test says.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use patchbay::vault::{Fault, KeyBytes, KeyCheck, KeyPlace, Keyring, Local, Provider, WrappedKey};
use tokio::sync::watch;

/// The name of the provider.
pub const NAME: &str = "scripted";

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Works,
    /// Not until the mood changes.
    Hangs,
    Away,
    Denies,
    /// Somebody put other keys in place of those it had.
    HasOtherKeys,
}

pub struct KeyService {
    own: Local,
    other: Local,
    mood: watch::Sender<Mood>,
    asked: Mutex<Vec<&'static str>>,
}

impl KeyService {
    pub fn new(mood: Mood) -> Arc<Self> {
        let ring = || Local::new(Keyring::parse(&Keyring::generate().expect("generated")).expect("a ring"));
        Arc::new(Self { own: ring(), other: ring(), mood: watch::Sender::new(mood), asked: Mutex::default() })
    }

    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How often it was asked for this, every attempt counted.
    pub fn asked(&self, operation: &str) -> usize {
        self.asked.lock().expect("whole").iter().filter(|asked| **asked == operation).count()
    }

    async fn keys(&self, operation: &'static str) -> Result<&Local, Fault> {
        self.asked.lock().expect("whole").push(operation);
        let mood = *self.mood.subscribe().wait_for(|mood| *mood != Mood::Hangs).await.expect("there");
        match mood {
            Mood::Works | Mood::Hangs => Ok(&self.own),
            Mood::HasOtherKeys => Ok(&self.other),
            Mood::Away => Err(Fault::Unavailable("away".into())),
            Mood::Denies => Err(Fault::Denied("denied".into())),
        }
    }
}

/// A key reference of the provider that does the work, as this one's.
fn own(kek_ref: &str) -> String {
    kek_ref.replace("local", NAME)
}

#[async_trait]
impl Provider for KeyService {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedKey, Fault> {
        let wrapped = self.keys("wrap").await?.wrap(place, key).await?;
        Ok(WrappedKey { provider: NAME.into(), kek_ref: own(&wrapped.kek_ref), ..wrapped })
    }

    async fn unwrap(&self, place: KeyPlace<'_>, wrapped: &WrappedKey) -> Result<KeyBytes, Fault> {
        self.keys("unwrap").await?.unwrap(place, wrapped).await
    }

    async fn check(&self) -> Result<KeyCheck, Fault> {
        let check = self.keys("check").await?.check().await?;
        Ok(KeyCheck { provider: NAME.into(), kek_ref: own(&check.kek_ref), ..check })
    }

    async fn verify(&self, check: &KeyCheck) -> Result<(), Fault> {
        self.keys("verify").await?.verify(check).await
    }
}
