//! Scenario files as they are written.

use core::time::Duration;

use serde::Deserialize;
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    Buffer, FlowSpec, LinkSpec, Place, RateStep, ScenarioError, Stack, TransportSpec, ValidScenario,
};

/// A scenario file, version 1, before any check.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of the format; 1.
    pub version: u32,
    /// Name for tables and reports.
    #[serde(default)]
    pub name: String,
    /// Simulated time.
    pub duration_s: f64,
    /// Start of the measurement; 0 by default.
    #[serde(default)]
    pub warmup_s: f64,
    /// The bottleneck.
    pub link: RawLink,
    /// Parameters of the transport model.
    #[serde(default)]
    pub transport: RawTransport,
    /// The flows.
    #[serde(default)]
    pub flow: Vec<RawFlow>,
}

/// The bottleneck as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLink {
    /// Constant rate.
    pub rate_mbps: Option<f64>,
    /// Rates over time, in place of `rate_mbps`.
    pub rate_steps: Option<Vec<RawRateStep>>,
    /// Round-trip propagation time.
    pub base_rtt_ms: f64,
    /// Queue limit in bytes.
    pub buffer_bytes: Option<u64>,
    /// Queue limit in products of first rate and base round-trip time.
    pub buffer_bdp: Option<f64>,
    /// Random loss.
    #[serde(default)]
    pub loss_percent: f64,
    /// Largest extra delay.
    #[serde(default)]
    pub jitter_ms: f64,
}

/// One step of a rate schedule as written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRateStep {
    /// Start.
    pub at_s: f64,
    /// Rate from then on.
    pub rate_mbps: f64,
}

/// Transport parameters as written; absent ones have the defaults of [`TransportSpec`].
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTransport {
    /// Size of a full packet.
    pub mtu_bytes: Option<u32>,
    /// Of which headers.
    pub overhead_bytes: Option<u32>,
    /// Packets per acknowledgement.
    pub ack_every: Option<u32>,
    /// Longest delay of an acknowledgement.
    pub max_ack_delay_ms: Option<f64>,
    /// Most bytes in flight.
    pub receive_window_bytes: Option<u64>,
}

/// A flow as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFlow {
    /// Start.
    #[serde(default)]
    pub start_s: f64,
    /// End of its data.
    pub stop_s: Option<f64>,
    /// Payload to send.
    pub limit_bytes: Option<u64>,
    /// Transport; `model` by default.
    pub stack: Option<String>,
    /// Name of its controller.
    pub controller: String,
    /// Delay added towards the receiver.
    #[serde(default)]
    pub extra_one_way_delay_ms: f64,
    /// Base round-trip time in place of the link's.
    pub base_rtt_ms: Option<f64>,
    /// Number of flows like this.
    pub count: Option<u32>,
}

impl Scenario {
    /// Reads the text without checking ranges; `file` only names it in errors.
    ///
    /// # Errors
    /// [`ScenarioError::Syntax`].
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScenarioError> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            let field = line.and_then(|line| key_on(text, line));
            ScenarioError::Syntax {
                place: Place {
                    file: Some(file.to_owned()),
                    line,
                },
                field: field.unwrap_or("scenario").to_owned(),
                message: error.message().trim().to_owned(),
            }
        })
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the first field outside its range, without file and line.
    pub fn check(&self) -> Result<ValidScenario, ScenarioError> {
        if self.version != VERSION {
            return Err(ScenarioError::value("version", VERSION, self.version));
        }
        let link = self.link.check()?;
        let transport = self.transport.check()?;
        let mut flows = Vec::new();
        for (index, flow) in self.flow.iter().enumerate() {
            flows.push(flow.check(index)?);
        }
        let times = (
            duration("duration_s", self.duration_s)?,
            duration("warmup_s", self.warmup_s)?,
        );
        ValidScenario::from_parts(self.name.clone(), link, flows, transport, times)
    }

    /// Like [`Scenario::check`], with file and line in the error.
    pub(super) fn check_in(&self, text: &str, file: &str) -> Result<ValidScenario, ScenarioError> {
        self.check().map_err(|error| {
            let line = line_of(text, error.field());
            error.at(Place {
                file: Some(file.to_owned()),
                line,
            })
        })
    }
}

impl RawLink {
    fn check(&self) -> Result<LinkSpec, ScenarioError> {
        let rates = match (self.rate_mbps, &self.rate_steps) {
            (Some(_), Some(_)) => return Err(exclusive("link.rate_mbps", "link.rate_steps")),
            (None, None) => return Err(missing("link.rate_mbps", "a rate or `rate_steps`")),
            (Some(rate), None) => vec![RateStep::from_start(bandwidth("link.rate_mbps", rate)?)],
            (None, Some(steps)) => steps
                .iter()
                .enumerate()
                .map(|(index, step)| step.check(index))
                .collect::<Result<_, _>>()?,
        };
        let buffer = match (self.buffer_bytes, self.buffer_bdp) {
            (Some(_), Some(_)) => return Err(exclusive("link.buffer_bytes", "link.buffer_bdp")),
            (None, None) => return Err(missing("link.buffer_bytes", "a size or `buffer_bdp`")),
            (Some(bytes), None) => Buffer::Bytes(Bytes::new(bytes)),
            (None, Some(products)) => Buffer::BandwidthDelayProducts(products),
        };
        Ok(LinkSpec {
            rates,
            base_rtt: duration("link.base_rtt_ms", self.base_rtt_ms)?,
            buffer,
            loss: self.loss_percent / 100.0,
            jitter: duration("link.jitter_ms", self.jitter_ms)?,
        })
    }
}

