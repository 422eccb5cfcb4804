//! Real transfers over emulated links.

use std::sync::Arc;
use std::time::Duration;

use tautline_certificates::CheckedCertificate;

use super::record::{RunRecord, Timeline};
use crate::model::Model;
use crate::net::emulator::{Direction, PathSpec, RateSchedule};
use crate::net::endpoint::{CertifiedFactory, ControllerChoice};
use crate::net::transfer::{TransferResult, TransferSpec, run_transfer};
use crate::{interrupt, output, priority, progress};

/// How long transfers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// 4 s each.
    Quick,
    /// 10 s each.
    Full,
}

impl Scale {
    /// Of one transfer.
    pub(crate) const fn duration(self) -> Duration {
        match self {
            Self::Quick => Duration::from_secs(4),
            Self::Full => Duration::from_secs(10),
        }
    }

    /// How many invalid transfers are repeated in all, so that the demo keeps to its time.
    const fn most_repeats(self) -> u32 {
        match self {
            Self::Quick => 6,
            Self::Full => 8,
        }
    }
}

/// Every controller over every link.
///
/// # Errors
/// When a connection breaks or the user interrupts.
pub(crate) fn run(
    model: &Model,
    certificate: &CheckedCertificate,
    scale: Scale,
) -> anyhow::Result<(Vec<RunRecord>, Vec<Timeline>)> {
    let factory = CertifiedFactory::new(model.policy.clone(), certificate.clone())?;
    let controllers = [
        ControllerChoice::Certified(Arc::new(factory)),
        ControllerChoice::Cubic,
        ControllerChoice::NewReno,
        ControllerChoice::Bbr,
    ];
    let mut trials = Vec::new();
    for (link, rates_mbps) in LINKS {
        let path = path(rates_mbps, scale.duration())?;
        trials.extend(controllers.iter().map(|controller| Trial {
            link,
            spec: TransferSpec {
                path: path.clone(),
                controller: controller.clone(),
                duration: scale.duration(),
            },
            attempts: 0,
            result: None,
        }));
    }
    if !priority::become_real_time() {
        output::note(
            "          (no real-time scheduling: other work on this machine may disturb the emulator)",
        );
    }
    attempt_all(&mut trials, scale)?;
    let (mut runs, mut timelines) = (Vec::new(), Vec::new());
    for trial in &trials {
        let Some(result) = &trial.result else {
            continue;
        };
        let name = trial.spec.controller.name();
        let run = record(trial.link, name, result, trial.attempts);
        if run.valid {
            timelines.push(timeline(trial.link, name, result));
        }
        runs.push(run);
    }
    Ok((runs, timelines))
}

/// One transfer and what came of its latest attempt.
struct Trial {
    link: &'static str,
    spec: TransferSpec,
    attempts: u32,
    result: Option<TransferResult>,
}

impl Trial {
    fn is_valid(&self) -> bool {
        let result = self.result.as_ref();
        result.is_some_and(|result| lateness_p99(result) <= MOST_LATENESS)
    }

    fn attempt(&mut self) -> anyhow::Result<()> {
        interrupt::check()?;
        self.result = Some(run_transfer(&self.spec)?);
        self.attempts += 1;
        interrupt::check()?;
        Ok(())
    }
}

fn path(rates_mbps: &[u64], duration: Duration) -> anyhow::Result<PathSpec> {
    let step = duration / rates_mbps.len() as u32;
    let segments: Vec<_> = rates_mbps.iter().map(|rate| (step, rate * MEGA)).collect();
    Ok(PathSpec {
        schedule: RateSchedule::new(&segments)?,
        one_way_delay: BASE_RTT / 2,
        buffer_bytes: BUFFER_BYTES,
        direction: Direction::Download,
    })
}

