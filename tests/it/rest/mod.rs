//! REST, as the contract has it: sections 2.1 to 2.3, and the rows of section 6 that are about REST.

mod account;
mod algebra;
mod body;
mod caching;
mod docs;
mod errors;
mod finding;
mod ids;
mod install;
pub mod limits;
mod list;
mod openapi;
mod outage;
mod paging;
mod poison;
mod rows;
mod secrets;
mod show;
mod snapshots;
mod socket;
mod uninstall;
mod validate;
mod wire;

use serde_json::Value;

pub const LIST: &str = "/api/v1/integrations";
pub const STRIPE: &str = "/api/v1/integrations/stripe";
pub const INSTALL: &str = "/api/v1/integrations/stripe/install";
pub const UNINSTALL: &str = "/api/v1/integrations/stripe/uninstall";

/// What every integration has, sorted: in a list, and besides its two schemas and its form everywhere else.
pub const KEYS: [&str; 21] = [
    "auth_kinds",
    "category",
    "created_at",
    "credentials_url",
    "description",
    "differs_from_default",
    "display_name",
    "docs_url",
    "homepage_url",
    "icon_url",
    "id",
    "installed_at",
    "is_custom",
    "missing_fields",
    "name",
    "params",
    "secret_names",
    "state",
    "status",
    "tags",
    "updated_at",
];

/// Every documented route: method and path.
pub const ROUTES: [(&str, &str); 8] = [
    ("GET", LIST),
    ("GET", STRIPE),
    ("POST", INSTALL),
    ("POST", UNINSTALL),
    ("POST", "/api/v1/integrations/stripe/validate"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/mcp-connections"),
    ("GET", "/api/v1/native-tools"),
];

/// Asks for the long form of an error.
pub const PROBLEM: &str = "application/problem+json";

/// The names in a list's answer, in its order.
pub fn names(list: &Value) -> Vec<String> {
    let items = list["integrations"].as_array().expect("a list");
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}
