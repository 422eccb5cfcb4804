use crate::baseline::path::{MTU, Path};
use tautline_core::controller::RoundTrip;
use tautline_core::units::PacketNumber;

use super::*;

const EMPTY: Duration = Duration::from_millis(40);

/// Out of slow start at its end, with a minimum of 40 ms and the queue just empty again.
fn steady() -> Path<Copa> {
    let mut path = Path::new(Copa::new(MTU));
    path.round(EMPTY);
    path.round(Duration::from_millis(80));
    assert!(!path.controller.in_slow_start());
    path.round(EMPTY);
    path.controller.turn(Direction::Up);
    path
}

#[test]
fn slow_start_doubles_until_the_rate_exceeds_its_target() {
    let mut path = Path::new(Copa::new(MTU));
    let first = path.segments();
    path.round(EMPTY);
    assert!((path.segments() - 2.0 * first).abs() < 1.0);
    // 2 · 41 / 1 = 82 packets are still more than the window.
    path.round(Duration::from_millis(41));
    assert!((path.segments() - 4.0 * first).abs() < 3.0);
    assert!(path.controller.in_slow_start());
    // 2 · 60 / 20 = 6 are not.
    path.round(Duration::from_millis(60));
    assert!(!path.controller.in_slow_start());
    assert!(path.segments() < 4.0 * first);
}

#[test]
fn the_window_moves_by_one_over_delta_per_round_trip() {
    let mut path = steady();
    path.controller.window = 40.0;
    path.round(EMPTY);
    assert!((path.segments() - 42.0).abs() < 0.2, "{}", path.segments());
    // 2 · 50 / 10 = 10 packets.
    path.controller.window = 40.0;
    path.round(Duration::from_millis(50));
    path.controller.window = 40.0;
    path.round(Duration::from_millis(50));
    assert!((path.segments() - 38.0).abs() < 0.2, "{}", path.segments());
}

#[test]
fn the_velocity_doubles_from_the_third_round_in_one_direction_and_a_turn_resets_it() {
    let mut path = steady();
    let velocities: Vec<f64> = (0..6)
        .map(|_| {
            path.controller.window = path.controller.window.max(100.0);
            path.round(EMPTY);
            path.controller.velocity
        })
        .collect();
    assert_eq!(velocities, [1.0, 1.0, 2.0, 4.0, 8.0, 16.0]);
    path.round(Duration::from_millis(60));
    assert!(path.controller.velocity < 2.0);
    path.round(Duration::from_millis(60));
    assert_eq!(path.controller.direction, Direction::Down);
}

#[test]
fn the_window_at_most_doubles_per_round_trip() {
    let mut path = steady();
    for _ in 0..14 {
        path.controller.window = 40.0;
        path.controller.window_at_round_start = 30.0;
        path.round(EMPTY);
        assert!(path.segments() <= 82.0, "{}", path.segments());
        // One over delta is two packets, and the velocity doubles at a round's first packet.
        let velocity = path.controller.velocity;
        assert!(velocity <= 82.0, "{velocity}");
    }
}

#[test]
fn five_round_trips_with_a_queue_begin_the_competitive_mode_and_an_empty_one_ends_it() {
    let mut path = steady();
    path.controller.window = 40.0;
    // Between 50 and 60 ms, never below a tenth of 20 ms.
    for number in 0..6 {
        assert_eq!(path.controller.mode(), CopaMode::Default, "{number}");
        path.round(Duration::from_millis(50 + 10 * (number % 2)));
    }
    let inverse = |path: &Path<Copa>| path.controller.inverse_delta();
    assert_ne!(path.controller.mode(), CopaMode::Default);
    assert_eq!(inverse(&path), 2.0);
    for expected in [3.0, 4.0, 5.0, 6.0] {
        path.round(Duration::from_millis(55));
        assert_eq!(inverse(&path), expected);
    }
    path.lose(1);
    path.lose(1);
    path.round(Duration::from_millis(55));
    assert_eq!(inverse(&path), 3.0);
    path.lose(1);
    path.round(Duration::from_millis(55));
    assert_eq!(inverse(&path), 2.0, "never below the default");
    path.round(EMPTY);
    assert_eq!(path.controller.mode(), CopaMode::Default);
}

#[test]
fn the_default_mode_ignores_loss_unless_it_is_heavy() {
    let mut path = steady();
    path.controller.window = 40.0;
    path.lose(4);
    assert!((path.segments() - 40.0).abs() < 0.01);
    path.round(EMPTY);
    assert!(path.segments() > 41.0);
    path.controller.window = 40.0;
    path.lose(30);
    path.round(EMPTY);
    assert!(
        (28.0..31.0).contains(&path.segments()),
        "{}",
        path.segments()
    );
}

