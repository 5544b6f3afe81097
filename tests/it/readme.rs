//! The README says what the code does.

use patchbay::config::SETTINGS;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "from the table in the code -->\n";
const END: &str = "<!-- /settings -->";

/// `UPDATE_README=1 cargo nextest run readme` writes the table.
#[test]
fn readme_lists_every_setting() {
    let readme = std::fs::read_to_string(README).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the table's beginning");
    let (_, after) = rest.split_once(END).expect("the table's end");
    let expected = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(README, expected).expect("written");
    } else {
        assert!(readme == expected, "README.md is behind the settings: run UPDATE_README=1 cargo nextest run readme");
    }
}

fn table() -> String {
    let rows = SETTINGS.iter().map(|setting| {
        let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let range = setting.range().unwrap_or_default();
        let short = setting.env.map(|name| format!(" Also `{name}`.")).unwrap_or_default();
        format!("| `{}` | {default} | {range} | {}{short} |\n", setting.key, setting.help)
    });
    format!("| setting | default | allowed | |\n|---|---|---|---|\n{}", rows.collect::<String>())
}
