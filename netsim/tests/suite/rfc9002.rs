//! Loss recovery, one test per section of RFC 9002, on a sender without a network.

use core::time::Duration;

use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller, Decision, Event,
    FixedWindow, RetryTiming, SentPacket, Timeout,
};
use tautline_core::fixed::Q16;
use tautline_core::units::{Bytes, Timestamp};
use tautline_netsim::endpoint::Endpoint as _;
use tautline_netsim::scenario::{Buffer, FlowSpec, LinkSpec, TransportSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};
use tautline_netsim::transport::{Ack, EventLog, Range, Sender, Workload};

const MTU: Bytes = Bytes::new(1500);
type Log = Vec<(Timestamp, Event)>;

fn ms(millis: u64) -> Timestamp {
    Timestamp::ZERO.saturating_add(Duration::from_millis(millis))
}

fn sender<C: Controller>(controller: C) -> Sender<C> {
    let workload = Workload::of(&FlowSpec::new(""));
    Sender::new(
        0,
        controller,
        &workload,
        &TransportSpec::default(),
        EventLog::Keep,
    )
}

/// A sender with a window of `packets`.
fn fixed(packets: u64) -> Sender<FixedWindow> {
    sender(FixedWindow::new(MTU.saturating_mul(packets), MTU))
}

/// Sends all that may leave at `now`; how much it was.
fn pump<C: Controller>(sender: &mut Sender<C>, now: Timestamp) -> usize {
    core::iter::from_fn(|| sender.transmit(now)).count()
}

fn acknowledge<C: Controller>(sender: &mut Sender<C>, now: Timestamp, start: u64, end: u64) {
    sender.receive(now, Ack::new(&[Range { start, end }], 0));
}

fn losses(log: &Log) -> Vec<(Timestamp, u64, u64)> {
    let lost = log.iter().filter_map(|(now, event)| match event {
        Event::Congestion(CongestionEvent {
            trigger: CongestionTrigger::Loss { packets, .. },
            number,
            ..
        }) => Some((*now, *packets, number.as_u64())),
        _ => None,
    });
    lost.collect()
}

fn timeouts(log: &Log) -> Vec<(Timestamp, u32)> {
    let expired = log.iter().filter_map(|(now, event)| match event {
        Event::Timeout(timeout) => Some((*now, timeout.count)),
        _ => None,
    });
    expired.collect()
}

fn persistent(log: &Log) -> usize {
    let is_persistent = |event: &Event| match event {
        Event::Congestion(event) => event.trigger == CongestionTrigger::Persistent,
        _ => false,
    };
    log.iter().filter(|(_, event)| is_persistent(event)).count()
}

#[test]
fn section_6_1_1_a_packet_is_lost_once_three_later_ones_are_acknowledged() {
    let mut sender = fixed(10);
    assert_eq!(pump(&mut sender, ms(0)), 10);
    acknowledge(&mut sender, ms(40), 2, 2);
    acknowledge(&mut sender, ms(40), 3, 3);
    assert_eq!(sender.stats().lost_packets, 1);
    assert_eq!(sender.in_flight(), Bytes::new(7 * 1500));
    let (_, log) = sender.into_parts();
    assert_eq!(losses(&log.unwrap()), [(ms(40), 1, 0)]);
}

#[test]
fn acknowledgements_of_packets_that_never_left_are_ignored() {
    let mut sender = fixed(10);
    pump(&mut sender, ms(0));
    acknowledge(&mut sender, ms(40), 0, 10);
    assert_eq!(sender.stats().acked_packets, 0);
    acknowledge(&mut sender, ms(40), 0, 9);
    acknowledge(&mut sender, ms(41), 0, 9);
    assert_eq!(sender.stats().acked_packets, 10);
}

#[test]
fn section_6_1_2_a_packet_is_lost_after_nine_eighths_of_a_round_trip() {
    let mut sender = fixed(10);
    pump(&mut sender, ms(0));
    acknowledge(&mut sender, ms(40), 1, 1);
    assert_eq!(sender.stats().lost_packets, 0);
    pump(&mut sender, ms(40));
    assert_eq!(sender.next_wake(), ms(45));
    sender.wake(ms(45));
    let (_, log) = sender.into_parts();
    assert_eq!(losses(&log.unwrap()), [(ms(45), 1, 0)]);
}

