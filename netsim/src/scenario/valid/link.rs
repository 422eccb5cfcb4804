//! Ranges of links.

use core::time::Duration;

use tautline_core::units::Timestamp;

use super::range::{InKeyUnits as _, above_zero, rate, seconds, within};
use crate::scenario::{
    Blackout, Buffer, CapacitySpec, JitterSpec, LeoSpec, Limit, LinkSpec, LossSpec, PolicerSpec,
    Problem, QueueSpec, RateStep, ScenarioError, TransportSpec, WifiSpec,
};

/// Checks the link under `path`.
pub(super) fn check(
    path: &str,
    link: &LinkSpec,
    transport: &TransportSpec,
) -> Result<(), ScenarioError> {
    check_capacity(path, &link.capacity)?;
    let delays = Duration::ZERO..=LONGEST_DELAY;
    within(
        &format!("{path}.base_rtt_ms"),
        link.base_rtt,
        delays.clone(),
    )?;
    within(&format!("{path}.delay_ms"), link.delay, delays)?;
    check_buffer(path, link, u64::from(transport.mtu_bytes))?;
    check_queue(&format!("{path}.queue"), &link.queue)?;
    if let Some(policer) = &link.policer {
        check_policer(&format!("{path}.policer"), policer, transport)?;
    }
    check_loss(path, &link.loss)?;
    check_jitter(path, &link.jitter)?;
    if let Some(aggregation) = link.aggregation {
        above_zero(&format!("{path}.aggregation_ms"), aggregation, TEN_SECONDS)?;
    }
    check_blackouts(path, &link.blackouts)
}

fn check_capacity(path: &str, capacity: &CapacitySpec) -> Result<(), ScenarioError> {
    match capacity {
        CapacitySpec::Rates(steps) => check_rates(path, steps),
        CapacitySpec::Trace(_) => Ok(()),
        CapacitySpec::Cellular(spec) => {
            let field = |key: &str| format!("{path}.cellular.{key}");
            rate(&field("mean_mbps"), spec.mean)?;
            within(&field("volatility"), spec.volatility, 0.0..=4.0)?;
            if !spec.outage_every.is_zero() {
                let outages = Duration::from_millis(1)..=HOUR;
                within(&field("outage_every_s"), spec.outage_every, outages)?;
            }
            within(&field("outage_ms"), spec.outage, Duration::ZERO..=HOUR)
        }
        CapacitySpec::Wifi(spec) => {
            let field = |key: &str| format!("{path}.wifi.{key}");
            rate(&field("peak_mbps"), spec.peak)?;
            let changes = Duration::from_millis(1)..=HOUR;
            within(&field("change_every_ms"), spec.change_every, changes)?;
            within(
                &field("contention_percent"),
                spec.contention,
                0.0..=WifiSpec::MAX_CONTENTION,
            )?;
            let pauses = Duration::from_micros(10)..=TEN_SECONDS;
            within(&field("pause_ms"), spec.pause, pauses)
        }
        CapacitySpec::Leo(spec) => {
            let field = |key: &str| format!("{path}.leo.{key}");
            rate(&field("mean_mbps"), spec.mean)?;
            within(
                &field("spread_percent"),
                spec.spread,
                0.0..=LeoSpec::MAX_SPREAD,
            )?;
            let handovers = Duration::from_millis(1)..=HOUR;
            within(&field("handover_every_s"), spec.handover_every, handovers)?;
            within(
                &field("gap_ms"),
                spec.gap,
                Duration::ZERO..=spec.handover_every / 2,
            )
        }
    }
}

fn check_rates(path: &str, rates: &[RateStep]) -> Result<(), ScenarioError> {
    if rates.is_empty() {
        let field = format!("{path}.rate_steps");
        return Err(ScenarioError::value(&field, "at least one step", "none"));
    }
    let mut last: Option<Timestamp> = None;
    for (index, step) in rates.iter().enumerate() {
        let listed = format!("{path}.rate_steps[{index}]");
        // A constant rate is one step from 0 on.
        let path = match step.at {
            Timestamp::ZERO if rates.len() == 1 => path,
            _ => &listed,
        };
        rate(&format!("{path}.rate_mbps"), step.rate)?;
        let in_order = last.map_or(step.at == Timestamp::ZERO, |last| step.at > last);
        if !in_order {
            let expected = "times that start at 0 and increase";
            let got = step.at.as_nanos() as f64 / 1e9;
            return Err(ScenarioError::value(&format!("{path}.at_s"), expected, got));
        }
        last = Some(step.at);
    }
    Ok(())
}

fn check_buffer(path: &str, link: &LinkSpec, packet_bytes: u64) -> Result<(), ScenarioError> {
    let field = match link.buffer {
        Buffer::Bytes(_) => format!("{path}.buffer_bytes"),
        Buffer::Packets(_) => format!("{path}.buffer_packets"),
        Buffer::BandwidthDelayProducts(_) => format!("{path}.buffer_bdp"),
        Buffer::Time(_) => format!("{path}.buffer_ms"),
    };
    if let Buffer::BandwidthDelayProducts(products) = link.buffer {
        above_zero(&field, products, 1000.0)?;
    }
    if let Buffer::Time(time) = link.buffer {
        above_zero(&field, time, LONGEST_DELAY)?;
    }
    let got = match link.limit() {
        Limit::Bytes(bytes) if bytes < packet_bytes => format!("{bytes} bytes"),
        Limit::Packets(0) => "0 packets".to_owned(),
        _ => return Ok(()),
    };
    let problem = Problem::SmallQueue { packet_bytes, got };
    Err(ScenarioError::new(&field, problem))
}

