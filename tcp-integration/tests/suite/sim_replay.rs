//! The same events lead to the same decisions, behind the gate or anywhere else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, Event, SentPacket,
    Timeout,
};
use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::baseline::{BoxedController, by_name};
use tautline_netsim::link::impair::JitterSpec;
use tautline_netsim::scenario::{
    Blacked, Blackout, FlowSpec, LinkSpec, TransportSpec, ValidScenario,
};
use tautline_netsim::sim::{RunOptions, run, run_carriers};
use tautline_tcp_integration::sim::SmoltcpController;

use crate::sim_setup::{SEGMENT, carrier, certified, link, lossy};

/// One event and the decision right after it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    at: Timestamp,
    event: Event,
    decision: Decision,
}

/// Writes down what another controller is told and decides.
struct Recorder<C> {
    inner: C,
    log: Arc<Mutex<Vec<Record>>>,
}

impl<C: Controller> Recorder<C> {
    fn told(&mut self, at: Timestamp, event: Event) {
        event.replay(at, &mut self.inner);
        self.log.lock().unwrap().push(Record {
            at,
            event,
            decision: self.inner.decision(),
        });
    }
}

impl<C: Controller> Controller for Recorder<C> {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.told(now, Event::PacketSent(packet));
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.told(now, Event::PacketAcked(packet));
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        self.told(now, Event::AckEnd(batch));
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.told(now, Event::Congestion(event));
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.told(now, Event::Timeout(timeout));
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.told(now, Event::MtuUpdate(max_datagram_size));
    }

    fn decision(&self) -> Decision {
        self.inner.decision()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

/// Ten seconds over `link` under a recorded `controller`.
fn record(controller: impl Controller + Send + 'static, link: LinkSpec) -> Vec<Record> {
    let log = Arc::default();
    let recorder = Recorder {
        inner: controller,
        log: Arc::clone(&log),
    };
    let flow = FlowSpec::new("recorded");
    let scenario = ValidScenario::new(link, vec![flow], Duration::from_secs(10)).unwrap();
    let carriers = vec![carrier(SmoltcpController::Ours(Box::new(recorder)), 1)];
    let options = RunOptions::default();
    let outcome = run_carriers(&scenario, 1, carriers, &options, None).unwrap();
    assert_eq!(outcome.flows[0].failure, None);
    assert!(outcome.flows[0].delivered_bytes > 0);
    log.lock().unwrap().clone()
}

fn assert_replays(what: &str, records: &[Record], fresh: &mut impl Controller) {
    for (index, record) in records.iter().enumerate() {
        record.event.replay(record.at, fresh);
        assert_eq!(
            fresh.decision(),
            record.decision,
            "{what}, seed 1, event {index}: {record:?}"
        );
    }
}

fn count(records: &[Record], kind: impl Fn(&Event) -> bool) -> usize {
    let events = records.iter().map(|record| &record.event);
    events.filter(|event| kind(event)).count()
}

/// Losses of both kinds, jitter, and half a second in which nothing passes.
fn links() -> [(&'static str, LinkSpec); 3] {
    let outage = LinkSpec {
        blackouts: vec![Blackout {
            at: Timestamp::from_nanos(4_000_000_000),
            length: Duration::from_millis(500),
            packets: Blacked::Lost,
        }],
        jitter: JitterSpec {
            max: Duration::from_millis(3),
            ..JitterSpec::default()
        },
        ..link()
    };
    [("clean", link()), ("lossy", lossy()), ("outage", outage)]
}

#[test]
fn every_controller_decides_the_same_from_its_log() {
    for (path, link) in links() {
        for name in ["newreno", "cubic", "bbr", "copa", "vegas"] {
            let controller: BoxedController = by_name(name, SEGMENT, 1).unwrap().into();
            let records = record(controller, link.clone());
            let what = format!("{name} over {path}");
            assert!(
                count(&records, |event| matches!(event, Event::PacketSent(_))) > 100,
                "{what}"
            );
            assert!(
                count(&records, |event| matches!(event, Event::AckEnd(_))) > 100,
                "{what}"
            );
            let mut fresh: BoxedController = by_name(name, SEGMENT, 1).unwrap().into();
            assert_replays(&what, &records, &mut fresh);
        }
    }
}

#[test]
fn the_certified_controller_decides_the_same_from_its_log_with_the_same_counters() {
    let mut losses = 0;
    let mut timeouts = 0;
    for (path, link) in links() {
        let records = record(certified(), link);
        losses += count(&records, |event| matches!(event, Event::Congestion(_)));
        timeouts += count(&records, |event| matches!(event, Event::Timeout(_)));
        let mut once = certified();
        let mut again = certified();
        assert_replays(path, &records, &mut once);
        assert_replays(path, &records, &mut again);
        assert_eq!(once.counters(), again.counters());
        assert!(once.counters().decisions > 50, "{:?}", once.counters());
    }
    assert!(
        losses > 0 && timeouts > 0,
        "{losses} losses, {timeouts} timeouts"
    );
}

#[test]
fn a_log_of_the_transport_model_and_one_of_smoltcp_drive_the_same_code() {
    // netsim's own log has the same type of event: each replays into the kind of controller that
    // the other recorded, whatever stack it came from.
    let flow = FlowSpec::new("newreno");
    let transport = TransportSpec {
        overhead_bytes: 40,
        header_bytes: 39,
        ..TransportSpec::default()
    };
    let scenario = ValidScenario::new(lossy(), vec![flow], Duration::from_secs(10))
        .and_then(|scenario| scenario.with_transport(transport))
        .unwrap();
    let controllers: Vec<BoxedController> = vec![by_name("newreno", SEGMENT, 1).unwrap().into()];
    let options = RunOptions::default().with_log(0);
    let outcome = run(&scenario, 1, controllers, &options).unwrap();
    let log = outcome.log.unwrap();
    let [mut behind_gate, mut in_model] =
        [1, 1].map(|seed| BoxedController::from(by_name("newreno", SEGMENT, seed).unwrap()));
    for (at, event) in &log {
        event.replay(*at, &mut behind_gate);
    }
    assert_eq!(
        behind_gate.decision(),
        outcome.controllers[0].decision(),
        "{} events of the model",
        log.len()
    );
    let records = record(
        BoxedController::from(by_name("newreno", SEGMENT, 1).unwrap()),
        lossy(),
    );
    for record in &records {
        record.event.replay(record.at, &mut in_model);
    }
    assert_eq!(in_model.decision(), records.last().unwrap().decision);
}
