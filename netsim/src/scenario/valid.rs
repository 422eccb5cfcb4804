//! Scenarios that were checked.

use core::fmt::Display;
use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, Timestamp};

use super::{Buffer, FlowSpec, LinkSpec, Scenario, ScenarioError, TransportSpec};

/// A scenario within all ranges, with every flow listed on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidScenario {
    name: String,
    link: LinkSpec,
    flows: Vec<FlowSpec>,
    transport: TransportSpec,
    duration: Duration,
    warmup: Duration,
}

impl ValidScenario {
    /// A scenario built in code, measured from the start, with default transport parameters.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the first field outside its range.
    pub fn new(
        link: LinkSpec,
        flows: Vec<FlowSpec>,
        duration: Duration,
    ) -> Result<Self, ScenarioError> {
        let scenario = Self {
            name: String::new(),
            link,
            flows,
            transport: TransportSpec::default(),
            duration,
            warmup: Duration::ZERO,
        };
        scenario.checked()
    }

    /// Reads a scenario; `file` only names it in errors.
    ///
    /// # Errors
    /// [`ScenarioError`] with file, line and field.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScenarioError> {
        Scenario::from_toml(text, file)?.check_in(text, file)
    }

    /// The same scenario, measured from `warmup` to the end.
    ///
    /// # Errors
    /// [`ScenarioError::Value`] where the warm-up is not shorter than the duration.
    pub fn with_warmup(self, warmup: Duration) -> Result<Self, ScenarioError> {
        Self { warmup, ..self }.checked()
    }

    /// The same scenario with other transport parameters.
    ///
    /// # Errors
    /// [`ScenarioError::Value`] where one is outside its range.
    pub fn with_transport(self, transport: TransportSpec) -> Result<Self, ScenarioError> {
        Self { transport, ..self }.checked()
    }

    /// The same scenario under `name`.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// The same scenario with every flow under `controller`.
    #[must_use]
    pub fn with_controller(mut self, controller: &str) -> Self {
        for flow in &mut self.flows {
            controller.clone_into(&mut flow.controller);
        }
        self
    }

    /// Its name; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bottleneck.
    pub const fn link(&self) -> &LinkSpec {
        &self.link
    }

    /// Every flow, with a count of one each.
    pub fn flows(&self) -> &[FlowSpec] {
        &self.flows
    }

    /// Parameters of the transport model.
    pub const fn transport(&self) -> &TransportSpec {
        &self.transport
    }

    /// Simulated time.
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// Start of the measurement.
    pub const fn warmup(&self) -> Duration {
        self.warmup
    }

    /// Propagation of `flow` towards the receiver and back.
    pub fn one_way_delays(&self, flow: &FlowSpec) -> (Duration, Duration) {
        let base_rtt = flow.base_rtt.unwrap_or(self.link.base_rtt);
        let forward = base_rtt / 2;
        (
            forward + flow.extra_one_way_delay,
            base_rtt.saturating_sub(forward),
        )
    }

    fn checked(self) -> Result<Self, ScenarioError> {
        within(
            "duration_s",
            self.duration,
            Duration::from_millis(1)..=LONGEST,
        )?;
        if self.warmup >= self.duration {
            let got = seconds(self.warmup);
            return Err(ScenarioError::value(
                "warmup_s",
                "less than `duration_s`",
                got,
            ));
        }
        check_transport(&self.transport)?;
        check_link(&self.link, &self.transport)?;
        if self.flows.is_empty() {
            return Err(ScenarioError::value("flow", "at least one flow", "none"));
        }
        let mut flows = Vec::new();
        for (index, flow) in self.flows.into_iter().enumerate() {
            check_flow(index, &flow, self.duration)?;
            let count = flow.count;
            let one = FlowSpec { count: 1, ..flow };
            flows.extend(core::iter::repeat_n(one, count as usize));
        }
        if flows.len() > MOST_FLOWS as usize {
            let expected = format!("at most {MOST_FLOWS} flows together");
            return Err(ScenarioError::value("flow", expected, flows.len()));
        }
        Ok(Self { flows, ..self })
    }
}

impl ValidScenario {
    /// A scenario of parts that were read from a file.
    pub(super) fn from_parts(
        name: String,
        link: LinkSpec,
        flows: Vec<FlowSpec>,
        transport: TransportSpec,
        times: (Duration, Duration),
    ) -> Result<Self, ScenarioError> {
        let (duration, warmup) = times;
        Self {
            name,
            link,
            flows,
            transport,
            duration,
            warmup,
        }
        .checked()
    }
}

fn check_rates(link: &LinkSpec) -> Result<(), ScenarioError> {
    let lowest = Bandwidth::from_bits_per_sec(LOWEST_RATE_BPS);
    let highest = Bandwidth::from_bits_per_sec(HIGHEST_RATE_BPS);
    let stepped = link.rates.len() > 1;
    let mut last: Option<Timestamp> = None;
    for (index, step) in link.rates.iter().enumerate() {
        let prefix = if stepped {
            format!("link.rate_steps[{index}].")
        } else {
            "link.".to_owned()
        };
        if !(lowest..=highest).contains(&step.rate) {
            let got = step.rate.as_bits_per_sec() as f64 / 1e6;
            return Err(ScenarioError::value(
                &format!("{prefix}rate_mbps"),
                "0.001 to 1000000",
                got,
            ));
        }
        let in_order = last.map_or(step.at == Timestamp::ZERO, |last| step.at > last);
        if !in_order {
            let expected = "times that start at 0 and increase";
            let got = step.at.as_nanos() as f64 / 1e9;
            return Err(ScenarioError::value(
                &format!("{prefix}at_s"),
                expected,
                got,
            ));
        }
        last = Some(step.at);
    }
    if link.rates.is_empty() {
        return Err(ScenarioError::value(
            "link.rate_steps",
            "at least one step",
            "none",
        ));
    }
    Ok(())
}