#[test]
fn section_5_3_and_6_2_1_the_probe_timeout_follows_the_estimate_and_doubles() {
    let mut sender = fixed(3);
    assert_eq!(pump(&mut sender, ms(0)), 3);
    // 333 ms + 4 · 166.5 ms + 25 ms, RFC 9002 §6.2.2.
    assert_eq!(sender.next_wake(), ms(1024));
    acknowledge(&mut sender, ms(40), 0, 0);
    pump(&mut sender, ms(40));
    // 40 ms + 4 · 20 ms + 25 ms after the last departure.
    let mut last = ms(40);
    for count in 1..=5_u32 {
        let timeout = Duration::from_millis(145 << (count - 1));
        assert_eq!(sender.next_wake(), last.saturating_add(timeout));
        last = sender.next_wake();
        sender.wake(last);
        assert_eq!(pump(&mut sender, last), 2, "two probes beyond the window");
        assert_eq!(sender.stats().probe_packets, u64::from(2 * count));
    }
    acknowledge(
        &mut sender,
        last.saturating_add(Duration::from_millis(40)),
        1,
        13,
    );
    let (_, log) = sender.into_parts();
    let counts: Vec<u32> = timeouts(&log.unwrap())
        .iter()
        .map(|&(_, count)| count)
        .collect();
    assert_eq!(counts, [1, 2, 3, 4, 5]);
}

#[test]
fn section_6_2_1_an_acknowledgement_ends_the_backoff() {
    let mut sender = fixed(3);
    pump(&mut sender, ms(0));
    for _ in 0..3 {
        let now = sender.next_wake();
        sender.wake(now);
        pump(&mut sender, now);
    }
    // The last probes left at (1 + 2 + 4) · 1024 ms.
    acknowledge(&mut sender, ms(7208), 7, 8);
    pump(&mut sender, ms(7208));
    assert!(
        sender.next_wake() < ms(7208 + 200),
        "{:?}",
        sender.next_wake()
    );
}

#[test]
fn section_7_6_nothing_but_losses_over_three_timeouts_is_persistent_congestion() {
    let (log, stats) = blackout(&[]);
    assert_eq!(persistent(&log), 1);
    assert_eq!(stats, 1);
    let position = |trigger: fn(&CongestionTrigger) -> bool| {
        log.iter().position(
            |(_, event)| matches!(event, Event::Congestion(event) if trigger(&event.trigger)),
        )
    };
    let lost = position(|trigger| matches!(trigger, CongestionTrigger::Loss { .. }));
    let persistent = position(|trigger| *trigger == CongestionTrigger::Persistent);
    assert!(lost.is_some() && lost < persistent, "the loss comes first");
}

#[test]
fn section_7_6_an_acknowledgement_in_between_rules_it_out() {
    // Packets 6 and 7 left with the first timeout, 8 and 9 with the second, 10 and 11 with the
    // third: no run of losses is longer than the first timeout.
    let (log, _) = blackout(&[10, 8]);
    assert_eq!(persistent(&log), 0);
    assert!(!losses(&log).is_empty());
}

#[test]
fn section_7_6_2_packets_from_before_the_first_sample_do_not_count() {
    let mut sender = fixed(3);
    pump(&mut sender, ms(0));
    for _ in 0..5 {
        let now = sender.next_wake();
        sender.wake(now);
        pump(&mut sender, now);
    }
    let now = sender.next_wake();
    acknowledge(&mut sender, now, 12, 12);
    assert!(sender.stats().lost_packets >= 10);
    assert_eq!(sender.stats().persistent_congestions, 0);
}

/// A round trip of 40 ms, then four timeouts into the void, of whose packets 3 to 13 only
/// `delivered` and the last arrive.
fn blackout(delivered: &[u64]) -> (Log, u64) {
    let mut sender = fixed(3);
    pump(&mut sender, ms(0));
    acknowledge(&mut sender, ms(40), 0, 2);
    pump(&mut sender, ms(40));
    let mut last = ms(40);
    for _ in 0..4 {
        last = sender.next_wake();
        sender.wake(last);
        pump(&mut sender, last);
    }
    let mut ranges = vec![Range { start: 13, end: 13 }];
    ranges.extend(delivered.iter().map(|&number| Range {
        start: number,
        end: number,
    }));
    sender.receive(
        last.saturating_add(Duration::from_millis(40)),
        Ack::new(&ranges, 0),
    );
    let persistent = sender.stats().persistent_congestions;
    let (_, log) = sender.into_parts();
    (log.unwrap(), persistent)
}

