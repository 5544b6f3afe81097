//! How far something is, told where somebody is watching.

use indicatif::{ProgressBar, ProgressStyle};

/// Counts to this number, once it is known. Hidden where standard error is no terminal.
pub(super) fn bar(what: &'static str, unit: &str, number: Option<u64>) -> Result<ProgressBar, String> {
    styled(what, &format!("{{human_pos}}/{{human_len}} {unit}"), number)
}

/// Counts so many bytes.
pub(super) fn byte_bar(what: &'static str, bytes: u64) -> Result<ProgressBar, String> {
    styled(what, "{bytes}/{total_bytes}, {bytes_per_sec}, {eta} left", Some(bytes))
}

fn styled(what: &'static str, counter: &str, number: Option<u64>) -> Result<ProgressBar, String> {
    let style = ProgressStyle::with_template(&format!("{{prefix}} {{wide_bar}} {counter}"));
    let bar = number.map_or_else(ProgressBar::no_length, ProgressBar::new);
    Ok(bar.with_style(style.map_err(|e| e.to_string())?).with_prefix(what))
}
