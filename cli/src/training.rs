//! Training with a display and a checkpoint.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use tautline_certificates::claim::ClaimSet;
use tautline_trainer::{Checkpoint, Observer, Outcome, Phase, Progress, ValidParams, train};

use crate::files::{self, FileError};
use crate::{interrupt, progress};

/// Whether checkpoints are kept while training.
#[derive(Clone, Debug)]
pub(crate) enum Saving {
    /// None.
    Off,
    /// After every generation and repair round.
    File(PathBuf),
}

impl Saving {
    /// To `path`.
    pub(crate) fn to(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// Trains with a progress bar per phase; stops at an interrupt.
///
/// # Errors
/// When parameters, claims and checkpoint do not fit each other, or a checkpoint cannot be saved.
pub(crate) fn run(
    params: &ValidParams,
    claims: &ClaimSet,
    resume: Option<Checkpoint>,
    saving: Saving,
) -> anyhow::Result<Outcome> {
    let failed = std::cell::Cell::new(false);
    let mut display = Display {
        bar: None,
        certified: String::new(),
        reward: None,
        saving,
        failed: &failed,
        failure: None,
    };
    let stop = || interrupt::requested() || failed.get();
    let outcome = train(params, claims, resume, &mut display, &stop);
    if let Some((_, bar)) = display.bar {
        bar.finish_and_clear();
    }
    if let Some(failure) = display.failure {
        return Err(failure.into());
    }
    Ok(outcome?)
}

/// What the user sees.
struct Display<'a> {
    bar: Option<(Phase, ProgressBar)>,
    certified: String,
    reward: Option<f64>,
    saving: Saving,
    /// Set together with `failure`, which the stop callback cannot borrow.
    failed: &'a std::cell::Cell<bool>,
    failure: Option<FileError>,
}

impl Observer for Display<'_> {
    fn on_progress(&mut self, progress: &Progress<'_>) {
        self.show(progress);
        if let (Saving::File(path), false) = (&self.saving, progress.phase == Phase::Clone) {
            let saved = files::write(path, &progress.checkpoint.encode());
            if let Err(failure) = saved {
                self.failed.set(true);
                self.failure.get_or_insert(failure);
            }
        }
    }
}

impl Display<'_> {
    fn show(&mut self, progress: &Progress<'_>) {
        if self
            .bar
            .as_ref()
            .is_none_or(|(phase, _)| *phase != progress.phase)
        {
            if let Some((_, done)) = self.bar.take() {
                done.finish_and_clear();
            }
            let bar = progress::bar(progress.total, progress.phase.name());
            self.bar = Some((progress.phase, bar));
        }
        self.reward = progress.reward.or(self.reward);
        if !progress.certified.is_empty() {
            let parts = progress.certified.iter();
            let parts = parts.map(|(claim, proven)| format!("{claim} {proven:.3}"));
            self.certified = format!("\n  proven: {}", parts.collect::<Vec<_>>().join(" · "));
        }
        if let Some((_, bar)) = &self.bar {
            let reward = self
                .reward
                .map_or_else(String::new, |it| format!(" · reward {it:.3}"));
            bar.set_position(progress.step);
            bar.set_message(format!(
                "loss {:.4}{reward}{}",
                progress.loss, self.certified
            ));
        }
    }
}
