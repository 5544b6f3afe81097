//! Who may act for an account: the modes in force and what they need.

use std::sync::Arc;

use chrono::TimeDelta;
use ipnet::IpNet;
use zeroize::Zeroizing;

use super::settings::{items, network};
use super::{Resolved, ServerSection};
use crate::domain::{ActorKind, Principal, Scope, Scopes};
use crate::edge::{Gate, Gateway, PeerLimiter};
use crate::tokens::{IssuerSettings, Tokens, issuers};

/// A token that is shorter can be guessed, or was never meant as one.
const GATEWAY_TOKEN_MIN: usize = 32;

/// Who may act for an account.
#[derive(Clone)]
pub struct AuthSection {
    /// The header is believed from anyone.
    pub open: bool,
    /// The header is believed from the gateway.
    pub gateway: bool,
    /// API keys are taken.
    pub api_key: bool,
    /// Tokens of identity providers are taken.
    pub jwt: bool,
    /// What API keys are digested with, as it was given, white space around it included; empty when not given.
    pub pepper: String,
    /// Whether API keys that an older version made are signed.
    pub adopts_unsigned_keys: bool,
    /// Longest life of an API key that is made with a token.
    pub max_token_key_life: Option<TimeDelta>,
    /// How long API keys are kept that ended.
    pub ended_key_retention: Option<TimeDelta>,
    gateway_token: String,
    gateway_networks: Arc<[IpNet]>,
    gateway_scopes: Scopes,
    failures_per_minute: u32,
    issuers: Vec<IssuerSettings>,
}

impl AuthSection {
    pub(super) fn of(resolved: &Resolved, server: &ServerSection) -> Self {
        let modes: Vec<_> = items(resolved.text("auth.mode")).collect();
        let is_on = |mode| modes.contains(&mode);
        let is_private = server.listen.ip().is_loopback() || server.insecure_trust_account_header;
        Self {
            open: is_on("open") || is_on("auto") && is_private,
            gateway: is_on("gateway"),
            api_key: is_on("api_key") || is_on("auto") && !is_private,
            jwt: is_on("jwt"),
            pepper: resolved.untrimmed("auth.pepper").to_owned(),
            adopts_unsigned_keys: resolved.switch("auth.adopt_unsigned_keys"),
            max_token_key_life: days(resolved, "auth.max_key_days"),
            ended_key_retention: days(resolved, "auth.ended_key_retention_days"),
            gateway_token: resolved.text("auth.gateway_token").to_owned(),
            gateway_networks: items(resolved.text("auth.gateway_networks")).filter_map(network).collect(),
            gateway_scopes: items(resolved.text("auth.gateway_scopes")).filter_map(Scope::parse).collect(),
            failures_per_minute: u32::try_from(resolved.number("limits.failures_per_minute")).unwrap_or(u32::MAX),
            issuers: issuers(resolved.text("auth.issuers")).unwrap_or_default(),
        }
    }

    /// What decides who is let in.
    ///
    /// # Errors
    /// A sentence for the operator when a mode lacks what it needs.
    pub fn gate(&self) -> Result<Gate, String> {
        let gateway = self.gateway.then(|| self.gateway()).transpose()?;
        let open = self.open.then(|| Arc::new(Principal::trusted(ActorKind::Anonymous, "")));
        Ok(Gate { open, gateway, bearer: self.api_key || self.jwt })
    }

    /// The identity providers whose tokens are taken; none when mode jwt is off.
    ///
    /// # Errors
    /// A sentence for the operator when the mode is on and names none, or what one needs is not there.
    pub fn tokens(&self) -> Result<Tokens, String> {
        match (self.jwt, self.issuers.is_empty()) {
            (false, _) => Ok(Tokens::default()),
            (true, false) => Tokens::new(self.issuers.clone()),
            (true, true) => {
                Err("auth.mode has jwt, but no identity provider is named: add [[auth.issuers]] with issuer, \
                audience and account_claim to patchbay.toml"
                    .into())
            }
        }
    }

    /// What limits callers that prove nothing.
    pub fn peer_limiter(&self) -> PeerLimiter {
        PeerLimiter::new(self.failures_per_minute, self.gateway_networks.clone())
    }

    fn gateway(&self) -> Result<Gateway, String> {
        let given = self.gateway_token.len();
        if given == 0 && self.gateway_networks.is_empty() {
            return Err(
                "auth.mode has gateway, but nothing tells the gateway from anyone else: set auth.gateway_token \
                (PATCHBAY_GATEWAY_TOKEN), auth.gateway_networks, or both"
                    .into(),
            );
        }
        if (1..GATEWAY_TOKEN_MIN).contains(&given) {
            return Err(format!(
                "auth.gateway_token has {given} characters, {GATEWAY_TOKEN_MIN} are the least: make one with `openssl rand -hex 32`"
            ));
        }
        let token = (given > 0).then(|| Arc::new(Zeroizing::new(self.gateway_token.clone())));
        let principal = Principal { scopes: self.gateway_scopes, ..Principal::trusted(ActorKind::Gateway, "") };
        Ok(Gateway { token, networks: self.gateway_networks.clone(), principal: Arc::new(principal) })
    }
}

/// A setting in days; `None` for 0.
fn days(resolved: &Resolved, key: &str) -> Option<TimeDelta> {
    let days = i64::try_from(resolved.number(key)).ok().filter(|days| *days > 0);
    days.and_then(TimeDelta::try_days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn section(settings: &[(&str, &str)]) -> AuthSection {
        let flags = settings.iter().map(|(key, value)| (key.to_string(), "test".into(), value.to_string())).collect();
        let resolved = Resolved::read(&Sources { flags, ..Sources::default() }).expect("settings");
        Config::from(&resolved).auth
    }

    #[test]
    fn auto_is_open_on_loopback_and_asks_for_keys_elsewhere() {
        const ELSEWHERE: (&str, &str) = ("server.listen", "0.0.0.0:80");
        const TRUSTING: (&str, &str) = ("server.insecure_trust_account_header", "true");
        for (settings, open, api_key) in [
            (&[][..], true, false),
            (&[("server.listen", "[::1]:80")], true, false),
            (&[ELSEWHERE], false, true),
            (&[ELSEWHERE, TRUSTING], true, false),
            (&[("auth.mode", "open, api_key")], true, true),
            (&[ELSEWHERE, ("auth.mode", "gateway")], false, false),
        ] {
            let section = section(settings);
            assert_eq!((section.open, section.api_key), (open, api_key), "{settings:?}");
        }
    }

    #[test]
    fn a_mode_that_lacks_what_it_needs_is_told_with_the_cure() {
        for (settings, part) in [
            (&[][..], "set auth.gateway_token"),
            (&[("auth.gateway_token", "CANARY_short")], "has 12 characters, 32 are the least"),
        ] {
            let settings = [&[("auth.mode", "gateway")], settings].concat();
            let complaint = section(&settings).gate().err().expect("refused");
            assert!(complaint.contains(part) && !complaint.contains("CANARY"), "{complaint}");
        }
    }
}