impl RawRateStep {
    fn check(&self, index: usize) -> Result<RateStep, ScenarioError> {
        let at = duration(&format!("link.rate_steps[{index}].at_s"), self.at_s)?;
        let rate = bandwidth(
            &format!("link.rate_steps[{index}].rate_mbps"),
            self.rate_mbps,
        )?;
        Ok(RateStep {
            at: Timestamp::ZERO.saturating_add(at),
            rate,
        })
    }
}

impl RawTransport {
    fn check(&self) -> Result<TransportSpec, ScenarioError> {
        let default = TransportSpec::default();
        let max_ack_delay = match self.max_ack_delay_ms {
            Some(delay) => duration("transport.max_ack_delay_ms", delay)?,
            None => default.max_ack_delay,
        };
        Ok(TransportSpec {
            mtu_bytes: self.mtu_bytes.unwrap_or(default.mtu_bytes),
            overhead_bytes: self.overhead_bytes.unwrap_or(default.overhead_bytes),
            ack_every: self.ack_every.unwrap_or(default.ack_every),
            max_ack_delay,
            receive_window: self
                .receive_window_bytes
                .map_or(default.receive_window, Bytes::new),
        })
    }
}

impl RawFlow {
    fn check(&self, index: usize) -> Result<FlowSpec, ScenarioError> {
        let field = |name: &str| format!("flow[{index}].{name}");
        if let Some(stack) = self.stack.as_deref().filter(|&stack| stack != "model") {
            return Err(ScenarioError::value(
                &field("stack"),
                "`model`",
                format!("`{stack}`"),
            ));
        }
        if self.controller.is_empty() {
            return Err(ScenarioError::value(
                &field("controller"),
                "a name",
                "an empty string",
            ));
        }
        let instant = |name: &str, seconds: f64| {
            duration(&field(name), seconds).map(|time| Timestamp::ZERO.saturating_add(time))
        };
        Ok(FlowSpec {
            start: instant("start_s", self.start_s)?,
            stop: self
                .stop_s
                .map_or(Ok(Timestamp::MAX), |stop| instant("stop_s", stop))?,
            limit: self.limit_bytes.map_or(Bytes::MAX, Bytes::new),
            stack: Stack::Model,
            controller: self.controller.clone(),
            extra_one_way_delay: duration(
                &field("extra_one_way_delay_ms"),
                self.extra_one_way_delay_ms,
            )?,
            base_rtt: self
                .base_rtt_ms
                .map(|rtt| duration(&field("base_rtt_ms"), rtt))
                .transpose()?,
            count: self.count.unwrap_or(1),
        })
    }
}

/// A number under a key that ends in `_s` or `_ms`, rounded to nanoseconds.
fn duration(field: &str, value: f64) -> Result<Duration, ScenarioError> {
    let nanos_per_unit = if field.ends_with("_ms") { 1e6 } else { 1e9 };
    let nanos = value * nanos_per_unit;
    if !(0.0..=LONGEST_NANOS).contains(&nanos) {
        return Err(ScenarioError::value(
            field,
            "a time that is not negative",
            value,
        ));
    }
    Ok(Duration::from_nanos(libm::round(nanos) as u64))
}

fn bandwidth(field: &str, rate_mbps: f64) -> Result<Bandwidth, ScenarioError> {
    let bits_per_sec = rate_mbps * 1e6;
    if !(1000.0..=1e12).contains(&bits_per_sec) {
        return Err(ScenarioError::value(field, "0.001 to 1000000", rate_mbps));
    }
    Ok(Bandwidth::from_bits_per_sec(
        libm::round(bits_per_sec) as u64
    ))
}

fn missing(field: &str, expected: &str) -> ScenarioError {
    ScenarioError::Missing {
        place: Place::default(),
        field: field.to_owned(),
        expected: expected.to_owned(),
    }
}

fn exclusive(field: &str, other: &str) -> ScenarioError {
    ScenarioError::Exclusive {
        place: Place::default(),
        field: field.to_owned(),
        other: other.to_owned(),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
}

/// The key that a line assigns to, if it does.
fn key_on(text: &str, line: usize) -> Option<&str> {
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let key = line.split_once('=').map_or(line, |(key, _)| key).trim();
    (!key.is_empty()).then_some(key)
}

/// The line of a field such as `flow[1].start_s`, or of the innermost table on the way to it.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut offset = None;
    for part in field.split('.') {
        let (key, index) = match part.split_once('[') {
            Some((key, index)) => (key, index.strip_suffix(']')?.parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((name, mut value)) = table.iter().find(|(name, _)| name.get_ref() == key) else {
            break;
        };
        offset = Some(name.span().start);
        if let Some(index) = index {
            let Some(element) = value.get_ref().as_array().and_then(|all| all.get(index)) else {
                break;
            };
            value = element;
            offset = Some(element.span().start);
        }
        let Some(inner) = table_in(value) else { break };
        table = inner;
    }
    offset.map(|offset| line_at(text, offset))
}

fn table_in<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Option<&'a DeTable<'i>> {
    value.get_ref().as_table()
}

const VERSION: u32 = 1;
/// A century, so that sums of times stay far from overflow.
const LONGEST_NANOS: f64 = 3.2e18;
