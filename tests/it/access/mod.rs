//! Who may be which account, and what they may do: modes, credentials, scopes.

mod gateway;
mod purging;
mod reading;
mod samples;
mod scopes;
