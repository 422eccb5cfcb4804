//! From a scenario to a run that is about to start.

use tautline_core::controller::Controller;
use tautline_core::units::{Bytes, Timestamp, duration_nanos};

use super::agenda::Agenda;
use super::digest::Digest;
use super::flow::{Ends, Flow, Model, Real, Tally, Way};
use super::parcels::Parcels;
use super::real::stack_stats;
use super::{Carrier, Observer, RunOptions, Simulation, Usage};
use crate::endpoint::StackEndpoint;
use crate::link::Link;
use crate::report::{Histogram, Recorder};
use crate::rng::{Component, Stream};
use crate::scenario::{FlowSpec, ValidScenario, WorkloadSpec};
use crate::transport::{EventLog, Receiver, Sender, SenderStats, Workload};
use crate::workload::Application;

impl<'o, C: Controller> Simulation<'o, C> {
    pub(super) fn new(
        scenario: &ValidScenario,
        seed: u64,
        carriers: Vec<Carrier<C>>,
        options: &RunOptions,
        observer: Option<&'o mut (dyn Observer + 'o)>,
    ) -> Self {
        let links = scenario.links().iter().zip(0..);
        let end_ns = duration_nanos(scenario.duration());
        let links: Vec<Link> = links
            .map(|(spec, number)| Link::new(spec, number, seed).until(end_ns))
            .collect();
        let builder = Builder {
            scenario,
            links: &links,
            seed,
            observed: observer.is_some(),
            log_flow: options.log_flow,
        };
        let flows = scenario.flows().iter().zip(carriers).zip(0..);
        let flows: Vec<Flow<C>> = flows
            .map(|((spec, carrier), number)| builder.flow(number, spec, carrier))
            .collect();
        let mut flow_agenda = Agenda::new(flows.len());
        for (flow, number) in flows.iter().zip(0..) {
            flow_agenda.set(number, flow.next_ns());
        }
        let recorder = options
            .timeline_bin
            .map(|bin| Box::new(Recorder::new(bin, scenario.duration(), flows.len())));
        let transport = scenario.transport();
        Self {
            flow_agenda,
            link_agenda: Agenda::new(links.len()),
            usages: links.iter().map(|_| Usage::default()).collect(),
            links,
            flows,
            phase: 0,
            warmup_ns: duration_nanos(scenario.warmup()),
            end_ns,
            overhead: u64::from(transport.overhead_bytes),
            ack_bytes: transport.ack_bytes,
            digest: Digest::new(),
            recorder,
            observer,
        }
    }

    pub(super) fn start_measuring(&mut self) {
        self.phase = 1;
        for usage in &mut self.usages {
            usage.queue_delay = Histogram::default();
        }
        let now = Timestamp::from_nanos(self.warmup_ns);
        for flow in &mut self.flows {
            if let Some(application) = &mut flow.application {
                application.start_measuring(now);
            }
            match &mut flow.ends {
                Ends::Model(model) => flow.at_warmup = *model.sender.stats(),
                Ends::Real(real) => {
                    let status = real.sender.status();
                    flow.at_warmup = stack_stats(&status);
                }
            }
        }
    }
}

/// What flows are built from.
struct Builder<'a> {
    scenario: &'a ValidScenario,
    links: &'a [Link],
    seed: u64,
    observed: bool,
    log_flow: Option<usize>,
}

impl Builder<'_> {
    fn flow<C: Controller>(&self, number: u32, spec: &FlowSpec, carrier: Carrier<C>) -> Flow<C> {
        let ends = match carrier {
            Carrier::Model(controller) => {
                Ends::Model(Box::new(self.model(number, spec, controller)))
            }
            Carrier::Real { sender, receiver } => Ends::Real(real(sender, receiver)),
        };
        let modelled = matches!(ends, Ends::Model(_));
        let express = modelled && self.is_express(spec);
        let simple = modelled && spec.workload == WorkloadSpec::Bulk;
        let way = Way::new(spec, self.scenario, express);
        Flow {
            ends,
            application: (!simple).then(|| Box::new(self.application(number, spec))),
            waits: vec![(0, 0); way.longest()],
            way,
            tallies: [Tally::default(); 2],
            at_warmup: SenderStats::default(),
            in_network: 0,
            arrivals: Digest::new(),
        }
    }

    /// See [`Way::express`].
    fn is_express(&self, spec: &FlowSpec) -> bool {
        let routes = self.scenario.routes(spec);
        let [route] = &routes[..] else {
            return false;
        };
        let last = route
            .forward
            .last()
            .and_then(|&last| self.links.get(usize::from(last)));
        !self.observed
            && spec.workload == WorkloadSpec::Bulk
            && route.backward.is_empty()
            && last.is_some_and(|last| !last.reorders())
    }

    fn application(&self, number: u32, spec: &FlowSpec) -> Application {
        let stream = Stream::at_place(self.seed, Component::Workload, number);
        Application::new(&spec.workload, spec.start, spec.stop, spec.limit, stream)
    }

    fn model<C: Controller>(&self, number: u32, spec: &FlowSpec, controller: C) -> Model<C> {
        let transport = self.scenario.transport();
        let log = if self.log_flow == Some(number as usize) {
            EventLog::Keep
        } else {
            EventLog::Discard
        };
        let mut workload = Workload::of(spec);
        if spec.workload != WorkloadSpec::Bulk {
            // The application offers what there is, and stops by itself.
            workload.limit = Bytes::ZERO;
            workload.stop = Timestamp::MAX;
        }
        let mut sender = Sender::new(number, controller, &workload, transport, log);
        if self.observed {
            sender.keep_lost_numbers();
        }
        Model {
            sender,
            receiver: Receiver::new(transport),
            acks: std::collections::VecDeque::new(),
            parcels: Parcels::new(),
        }
    }
}

fn real(sender: Box<dyn StackEndpoint>, receiver: Box<dyn StackEndpoint>) -> Real {
    Real {
        layer: sender.layer(),
        sender,
        receiver,
        datagrams: [Parcels::new(), Parcels::new()],
        read: 0,
        read_at: Timestamp::ZERO,
    }
}