#[test]
fn persistent_congestion_falls_to_the_minimum_window_and_slow_start() {
    let mut path = steady();
    path.persist();
    assert_eq!(path.controller.window(), Bytes::new(3001));
    assert!(path.controller.in_slow_start());
}

#[test]
fn pacing_takes_twice_the_window_per_standing_round_trip() {
    let path = steady();
    let expected = 2.0 * path.segments() * 1500.0 / 0.04;
    let rate = path.controller.decision().pacing_rate.as_bytes_per_sec() as f64;
    assert!((rate / expected - 1.0).abs() < 0.01, "{rate} {expected}");
}

#[test]
fn an_unused_window_does_not_grow() {
    let mut path = steady();
    path.controller.window = 100.0;
    path.idle_round(EMPTY, 3);
    assert!((path.segments() - 100.0).abs() < 0.01);
}

// 1 of 100 packets of the window per acknowledgement of 50 ms: a grain of 0.5 ms. The largest and the
// smallest round-trip time are 20 ms apart: nearly empty up to 2 ms.
// 10 packets per acknowledgement: a grain of 5 ms, which is a quarter of 20 ms; 20 packets: 10 ms, of
// which only that quarter counts.
#[test]
fn the_queue_is_nearly_empty_up_to_a_tenth_of_the_range_or_one_acknowledgement() {
    let cases = [
        (1, 2_000_000, true),
        (1, 2_000_001, false),
        (10, 5_000_000, true),
        (20, 5_000_000, true),
        (20, 5_000_001, false),
    ];
    for (packets, queueing_ns, is_empty) in cases {
        let mut copa = Copa::new(MTU);
        copa.window = 100.0;
        let acked = Acknowledged {
            packets,
            rtt_ns: 50_000_000,
            ..Acknowledged::default()
        };
        copa.look_for_empty_queue(&acked, queueing_ns, 20_000_000);
        assert_eq!(copa.nearly_empty_in_round, is_empty, "{queueing_ns}");
    }
}

/// The answers of (RTTmin, RTTstanding, RTTmax) in milliseconds to samples of (time in tenths of a
/// millisecond after the first one, milliseconds).
fn round_trip_times(samples: &[(u64, u64)]) -> Vec<(u64, u64, u64)> {
    let mut copa = Copa::new(MTU);
    let answer = |(number, &(tenths, rtt_ms)): (usize, &(u64, u64))| {
        let now_ns = 1_000_000_000 + tenths * 100_000;
        let packet = AckedPacket {
            number: PacketNumber::new(number as u64),
            bytes: MTU,
            time_sent: Timestamp::from_nanos(now_ns - rtt_ms * 1_000_000),
            round_trip: RoundTrip::Measured,
        };
        let now = Timestamp::from_nanos(now_ns);
        copa.on_packet_acked(now, packet);
        let batch = AckBatch {
            bytes_in_flight: Bytes::ZERO,
            ecn_ce_count: 0,
        };
        copa.on_ack_end(now, batch);
        // The smallest possible value leaves the maximum as it is.
        let max_ns = copa.max_rtt.update(now_ns, u64::MAX, 0);
        let all_ns = [copa.min_rtt.value(), copa.standing_rtt.value(), max_ns];
        let [min, standing, max] = all_ns.map(|ns| ns / 1_000_000);
        (min, standing, max)
    };
    samples.iter().enumerate().map(answer).collect()
}

// 40 ms at 0 is the minimum until it is 10 s old.
#[test]
fn the_minimum_is_that_of_ten_seconds() {
    let answers = round_trip_times(&[(0, 40), (100_000, 50), (100_001, 50)]);
    let minima: Vec<u64> = answers.iter().map(|answer| answer.0).collect();
    assert_eq!(minima, [40, 40, 50]);
}

// Smoothed: 40; 40 + 8/8 = 41, half of it 20.5 ms, so that 40 ms still stands at 20.4 ms;
// 41 + 7/8 = 41.875, half of it 20.94 ms, so that it does not at 21 ms.
#[test]
fn the_standing_round_trip_time_is_the_smallest_of_half_a_smoothed_one() {
    let answers = round_trip_times(&[(0, 40), (204, 48), (210, 48)]);
    let standing: Vec<u64> = answers.iter().map(|answer| answer.1).collect();
    assert_eq!(standing, [40, 40, 48]);
}

// Smoothed: 60; 57.5; 55.3125, four times that is 221 ms, so that 60 ms is the maximum at 210 ms;
// 53.398, four times that is 213.6 ms, so that it is not at 230 ms.
#[test]
fn the_maximum_is_that_of_four_round_trip_times() {
    let answers = round_trip_times(&[(0, 60), (1500, 40), (2100, 40), (2300, 40)]);
    let maxima: Vec<u64> = answers.iter().map(|answer| answer.2).collect();
    assert_eq!(maxima, [60, 60, 60, 40]);
}