fn check_queue(path: &str, queue: &QueueSpec) -> Result<(), ScenarioError> {
    let field = |key: &str| format!("{path}.{key}");
    let time = |key: &str, time: Duration, shortest: Duration, longest: Duration| {
        within(&field(key), time, shortest..=longest)
    };
    let codel = |target: Duration, interval: Duration| {
        time("target_ms", target, Duration::from_micros(10), SECOND)?;
        if interval <= target {
            let field = field("interval_ms");
            let got = interval.shown(&field);
            return Err(ScenarioError::value(&field, "more than `target_ms`", got));
        }
        time("interval_ms", interval, Duration::ZERO, TEN_SECONDS)
    };
    let controlled = |target: Duration, update: Duration| {
        time("target_ms", target, Duration::from_micros(100), SECOND)?;
        time("update_ms", update, Duration::from_millis(1), SECOND)
    };
    match *queue {
        QueueSpec::DropTail => Ok(()),
        QueueSpec::CoDel { target, interval } => codel(target, interval),
        QueueSpec::FqCoDel {
            target,
            interval,
            quantum,
            flows,
        } => {
            codel(target, interval)?;
            within(&field("quantum_bytes"), quantum, 256..=1 << 20)?;
            within(&field("flows"), flows, 1..=65_536)
        }
        QueueSpec::Pie {
            target,
            update,
            max_burst,
        } => {
            controlled(target, update)?;
            time("max_burst_ms", max_burst, Duration::ZERO, TEN_SECONDS)
        }
        QueueSpec::Red {
            min_bytes,
            max_bytes,
            max_probability,
            weight,
        } => {
            within(&field("max_bytes"), max_bytes, 2..=1 << 40)?;
            within(&field("min_bytes"), min_bytes, 1..=max_bytes - 1)?;
            above_zero(&field("max_probability"), max_probability, 1.0)?;
            above_zero(&field("weight"), weight, 1.0)
        }
        QueueSpec::DualPi2 {
            target,
            update,
            step,
        } => {
            controlled(target, update)?;
            time("step_ms", step, Duration::ZERO, SECOND)
        }
        QueueSpec::Step { threshold } => time("threshold_ms", threshold, Duration::ZERO, SECOND),
    }
}

fn check_policer(
    path: &str,
    policer: &PolicerSpec,
    transport: &TransportSpec,
) -> Result<(), ScenarioError> {
    rate(&format!("{path}.rate_mbps"), policer.rate)?;
    let bursts = u64::from(transport.mtu_bytes)..=1 << 40;
    within(
        &format!("{path}.burst_bytes"),
        policer.burst.as_u64(),
        bursts,
    )
}

fn check_loss(path: &str, loss: &LossSpec) -> Result<(), ScenarioError> {
    match *loss {
        LossSpec::Bernoulli(loss) => within(&format!("{path}.loss_percent"), loss, 0.0..=1.0),
        LossSpec::GilbertElliott {
            to_bad,
            to_good,
            loss_good,
            loss_bad,
        } => {
            for (key, share) in [
                ("good_to_bad_percent", to_bad),
                ("bad_to_good_percent", to_good),
                ("loss_good_percent", loss_good),
                ("loss_bad_percent", loss_bad),
            ] {
                within(&format!("{path}.gilbert_elliott.{key}"), share, 0.0..=1.0)?;
            }
            Ok(())
        }
    }
}

fn check_jitter(path: &str, jitter: &JitterSpec) -> Result<(), ScenarioError> {
    within(
        &format!("{path}.jitter_ms"),
        jitter.max,
        Duration::ZERO..=TEN_SECONDS,
    )?;
    if let Some(period) = jitter.law.period() {
        above_zero(&format!("{path}.jitter_period_ms"), period, LONGEST_DELAY)?;
    }
    within(&format!("{path}.held_percent"), jitter.held, 0.0..=1.0)?;
    if jitter.held > 0.0 {
        return above_zero(&format!("{path}.held_ms"), jitter.held_for, TEN_SECONDS);
    }
    within(
        &format!("{path}.held_ms"),
        jitter.held_for,
        Duration::ZERO..=TEN_SECONDS,
    )
}

fn check_blackouts(path: &str, blackouts: &[Blackout]) -> Result<(), ScenarioError> {
    let mut end = Timestamp::ZERO;
    for (index, blackout) in blackouts.iter().enumerate() {
        let field = |key: &str| format!("{path}.blackouts[{index}].{key}");
        if blackout.at < end {
            let end = Duration::from_nanos(end.as_nanos());
            let expected = format!("at least {}, the end of the one before", seconds(end));
            let got = blackout.at.as_nanos() as f64 / 1e9;
            return Err(ScenarioError::value(&field("at_s"), expected, got));
        }
        above_zero(&field("for_s"), blackout.length, Duration::from_hours(24))?;
        end = blackout.at.saturating_add(blackout.length);
    }
    Ok(())
}

const LONGEST_DELAY: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_hours(1);
