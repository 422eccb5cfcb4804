//! From a finished run to its reports.

use tautline_core::controller::Controller;
use tautline_core::units::Timestamp;

use super::flow::{Ends, Flow, Real};
use super::real::stack_stats;
use super::{LinkTally, Outcome, RunError, Simulation};
use crate::report::{FlowReport, LinkReport, LinkUse, PacketCounts, jain};
use crate::scenario::{FlowSpec, ValidScenario, WorkloadSpec};
use crate::transport::{Direction, Packet, SenderStats};

impl<C: Controller> Simulation<'_, C> {
    pub(super) fn finish(mut self, scenario: &ValidScenario) -> Result<Outcome<C>, RunError> {
        self.check_links(scenario)?;
        self.count_stragglers();
        let window = (self.warmup_ns, self.end_ns);
        let mut reports = Vec::with_capacity(self.flows.len());
        for (flow, spec) in self.flows.iter().zip(scenario.flows()) {
            reports.push(flow_report(flow, spec, window));
        }
        let numbers = 0..self.links.len();
        let links: Vec<LinkUse> = numbers
            .map(|at| self.link_use(at, &scenario.links()[at].name))
            .collect();
        let link = link_report(&links[0], &reports);
        let timeline = self.recorder.take();
        let timeline = timeline.map(|recorder| recorder.finish(&self.links[0]));
        let mut digest = self.digest;
        let mut controllers = Vec::with_capacity(self.flows.len());
        let mut log = None;
        for flow in self.flows {
            digest.absorb(flow.arrivals);
            if let Ends::Model(model) = flow.ends {
                let (controller, events) = model.sender.into_parts();
                controllers.push(controller);
                log = log.or(events);
            }
        }
        Ok(Outcome {
            data_packets: link.packets.sent,
            flows: reports,
            link,
            links,
            queue_delay: self.usages.swap_remove(0).queue_delay,
            controllers,
            digest: digest.value(),
            timeline,
            log,
        })
    }

    fn check_links(&self, scenario: &ValidScenario) -> Result<(), RunError> {
        for (at, (link, spec)) in self.links.iter().zip(scenario.links()).enumerate() {
            if let Some(reason) = link.failure() {
                let link = if spec.name.is_empty() {
                    at.to_string()
                } else {
                    spec.name.clone()
                };
                return Err(RunError::Capacity { link, reason });
            }
        }
        Ok(())
    }

    /// Data packets that are still in a link or behind one.
    fn count_stragglers(&mut self) {
        let flows = &mut self.flows;
        let is_data = |packet: &&Packet| packet.direction == Direction::Forward;
        for link in &self.links {
            for packet in link.backlog().filter(is_data) {
                flows[packet.flow as usize].in_network += 1;
            }
        }
        for flow in flows {
            let behind = flow.way.arriving[Direction::Forward as usize].packets();
            flow.in_network += behind.count() as u64;
        }
    }

    fn link_use(&self, at: usize, name: &str) -> LinkUse {
        let (usage, link) = (&self.usages[at], &self.links[at]);
        let [before, window] = &usage.counts;
        // What happens at the end still counts, so its opportunities do as well.
        let until_ns = self.end_ns.saturating_add(1);
        let capacity_bytes = link.capacity_bytes(self.warmup_ns, until_ns);
        LinkUse {
            name: name.to_owned(),
            packets: PacketCounts {
                in_network: link.waiting().count() as u64,
                ..counts(before).plus(&counts(window))
            },
            measured: counts(window),
            marked: window.marked,
            capacity_mbps: mbps(capacity_bytes, self.end_ns - self.warmup_ns),
            utilisation: window.left_bytes as f64 / capacity_bytes.max(1) as f64,
            queue_delay_mean_ms: usage.queue_delay.mean_ns() / 1e6,
            queue_delay_p95_ms: usage.queue_delay.quantile_ns(0.95) / 1e6,
            queue_delay_p99_ms: usage.queue_delay.quantile_ns(0.99) / 1e6,
        }
    }
}

fn counts(tally: &LinkTally) -> PacketCounts {
    PacketCounts {
        sent: tally.arrived,
        delivered: tally.left - tally.lost,
        dropped: tally.dropped,
        random_lost: tally.lost,
        in_network: 0,
    }
}

