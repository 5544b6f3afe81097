//! Who may be which account, and what they may do: modes, credentials, scopes.

mod gateway;
mod samples;
mod scopes;
