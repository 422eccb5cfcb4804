//! The same events lead to the same decisions: what a controller was told in a connection is
//! recorded with what it decided, and told again to one that has no connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, Event, NewReno,
    SentPacket, Timeout,
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
pub(crate) struct Record {
    at: Timestamp,
    event: Event,
    pub(crate) decision: Decision,
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

/// Ten seconds of a smoltcp connection over `link` under a recorded `controller`.
fn record(controller: impl Controller + Send + 'static, link: LinkSpec) -> Vec<Record> {
    record_over_smoltcp(controller, link, TEN_SECONDS)
}

/// A smoltcp connection over `link` under a recorded `controller`.
pub(crate) fn record_over_smoltcp(
    controller: impl Controller + Send + 'static,
    link: LinkSpec,
    duration: Duration,
) -> Vec<Record> {
    let log = Arc::default();
    let recorder = Recorder {
        inner: controller,
        log: Arc::clone(&log),
    };
    let flow = FlowSpec::new("recorded");
    let scenario = ValidScenario::new(link, vec![flow], duration).unwrap();
    let carriers = vec![carrier(SmoltcpController::Ours(Box::new(recorder)), 1)];
    let options = RunOptions::default();
    let outcome = run_carriers(&scenario, 1, carriers, &options, None).unwrap();
    assert_eq!(outcome.flows[0].failure, None);
    assert!(outcome.flows[0].delivered_bytes > 0);
    log.lock().unwrap().clone()
}

/// The simulator's own transport over `link` under a recorded `controller`.
pub(crate) fn record_in_model(
    controller: impl Controller,
    link: LinkSpec,
    duration: Duration,
) -> Vec<Record> {
    let log = Arc::default();
    let recorder = Recorder {
        inner: controller,
        log: Arc::clone(&log),
    };
    // A full packet carries what one of smoltcp does, and a TCP timestamp.
    let transport = TransportSpec {
        mtu_bytes: 1500,
        overhead_bytes: 52,
        header_bytes: 40,
        ..TransportSpec::default()
    };
    assert_eq!(transport.max_datagram_size(), SEGMENT);
    let scenario = ValidScenario::new(link, vec![FlowSpec::new("recorded")], duration)
        .and_then(|scenario| scenario.with_transport(transport))
        .unwrap();
    let options = RunOptions::default().with_log(0);
    let outcome = run(&scenario, 1, vec![recorder], &options).unwrap();
    let records = log.lock().unwrap().clone();
    let told: Vec<_> = records.iter().map(|it| (it.at, it.event)).collect();
    assert!(
        outcome.log.unwrap() == told,
        "what the simulator writes down is what its controller was told"
    );
    records
}

/// Tells `fresh` everything again, and compares every single decision.
pub(crate) fn assert_replays(what: &str, records: &[Record], fresh: &mut impl Controller) {
    for (index, record) in records.iter().enumerate() {
        record.event.replay(record.at, fresh);
        assert_eq!(
            fresh.decision(),
            record.decision,
            "{what}, seed 1, event {index}: {record:?}"
        );
    }
}

pub(crate) fn count(records: &[Record], kind: impl Fn(&Event) -> bool) -> usize {
    let events = records.iter().map(|record| &record.event);
    events.filter(|event| kind(event)).count()
}

/// Losses of both kinds, jitter, and half a second in which nothing passes.
pub(crate) fn links() -> [(&'static str, LinkSpec); 3] {
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
fn what_newreno_decided_in_the_model_or_over_smoltcp_it_decides_again_outside_of_both() {
    for (path, link) in links() {
        let newreno = || BoxedController::from(by_name("newreno", SEGMENT, 1).unwrap());
        let in_model = record_in_model(newreno(), link.clone(), TEN_SECONDS);
        let over_smoltcp = record(newreno(), link);
        for (stack, records) in [("the model", in_model), ("smoltcp", over_smoltcp)] {
            assert_replays(
                &format!("newreno, {stack}, {path}"),
                &records,
                &mut NewReno::new(SEGMENT),
            );
        }
    }
}

const TEN_SECONDS: Duration = Duration::from_secs(10);