fn link_report(link: &LinkUse, flows: &[FlowReport]) -> LinkReport {
    let total = |counts: fn(&FlowReport) -> &PacketCounts| {
        let empty = PacketCounts::default();
        flows.iter().fold(empty, |sum, flow| sum.plus(counts(flow)))
    };
    let measured = total(|flow| &flow.measured);
    LinkReport {
        packets: total(|flow| &flow.packets),
        measured,
        capacity_mbps: link.capacity_mbps,
        utilisation: link.utilisation,
        goodput_mbps: flows.iter().map(|flow| flow.goodput_mbps).sum(),
        loss: measured.loss(),
        queue_delay_mean_ms: link.queue_delay_mean_ms,
        queue_delay_p95_ms: link.queue_delay_p95_ms,
        queue_delay_p99_ms: link.queue_delay_p99_ms,
        jain: jain(flows.iter().map(|flow| flow.goodput_mbps)),
    }
}

fn flow_report<C: Controller>(
    flow: &Flow<C>,
    spec: &FlowSpec,
    (start_ns, end_ns): (u64, u64),
) -> FlowReport {
    let (window_ns, now) = (end_ns - start_ns, Timestamp::from_nanos(end_ns));
    let tally = &flow.tallies[1];
    let measured = flow.measured();
    let report = FlowReport {
        controller: spec.controller.clone(),
        packets: flow.totals(),
        measured,
        sender: SenderStats::default(),
        delivered_bytes: tally.delivered_bytes,
        goodput_mbps: mbps(tally.delivered_bytes, window_ns),
        loss: measured.loss(),
        rtt_mean_ms: 0.0,
        rtt_min_ms: 0.0,
        queue_delay_mean_ms: flow
            .waits
            .iter()
            .map(|&(count, sum_ns)| mean_ms(sum_ns, count))
            .sum(),
        completed_s: None,
        in_flight_bytes: 0,
        counters: tautline_core::controller::Counters::default(),
        failure: None,
        application: flow
            .application
            .as_ref()
            .map(|application| application.report(now)),
    };
    match &flow.ends {
        Ends::Model(model) => {
            let sender = model.sender.stats().since(&flow.at_warmup);
            let min_ns = model.sender.rtt().min_sample_ns();
            let bulk = flow.application.is_none();
            let completed = model.sender.completed().filter(|_| bulk);
            FlowReport {
                sender,
                rtt_mean_ms: mean_ms(sender.rtt_sum_ns, sender.rtt_samples),
                rtt_min_ms: min_ns.map_or(0.0, |min_ns| min_ns as f64 / 1e6),
                completed_s: completed.map(|time| time.as_nanos() as f64 / 1e9),
                in_flight_bytes: model.sender.in_flight().as_u64(),
                counters: model.sender.counters(),
                ..report
            }
        }
        Ends::Real(real) => with_stack(report, real, spec, &flow.at_warmup),
    }
}

/// What a real stack tells of itself.
fn with_stack(
    report: FlowReport,
    real: &Real,
    spec: &FlowSpec,
    at_warmup: &SenderStats,
) -> FlowReport {
    let status = real.sender.status();
    let failure = real.sender.failure().or_else(|| real.receiver.failure());
    let sender = SenderStats {
        sent_packets: report.measured.sent,
        ..stack_stats(&status).since(at_warmup)
    };
    let limit = spec.limit.as_u64();
    let bulk = spec.workload == WorkloadSpec::Bulk;
    // Nothing follows the last byte of a limited flow.
    let completed = bulk && limit > 0 && real.read >= limit;
    FlowReport {
        failure: failure.map(str::to_owned),
        sender,
        rtt_mean_ms: mean_ms(sender.rtt_sum_ns, sender.rtt_samples),
        rtt_min_ms: status.min_rtt.as_nanos() as f64 / 1e6,
        completed_s: completed.then(|| real.read_at.as_nanos() as f64 / 1e9),
        in_flight_bytes: status.bytes_in_flight.as_u64(),
        counters: status.counters,
        ..report
    }
}

fn mbps(bytes: u64, time_ns: u64) -> f64 {
    bytes as f64 * 8e3 / time_ns.max(1) as f64
}

fn mean_ms(sum_ns: u64, count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        sum_ns as f64 / count as f64 / 1e6
    }
}
