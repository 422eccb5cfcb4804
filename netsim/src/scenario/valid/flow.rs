//! Ranges of flows.

use core::time::Duration;

use tautline_core::units::{Bytes, Timestamp};

use super::MOST_FLOWS;
use super::range::within;
use super::workload;
use crate::scenario::{FlowSpec, ScenarioError};

/// Checks flow `index` but for its routes.
pub(super) fn check(
    index: usize,
    flow: &FlowSpec,
    duration: Duration,
) -> Result<(), ScenarioError> {
    let field = |name: &str| format!("flow[{index}].{name}");
    let end = Timestamp::ZERO.saturating_add(duration);
    if flow.start >= end {
        let got = flow.start.as_nanos() as f64 / 1e9;
        let expected = "less than `duration_s`";
        return Err(ScenarioError::value(&field("start_s"), expected, got));
    }
    if flow.stop <= flow.start {
        let got = flow.stop.as_nanos() as f64 / 1e9;
        let expected = "more than `start_s`";
        return Err(ScenarioError::value(&field("stop_s"), expected, got));
    }
    if flow.limit == Bytes::ZERO {
        return Err(ScenarioError::value(&field("limit_bytes"), "at least 1", 0));
    }
    let delays = Duration::ZERO..=Duration::from_mins(1);
    let extra = flow.extra_one_way_delay;
    within(&field("extra_one_way_delay_ms"), extra, delays.clone())?;
    within(
        &field("base_rtt_ms"),
        flow.base_rtt.unwrap_or_default(),
        delays,
    )?;
    within(&field("count"), flow.count, 1..=MOST_FLOWS)?;
    workload::check(&field("workload"), &flow.workload)
}
