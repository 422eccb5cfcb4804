//! One test per clause of RFC 9438.

use tautline_core::controller::RoundTrip;

use super::*;

const MTU: Bytes = Bytes::new(1500);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(millis * 1_000_000)
}

/// One acknowledgement of `packets` that were sent 100 ms before, with a full window.
fn ack(cubic: &mut Cubic, now_ms: u64, packets: u64) {
    for _ in 0..packets {
        let packet = AckedPacket {
            number: PacketNumber::new(now_ms),
            bytes: MTU,
            time_sent: at(now_ms - 100),
            round_trip: RoundTrip::Measured,
        };
        cubic.on_packet_acked(at(now_ms), packet);
    }
    let bytes_in_flight = cubic.window().saturating_sub(MTU.saturating_mul(packets));
    cubic.on_ack_end(
        at(now_ms),
        AckBatch {
            bytes_in_flight,
            ecn_ce_count: 0,
        },
    );
}

fn lose(cubic: &mut Cubic, now_ms: u64, sent_ms: u64) {
    let event = CongestionEvent {
        trigger: CongestionTrigger::Loss {
            packets: 1,
            bytes: MTU,
        },
        number: PacketNumber::new(now_ms),
        time_sent: at(sent_ms),
        bytes_in_flight: Bytes::ZERO,
    };
    cubic.on_congestion_event(at(now_ms), event);
}

fn segments(cubic: &Cubic) -> f64 {
    cubic.window().as_u64() as f64 / 1500.0
}

/// A window of `start` segments just after a loss at 1000 ms.
fn after_loss(start: f64) -> Cubic {
    let mut cubic = Cubic::new(MTU);
    cubic.window = start;
    lose(&mut cubic, 1000, 950);
    cubic
}

#[test]
fn a_loss_leaves_seven_tenths_once_per_recovery_period() {
    let mut cubic = after_loss(1000.0);
    assert!((segments(&cubic) - 700.0).abs() < 0.01);
    lose(&mut cubic, 1001, 999);
    assert!((segments(&cubic) - 700.0).abs() < 0.01);
}

#[test]
fn fast_convergence_remembers_less_than_the_last_window() {
    let mut cubic = after_loss(1000.0);
    lose(&mut cubic, 2000, 1500);
    assert!((cubic.w_max - 700.0 * 0.85).abs() < 0.01, "{}", cubic.w_max);
}

#[test]
fn the_window_is_back_at_its_maximum_after_k_seconds() {
    let mut cubic = after_loss(1000.0);
    // K = cbrt(300 / 0.4) = 9.09 s.
    let mut now_ms = 1200;
    while now_ms < 1200 + 9086 {
        let per_tick = segments(&cubic) / 10.0;
        ack(&mut cubic, now_ms, per_tick as u64);
        now_ms += 10;
    }
    assert!((cubic.k - 9.086).abs() < 0.01, "{}", cubic.k);
    assert!(
        (segments(&cubic) - 1000.0).abs() < 10.0,
        "{}",
        segments(&cubic)
    );
}

#[test]
fn section_4_3_the_slope_is_renos_own_once_past_the_old_window() {
    let mut cubic = after_loss(10.0);
    let mut slopes = Vec::new();
    ack(&mut cubic, 1200, 1);
    for round in 1..12_u64 {
        let before = cubic.w_est;
        let packets = segments(&cubic) as u64;
        ack(&mut cubic, 1200 + 100 * round, packets);
        let window = packets as f64 / segments(&cubic);
        slopes.push((before >= 10.0, (cubic.w_est - before) / window));
    }
    for (past, slope) in &slopes {
        let expected = if *past { 1.0 } else { ALPHA };
        assert!((slope / expected - 1.0).abs() < 0.12, "{slopes:?}");
    }
    assert!(slopes.iter().any(|(past, _)| *past) && !slopes[0].0);
}

