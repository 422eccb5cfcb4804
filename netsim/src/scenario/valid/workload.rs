//! Ranges of workloads.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes};

use super::range::{above_zero, rate, within};
use crate::scenario::{RetrySpec, ScenarioError, SizeSpec, WorkloadSpec};

/// Checks the workload under `path`.
pub(super) fn check(path: &str, workload: &WorkloadSpec) -> Result<(), ScenarioError> {
    let field = |key: &str| format!("{path}.{key}");
    let time =
        |key: &str, time: Duration, shortest: Duration| within(&field(key), time, shortest..=HOUR);
    let deadline = |time: Duration| above_zero(&field("deadline_ms"), time, HOUR);
    match workload {
        WorkloadSpec::Bulk => Ok(()),
        WorkloadSpec::OnOff { on, off } => {
            time("on_ms", *on, MILLISECOND)?;
            time("off_ms", *off, MILLISECOND)
        }
        WorkloadSpec::Web { every, object } => {
            time("every_ms", *every, Duration::from_micros(10))?;
            check_size(&field("object"), object)
        }
        WorkloadSpec::RequestResponse {
            request,
            response,
            think,
            deadline: answer,
            retry,
        } => {
            within(
                &field("request_bytes"),
                *request,
                Bytes::new(1)..=LARGEST_REQUEST,
            )?;
            check_size(&field("response"), response)?;
            time("think_ms", *think, Duration::ZERO)?;
            deadline(*answer)?;
            check_retry(&field("retry"), retry)
        }
        WorkloadSpec::RealTime {
            rate: payload,
            frame_every,
            deadline: arrival,
        } => {
            rate(&field("rate_mbps"), *payload)?;
            time("frame_every_ms", *frame_every, Duration::from_micros(100))?;
            if payload.bytes_in(*frame_every) == Bytes::ZERO {
                let expected = "long enough for a frame of one byte";
                let got = frame_every.as_nanos() as f64 / 1e6;
                return Err(ScenarioError::value(
                    &field("frame_every_ms"),
                    expected,
                    got,
                ));
            }
            deadline(*arrival)
        }
        WorkloadSpec::Video {
            chunk,
            ladder,
            buffer,
        } => {
            let chunks = Duration::from_millis(10)..=Duration::from_mins(1);
            within(&field("chunk_s"), *chunk, chunks)?;
            check_ladder(&field("ladder_mbps"), ladder)?;
            within(&field("buffer_s"), *buffer, *chunk * 2..=HOUR)
        }
        WorkloadSpec::Incast { burst, every } => {
            size(&field("burst_bytes"), *burst)?;
            time("every_ms", *every, MILLISECOND)
        }
    }
}

fn check_ladder(path: &str, ladder: &[Bandwidth]) -> Result<(), ScenarioError> {
    if !(1..=256).contains(&ladder.len()) {
        let got = format!("{} rates", ladder.len());
        return Err(ScenarioError::value(path, "1 to 256 rates", got));
    }
    let mut last = Bandwidth::ZERO;
    for (index, &step) in ladder.iter().enumerate() {
        let field = format!("{path}[{index}]");
        rate(&field, step)?;
        if step <= last {
            let got = step.as_bits_per_sec() as f64 / 1e6;
            return Err(ScenarioError::value(&field, "rates that increase", got));
        }
        last = step;
    }
    Ok(())
}

fn check_size(path: &str, spec: &SizeSpec) -> Result<(), ScenarioError> {
    let field = |key: &str| format!("{path}.{key}");
    match *spec {
        SizeSpec::Fixed(bytes) => size(&field("bytes"), bytes),
        SizeSpec::Exponential { mean } => size(&field("mean_bytes"), mean),
        SizeSpec::Pareto { min, shape, max } => {
            size(&field("max_bytes"), max)?;
            within(&field("min_bytes"), min, Bytes::new(1)..=max)?;
            within(&field("shape"), shape, 0.01..=100.0)
        }
        SizeSpec::LogNormal { median, sigma, max } => {
            size(&field("max_bytes"), max)?;
            within(&field("median_bytes"), median, Bytes::new(1)..=max)?;
            within(&field("sigma"), sigma, 0.0..=10.0)
        }
    }
}

fn check_retry(path: &str, retry: &RetrySpec) -> Result<(), ScenarioError> {
    let field = |key: &str| format!("{path}.{key}");
    within(&field("timeout_ms"), retry.timeout, MILLISECOND..=HOUR)?;
    within(&field("backoff"), retry.backoff, 1.0..=100.0)?;
    within(&field("jitter_percent"), retry.jitter, 0.0..=1.0)?;
    within(&field("attempts"), retry.attempts, 1..=100)?;
    within(&field("budget"), retry.budget, 0.0..=10.0)
}

fn size(field: &str, bytes: Bytes) -> Result<(), ScenarioError> {
    within(field, bytes, Bytes::new(1)..=LARGEST)
}

const HOUR: Duration = Duration::from_hours(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// A request travels as one packet.
const LARGEST_REQUEST: Bytes = Bytes::new(1 << 20);
const LARGEST: Bytes = Bytes::new(1 << 40);
