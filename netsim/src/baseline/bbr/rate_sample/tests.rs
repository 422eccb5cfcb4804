//! Hand-computed samples.

use tautline_core::units::{PacketNumber, Timestamp};

use super::*;

fn send(sampler: &mut Sampler, now_ns: u64, number: u64, in_flight: u64) {
    let packet = SentPacket {
        number: PacketNumber::new(number),
        bytes: Bytes::new(1000),
        bytes_in_flight: Bytes::new(in_flight),
    };
    sampler.send(now_ns, &packet);
}

fn acknowledge(sampler: &mut Sampler, now_ns: u64, number: u64, sent_ns: u64) {
    let packet = AckedPacket {
        number: PacketNumber::new(number),
        bytes: Bytes::new(1000),
        time_sent: Timestamp::from_nanos(sent_ns),
        round_trip: RoundTrip::Measured,
    };
    sampler.acknowledge(now_ns, &packet);
}

#[test]
fn a_rate_is_what_was_delivered_over_the_longer_of_both_intervals() {
    let mut sampler = Sampler::new();
    send(&mut sampler, 0, 0, 1000);
    send(&mut sampler, 4_000_000, 1, 2000);
    acknowledge(&mut sampler, 10_000_000, 0, 0);
    let first = sampler.finish();
    assert_eq!(
        (first.rtt_ns, first.delivered, first.delivery_rate),
        (10_000_000, 1000, 100_000)
    );
    acknowledge(&mut sampler, 14_000_000, 1, 4_000_000);
    let second = sampler.finish();
    // Sent over 4 ms, acknowledged over 14 ms.
    assert_eq!((second.delivered, second.prior_delivered), (2000, 0));
    assert_eq!(second.delivery_rate, 2000 * 1000 / 14);
    assert_eq!(second.load.tx_in_flight, 2000);
}

#[test]
fn compressed_acknowledgements_give_no_rate_above_that_of_sending() {
    let mut sampler = Sampler::new();
    for number in 0..10 {
        send(
            &mut sampler,
            number * 1_000_000,
            number,
            (number + 1) * 1000,
        );
    }
    for number in 0..10 {
        acknowledge(&mut sampler, 10_000_000, number, number * 1_000_000);
    }
    sampler.finish();
    for number in 10..20 {
        send(
            &mut sampler,
            10_000_000 + number * 1_000_000,
            number,
            (number - 9) * 1000,
        );
    }
    // All ten at once.
    for number in 10..20 {
        acknowledge(
            &mut sampler,
            31_000_000,
            number,
            10_000_000 + number * 1_000_000,
        );
    }
    let sample = sampler.finish();
    assert_eq!(sample.delivered, 10_000);
    // The ten packets left over 9 ms and were acknowledged over 11 ms.
    assert_eq!(sample.delivery_rate, 10_000 * 1000 / 11);
}

#[test]
fn samples_are_limited_until_the_bubble_has_left_the_pipe() {
    let mut sampler = Sampler::new();
    send(&mut sampler, 0, 0, 1000);
    sampler.mark_app_limited(1000);
    send(&mut sampler, 1_000_000, 1, 2000);
    acknowledge(&mut sampler, 10_000_000, 0, 0);
    assert!(!sampler.finish().load.is_app_limited);
    assert!(sampler.is_app_limited());
    acknowledge(&mut sampler, 11_000_000, 1, 1_000_000);
    assert!(sampler.finish().load.is_app_limited);
    assert!(!sampler.is_app_limited());
}

#[test]
fn losses_are_named_in_order_with_what_was_lost_since_they_left() {
    let mut sampler = Sampler::new();
    for number in 0..6 {
        send(&mut sampler, number, number, (number + 1) * 1000);
    }
    acknowledge(&mut sampler, 100, 2, 2);
    acknowledge(&mut sampler, 100, 5, 5);
    sampler.finish();
    let mut ranges = 0;
    let mut seen = Vec::new();
    while let Some(lost) = sampler.next_lost(4, u64::MAX) {
        ranges += u32::from(lost.opens_range);
        seen.push((lost.load.tx_in_flight, lost.load.lost));
    }
    assert_eq!(
        seen,
        [(1000, 1000), (2000, 2000), (4000, 3000), (5000, 4000)]
    );
    assert_eq!(ranges, 2);
    assert_eq!(sampler.next_lost(4, u64::MAX), None);
}

#[test]
fn the_ring_grows_to_the_flight_and_forgets_nothing_in_it() {
    let mut sampler = Sampler::new();
    for number in 0..1000 {
        send(&mut sampler, number, number, (number + 1) * 1000);
    }
    assert_eq!(sampler.ring.len(), 1024);
    for number in 0..1000 {
        acknowledge(&mut sampler, 10_000, number, number);
        let sample = sampler.finish();
        assert_eq!(sample.load.tx_in_flight, (number + 1) * 1000);
    }
    // A jump over many numbers costs nothing when all is settled.
    send(&mut sampler, 20_000, 1 << 40, 1000);
    assert_eq!(sampler.ring.len(), 1024);
    acknowledge(&mut sampler, 30_000, 1 << 40, 20_000);
    assert!(sampler.finish().has_data);
}

#[test]
fn what_a_stack_abandoned_without_a_word_is_forgotten() {
    let mut sampler = Sampler::new();
    send(&mut sampler, 0, 0, 1000);
    for number in 1..10_000 {
        send(&mut sampler, number, number, 2000);
        acknowledge(&mut sampler, number + 1, number, number);
        sampler.finish();
    }
    assert!(sampler.ring.len() <= 128, "{}", sampler.ring.len());
    assert!(sampler.oldest > 9_000);
}

#[test]
fn the_parts_of_a_burst_settle_one_by_one() {
    let mut sampler = Sampler::new();
    let burst = SentPacket {
        number: PacketNumber::new(3),
        bytes: Bytes::new(3000),
        bytes_in_flight: Bytes::new(3000),
    };
    sampler.send(0, &burst);
    for part in 1..=2 {
        acknowledge(&mut sampler, 10_000, 3, 0);
        let sample = sampler.finish();
        assert_eq!((sample.has_data, sample.delivered), (true, part * 1000));
    }
    // Half of the last part is lost, the other half still arrives.
    let lost = sampler.next_lost(3, 500).unwrap();
    assert_eq!((lost.bytes, lost.load.lost), (500, 500));
    assert_eq!(sampler.next_lost(3, 0), None);
    acknowledge(&mut sampler, 20_000, 3, 0);
    assert!(sampler.finish().has_data);
}