#[test]
fn a_small_window_grows_like_reno() {
    let mut cubic = after_loss(10.0);
    let mut now_ms = 1200;
    for _ in 0..10 {
        let packets = segments(&cubic) as u64;
        ack(&mut cubic, now_ms, packets);
        now_ms += 100;
    }
    // From 7 on 0.53 segments per round, past the old window of 10 one; the cubic is at 9.6.
    assert!(
        (13.0..14.5).contains(&segments(&cubic)),
        "{}",
        segments(&cubic)
    );
}

#[test]
fn an_unused_window_does_not_grow() {
    let mut cubic = after_loss(1000.0);
    let packet = AckedPacket {
        number: PacketNumber::new(1),
        bytes: MTU,
        time_sent: at(1100),
        round_trip: RoundTrip::Measured,
    };
    cubic.on_packet_acked(at(1200), packet);
    cubic.on_ack_end(
        at(1200),
        AckBatch {
            bytes_in_flight: MTU,
            ecn_ce_count: 0,
        },
    );
    assert!((segments(&cubic) - 700.0).abs() < 0.01);
}

#[test]
fn persistent_congestion_falls_to_the_minimum_window_and_slow_start() {
    let mut cubic = after_loss(1000.0);
    let event = CongestionEvent {
        trigger: CongestionTrigger::Persistent,
        number: PacketNumber::new(1),
        time_sent: at(1100),
        bytes_in_flight: Bytes::ZERO,
    };
    cubic.on_congestion_event(at(3000), event);
    assert_eq!(cubic.window(), Bytes::new(3001));
    assert!(cubic.in_slow_start());
}

/// After a loss at 1000 ms of a window of 1000 segments, the window at each of the next `seconds`
/// under steady acknowledgements.
fn curve(seconds: u64) -> Vec<f64> {
    let mut cubic = after_loss(1000.0);
    let mut windows = Vec::new();
    for now_ms in (1200..1200 + 1000 * seconds).step_by(10) {
        if (now_ms - 1200) % 1000 == 0 {
            windows.push(segments(&cubic));
        }
        let packets = segments(&cubic) as u64 / 10;
        ack(&mut cubic, now_ms, packets);
    }
    windows
}

#[test]
fn section_4_4_and_4_5_growth_is_concave_below_the_old_window_and_convex_above() {
    let windows = curve(18);
    let growth: Vec<f64> = windows.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // K is 9.09 s.
    assert!(
        growth[..8].windows(2).all(|pair| pair[1] < pair[0]),
        "{growth:?}"
    );
    assert!(
        growth[10..].windows(2).all(|pair| pair[1] > pair[0]),
        "{growth:?}"
    );
    assert!(growth.iter().all(|&step| step >= 0.0), "{growth:?}");
}

#[test]
fn section_4_4_the_target_is_at_most_half_a_window_ahead() {
    let mut cubic = after_loss(100.0);
    ack(&mut cubic, 1200, 1);
    let before = cubic.window;
    // A minute later the cubic is far beyond 1.5 windows.
    ack(&mut cubic, 61_200, 10);
    assert!(
        (cubic.window - (before + 5.0)).abs() < 0.01,
        "{}",
        cubic.window
    );
}

#[test]
fn section_4_4_the_target_is_never_below_the_window() {
    let mut cubic = after_loss(100.0);
    ack(&mut cubic, 1200, 1);
    cubic.window = 300.0;
    ack(&mut cubic, 1210, 10);
    assert!(cubic.window >= 300.0, "{}", cubic.window);
}

#[test]
fn section_4_6_marks_and_losses_reduce_alike() {
    let mut cubic = Cubic::new(MTU);
    cubic.window = 1000.0;
    let event = CongestionEvent {
        trigger: CongestionTrigger::EcnCe,
        number: PacketNumber::new(1),
        time_sent: at(950),
        bytes_in_flight: Bytes::ZERO,
    };
    cubic.on_congestion_event(at(1000), event);
    assert!((cubic.window - 700.0).abs() < 1e-9);
    assert!((cubic.ssthresh - 700.0).abs() < 1e-9);
}