fn check_link(link: &LinkSpec, transport: &TransportSpec) -> Result<(), ScenarioError> {
    check_rates(link)?;
    within(
        "link.base_rtt_ms",
        link.base_rtt,
        Duration::ZERO..=LONGEST_DELAY,
    )?;
    within(
        "link.jitter_ms",
        link.jitter,
        Duration::ZERO..=Duration::from_secs(10),
    )?;
    if !(0.0..=1.0).contains(&link.loss) {
        return Err(ScenarioError::value(
            "link.loss_percent",
            "0 to 100",
            link.loss * 100.0,
        ));
    }
    if let Buffer::BandwidthDelayProducts(products) = link.buffer
        && !(products > 0.0 && products <= 1000.0)
    {
        return Err(ScenarioError::value(
            "link.buffer_bdp",
            "above 0, at most 1000",
            products,
        ));
    }
    let smallest = Bytes::new(u64::from(transport.mtu_bytes));
    if link.buffer_bytes() < smallest {
        let field = match link.buffer {
            Buffer::Bytes(_) => "link.buffer_bytes",
            Buffer::BandwidthDelayProducts(_) => "link.buffer_bdp",
        };
        let expected = format!("at least one packet of {} bytes", smallest.as_u64());
        let got = format!("{} bytes", link.buffer_bytes().as_u64());
        return Err(ScenarioError::value(field, expected, got));
    }
    Ok(())
}

fn check_transport(transport: &TransportSpec) -> Result<(), ScenarioError> {
    within("transport.mtu_bytes", transport.mtu_bytes, 64..=65_535)?;
    within(
        "transport.overhead_bytes",
        transport.overhead_bytes,
        1..=transport.mtu_bytes - 1,
    )?;
    within("transport.ack_every", transport.ack_every, 1..=64)?;
    let longest = Duration::from_secs(1);
    within(
        "transport.max_ack_delay_ms",
        transport.max_ack_delay,
        Duration::ZERO..=longest,
    )?;
    let smallest = 2 * u64::from(transport.mtu_bytes);
    let window = transport.receive_window.as_u64();
    within("transport.receive_window_bytes", window, smallest..=1 << 32)
}

fn check_flow(index: usize, flow: &FlowSpec, duration: Duration) -> Result<(), ScenarioError> {
    let field = |name: &str| format!("flow[{index}].{name}");
    let end = Timestamp::ZERO.saturating_add(duration);
    if flow.start >= end {
        let got = flow.start.as_nanos() as f64 / 1e9;
        return Err(ScenarioError::value(
            &field("start_s"),
            "less than `duration_s`",
            got,
        ));
    }
    if flow.stop <= flow.start {
        let got = flow.stop.as_nanos() as f64 / 1e9;
        return Err(ScenarioError::value(
            &field("stop_s"),
            "more than `start_s`",
            got,
        ));
    }
    if flow.limit == Bytes::ZERO {
        return Err(ScenarioError::value(&field("limit_bytes"), "at least 1", 0));
    }
    let delays = Duration::ZERO..=LONGEST_DELAY;
    within(
        &field("extra_one_way_delay_ms"),
        flow.extra_one_way_delay,
        delays.clone(),
    )?;
    within(
        &field("base_rtt_ms"),
        flow.base_rtt.unwrap_or_default(),
        delays,
    )?;
    within(&field("count"), flow.count, 1..=MOST_FLOWS)
}

/// A quantity as it is written in scenario files under a key with unit.
trait InKeyUnits: Copy + PartialOrd {
    fn shown(self, field: &str) -> String;
}

impl InKeyUnits for u32 {
    fn shown(self, _field: &str) -> String {
        self.to_string()
    }
}

impl InKeyUnits for u64 {
    fn shown(self, _field: &str) -> String {
        self.to_string()
    }
}

impl InKeyUnits for Duration {
    fn shown(self, field: &str) -> String {
        if field.ends_with("_ms") {
            return (self.as_nanos() as f64 / 1e6).to_string();
        }
        seconds(self).to_string()
    }
}

fn seconds(time: Duration) -> impl Display {
    time.as_nanos() as f64 / 1e9
}

fn within<T: InKeyUnits>(
    field: &str,
    value: T,
    range: core::ops::RangeInclusive<T>,
) -> Result<(), ScenarioError> {
    if range.contains(&value) {
        return Ok(());
    }
    let expected = format!(
        "{} to {}",
        range.start().shown(field),
        range.end().shown(field)
    );
    Err(ScenarioError::value(field, expected, value.shown(field)))
}

const LONGEST: Duration = Duration::from_hours(24);
const LONGEST_DELAY: Duration = Duration::from_mins(1);
const LOWEST_RATE_BPS: u64 = 1000;
const HIGHEST_RATE_BPS: u64 = 1_000_000_000_000;
const MOST_FLOWS: u32 = 100_000;
