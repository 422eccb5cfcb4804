//! Losses, marks and timeouts arrive as the events that they are.

use std::sync::Arc;
use std::time::Duration;

use tautline_core::controller::{CongestionTrigger, Controller, Event, FixedWindow, NewReno};
use tautline_core::units::Bytes;
use tautline_quic_integration::{
    Adapter, AdapterFactory, EventLog, Record, Recorder, SMALL_BURST, Tally,
};

use crate::pair::{Departures, Link, Outcome, Pair};

fn upload(link: Link, bytes: u64) -> (Vec<Record>, Tally, Outcome) {
    upload_under(NewReno::new, link, bytes)
}

fn upload_under<C, F>(controller: F, link: Link, bytes: u64) -> (Vec<Record>, Tally, Outcome)
where
    C: Controller + Clone + Send + Sync + 'static,
    F: Fn(Bytes) -> C + Send + Sync + 'static,
{
    let log = EventLog::default();
    let shared = log.clone();
    let factory = AdapterFactory::new(move |mtu| Recorder::new(controller(mtu), shared.clone()));
    let mut pair = Pair::new(link, Arc::new(factory), Departures::Together);
    let outcome = pair.upload(bytes, Duration::from_mins(2));
    assert!(outcome.finished, "{outcome:?}");
    let state = pair.sender().congestion_state().clone_box().into_any();
    let adapter = state.downcast::<Adapter<Recorder<C>>>().unwrap();
    (log.records(), adapter.tally(), outcome)
}

fn triggers(records: &[Record]) -> Vec<CongestionTrigger> {
    records
        .iter()
        .filter_map(|record| match record.event {
            Event::Congestion(event) => Some(event.trigger),
            _ => None,
        })
        .collect()
}

#[test]
fn every_lost_packet_is_counted_once() {
    let (records, tally, outcome) = upload(Link::ten_megabits(), 3_000_000);
    let (mut packets, mut bytes) = (0, 0);
    for trigger in triggers(&records) {
        let CongestionTrigger::Loss {
            packets: p,
            bytes: b,
        } = trigger
        else {
            panic!("{trigger:?} without marks or an outage");
        };
        packets += p;
        bytes += b.as_u64();
    }
    assert!(outcome.lost_packets > 0, "the buffer overflows");
    assert_eq!(packets, outcome.lost_packets);
    assert_eq!(bytes, tally.lost_bytes);
}

#[test]
fn marks_come_as_events_and_count_in_the_next_acknowledgement() {
    let link = Link {
        mark_from_bytes: Some(20_000),
        buffer_bytes: 200_000,
        ..Link::ten_megabits()
    };
    let (records, tally, outcome) = upload(link, 3_000_000);
    assert_eq!(outcome.lost_packets, 0);
    let triggers = triggers(&records);
    assert!(!triggers.is_empty());
    assert!(
        triggers
            .iter()
            .all(|trigger| *trigger == CongestionTrigger::EcnCe)
    );
    assert_eq!(triggers.len() as u64, tally.marks);
    let counted: u64 = records
        .iter()
        .map(|record| match record.event {
            Event::AckEnd(batch) => batch.ecn_ce_count,
            _ => 0,
        })
        .sum();
    assert!(counted + 1 >= tally.marks, "only the last may be pending");
}

#[test]
fn when_every_packet_is_marked_the_counts_say_so() {
    // Fast enough for packets that leave together to arrive together: one acknowledgement each.
    let link = Link {
        rate_bits_per_sec: 1_000_000_000_000_000,
        mark_from_bytes: Some(0),
        ..Link::ten_megabits()
    };
    let window = |mtu: Bytes| FixedWindow::new(mtu.saturating_mul(10), mtu);
    let (records, tally, outcome) = upload_under(window, link, 1_000_000);
    assert_eq!(outcome.lost_packets, 0);
    let (mut acked, mut marked) = (0_u64, 0_u64);
    for record in &records {
        match record.event {
            Event::PacketAcked(_) => acked += 1,
            Event::AckEnd(batch) => marked += batch.ecn_ce_count,
            _ => {}
        }
    }
    assert!(
        tally.marks * 3 < acked * 2,
        "one event per several packets: {tally:?}"
    );
    assert!(marked * 10 >= acked * 9, "{marked} of {acked}");
    assert!(marked <= acked, "{marked} of {acked}");
}

