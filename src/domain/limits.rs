//! Bounds on what one call may carry. Fixed numbers of the contract stand here; tunable ones come from configuration.

/// Most secrets of one installation.
pub const SECRETS_PER_INSTALLATION: usize = 64;
/// Deepest nesting of a JSON value supplied by a client.
pub const JSON_DEPTH: usize = 64;
/// Most API keys in force for one account alone; and of those for several accounts, altogether.
pub const API_KEYS_IN_FORCE: u64 = 1_000;
/// Most characters of a search text.
pub const MAX_SEARCH_CHARS: usize = 200;
/// Most words of a search text. Each is compared with every word of the catalog.
pub const MAX_SEARCH_WORDS: usize = 8;
/// Largest page of either API.
pub const PAGE_MAX: usize = 200;
/// Page size when the client names none.
pub const PAGE_DEFAULT: usize = 50;

/// Sizes that an operator may change.
#[derive(Clone, Copy, Debug)]
pub struct InstallLimits {
    /// Largest `params` of one call, in bytes of compact JSON.
    pub params_max_bytes: usize,
    /// Most `params` of all installations of an account together, in bytes of compact JSON; those of an uninstalled
    /// integration count, as they are kept.
    pub params_max_bytes_per_account: usize,
    /// Largest `secrets` of one call, in bytes of compact JSON.
    pub secrets_max_bytes: usize,
}

/// How much an account may ask, and each credential.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestLimits {
    /// By the order of [`Window::ALL`]; 0 is no limit.
    pub per_window: [u32; 3],
    /// At once; 0 is no limit.
    pub in_flight: u32,
}

/// A span of time in which requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
    /// 86,400 seconds.
    Day,
}

impl Window {
    /// Every window, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// How long it is.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// A limit of [`RequestLimits`] that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Of how many requests.
    pub limit: u32,
    /// In which time; `None` for how many at once.
    pub window: Option<Window>,
    /// Whose limit it is.
    pub holder: LimitHolder,
}

/// The holder of a limit on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitHolder {
    /// One account.
    Account,
    /// One credential.
    Credential,
    /// One peer address without a proven credential: its limit counts failed requests.
    Peer,
}

impl Reached {
    /// The limit in words, `60 a minute for this account`.
    pub fn sentence(self) -> String {
        let Self { limit, window, holder } = self;
        let per = match window {
            Some(Window::Minute) => "a minute",
            Some(Window::Hour) => "an hour",
            Some(Window::Day) => "a day",
            None => "at once",
        };
        let whose = match holder {
            LimitHolder::Account => "this account",
            LimitHolder::Credential => "this credential",
            LimitHolder::Peer => "callers without a valid credential at this address",
        };
        format!("{limit} {per} for {whose}")
    }
}

/// Most catalog entries that an account may have of its own.
pub const OWN_ENTRIES: u64 = 200;

/// Most bytes of such an entry's definition, as JSON.
pub const OWN_DEFINITION_BYTES: usize = 64 * 1024;

/// The maximum size of all definitions of an account together, as stored JSON in bytes.
pub const MAX_OWN_CATALOG_BYTES: u64 = 1024 * 1024;