#[test]
fn section_4_6_the_threshold_is_at_least_two_segments() {
    let cubic = after_loss(2.0);
    assert!((cubic.ssthresh - 2.0).abs() < 1e-9);
    assert_eq!(cubic.window(), Bytes::new(3001));
}

#[test]
fn section_4_7_a_window_above_the_last_maximum_is_remembered_in_full() {
    let mut cubic = after_loss(1000.0);
    cubic.window = 1200.0;
    lose(&mut cubic, 2000, 1500);
    assert!((cubic.w_max - 1200.0).abs() < 1e-9, "{}", cubic.w_max);
}

#[test]
fn section_4_8_after_persistent_congestion_the_curve_begins_at_its_plateau() {
    let mut cubic = after_loss(1000.0);
    let event = CongestionEvent {
        trigger: CongestionTrigger::Persistent,
        number: PacketNumber::new(1),
        time_sent: at(1100),
        bytes_in_flight: Bytes::ZERO,
    };
    cubic.on_congestion_event(at(3000), event);
    // Slow start up to the threshold of 700, then congestion avoidance.
    cubic.window = 700.0;
    ack(&mut cubic, 5000, 1);
    assert!(cubic.k.abs() < 1e-9, "{}", cubic.k);
    assert!((cubic.w_max - 700.0).abs() < 1e-9, "{}", cubic.w_max);
    assert!((cubic.w_est - 700.0).abs() < 0.01, "{}", cubic.w_est);
}

#[test]
fn section_4_10_slow_start_that_hystart_ends_begins_at_its_plateau() {
    let mut cubic = Cubic::new(MTU);
    assert!(cubic.in_slow_start());
    cubic.window = 100.0;
    cubic.ssthresh = 100.0;
    ack(&mut cubic, 1200, 1);
    assert!(cubic.k.abs() < 1e-9 && (cubic.w_max - 100.0).abs() < 1e-9);
}

#[test]
fn section_5_8_time_without_use_of_the_window_does_not_count() {
    let grown = |idle_ms: u64| {
        let mut cubic = after_loss(1000.0);
        ack(&mut cubic, 1200, 10);
        for now_ms in (1210..1200 + idle_ms).step_by(10) {
            // One packet in flight at a time.
            let packet = AckedPacket {
                number: PacketNumber::new(now_ms),
                bytes: MTU,
                time_sent: at(now_ms - 100),
                round_trip: RoundTrip::Measured,
            };
            cubic.on_packet_acked(at(now_ms), packet);
            let batch = AckBatch {
                bytes_in_flight: MTU,
                ecn_ce_count: 0,
            };
            cubic.on_ack_end(at(now_ms), batch);
        }
        ack(&mut cubic, 1200 + idle_ms, 10);
        cubic.window
    };
    assert!(
        (grown(5000) - grown(10)).abs() < 0.02,
        "{} {}",
        grown(5000),
        grown(10)
    );
}

#[test]
fn a_probe_timeout_changes_nothing() {
    let mut cubic = after_loss(1000.0);
    let before = cubic.decision();
    let timeout = Timeout {
        count: 3,
        bytes_in_flight: MTU,
    };
    cubic.on_timeout(at(2000), timeout);
    assert_eq!(cubic.decision(), before);
}

#[test]
fn an_acknowledgement_gives_one_sample_of_its_largest_packet() {
    let mut cubic = Cubic::new(MTU);
    for (number, sent_ms) in [(1, 100), (2, 120), (3, 160)] {
        let packet = AckedPacket {
            number: PacketNumber::new(number),
            bytes: MTU,
            time_sent: at(sent_ms),
            round_trip: RoundTrip::Measured,
        };
        cubic.on_packet_acked(at(200), packet);
    }
    let batch = AckBatch {
        bytes_in_flight: Bytes::new(20_000),
        ecn_ce_count: 0,
    };
    cubic.on_ack_end(at(200), batch);
    assert_eq!(cubic.smoothed_rtt_ns, 40_000_000);
}
