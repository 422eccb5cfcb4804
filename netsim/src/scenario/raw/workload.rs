//! Workloads as written.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};

use super::section::{Section, bandwidth};
use crate::scenario::{RetrySpec, ScenarioError, SizeSpec, WorkloadSpec};

/// `[flow.workload]`.
pub(super) const WORKLOAD: &[&str] = &["kind"];
/// `[flow.workload]` of kind `on-off`.
pub(super) const ON_OFF: &[&str] = &["on_ms", "off_ms"];
/// `[flow.workload]` of kind `web`.
pub(super) const WEB: &[&str] = &["every_ms", "object"];
/// `[flow.workload]` of kind `request-response`.
pub(super) const REQUEST_RESPONSE: &[&str] = &[
    "request_bytes",
    "response",
    "think_ms",
    "deadline_ms",
    "retry",
];
/// `[flow.workload]` of kind `real-time`.
pub(super) const REAL_TIME: &[&str] = &["rate_mbps", "frame_every_ms", "deadline_ms"];
/// `[flow.workload]` of kind `video`.
pub(super) const VIDEO: &[&str] = &["chunk_s", "ladder_mbps", "buffer_s"];
/// `[flow.workload]` of kind `incast`.
pub(super) const INCAST: &[&str] = &["burst_bytes", "every_ms"];
/// `[flow.workload.retry]`.
pub(super) const RETRY: &[&str] = &[
    "timeout_ms",
    "backoff",
    "jitter_percent",
    "attempts",
    "budget",
];
/// Sizes: `object` and `response`.
pub(super) const SIZE: &[&str] = &["kind"];
/// Sizes that are all the same.
pub(super) const FIXED: &[&str] = &["bytes"];
/// Exponential sizes.
pub(super) const EXPONENTIAL: &[&str] = &["mean_bytes"];
/// Pareto sizes.
pub(super) const PARETO: &[&str] = &["min_bytes", "shape", "max_bytes"];
/// Log-normal sizes.
pub(super) const LOG_NORMAL: &[&str] = &["median_bytes", "sigma", "max_bytes"];

/// The workload of `flow`.
pub(super) fn workload(flow: &Section<'_>) -> Result<WorkloadSpec, ScenarioError> {
    let Some(table) = flow.section("workload")? else {
        return Ok(WorkloadSpec::Bulk);
    };
    let kind = table.needed("kind", table.text("kind")?, KINDS)?;
    let only = |keys: &[&str]| table.only(&[WORKLOAD, keys]);
    match kind {
        "bulk" => only(&[]).map(|()| WorkloadSpec::Bulk),
        "on-off" => {
            only(ON_OFF)?;
            Ok(WorkloadSpec::OnOff {
                on: time(&table, "on_ms")?,
                off: time(&table, "off_ms")?,
            })
        }
        "web" => {
            only(WEB)?;
            Ok(WorkloadSpec::Web {
                every: time(&table, "every_ms")?,
                object: size(&table, "object")?,
            })
        }
        "request-response" => {
            only(REQUEST_RESPONSE)?;
            request_response(&table)
        }
        "real-time" => {
            only(REAL_TIME)?;
            Ok(WorkloadSpec::RealTime {
                rate: table.needed("rate_mbps", table.rate("rate_mbps")?, "a rate")?,
                frame_every: time(&table, "frame_every_ms")?,
                deadline: time(&table, "deadline_ms")?,
            })
        }
        "video" => {
            only(VIDEO)?;
            Ok(WorkloadSpec::Video {
                chunk: time(&table, "chunk_s")?,
                ladder: ladder(&table)?,
                buffer: time(&table, "buffer_s")?,
            })
        }
        "incast" => {
            only(INCAST)?;
            Ok(WorkloadSpec::Incast {
                burst: bytes(&table, "burst_bytes")?,
                every: time(&table, "every_ms")?,
            })
        }
        other => Err(table.strange("kind", KINDS, other)),
    }
}

fn request_response(table: &Section<'_>) -> Result<WorkloadSpec, ScenarioError> {
    Ok(WorkloadSpec::RequestResponse {
        request: bytes(table, "request_bytes")?,
        response: size(table, "response")?,
        think: table.time("think_ms")?.unwrap_or_default(),
        deadline: time(table, "deadline_ms")?,
        retry: retry(table)?,
    })
}

fn retry(workload: &Section<'_>) -> Result<RetrySpec, ScenarioError> {
    let table = workload.section("retry")?;
    let table = workload.needed("retry", table, "a table with a `timeout_ms`")?;
    table.only(&[RETRY])?;
    Ok(RetrySpec {
        timeout: time(&table, "timeout_ms")?,
        backoff: table.number("backoff")?.unwrap_or(2.0),
        jitter: table.share("jitter_percent")?.unwrap_or(0.0),
        attempts: table.count("attempts")?.unwrap_or(3),
        budget: table.number("budget")?.unwrap_or(0.1),
    })
}

fn ladder(video: &Section<'_>) -> Result<Vec<Bandwidth>, ScenarioError> {
    let key = "ladder_mbps";
    let rates = video.needed(key, video.numbers(key)?, "a list of rates")?;
    let rates = rates.into_iter().enumerate();
    let rates = rates.map(|(index, rate)| {
        let field = format!("{}[{index}]", video.field(key));
        bandwidth(&field, rate)
    });
    rates.collect()
}

fn size(workload: &Section<'_>, key: &str) -> Result<SizeSpec, ScenarioError> {
    let table = workload.needed(key, workload.section(key)?, "a table with a `kind` of size")?;
    let kind = table.needed("kind", table.text("kind")?, SIZES)?;
    let only = |keys: &[&str]| table.only(&[SIZE, keys]);
    let number = |key| table.needed(key, table.number(key)?, "a number");
    match kind {
        "fixed" => {
            only(FIXED)?;
            bytes(&table, "bytes").map(SizeSpec::Fixed)
        }
        "exponential" => {
            only(EXPONENTIAL)?;
            let mean = bytes(&table, "mean_bytes")?;
            Ok(SizeSpec::Exponential { mean })
        }
        "pareto" => {
            only(PARETO)?;
            Ok(SizeSpec::Pareto {
                min: bytes(&table, "min_bytes")?,
                shape: number("shape")?,
                max: bytes(&table, "max_bytes")?,
            })
        }
        "log-normal" => {
            only(LOG_NORMAL)?;
            Ok(SizeSpec::LogNormal {
                median: bytes(&table, "median_bytes")?,
                sigma: number("sigma")?,
                max: bytes(&table, "max_bytes")?,
            })
        }
        other => Err(table.strange("kind", SIZES, other)),
    }
}

fn time(table: &Section<'_>, key: &str) -> Result<Duration, ScenarioError> {
    table.needed(key, table.time(key)?, "a time")
}

fn bytes(table: &Section<'_>, key: &str) -> Result<Bytes, ScenarioError> {
    table.needed(key, table.bytes(key)?, "a size in bytes")
}

const KINDS: &str = "`bulk`, `on-off`, `web`, `request-response`, `real-time`, `video`, `incast`";
const SIZES: &str = "`fixed`, `exponential`, `pareto`, `log-normal`";