#[test]
fn an_outage_brings_doubling_timeouts_and_persistent_congestion_after_the_loss() {
    let link = Link {
        outage: Some((Duration::from_millis(700), Duration::from_secs(3))),
        ..Link::ten_megabits()
    };
    let (records, tally, _) = upload(link, 3_000_000);
    let counts: Vec<u32> = records
        .iter()
        .filter_map(|record| match record.event {
            Event::Timeout(timeout) => Some(timeout.count),
            _ => None,
        })
        .collect();
    // Timeouts of about 100 ms doubled fit four or five times into 2.3 s.
    assert!(counts.starts_with(&[1, 2, 3, 4]), "{counts:?}");
    assert!(counts.len() <= 7, "{counts:?}");
    assert_eq!(tally.persistent, 1);
    let triggers = triggers(&records);
    let at = triggers
        .iter()
        .position(|trigger| *trigger == CongestionTrigger::Persistent)
        .unwrap();
    assert!(matches!(triggers[at - 1], CongestionTrigger::Loss { .. }));
}

#[test]
fn no_timeout_is_inferred_while_acknowledgements_flow() {
    let (_, tally, _) = upload(Link::ten_megabits(), 3_000_000);
    assert_eq!(tally.timeouts, 0);
    // Nor with two datagrams per round trip, where every gap is a whole round trip.
    let factory = AdapterFactory::new(|mtu| FixedWindow::new(Bytes::new(1), mtu));
    let mut pair = Pair::new(
        Link::ten_megabits(),
        Arc::new(factory),
        Departures::Together,
    );
    assert!(pair.upload(100_000, Duration::from_mins(1)).finished);
    let state = pair.sender().congestion_state().clone_box().into_any();
    let adapter = state.downcast::<Adapter<FixedWindow>>().unwrap();
    assert_eq!(adapter.tally().timeouts, 0);
}

#[test]
fn acknowledgements_of_many_ranges_are_not_taken_for_data_in_flight() {
    let link = Link {
        lose_every: Some(2),
        outage: Some((Duration::from_millis(900), Duration::from_secs(2))),
        ..Link::ten_megabits()
    };
    let log = EventLog::default();
    let shared = log.clone();
    let sender = AdapterFactory::new(|mtu: Bytes| FixedWindow::new(mtu.saturating_mul(4), mtu));
    let receiver = AdapterFactory::new(move |mtu| Recorder::new(NewReno::new(mtu), shared.clone()));
    let mut pair = Pair::with_receiver(
        link,
        Arc::new(sender),
        Some(Arc::new(receiver)),
        Departures::Together,
    );
    // Little enough for the receiver to raise no flow control limit: after the handshake it only
    // acknowledges.
    assert!(pair.upload(140_000, Duration::from_mins(2)).finished);
    let records = log.records();
    let sent: Vec<_> = records
        .iter()
        .filter_map(|record| match record.event {
            Event::PacketSent(packet) => Some((record.at, packet.bytes.as_u64())),
            _ => None,
        })
        .collect();
    let longest_after_silence = sent
        .windows(2)
        .filter(|pair| pair[1].0.saturating_since(pair[0].0) > Duration::from_millis(500))
        .map(|pair| pair[1].1)
        .max();
    let state = pair.receiver().congestion_state().clone_box().into_any();
    let adapter = state.downcast::<Adapter<Recorder<NewReno>>>().unwrap();
    assert!(
        longest_after_silence > Some(100),
        "{longest_after_silence:?}"
    );
    assert_eq!(adapter.tally().timeouts, 0);
}

#[test]
fn round_trip_times_are_those_of_the_path_from_the_first_one_on() {
    let (records, _, _) = upload(Link::ten_megabits(), 300_000);
    for record in records {
        if let Event::PacketAcked(packet) = record.event {
            let rtt = record.at.saturating_since(packet.time_sent);
            assert!(rtt >= Duration::from_millis(40), "{rtt:?}");
            // 40 ms, 40 ms of buffer, 25 ms of delayed acknowledgement.
            assert!(rtt <= Duration::from_millis(107), "{rtt:?}");
        }
    }
}

#[test]
fn bytes_in_flight_match_the_window_that_the_controller_decided() {
    let (records, _, _) = upload(Link::ten_megabits(), 1_000_000);
    for pair in records.windows(2) {
        if let Event::PacketSent(packet) = pair[1].event {
            let window = pair[0].decision.congestion_window;
            // A bare acknowledgement, a probe, or within the window decided before.
            assert!(
                packet.bytes_in_flight <= window || packet.bytes < Bytes::new(SMALL_BURST),
                "{:?}",
                pair[1]
            );
        }
    }
}
