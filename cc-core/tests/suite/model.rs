//! The guarded controller as a whole.

use proptest::prelude::*;
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, CongestionTrigger, Controller as _, Event, Learned,
    Proposer, RoundTrip, SentPacket, Timeout,
};
use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};
use tautline_core::fixed::Q16;
use tautline_core::guard::UncheckedEnvelope;
use tautline_core::policy::{
    Cadence, Digest, Head, HeadKind, Hidden, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelHeader, Skip,
};
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use crate::path::{MTU, Path};

/// A law in table-1 features, standing in for a network.
#[derive(Clone, Debug)]
pub(crate) struct Law<F> {
    header: ModelHeader,
    law: F,
}

impl<F: Fn(&[i32; FEATURE_COUNT]) -> i32> Proposer for Law<F> {
    fn header(&self) -> &ModelHeader {
        &self.header
    }

    fn digest(&self) -> Digest {
        Digest::default()
    }

    fn propose(&mut self, features: &[i32; FEATURE_COUNT]) -> [i32; MAX_HEADS] {
        [(self.law)(features), 0, 0, 0]
    }
}

pub(crate) fn learned<F: Fn(&[i32; FEATURE_COUNT]) -> i32>(
    law: F,
) -> Learned<Law<F>, UncheckedEnvelope> {
    let header = ModelHeader {
        feature_table: 1,
        inputs: 12,
        hidden_count: 0,
        hidden: [Hidden::default(); MAX_HIDDEN_LAYERS],
        output_shift: 0,
        skip: Skip::None,
        head_count: 1,
        heads: [Head::free(HeadKind::Rate); MAX_HEADS],
        step_gain: Q16::from_units(1 << 14),
        pacing_gain: Q16::from_units(5 << 14),
        jitter: Q16::from_units(3277),
        cadence: Cadence::EveryRound,
    };
    let envelope = UncheckedEnvelope::dangerously_unchecked(Digest::default(), &TABLE_1);
    Learned::new(Law { header, law }, envelope, Bytes::new(MTU)).unwrap()
}

fn settled<F: Fn(&[i32; FEATURE_COUNT]) -> i32>(law: F) -> Learned<Law<F>, UncheckedEnvelope> {
    let mut law = learned(law).into_proposer();
    law.header.cadence = Cadence::Settled;
    let envelope = UncheckedEnvelope::dangerously_unchecked(Digest::default(), &TABLE_1);
    Learned::new(law, envelope, Bytes::new(MTU)).unwrap()
}

