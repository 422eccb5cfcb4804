//! Queues, their sizes and the policer before them, as written.

use core::time::Duration;

use super::section::Section;
use crate::scenario::{Buffer, PolicerSpec, QueueSpec, ScenarioError};

/// The keys that say how large a queue is.
pub(super) const BUFFER: &[&str] = &["buffer_bytes", "buffer_packets", "buffer_bdp", "buffer_ms"];
/// `[link.queue]`.
pub(super) const QUEUE: &[&str] = &["discipline"];
/// `[link.queue]` with CoDel.
pub(super) const CODEL: &[&str] = &["target_ms", "interval_ms"];
/// `[link.queue]` with FQ-CoDel.
pub(super) const FQ_CODEL: &[&str] = &["target_ms", "interval_ms", "quantum_bytes", "flows"];
/// `[link.queue]` with PIE.
pub(super) const PIE: &[&str] = &["target_ms", "update_ms", "max_burst_ms"];
/// `[link.queue]` with RED.
pub(super) const RED: &[&str] = &["min_bytes", "max_bytes", "max_probability", "weight"];
/// `[link.queue]` with DualPI2.
pub(super) const DUALPI2: &[&str] = &["target_ms", "update_ms", "step_ms"];
/// `[link.queue]` with a step.
pub(super) const STEP: &[&str] = &["threshold_ms"];
/// `[link.policer]`.
pub(super) const POLICER: &[&str] = &["rate_mbps", "burst_bytes"];

/// The size of the queue of `link`.
pub(super) fn buffer(link: &Section<'_>) -> Result<Buffer, ScenarioError> {
    let expected = "a size, or `buffer_packets`, `buffer_bdp` or `buffer_ms`";
    let key = link.one_of(BUFFER, expected)?;
    let size = match key {
        "buffer_bytes" => link.bytes(key)?.map(Buffer::Bytes),
        "buffer_packets" => link.count(key)?.map(Buffer::Packets),
        "buffer_bdp" => link.number(key)?.map(Buffer::BandwidthDelayProducts),
        _ => link.time(key)?.map(Buffer::Time),
    };
    link.needed(key, size, expected)
}

/// The queue of `link`.
pub(super) fn queue(link: &Section<'_>) -> Result<QueueSpec, ScenarioError> {
    let Some(queue) = link.section("queue")? else {
        return Ok(QueueSpec::DropTail);
    };
    let key = "discipline";
    let discipline = queue.needed(key, queue.text(key)?, DISCIPLINES)?;
    let time = |key: &str, default_ms: u64| {
        let default = Duration::from_millis(default_ms);
        Ok::<_, ScenarioError>(queue.time(key)?.unwrap_or(default))
    };
    let only = |keys: &[&str]| queue.only(&[QUEUE, keys]);
    match discipline {
        "drop-tail" => only(&[]).map(|()| QueueSpec::DropTail),
        "codel" => {
            only(CODEL)?;
            Ok(QueueSpec::CoDel {
                target: time("target_ms", 5)?,
                interval: time("interval_ms", 100)?,
            })
        }
        "fq-codel" => {
            only(FQ_CODEL)?;
            Ok(QueueSpec::FqCoDel {
                target: time("target_ms", 5)?,
                interval: time("interval_ms", 100)?,
                quantum: queue.count("quantum_bytes")?.unwrap_or(1514),
                flows: queue.count("flows")?.unwrap_or(1024),
            })
        }
        "pie" => {
            only(PIE)?;
            Ok(QueueSpec::Pie {
                target: time("target_ms", 15)?,
                update: time("update_ms", 15)?,
                max_burst: time("max_burst_ms", 150)?,
            })
        }
        "red" => {
            only(RED)?;
            red(&queue)
        }
        "dualpi2" => {
            only(DUALPI2)?;
            Ok(QueueSpec::DualPi2 {
                target: time("target_ms", 15)?,
                update: time("update_ms", 16)?,
                step: time("step_ms", 1)?,
            })
        }
        "step" => {
            only(STEP)?;
            let threshold = time("threshold_ms", 1)?;
            Ok(QueueSpec::Step { threshold })
        }
        other => Err(queue.strange(key, DISCIPLINES, other)),
    }
}

fn red(queue: &Section<'_>) -> Result<QueueSpec, ScenarioError> {
    let bytes = |key| queue.needed(key, queue.whole(key)?, "a size in bytes");
    Ok(QueueSpec::Red {
        min_bytes: bytes("min_bytes")?,
        max_bytes: bytes("max_bytes")?,
        max_probability: queue.number("max_probability")?.unwrap_or(0.1),
        weight: queue.number("weight")?.unwrap_or(0.002),
    })
}

/// The policer before the queue of `link`.
pub(super) fn policer(link: &Section<'_>) -> Result<Option<PolicerSpec>, ScenarioError> {
    let Some(policer) = link.section("policer")? else {
        return Ok(None);
    };
    policer.only(&[POLICER])?;
    Ok(Some(PolicerSpec {
        rate: policer.needed("rate_mbps", policer.rate("rate_mbps")?, "a rate")?,
        burst: policer.needed("burst_bytes", policer.bytes("burst_bytes")?, "a size")?,
    }))
}

const DISCIPLINES: &str = "`drop-tail`, `codel`, `fq-codel`, `pie`, `red`, `dualpi2`, `step`";
