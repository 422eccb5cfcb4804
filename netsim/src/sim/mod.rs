//! Running a scenario.

use core::time::Duration;

use tautline_core::controller::{Controller, Event};
use tautline_core::units::{Timestamp, duration_nanos};

use crate::endpoint::Endpoint as _;
use crate::link::{Bottleneck, DropTail, Path, RateSchedule, ServiceStart};
use crate::report::{FlowReport, Histogram, LinkReport, Recorder, Timeline};
use crate::scenario::ValidScenario;
use crate::transport::{EventLog, Packet};

mod agenda;
mod digest;
mod flow;
mod summary;

use agenda::Agenda;
use digest::{Digest, Happening};
use flow::{Action, Flow};

/// What to keep beside the reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Length of the bins of a timeline; none is kept by default.
    pub timeline_bin: Option<Duration>,
    /// The flow whose events are kept; none by default.
    pub log_flow: Option<usize>,
}

impl RunOptions {
    /// Keep a timeline with bins of `bin`, widened where there would be more than a million of them
    /// or four million over all flows.
    #[must_use]
    pub const fn with_timeline(self, bin: Duration) -> Self {
        Self {
            timeline_bin: Some(bin),
            ..self
        }
    }

    /// Keep the events given to the controller of flow number `flow`.
    #[must_use]
    pub const fn with_log(self, flow: usize) -> Self {
        Self {
            log_flow: Some(flow),
            ..self
        }
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome<C> {
    /// Each flow, in the order of [`ValidScenario::flows`].
    pub flows: Vec<FlowReport>,
    /// The bottleneck.
    pub link: LinkReport,
    /// The controllers, in the same order, as the run left them.
    pub controllers: Vec<C>,
    /// A fingerprint of every departure, delivery, drop and acknowledgement.
    pub digest: u64,
    /// Data packets that were sent.
    pub data_packets: u64,
    /// Figures over time, where asked for.
    pub timeline: Option<Timeline>,
    /// The events of one flow's controller, where asked for.
    pub log: Option<Vec<(Timestamp, Event)>>,
}

/// Runs `scenario` with one controller per flow.
///
/// Equal arguments give equal outcomes. The controllers' names in the scenario are not looked at;
/// [`crate::baseline::by_name`] resolves those of the baselines.
///
/// # Panics
/// Where there are not as many controllers as flows.
pub fn run<C: Controller>(
    scenario: &ValidScenario,
    seed: u64,
    controllers: Vec<C>,
    options: &RunOptions,
) -> Outcome<C> {
    assert_eq!(
        controllers.len(),
        scenario.flows().len(),
        "one controller per flow"
    );
    let mut simulation = Simulation::new(scenario, seed, controllers, options);
    simulation.run_before(simulation.warmup_ns);
    simulation.start_measuring();
    simulation.run_before(simulation.end_ns.saturating_add(1));
    simulation.finish(scenario)
}

/// A run in progress.
#[derive(Debug)]
struct Simulation<C> {
    flows: Vec<Flow<C>>,
    agenda: Agenda,
    link: Bottleneck<DropTail>,
    path: Path,
    queue_delay: Histogram,
    transmitted_bytes: [u64; 2],
    /// 0 before the measurement window, 1 in it.
    phase: usize,
    warmup_ns: u64,
    end_ns: u64,
    overhead: u64,
    digest: Digest,
    recorder: Option<Box<Recorder>>,
}

impl<C: Controller> Simulation<C> {
    fn new(scenario: &ValidScenario, seed: u64, controllers: Vec<C>, options: &RunOptions) -> Self {
        let mut agenda = Agenda::new(controllers.len());
        let flows = scenario.flows().iter().zip(controllers).enumerate();
        let flows = flows.map(|(at, (spec, controller))| {
            let keep = options.log_flow == Some(at);
            let log = if keep {
                EventLog::Keep
            } else {
                EventLog::Discard
            };
            let flow = Flow::new(at as u32, controller, spec, scenario, log);
            agenda.set(at as u32, flow.next_ns());
            flow
        });
        let flows: Vec<Flow<C>> = flows.collect();
        let link = scenario.link();
        let recorder = options
            .timeline_bin
            .map(|bin| Box::new(Recorder::new(bin, scenario.duration(), flows.len())));
        Self {
            agenda,
            link: Bottleneck::new(
                DropTail::new(link.buffer_bytes()),
                RateSchedule::new(&link.rates),
            ),
            path: Path::new(link, seed),
            queue_delay: Histogram::default(),
            transmitted_bytes: [0; 2],
            phase: 0,
            warmup_ns: duration_nanos(scenario.warmup()),
            end_ns: duration_nanos(scenario.duration()),
            overhead: u64::from(scenario.transport().overhead_bytes),
            digest: Digest::new(),
            recorder,
            flows,
        }
    }

    /// Everything that happens before `until_ns`; at equal times the link acts first, then flows
    /// by number.
    fn run_before(&mut self, until_ns: u64) {
        loop {
            let departure_ns = self.link.departure_ns();
            let (flow_ns, flow) = self.agenda.first();
            if departure_ns <= flow_ns {
                if departure_ns >= until_ns {
                    return;
                }
                self.depart(departure_ns);
            } else {
                if flow_ns >= until_ns {
                    return;
                }
                self.act(flow_ns, flow);
            }
        }
    }

    fn start_measuring(&mut self) {
        self.phase = 1;
        self.queue_delay = Histogram::default();
        for flow in &mut self.flows {
            flow.stats_at_warmup = *flow.sender.stats();
        }
    }

    /// A packet leaves the bottleneck: it is lost, or its arrival is certain.
    #[inline]
    fn depart(&mut self, now_ns: u64) {
        let Some((packet, next)) = self.link.depart() else {
            return;
        };
        if let Some(next) = next {
            self.note_wait(now_ns, next);
        }
        self.transmitted_bytes[self.phase] += u64::from(packet.bytes);
        let number = packet.flow;
        let flow = &mut self.flows[number as usize];
        let Some(exit_ns) = self.path.exit_ns(now_ns) else {
            flow.tallies[self.phase].random_lost += 1;
            self.digest
                .fold(Happening::RandomLost, now_ns, number, packet.number);
            return;
        };
        let arrival_ns = flow.deliver(exit_ns, packet);
        let payload = u64::from(packet.bytes) - self.overhead;
        if arrival_ns <= self.end_ns {
            let tally = &mut flow.tallies[usize::from(arrival_ns >= self.warmup_ns)];
            tally.delivered += 1;
            tally.delivered_bytes += payload;
        } else {
            flow.in_network += 1;
        }
        self.agenda.set(number, flow.next_ns());
        self.digest
            .fold(Happening::Delivered, arrival_ns, number, packet.number);
        if let Some(recorder) = &mut self.recorder {
            recorder.delivered(number as usize, arrival_ns, payload);
        }
    }

    /// Something happens at a flow: it takes it, and sends what it may.
    #[inline]
    fn act(&mut self, now_ns: u64, number: u32) {
        let flow = &mut self.flows[number as usize];
        let action = flow.act(now_ns);
        if let Action::Acked(ack) = action {
            self.digest
                .fold(Happening::Acknowledged, now_ns, number, ack.largest());
        }
        if action != Action::Receiver {
            if let Some(recorder) = &mut self.recorder {
                recorder.window(number as usize, now_ns, flow.sender.window().as_u64());
            }
            let now = Timestamp::from_nanos(now_ns);
            while let Some(packet) = self.flows[number as usize].sender.transmit(now) {
                self.arrive(now_ns, packet);
            }
        }
        let next_ns = self.flows[number as usize].next_ns();
        self.agenda.set(number, next_ns);
    }

    /// A packet arrives at the bottleneck.
    #[inline]
    fn arrive(&mut self, now_ns: u64, packet: Packet) {
        self.digest
            .fold(Happening::Sent, now_ns, packet.flow, packet.number);
        match self.link.arrive(now_ns, packet) {
            Ok(None) => {}
            Ok(Some(start)) => self.note_wait(now_ns, start),
            Err(dropped) => {
                self.flows[dropped.flow as usize].tallies[self.phase].dropped += 1;
                self.digest
                    .fold(Happening::Dropped, now_ns, dropped.flow, dropped.number);
                if let Some(recorder) = &mut self.recorder {
                    recorder.dropped(now_ns);
                }
            }
        }
    }

    #[inline]
    fn note_wait(&mut self, now_ns: u64, start: ServiceStart) {
        self.queue_delay.record(start.waited_ns);
        let tally = &mut self.flows[start.flow as usize].tallies[self.phase];
        tally.waits += 1;
        tally.waited_ns += start.waited_ns;
        if let Some(recorder) = &mut self.recorder {
            recorder.waited(now_ns, start.waited_ns);
        }
    }
}