/// a = 5/4 · (1/4 − x_s).
fn target_law(features: &[i32; FEATURE_COUNT]) -> i32 {
    (16_384 - features[index::STANDING_QUEUE]) * 5 / 4
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_policy_with_a_target_fills_the_link_and_keeps_the_queue_at_the_target() {
    // 1 packet per 500 µs, 40 ms, so 80 packets of BDP; 160 packets of buffer.
    let mut path = Path::new(500_000, 40_000_000, 160);
    let mut controller = learned(target_law);
    path.run(&mut controller, 5 * SECOND);
    let delivered = path.run(&mut controller, 15 * SECOND);
    assert!(delivered > 19_500, "{delivered} of 20 000 packets");
    let window = controller.decision().congestion_window.as_u64() / MTU;
    assert!(
        (85..=115).contains(&window),
        "BDP of 80 and a quarter: {window}"
    );
    let counters = controller.counters();
    assert_eq!((counters.fallbacks, counters.guard_interventions), (0, 0));
    assert!(
        counters.certified_decisions * 100 >= counters.decisions * 95,
        "{counters:?}"
    );
    assert!(counters.drains >= 1);
}

/// Anything that moves one bit of a decision, of models without closed-loop claims too, shows here.
#[test]
fn a_digest_pins_every_decision_on_a_path_that_drops_and_changes() {
    let mut controller = learned(|features| {
        (16_384 - features[index::STANDING_QUEUE] - features[index::LOSS]) * 5 / 4
    });
    let mut path = Path::new(500_000, 40_000_000, 30);
    let mut decisions = Vec::new();
    for round in 1..1500u64 {
        path.run(&mut controller, round * 20_000_000);
        if round == 600 {
            (path.rtt_nanos, path.buffer_packets) = (70_000_000, 12);
        }
        let decision = controller.decision();
        for part in [
            decision.congestion_window.as_u64(),
            decision.pacing_rate.as_bytes_per_sec(),
            decision.send_quantum.as_u64(),
        ] {
            decisions.extend_from_slice(&part.to_le_bytes());
        }
    }
    let counters = controller.counters();
    assert!(
        counters.drains > 2 && counters.certified_decisions > 300,
        "{counters:?}"
    );
    assert_eq!(
        Digest::of(&decisions).to_string(),
        "0409a4589ea6f66b277433bcfedd4f4a9e9a010b5d0e871084b45fb1c7659c2e"
    );
}

#[test]
fn a_settled_policy_decides_in_every_second_round() {
    let (mut every, mut second) = (learned(target_law), settled(target_law));
    for controller in [&mut every, &mut second] {
        let mut path = Path::new(500_000, 40_000_000, 160);
        let delivered = path.run(controller, 6 * SECOND);
        assert!(delivered > 11_400, "{delivered} of 12 000 packets");
    }
    let (all, half) = (every.counters().decisions, second.counters().decisions);
    assert!(
        half * 2 >= all - all / 8 && half * 2 <= all + all / 8,
        "{half} of {all}"
    );
}

#[test]
fn a_drain_leaves_no_trace_in_the_policys_memory() {
    let seen = std::cell::RefCell::new(vec![]);
    let mut path = Path::new(500_000, 40_000_000, 160);
    let mut controller = learned(|features| {
        let standing = features[index::STANDING_QUEUE];
        seen.borrow_mut()
            .push((standing, features[index::QUEUEING_EWMA]));
        target_law(features)
    });
    path.run(&mut controller, 15 * SECOND);
    assert!(controller.counters().drains >= 1);
    for pair in seen.borrow().windows(2) {
        let ((standing, average), (_, next)) = (pair[0], pair[1]);
        assert_eq!(next, average + ((standing - average) >> 2));
    }
}

#[test]
fn the_minimum_round_trip_time_recovers_after_the_path_grows_longer() {
    let mut path = Path::new(500_000, 40_000_000, 400);
    let mut controller = learned(target_law);
    path.run(&mut controller, 5 * SECOND);
    path.rtt_nanos = 80_000_000;
    path.run(&mut controller, 60 * SECOND);
    let delivered = path.run(&mut controller, 70 * SECOND);
    assert!(delivered > 19_000, "{delivered} of 20 000 packets");
}

#[test]
fn a_policy_that_oscillates_is_replaced() {
    let mut path = Path::new(500_000, 40_000_000, 160);
    let mut controller = learned(|features| {
        if features[index::LAST_STEP] > 0 {
            -65_536
        } else {
            65_536
        }
    });
    path.run(&mut controller, 10 * SECOND);
    let counters = controller.counters();
    assert!(counters.fallbacks >= 1, "{counters:?}");
    assert!(counters.guard_interventions >= counters.fallbacks);
}

#[test]
fn a_policy_that_starves_is_replaced_and_the_fallback_uses_the_link() {
    let mut path = Path::new(500_000, 40_000_000, 160);
    let mut controller = learned(|_| -65_536);
    let delivered = path.run(&mut controller, 60 * SECOND);
    assert!(controller.counters().fallbacks >= 1);
    // Each probation is twice as long, so the policy's turns cost less and less.
    assert!(delivered > 60_000, "{delivered} of 120 000 packets");
}

#[test]
fn persistent_congestion_falls_back_at_once_and_probation_ends() {
    let mut path = Path::new(500_000, 40_000_000, 160);
    let mut controller = learned(target_law);
    path.run(&mut controller, 5 * SECOND);
    let event = CongestionEvent {
        trigger: CongestionTrigger::Persistent,
        number: PacketNumber::new(1),
        time_sent: Timestamp::from_nanos(path.now),
        bytes_in_flight: Bytes::ZERO,
    };
    controller.on_congestion_event(Timestamp::from_nanos(path.now), event);
    assert!(controller.decision().congestion_window.as_u64() <= 2 * MTU + 1);
    path.run(&mut controller, 15 * SECOND);
    let counters = controller.counters();
    assert_eq!(
        (
            counters.persistent_congestion,
            counters.fallbacks,
            counters.returns
        ),
        (1, 1, 1)
    );
    assert!(controller.policy_in_charge());
}

#[test]
fn a_foreign_envelope_is_refused() {
    let header = learned(|_| 0).proposer().header;
    let foreign = UncheckedEnvelope::dangerously_unchecked(Digest::of(b"other"), &TABLE_1);
    let law = Law {
        header,
        law: |_: &[i32; FEATURE_COUNT]| 0,
    };
    let error = Learned::new(law, foreign, Bytes::new(MTU)).err().unwrap();
    assert_eq!(error.vouched_for, Digest::of(b"other"));
}

#[test]
fn a_new_datagram_size_keeps_the_window_in_bytes() {
    let mut path = Path::new(500_000, 40_000_000, 160);
    let mut controller = learned(target_law);
    path.run(&mut controller, 5 * SECOND);
    let before = controller.decision().congestion_window.as_u64();
    controller.on_mtu_update(Timestamp::from_nanos(path.now), Bytes::new(1452));
    let after = controller.decision().congestion_window.as_u64();
    assert!(before.abs_diff(after) < 3, "{before} {after}");
}

fn any_event() -> impl Strategy<Value = Event> {
    let bytes = (0u64..3_000_000).prop_map(Bytes::new);
    let number = (0u64..5000).prop_map(PacketNumber::new);
    let time = (0u64..10 * SECOND).prop_map(Timestamp::from_nanos);
    let trigger = prop_oneof![
        (0u64..50, bytes.clone())
            .prop_map(|(packets, bytes)| CongestionTrigger::Loss { packets, bytes }),
        Just(CongestionTrigger::EcnCe),
        Just(CongestionTrigger::Persistent),
    ];
    prop_oneof![
        4 => (number.clone(), bytes.clone()).prop_map(|(number, bytes_in_flight)| {
            Event::PacketSent(SentPacket { number, bytes: Bytes::new(MTU), bytes_in_flight })
        }),
        6 => (number.clone(), time.clone()).prop_map(|(number, time_sent)| {
            Event::PacketAcked(AckedPacket { number, bytes: Bytes::new(MTU), time_sent, round_trip: RoundTrip::Measured })
        }),
        6 => (bytes.clone(), 0u64..4).prop_map(|(bytes_in_flight, ecn_ce_count)| {
            Event::AckEnd(AckBatch { bytes_in_flight, ecn_ce_count })
        }),
        1 => (trigger, number, time, bytes.clone()).prop_map(
            |(trigger, number, time_sent, bytes_in_flight)| {
                Event::Congestion(CongestionEvent { trigger, number, time_sent, bytes_in_flight })
            }
        ),
        1 => (1u32..6, bytes).prop_map(|(count, bytes_in_flight)| {
            Event::Timeout(Timeout { count, bytes_in_flight })
        }),
        1 => (1000u64..9000).prop_map(|mtu| Event::MtuUpdate(Bytes::new(mtu))),
    ]
}

proptest! {
    #[test]
    fn no_event_sequence_breaks_the_floor_the_rfc_timers_or_the_growth_bound(
        events in prop::collection::vec((0u64..50_000_000, any_event()), 1..600),
        proposal in -65_536i32..=65_536,
    ) {
        let mut controller = learned(move |_| proposal);
        let mut now = 0;
        let mut mtu = MTU;
        for (gap, event) in events {
            now += gap;
            let before = controller.decision().congestion_window.as_u64();
            let learned_before = controller.policy_in_charge();
            event.replay(Timestamp::from_nanos(now), &mut controller);
            if let Event::MtuUpdate(bytes) = event {
                mtu = bytes.as_u64();
            }
            let decision = controller.decision();
            prop_assert!(decision.congestion_window.as_u64() > 2 * mtu);
            prop_assert!(decision.retry.timeout_factor() >= Q16::ONE);
            prop_assert!(decision.send_quantum.as_u64() >= 2 * mtu.min(MTU));
            let after = decision.congestion_window.as_u64();
            if learned_before && controller.policy_in_charge() && !matches!(event, Event::MtuUpdate(_)) {
                // One round at most per event: growth by 2^G, and the floor of four datagrams.
                let most = (before * 1190 / 1000 + 4).max(4 * mtu + 1);
                prop_assert!(after <= most, "{before} grew to {after}");
            }
        }
    }

    #[test]
    fn nothing_grows_while_slow_loss_is_heavy(
        lost in 26u64..60,
        proposal in 1i32..=65_536,
    ) {
        // A policy that always wants more, and rounds that lose more than a tenth.
        let mut controller = learned(move |_| proposal);
        let mut number = 0;
        let mut window = None;
        for round in 0..40u64 {
            let now = Timestamp::from_nanos((round + 1) * 50_000_000);
            let sent = Timestamp::from_nanos((round + 1) * 50_000_000 - 40_000_000);
            let first = number;
            for _ in 0..256 {
                let bytes_in_flight = Bytes::new(u64::from(u32::MAX));
                let packet = SentPacket {
                    number: PacketNumber::new(number),
                    bytes: Bytes::new(MTU),
                    bytes_in_flight,
                };
                controller.on_packet_sent(sent, packet);
                number += 1;
            }
            for acked in first..number - lost {
                let number = PacketNumber::new(acked);
                let packet = AckedPacket { number, bytes: Bytes::new(MTU), time_sent: sent, round_trip: RoundTrip::Measured };
                controller.on_packet_acked(now, packet);
            }
            controller.on_ack_end(now, AckBatch { bytes_in_flight: Bytes::ZERO, ecn_ce_count: 0 });
            let event = CongestionEvent {
                trigger: CongestionTrigger::Loss { packets: lost, bytes: Bytes::new(lost * MTU) },
                number: PacketNumber::new(number - 1),
                time_sent: sent,
                bytes_in_flight: Bytes::ZERO,
            };
            controller.on_congestion_event(now, event);
            if round % 9 == 7 {
                let bytes_in_flight = Bytes::new(MTU);
                controller.on_timeout(now, Timeout { count: 2, bytes_in_flight });
            }
            if round % 9 == 5 {
                // The same size again: only the memory starts anew.
                controller.on_mtu_update(now, Bytes::new(MTU));
            }
            let next = controller.decision().congestion_window;
            if round > 4 && controller.policy_in_charge() {
                prop_assert!(window.is_none_or(|before| next <= before), "round {round}");
                window = Some(next);
            }
        }
        prop_assert!(window.is_some());
        prop_assert!(controller.counters().guard_interventions > 0);
    }
}
