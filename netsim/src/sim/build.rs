//! From a scenario to a run that is about to start.

use tautline_core::controller::Controller;
use tautline_core::units::duration_nanos;

use super::agenda::Agenda;
use super::digest::Digest;
use super::flow::{Ends, Flow, Model, Real, Tally, Way};
use super::parcels::Parcels;
use super::{Carrier, Observer, RunOptions, Simulation, Usage};
use crate::endpoint::StackEndpoint;
use crate::link::Link;
use crate::report::{Histogram, Recorder};
use crate::scenario::{FlowSpec, ValidScenario, WorkloadSpec};
use crate::transport::{EventLog, Receiver, Sender, SenderStats, Workload};

impl<'o, C: Controller> Simulation<'o, C> {
    pub(super) fn new(
        scenario: &ValidScenario,
        seed: u64,
        carriers: Vec<Carrier<C>>,
        options: &RunOptions,
        observer: Option<&'o mut (dyn Observer + 'o)>,
    ) -> Self {
        let links = scenario.links().iter().zip(0..);
        let links: Vec<Link> = links
            .map(|(spec, number)| Link::new(spec, number, seed))
            .collect();
        let builder = Builder {
            scenario,
            links: &links,
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
            end_ns: duration_nanos(scenario.duration()),
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
        for flow in &mut self.flows {
            match &mut flow.ends {
                Ends::Model(model) => flow.at_warmup = *model.sender.stats(),
                Ends::Real(real) => {
                    let status = real.sender.status();
                    flow.at_warmup.lost_packets = status.lost_packets;
                    (real.rtt_sum_ns, real.rtt_samples) = (0, 0);
                }
            }
        }
    }
}

/// What flows are built from.
struct Builder<'a> {
    scenario: &'a ValidScenario,
    links: &'a [Link],
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
        let express = matches!(ends, Ends::Model(_)) && self.is_express(spec);
        Flow {
            ends,
            way: Way::new(spec, self.scenario, express),
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

    fn model<C: Controller>(&self, number: u32, spec: &FlowSpec, controller: C) -> Model<C> {
        let transport = self.scenario.transport();
        let log = if self.log_flow == Some(number as usize) {
            EventLog::Keep
        } else {
            EventLog::Discard
        };
        let workload = Workload::of(spec);
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
        sender,
        receiver,
        datagrams: [Parcels::new(), Parcels::new()],
        read: 0,
        rtt_sum_ns: 0,
        rtt_samples: 0,
    }
}