/// Every trial once; then those in which the emulator was late again, a bounded number of times.
fn attempt_all(trials: &mut [Trial], scale: Scale) -> anyhow::Result<()> {
    let bar = progress::bar(trials.len() as u64, "transferring");
    let mut repeats = scale.most_repeats();
    loop {
        for trial in trials.iter_mut() {
            if trial.is_valid() || (trial.attempts > 0 && repeats == 0) {
                continue;
            }
            repeats -= u32::from(trial.attempts > 0);
            let name = trial.spec.controller.name();
            bar.set_message(format!("{} link, {name}", trial.link));
            trial.attempt()?;
            if let Some(result) = &trial.result {
                let run = record(trial.link, name, result, trial.attempts);
                bar.suspend(|| output::note(&format!("          {}", one_line(&run))));
            }
            bar.inc(u64::from(trial.is_valid()));
        }
        if repeats == 0 || trials.iter().all(Trial::is_valid) {
            bar.finish_and_clear();
            return Ok(());
        }
    }
}

fn lateness_p99(result: &TransferResult) -> Duration {
    result.path.lateness_percentile(99)
}

fn record(
    link: &'static str,
    controller: &'static str,
    result: &TransferResult,
    attempts: u32,
) -> RunRecord {
    let summary = result.path.summary(result.data_started, result.data_ended);
    let lateness = lateness_p99(result);
    let valid = lateness <= MOST_LATENESS;
    let counters = result.progress.map(|progress| progress.counters);
    let counters = counters.filter(|_| valid);
    let since_start = |at: Duration| at.saturating_sub(result.data_started).as_secs_f64();
    RunRecord {
        link,
        controller,
        goodput_mbps: valid.then_some(result.goodput_bits_per_sec / 1e6),
        utilisation: valid.then_some(summary.utilisation),
        queue_delay_mean_ms: valid.then_some(millis(summary.mean_queueing)),
        queue_delay_p95_ms: valid.then_some(millis(summary.p95_queueing)),
        loss: valid.then_some(summary.loss),
        guard_interventions: counters.map(|it| it.guard_interventions),
        certified_share: counters
            .filter(|it| it.decisions > 0)
            .map(|it| it.certified_decisions as f64 / it.decisions as f64),
        lateness_p99_us: 1e3 * millis(lateness),
        valid,
        attempts,
        decisions: counters.map(|it| it.decisions),
        fallbacks: counters.map(|it| it.fallbacks),
        startup_s: result.startup_ended.filter(|_| valid).map(since_start),
    }
}

fn timeline(link: &'static str, controller: &'static str, result: &TransferResult) -> Timeline {
    let bins = result.path.bins(BIN);
    let shown = bins
        .iter()
        .filter(|bin| bin.start + BIN <= result.data_ended);
    let summaries: Vec<_> = shown.map(|bin| bin.summary).collect();
    let capacity = summaries.iter().map(|it| it.capacity_bits_per_sec / 1e6);
    let throughput = summaries.iter().map(|it| it.throughput_bits_per_sec / 1e6);
    let delay = summaries
        .iter()
        .map(|it| (it.delivered_packets > 0).then(|| millis(it.mean_queueing)));
    Timeline {
        link,
        controller,
        bin_s: BIN.as_secs_f64(),
        capacity_mbps: capacity.collect(),
        throughput_mbps: throughput.collect(),
        queue_delay_ms: delay.collect(),
    }
}

fn one_line(run: &RunRecord) -> String {
    let RunRecord {
        link, controller, ..
    } = run;
    match (run.goodput_mbps, run.queue_delay_mean_ms) {
        (Some(goodput), Some(delay)) => {
            format!("{link:<8}{controller:<10} {goodput:6.2} Mbit/s, queue {delay:5.1} ms")
        }
        _ => format!(
            "{link:<8}{controller:<10} invalid: emulator {:.0} µs late",
            run.lateness_p99_us
        ),
    }
}

fn millis(duration: Duration) -> f64 {
    1e3 * duration.as_secs_f64()
}

const LINKS: [(&str, &[u64]); 2] = [("fixed", &[20]), ("varying", &[20, 5, 40, 10])];
const MEGA: u64 = 1_000_000;
const BASE_RTT: Duration = Duration::from_millis(40);
/// Two bandwidth-delay products at 20 Mbit/s and [`BASE_RTT`].
const BUFFER_BYTES: u64 = 2 * 20 * MEGA / 8 * 40 / 1000;
const BIN: Duration = Duration::from_millis(100);
const MOST_LATENESS: Duration = Duration::from_millis(1);
