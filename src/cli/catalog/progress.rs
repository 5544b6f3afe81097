//! How far it is, told where somebody is watching.

use indicatif::{ProgressBar, ProgressStyle};

/// Hidden where standard error is no terminal.
pub(super) fn bar(what: &'static str, unit: &str, number: u64) -> Result<ProgressBar, String> {
    let style = ProgressStyle::with_template(&format!("{{prefix}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit}"));
    Ok(ProgressBar::new(number).with_style(style.map_err(|e| e.to_string())?).with_prefix(what))
}
