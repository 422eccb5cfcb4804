//! BBRv3 beside what its draft says, from runs that are watched.

use core::time::Duration;
use std::fmt::Write as _;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Decision, SentPacket, Timeout,
};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};
use tautline_netsim::baseline::bbr::Phase;
use tautline_netsim::baseline::{Bbr, Cubic, flow_seed};
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, ValidScenario};
use tautline_netsim::sim::{Outcome, RunOptions, run};

use crate::table::{Section, Table, Verdict, mean, range, span};

pub(crate) fn section() -> anyhow::Result<Section> {
    let mut report = Report::default();
    for rate_mbps in [10, 100] {
        let outcome = watched(link(rate_mbps), 1, 1)?;
        report.cycle(rate_mbps, &outcome.controllers[0].visits);
    }
    report.losses()?;
    report.crowds()?;
    let mut body = report.table().to_string();
    for line in &report.outside {
        write!(body, "\n* {line}")?;
    }
    Ok(Section {
        name: "bbr",
        body,
        outside: report.outside,
    })
}

/// Lines of the table, and what is outside.
#[derive(Default)]
struct Report {
    rows: Vec<[String; 4]>,
    outside: Vec<String>,
}

impl Report {
    fn table(&self) -> Table {
        let mut table = Table::new(&["path", "behaviour", "draft", "measured"]);
        for row in &self.rows {
            table.row(row.clone());
        }
        table
    }

    fn add(&mut self, path: &str, [behaviour, draft, measured]: [String; 3], holds: bool) {
        let verdict = Verdict::of(holds);
        if !holds {
            self.outside.push(format!(
                "BBRv3, {path}: {behaviour} {measured}, expected {draft}"
            ));
        }
        let measured = format!("{measured}{}", verdict.mark());
        self.rows
            .push([path.to_owned(), behaviour, draft, measured]);
    }

    fn cycle(&mut self, rate_mbps: u64, visits: &[Visit]) {
        let path = format!("{rate_mbps} Mbit/s, 1 flow");
        let changes = visits.windows(2);
        let strange = changes
            .clone()
            .filter(|pair| !is_drafted(pair[0].phase, pair[1].phase));
        let (strange, changes) = (strange.count(), changes.count());
        self.add(
            &path,
            [
                "changes of phase".into(),
                "only those of §5.1".into(),
                format!("{changes}, of which {strange} others"),
            ],
            strange == 0 && changes > 50,
        );
        for (phase, name, draft, [least, most]) in DURATIONS {
            let times = durations(visits, phase);
            let typical = mean(&times);
            self.add(
                &path,
                [
                    format!("time in {name}"),
                    draft.into(),
                    format!("{typical:.0} ms over {}", times.len()),
                ],
                (least..=most).contains(&typical),
            );
        }
        // A Reno flow's sawtooth in rounds of 41 ms where that is shorter: 34 packets at 10 Mbit/s.
        let (draft, limits) = if rate_mbps == 10 {
            (
                "one round per packet of the path, 34 (§5.3.3.8)",
                [1300.0, 1600.0],
            )
        } else {
            ("2 to 3 s, at most 63 rounds (§5.3.3.8)", [2000.0, 3000.0])
        };
        self.span(&path, "wait between probes", draft, (waits(visits), limits));
        let probes: Vec<Visit> = visits
            .iter()
            .copied()
            .filter(|visit| visit.phase == Phase::ProbeRtt)
            .collect();
        let apart = probes
            .windows(2)
            .map(|pair| pair[1].start_ms - pair[0].start_ms)
            .collect();
        let draft = "5 s after the last minimum (§5.3.4)";
        self.span(
            &path,
            "from ProbeRTT to ProbeRTT",
            draft,
            (apart, [5000.0, 5500.0]),
        );
        let window = probes
            .iter()
            .map(|probe| probe.window as f64 / probe.bdp as f64);
        let window = span(window).unwrap_or_default();
        self.add(
            &path,
            [
                "window in ProbeRTT, of a BDP".into(),
                "half, at least 4 packets (§5.6.4.5)".into(),
                range(window, 3),
            ],
            probes.len() >= 10 && window[1] <= 0.51,
        );
    }

    fn span(&mut self, path: &str, what: &str, draft: &str, (times, limits): (Vec<f64>, [f64; 2])) {
        let [least, most] = span(times.iter().copied()).unwrap_or_default();
        let measured = format!("{} ms over {}", range([least, most], 0), times.len());
        let holds = times.len() >= 5 && limits[0] <= least && most <= limits[1];
        self.add(path, [what.into(), draft.into(), measured], holds);
    }