/// A fixed window that asks for slower retries, or for faster ones in vain.
#[derive(Clone, Debug)]
struct Patient(FixedWindow, RetryTiming);

impl Controller for Patient {
    fn on_packet_sent(&mut self, _now: Timestamp, _packet: SentPacket) {}
    fn on_packet_acked(&mut self, _now: Timestamp, _packet: AckedPacket) {}
    fn on_ack_end(&mut self, _now: Timestamp, _batch: AckBatch) {}
    fn on_congestion_event(&mut self, _now: Timestamp, _event: CongestionEvent) {}
    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {}
    fn on_mtu_update(&mut self, _now: Timestamp, _max_datagram_size: Bytes) {}
    fn decision(&self) -> Decision {
        Decision {
            retry: self.1,
            ..self.0.decision()
        }
    }
}

#[test]
fn a_controller_may_retry_later_than_the_rfc_but_not_sooner() {
    let wakes = |timeout: (u64, u64), backoff: (u64, u64)| {
        let retry = RetryTiming::at_least_rfc9002(
            Q16::from_ratio(timeout.0, timeout.1),
            Q16::from_ratio(backoff.0, backoff.1),
        );
        let mut sender = sender(Patient(FixedWindow::new(MTU.saturating_mul(3), MTU), retry));
        pump(&mut sender, ms(0));
        let first = sender.next_wake();
        sender.wake(first);
        pump(&mut sender, first);
        (first, sender.next_wake().saturating_since(first))
    };
    assert_eq!(
        wakes((3, 2), (3, 1)),
        (ms(1536), Duration::from_millis(3 * 1536))
    );
    assert_eq!(
        wakes((1, 2), (1, 1)),
        (ms(1024), Duration::from_millis(2048))
    );
}

#[test]
fn a_dead_link_is_probed_ever_more_rarely() {
    let rate = tautline_core::units::Bandwidth::from_bits_per_sec(10_000_000);
    let link = LinkSpec::new(
        rate,
        Duration::from_millis(40),
        Buffer::BandwidthDelayProducts(1.0),
    )
    .with_loss(1.0);
    let scenario =
        ValidScenario::new(link, vec![FlowSpec::new("")], Duration::from_mins(2)).unwrap();
    let options = RunOptions::default().with_log(0);
    let controllers = vec![FixedWindow::new(MTU.saturating_mul(10), MTU)];
    let outcome = run(&scenario, 1, controllers, &options).unwrap();
    let times: Vec<Timestamp> = timeouts(&outcome.log.unwrap())
        .iter()
        .map(|&(at, _)| at)
        .collect();
    assert_eq!(times.len(), 6);
    assert_eq!(outcome.flows[0].packets.delivered, 0);
    for (index, pair) in times.windows(2).enumerate() {
        let expected = Duration::from_millis(1024 << (index + 1));
        assert_eq!(pair[1].saturating_since(pair[0]), expected);
    }
}

/// Appendix B.2: bytes in flight and the controller's packets leave IP and UDP headers out.
#[test]
fn headers_below_the_transport_are_on_the_wire_and_not_in_flight() {
    let transport = TransportSpec {
        overhead_bytes: 62,
        header_bytes: 28,
        ..TransportSpec::default()
    };
    let datagram = transport.max_datagram_size();
    let controller = FixedWindow::new(datagram.saturating_mul(3), datagram);
    let workload = Workload::of(&FlowSpec::new(""));
    let mut sender = Sender::new(0, controller, &workload, &transport, EventLog::Keep);
    let sizes: Vec<u32> = core::iter::from_fn(|| sender.transmit(ms(0)))
        .map(|packet| packet.bytes)
        .collect();
    assert_eq!(sizes, [1500; 3]);
    assert_eq!(sender.in_flight(), Bytes::new(3 * 1472));
    assert_eq!(sender.written(), 3 * (1500 - 62));
    assert_eq!(sender.stats().sent_bytes, 4500);
}
