//! Packet numbers that the controller sees are those that quinn used.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller as QuinnController, ControllerFactory};
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, FixedWindow,
    SentPacket, Timeout,
};
use tautline_core::units::{Bytes, Timestamp};
use tautline_quic_integration::Adapter;

use crate::pair::{Departures, Link, Pair};

/// What quinn says about one acknowledgement and what the controller saw last.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    by_quinn: u64,
    last_sent_by_quinn: u64,
    by_adapter: u64,
    last_sent_by_adapter: u64,
}

/// A fixed window that remembers which packets it was told of last.
#[derive(Clone)]
struct Latest {
    window: FixedWindow,
    acked: Option<u64>,
    sent: Option<u64>,
}

impl Controller for Latest {
    fn on_packet_sent(&mut self, _now: Timestamp, packet: SentPacket) {
        self.sent = Some(packet.number.as_u64());
    }

    fn on_packet_acked(&mut self, _now: Timestamp, packet: AckedPacket) {
        self.acked = Some(packet.number.as_u64());
    }

    fn on_ack_end(&mut self, _now: Timestamp, _batch: AckBatch) {}

    fn on_congestion_event(&mut self, _now: Timestamp, _event: CongestionEvent) {}

    fn on_timeout(&mut self, _now: Timestamp, _timeout: Timeout) {}

    fn on_mtu_update(&mut self, _now: Timestamp, _max_datagram_size: Bytes) {}

    fn decision(&self) -> Decision {
        self.window.decision()
    }

    fn counters(&self) -> Counters {
        self.window.counters()
    }
}

/// An adapter that compares quinn's numbers with its own at the end of every acknowledgement.
#[derive(Clone)]
struct Witness {
    inner: Adapter<Latest>,
    seen: Arc<Mutex<Vec<Acknowledged>>>,
    last_sent: u64,
}

impl QuinnController for Witness {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.last_sent = last_packet_number;
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        let latest = self.inner.controller();
        let (acked, sent) = (latest.acked, latest.sent);
        if let (Some(by_quinn), Some(by_adapter), Some(last)) =
            (largest_packet_num_acked, acked, sent)
        {
            self.seen.lock().unwrap().push(Acknowledged {
                by_quinn,
                last_sent_by_quinn: self.last_sent,
                by_adapter,
                last_sent_by_adapter: last,
            });
        }
        self.inner
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.inner
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn clone_box(&self) -> Box<dyn QuinnController> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

struct Witnesses {
    seen: Arc<Mutex<Vec<Acknowledged>>>,
    datagrams: u64,
}

impl ControllerFactory for Witnesses {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn QuinnController> {
        let mtu = Bytes::new(current_mtu.into());
        let latest = Latest {
            window: FixedWindow::new(mtu.saturating_mul(self.datagrams), mtu),
            acked: None,
            sent: None,
        };
        Box::new(Witness {
            inner: Adapter::new(latest, now, mtu),
            seen: Arc::clone(&self.seen),
            last_sent: 0,
        })
    }
}

/// Uploads under a fixed window of so many datagrams.
fn acknowledgements(
    link: Link,
    datagrams: u64,
    bytes: u64,
    departures: Departures,
) -> Vec<Acknowledged> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let factory = Arc::new(Witnesses {
        seen: Arc::clone(&seen),
        datagrams,
    });
    let mut pair = Pair::new(link, factory, departures);
    let outcome = pair.upload(bytes, Duration::from_mins(1));
    assert!(outcome.finished, "{outcome:?}");
    let seen = seen.lock().unwrap();
    // The first few are the handshake's, whose spaces have numbers of their own.
    seen[8..].to_vec()
}

fn assert_exact(seen: &[Acknowledged]) {
    for ack in seen {
        assert_eq!(
            ack.last_sent_by_adapter - ack.by_adapter,
            ack.last_sent_by_quinn - ack.by_quinn,
            "{ack:?}"
        );
    }
}

#[test]
fn packets_that_leave_apart_keep_their_numbers() {
    let seen = acknowledgements(Link::ten_megabits(), 50, 600_000, Departures::Apart);
    assert!(seen.len() > 100, "{}", seen.len());
    assert_exact(&seen);
}

#[test]
fn six_hundred_packets_per_round_trip_keep_their_numbers_for_forty_round_trips() {
    // What must be remembered is more than half of what may be.
    let link = Link {
        rate_bits_per_sec: 1_000_000_000,
        buffer_bytes: 2_000_000,
        ..Link::ten_megabits()
    };
    let seen = acknowledgements(link, 600, 600 * 40 * 1_420, Departures::Apart);
    assert!(seen.len() > 10_000, "{}", seen.len());
    assert_exact(&seen);
}

#[test]
fn packets_of_a_burst_get_the_number_of_its_last() {
    let seen = acknowledgements(Link::ten_megabits(), 50, 600_000, Departures::Together);
    let mut late = 0;
    for ack in &seen {
        let outstanding = ack.last_sent_by_quinn - ack.by_quinn;
        let behind = ack.last_sent_by_adapter - ack.by_adapter;
        assert!(behind <= outstanding, "{ack:?}");
        // quinn's pacer lets at most ten packets leave together, the start and skips aside.
        assert!(outstanding - behind <= 12, "{ack:?}");
        late += u64::from(behind < outstanding);
    }
    assert!(late > 0, "some acknowledgements fall inside a burst");
}
