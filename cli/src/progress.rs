//! Progress bars on standard error; nothing where it is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `steps` steps of `what`.
pub(crate) fn bar(steps: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(steps).with_prefix(what.to_owned());
    let style = ProgressStyle::with_template(
        "{prefix:<12} [{bar:24}] {pos}/{len} {elapsed_precise} {wide_msg}",
    );
    // The template is constant; the default style is readable too.
    let bar = match style {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        Err(_) => bar,
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Something that turns while `what` goes on for an unknown time.
pub(crate) fn spinner(what: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_prefix(what.to_owned());
    let style = ProgressStyle::with_template("{prefix:<12} {spinner} {elapsed_precise} {wide_msg}");
    let spinner = match style {
        Ok(style) => spinner.with_style(style),
        Err(_) => spinner,
    };
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
