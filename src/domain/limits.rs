//! Bounds on what one call may carry. Fixed numbers of the contract stand here; tunable ones come from configuration.

/// Most secrets of one installation.
pub const SECRETS_PER_INSTALLATION: usize = 64;
/// Deepest nesting of a JSON value supplied by a client.
pub const JSON_DEPTH: usize = 64;
/// Most API keys in force for one account alone; and of those for several accounts, altogether.
pub const API_KEYS_IN_FORCE: u64 = 1_000;
/// Largest page of either API.
pub const PAGE_MAX: usize = 200;
/// Page size when the client names none.
pub const PAGE_DEFAULT: usize = 50;

/// Sizes that an operator may change.
#[derive(Clone, Copy, Debug)]
pub struct InstallLimits {
    /// Largest `params` of one call, in bytes of compact JSON.
    pub params_max_bytes: usize,
    /// Largest `secrets` of one call, in bytes of compact JSON.
    pub secrets_max_bytes: usize,
}
