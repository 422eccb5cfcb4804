//! Runs of BBR whose phases are kept.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Decision, SentPacket, Timeout,
};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::bbr::Phase;
use tautline_netsim::baseline::{Bbr, flow_seed};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{Outcome, RunOptions, run};

/// A BBR whose phases are kept.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) bbr: Bbr,
    pub(super) visits: Vec<Visit>,
}

/// A phase, and what was known when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) phase: Phase,
    pub(super) start_ms: f64,
    pub(super) window: u64,
    pub(super) bdp: u64,
}

impl Watched {
    fn new(seed: u64) -> Self {
        let bbr = Bbr::new(MTU, seed);
        let visits = Vec::new();
        let mut watched = Self { bbr, visits };
        watched.note(Timestamp::ZERO);
        watched
    }

    fn note(&mut self, now: Timestamp) {
        let phase = self.bbr.phase();
        if self.visits.last().is_none_or(|visit| visit.phase != phase) {
            self.visits.push(Visit {
                phase,
                start_ms: now.as_nanos() as f64 / 1e6,
                window: self.bbr.decision().congestion_window.as_u64(),
                bdp: self.bbr.bdp().as_u64().max(1),
            });
        }
    }
}

impl Controller for Watched {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.bbr.on_packet_sent(now, packet);
        self.note(now);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.bbr.on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.bbr.on_ack_end(now, batch);
        self.note(now);
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.bbr.on_congestion_event(now, event);
        self.note(now);
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.bbr.on_timeout(now, timeout);
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.bbr.on_mtu_update(now, max_datagram_size);
    }

    fn decision(&self) -> Decision {
        self.bbr.decision()
    }
}

/// 40 ms and one bandwidth-delay product of drop-tail queue.
pub(super) fn link(rate_mbps: u64) -> LinkSpec {
    let rate = Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000);
    let buffer = Buffer::BandwidthDelayProducts(1.0);
    LinkSpec::new(rate, Duration::from_millis(40), buffer)
}

pub(super) fn watched(link: LinkSpec, flows: u32, seed: u64) -> anyhow::Result<Outcome<Watched>> {
    run_flows(
        link,
        flows,
        |flow| Watched::new(flow_seed(seed, flow)),
        seed,
    )
}

pub(super) fn run_one<C: Controller>(
    link: LinkSpec,
    controller: impl Fn(u32) -> C,
    seed: u64,
) -> anyhow::Result<Outcome<C>> {
    run_flows(link, 1, controller, seed)
}

/// Sixty seconds, measured without the first ten; flows start 0.1 s apart.
fn run_flows<C: Controller>(
    link: LinkSpec,
    flows: u32,
    controller: impl Fn(u32) -> C,
    seed: u64,
) -> anyhow::Result<Outcome<C>> {
    let start = |flow| Timestamp::from_nanos(u64::from(flow) * 100_000_000);
    let specs = (0..flows)
        .map(|flow| FlowSpec::new("").starting_at(start(flow)))
        .collect();
    let scenario = ValidScenario::new(link, specs, Duration::from_mins(1))?
        .with_warmup(Duration::from_secs(10))?;
    let controllers = (0..flows).map(controller).collect();
    Ok(run(&scenario, seed, controllers, &RunOptions::default())?)
}

/// How long each visit of `phase` took, in ms; the last visit of a run is cut off.
pub(super) fn durations(visits: &[Visit], phase: Phase) -> Vec<f64> {
    let ended = visits.windows(2).filter(|pair| pair[0].phase == phase);
    ended
        .map(|pair| pair[1].start_ms - pair[0].start_ms)
        .collect()
}

/// From the end of one probe of bandwidth, or of ProbeRTT, to the start of the next, in ms.
pub(super) fn waits(visits: &[Visit]) -> Vec<f64> {
    let (mut since, mut waits) = (None, Vec::new());
    for pair in visits.windows(2) {
        match (pair[0].phase, pair[1].phase) {
            (_, Phase::ProbeBwDown)
            | (Phase::ProbeRtt | Phase::ProbeBwUp, Phase::ProbeBwCruise) => {
                since = Some(pair[1].start_ms);
            }
            (_, Phase::ProbeBwRefill) => waits.extend(since.map(|since| pair[1].start_ms - since)),
            _ => {}
        }
    }
    waits
}

/// §5.1; two changes at one acknowledgement show as one, so a phase may be left as it is entered.
pub(super) fn is_drafted(from: Phase, to: Phase) -> bool {
    use Phase::{Drain, ProbeBwCruise, ProbeBwDown, ProbeBwRefill, ProbeBwUp, ProbeRtt, Startup};
    match from {
        Startup => matches!(to, Drain | ProbeBwDown | ProbeBwCruise | ProbeRtt),
        Drain => matches!(to, ProbeBwDown | ProbeBwCruise | ProbeRtt),
        ProbeBwDown => matches!(to, ProbeBwCruise | ProbeBwRefill | ProbeRtt),
        ProbeBwCruise => matches!(to, ProbeBwRefill | ProbeRtt),
        ProbeBwRefill => matches!(to, ProbeBwUp | ProbeRtt),
        ProbeBwUp => matches!(to, ProbeBwDown | ProbeBwCruise | ProbeRtt),
        ProbeRtt => matches!(to, ProbeBwCruise | Startup),
    }
}

pub(super) const MTU: Bytes = Bytes::new(1500);
