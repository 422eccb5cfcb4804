//! From a finished run to its reports.

use tautline_core::controller::Controller;

use super::flow::Flow;
use super::{Outcome, Simulation};
use crate::link::RateSchedule;
use crate::report::{FlowReport, LinkReport, PacketCounts, jain};
use crate::scenario::{FlowSpec, ValidScenario};

impl<C: Controller> Simulation<C> {
    pub(super) fn finish(mut self, scenario: &ValidScenario) -> Outcome<C> {
        let window_ns = self.end_ns - self.warmup_ns;
        for packet in self.link.backlog() {
            self.flows[packet.flow as usize].in_network += 1;
        }
        let mut reports = Vec::with_capacity(self.flows.len());
        for (flow, spec) in self.flows.iter().zip(scenario.flows()) {
            reports.push(flow_report(flow, spec, window_ns));
        }
        let rates = RateSchedule::new(&scenario.link().rates);
        let link = self.link_report(&reports, &rates);
        let mut controllers = Vec::with_capacity(self.flows.len());
        let mut log = None;
        for flow in self.flows {
            let (controller, events) = flow.sender.into_parts();
            controllers.push(controller);
            log = log.or(events);
        }
        Outcome {
            data_packets: link.packets.sent,
            flows: reports,
            link,
            controllers,
            digest: self.digest.value(),
            timeline: self.recorder.map(|recorder| recorder.finish(&rates)),
            log,
        }
    }

    fn link_report(&self, flows: &[FlowReport], rates: &RateSchedule) -> LinkReport {
        let window_ns = self.end_ns - self.warmup_ns;
        let total = |counts: fn(&FlowReport) -> &PacketCounts| {
            let empty = PacketCounts::default();
            flows.iter().fold(empty, |sum, flow| sum.plus(counts(flow)))
        };
        let measured = total(|flow| &flow.measured);
        let capacity_bytes = rates.capacity_bytes(self.warmup_ns, self.end_ns);
        let transmitted = self.transmitted_bytes[1] as f64;
        LinkReport {
            packets: total(|flow| &flow.packets),
            measured,
            capacity_mbps: mbps(capacity_bytes, window_ns),
            utilisation: transmitted / (capacity_bytes.max(1)) as f64,
            goodput_mbps: flows.iter().map(|flow| flow.goodput_mbps).sum(),
            loss: measured.loss(),
            queue_delay_mean_ms: self.queue_delay.mean_ns() / 1e6,
            queue_delay_p95_ms: self.queue_delay.quantile_ns(0.95) / 1e6,
            queue_delay_p99_ms: self.queue_delay.quantile_ns(0.99) / 1e6,
            jain: jain(flows.iter().map(|flow| flow.goodput_mbps)),
        }
    }
}

fn flow_report<C: Controller>(flow: &Flow<C>, spec: &FlowSpec, window_ns: u64) -> FlowReport {
    let sender = flow.sender.stats().since(&flow.stats_at_warmup);
    let tally = &flow.tallies[1];
    let measured = flow.measured();
    let min_ns = flow.sender.rtt().min_sample_ns();
    FlowReport {
        controller: spec.controller.clone(),
        packets: flow.totals(),
        measured,
        sender,
        delivered_bytes: tally.delivered_bytes,
        goodput_mbps: mbps(tally.delivered_bytes, window_ns),
        loss: measured.loss(),
        rtt_mean_ms: mean_ms(sender.rtt_sum_ns, sender.rtt_samples),
        rtt_min_ms: min_ns.map_or(0.0, |min_ns| min_ns as f64 / 1e6),
        queue_delay_mean_ms: mean_ms(tally.waited_ns, tally.waits),
        completed_s: flow
            .sender
            .completed()
            .map(|time| time.as_nanos() as f64 / 1e9),
        in_flight_bytes: flow.sender.in_flight().as_u64(),
        counters: flow.sender.counters(),
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