    /// Random losses: held below the 2 % that a probe may lose, given way to above.
    fn losses(&mut self) -> anyhow::Result<()> {
        for (loss, limits, draft) in LOSSES {
            let lossy = || link(100).with_loss(loss);
            let mut used = Vec::new();
            for seed in 1..=SEEDS {
                used.push(watched(lossy(), 1, seed)?.link.utilisation);
            }
            let cubic = run_one(lossy(), |_| Cubic::new(MTU), 1)?.link.utilisation;
            let used = mean(&used);
            let measured = format!("{:.1} %; CUBIC {:.1} %", 100.0 * used, 100.0 * cubic);
            let path = format!("100 Mbit/s, {} % random loss", loss * 100.0);
            let holds = (limits[0]..=limits[1]).contains(&used) && used > cubic;
            self.add(&path, ["utilisation".into(), draft.into(), measured], holds);
        }
        Ok(())
    }

    /// Flows that fill the buffer together, where version 1 lost 10 to 16 %.
    fn crowds(&mut self) -> anyhow::Result<()> {
        for (rate_mbps, most) in [(10, 0.05), (100, 0.02)] {
            let (mut losses, mut bounded) = (Vec::new(), 0);
            for seed in 1..=SEEDS {
                let outcome = watched(link(rate_mbps), 8, seed)?;
                losses.push(outcome.link.loss);
                let bounds = outcome.controllers.iter();
                bounded += bounds
                    .filter(|flow| flow.bbr.inflight_longterm().is_some())
                    .count();
            }
            let loss = mean(&losses);
            let flows = 8 * SEEDS;
            let measured = format!("{:.2} %; {bounded} of {flows} flows bounded", 100.0 * loss);
            let draft = format!(
                "inflight_longterm bounds probes (§5.5.10); below {} %",
                most * 100.0
            );
            let path = format!("{rate_mbps} Mbit/s, 8 flows");
            self.add(
                &path,
                ["loss".into(), draft, measured],
                loss < most && bounded > 0,
            );
        }
        Ok(())
    }
}

/// A BBR whose phases are kept.
#[derive(Debug)]
struct Watched {
    bbr: Bbr,
    visits: Vec<Visit>,
}

/// A phase, and what was known when it began.
#[derive(Clone, Copy, Debug)]
struct Visit {
    phase: Phase,
    start_ms: f64,
    window: u64,
    bdp: u64,
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
fn link(rate_mbps: u64) -> LinkSpec {
    let rate = Bandwidth::from_bits_per_sec(rate_mbps * 1_000_000);
    let buffer = Buffer::BandwidthDelayProducts(1.0);
    LinkSpec::new(rate, Duration::from_millis(40), buffer)
}

fn watched(link: LinkSpec, flows: u32, seed: u64) -> anyhow::Result<Outcome<Watched>> {
    run_flows(
        link,
        flows,
        |flow| Watched::new(flow_seed(seed, flow)),
        seed,
    )
}

fn run_one<C: Controller>(
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
fn durations(visits: &[Visit], phase: Phase) -> Vec<f64> {
    let ended = visits.windows(2).filter(|pair| pair[0].phase == phase);
    ended
        .map(|pair| pair[1].start_ms - pair[0].start_ms)
        .collect()
}

/// From the end of one probe of bandwidth, or of ProbeRTT, to the start of the next, in ms.
fn waits(visits: &[Visit]) -> Vec<f64> {
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
fn is_drafted(from: Phase, to: Phase) -> bool {
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

/// Mean times in ms; a round is 41 ms and a queue.
const DURATIONS: [(Phase, &str, &str, [f64; 2]); 3] = [
    (
        Phase::ProbeBwRefill,
        "ProbeBW_REFILL",
        "one round (§5.3.3.3)",
        [40.0, 60.0],
    ),
    (
        Phase::ProbeBwUp,
        "ProbeBW_UP",
        "rounds without growth or a queue too long (§5.3.3.4)",
        [40.0, 400.0],
    ),
    (
        Phase::ProbeRtt,
        "ProbeRTT",
        "200 ms or a round, once drained (§5.3.4)",
        [200.0, 330.0],
    ),
];
/// Loss, least and most utilisation.
const LOSSES: [(f64, [f64; 2], &str); 4] = [
    (0.001, [0.9, 1.0], "holds its rate below 2 % (§5.3.3.8)"),
    (0.01, [0.7, 1.0], "holds its rate below 2 % (§5.3.3.8)"),
    (0.05, [0.0, 0.7], "gives way above 2 % (§5.5.10)"),
    (0.1, [0.0, 0.5], "gives way above 2 % (§5.5.10)"),
];
const SEEDS: u64 = 4;
const MTU: Bytes = Bytes::new(1500);
