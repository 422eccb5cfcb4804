//! The state machine (draft-ietf-ccwg-bbr §5.3 and its appendix of test cases).

use super::path::{MILLISECOND, MTU, Path};
use crate::baseline::bbr::Phase;

/// A path whose controller is about to enter the first cruise.
fn cruising() -> Path {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwCruise);
    path
}

fn probing_up() -> Path {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwUp);
    path
}

#[test]
fn startup_ends_at_a_plateau_with_the_bandwidth_known_to_two_percent() {
    let mut path = Path::new();
    assert_eq!(path.bbr.phase().pacing_gain(), 2.77);
    path.run_to(Phase::Drain);
    assert!(path.bbr.has_filled_pipe());
    let ratio = path.bbr.max_bandwidth().as_bytes_per_sec() as f64 / 1_250_000.0;
    assert!((0.98..1.02).contains(&ratio), "{ratio}");
    assert_eq!(path.bbr.inflight_longterm(), None);
    // Six doublings at the most, and three rounds of a plateau.
    assert!(path.bbr.rounds() <= 9, "{}", path.bbr.rounds());
}

#[test]
fn startup_waits_three_rounds_of_growth_below_a_quarter() {
    let mut path = Path::new();
    let full = |path: &Path| path.bbr.max_bandwidth().as_bytes_per_sec() > 1_200_000;
    while !full(&path) {
        path.step(u64::MAX);
    }
    let at = path.bbr.rounds();
    path.run_to(Phase::Drain);
    let waited = path.bbr.rounds() - at;
    assert!((3..=4).contains(&waited), "{waited}");
}

#[test]
fn startup_ends_at_heavy_scattered_loss_even_where_the_application_is_the_limit() {
    let mut path = Path::new();
    path.bytes_per_sec = 12_500_000;
    // A packet per millisecond: one eighth of the path.
    path.offer_ns = MILLISECOND;
    path.rtt_ns = 200 * MILLISECOND;
    path.run(2000);
    assert_eq!(path.bbr.phase(), Phase::Startup);
    path.lose_every = 20;
    path.run(1500);
    assert!(path.bbr.has_filled_pipe(), "{:?}", path.visits);
    assert_ne!(path.visits[1].0, Phase::ProbeRtt);
    assert!(path.bbr.inflight_longterm().is_some());
}

#[test]
fn startup_goes_on_at_light_loss() {
    let mut path = Path::new();
    path.bytes_per_sec = 12_500_000;
    path.offer_ns = MILLISECOND;
    path.rtt_ns = 200 * MILLISECOND;
    path.lose_every = 100;
    path.run(4500);
    assert_eq!(path.phases(0), [Phase::Startup]);
}

#[test]
fn drain_halves_the_rate_until_the_flight_fits_the_path() {
    let mut path = Path::new();
    path.run_to(Phase::Drain);
    let rate = path.rate();
    let half = path.bbr.bandwidth().as_bytes_per_sec() as f64 * 0.5 * 0.99;
    assert!((rate as f64 - half).abs() <= 1.0, "{rate} against {half}");
    assert!(path.in_flight > path.bdp());
    let before = path.visits.len();
    path.run(200);
    assert_eq!(path.phases(before), [Phase::ProbeBwCruise]);
    let (_, start_ns) = path.visits[before];
    // One path's worth too much leaves at half the rate: about two round trips.
    let took = start_ns - path.visits[before - 1].1;
    assert!(took < path.rtt_ns * 5 / 2, "{took}");
}

#[test]
fn drain_ends_after_three_rounds_where_the_path_became_slower() {
    let mut path = Path::new();
    while path.bbr.max_bandwidth().as_bytes_per_sec() < 1_200_000 {
        path.step(u64::MAX);
    }
    path.bytes_per_sec /= 3;
    path.run_to(Phase::Drain);
    let round = path.bbr.rounds();
    path.run_to(Phase::ProbeBwDown);
    assert_eq!(path.bbr.rounds(), round + 4, "{:?}", path.visits);
    assert!(path.in_flight as f64 > path.bbr.bdp().as_u64() as f64 * 1.1);
}

#[test]
fn the_cycle_goes_down_cruise_refill_up_and_down_again() {
    let mut path = cruising();
    let from = path.visits.len();
    path.run(4900 - path.now_ns / MILLISECOND);
    let cycle = [
        Phase::ProbeBwRefill,
        Phase::ProbeBwUp,
        Phase::ProbeBwDown,
        Phase::ProbeBwCruise,
    ];
    let seen = path.phases(from);
    assert!(seen.len() >= 5, "{seen:?}");
    for (phase, expected) in seen.iter().zip(cycle.iter().cycle()) {
        assert_eq!(phase, expected, "{seen:?}");
    }
}

#[test]
fn the_wait_for_a_probe_is_at_most_the_packets_of_the_path_in_rounds() {
    let mut path = Path::new();
    // Eight packets and a half in flight fill this path.
    path.bytes_per_sec = 250_000;
    path.run_to(Phase::ProbeBwDown);
    let round = path.bbr.rounds();
    path.run_to(Phase::ProbeBwRefill);
    let waited = path.bbr.rounds() - round;
    assert!((7..=8).contains(&waited), "{waited}");
}

#[test]
fn the_wait_for_a_probe_is_two_to_three_seconds_on_a_long_path() {
    let mut path = Path::new();
    path.rtt_ns = 100 * MILLISECOND;
    path.run_to(Phase::ProbeBwCruise);
    let start_ns = path.now_ns;
    path.run_to(Phase::ProbeBwRefill);
    let waited_ms = (path.now_ns - start_ns) / MILLISECOND;
    assert!((2000..=3100).contains(&waited_ms), "{waited_ms}");
}

#[test]
fn refill_lasts_one_round_trip() {
    let mut path = cruising();
    path.run_to(Phase::ProbeBwRefill);
    let start_ns = path.now_ns;
    path.run_to(Phase::ProbeBwUp);
    let took = path.now_ns - start_ns;
    assert!((path.rtt_ns..path.rtt_ns * 5 / 4).contains(&took), "{took}");
}

#[test]
fn a_probe_finds_new_bandwidth_and_stays_up_while_it_does() {
    let mut path = cruising();
    path.bytes_per_sec *= 4;
    path.run_to(Phase::ProbeBwUp);
    path.run_to(Phase::ProbeBwDown);
    let found = path.bbr.max_bandwidth().as_bytes_per_sec();
    assert!(found > 3_000_000, "{found}");
}

#[test]
fn a_probe_ends_after_three_rounds_of_a_plateau() {
    let mut path = probing_up();
    let round = path.bbr.rounds();
    path.run_to(Phase::ProbeBwDown);
    let took = path.bbr.rounds() - round;
    assert!((3..=4).contains(&took), "{took}");
}

#[test]
fn a_probe_limited_by_the_application_goes_on_until_it_loses_too_much() {
    let mut path = probing_up();
    path.offer_ns = 3 * MILLISECOND;
    let known = path.bbr.max_bandwidth();
    path.run(1500);
    assert_eq!(path.bbr.phase(), Phase::ProbeBwUp);
    assert_eq!(path.bbr.max_bandwidth(), known);
    path.lose_every = 8;
    path.run(300);
    assert_ne!(path.bbr.phase(), Phase::ProbeBwUp);
    // §5.5.10.2: samples that the application limits set no bound.
    assert_eq!(path.bbr.inflight_longterm(), None);
}

#[test]
fn down_is_cut_short_by_the_next_probe_where_the_queue_does_not_drain() {
    let mut path = probing_up();
    path.run_to(Phase::ProbeBwDown);
    path.bytes_per_sec = path.bytes_per_sec * 8 / 10;
    let from = path.visits.len();
    path.run_to(Phase::ProbeBwRefill);
    assert_eq!(path.phases(from), [Phase::ProbeBwRefill]);
}

#[test]
fn probe_rtt_comes_every_five_seconds_with_half_a_path_in_flight() {
    let mut path = cruising();
    let mut starts = Vec::new();
    for _ in 0..3 {
        path.run_to(Phase::ProbeRtt);
        let most = (path.bdp() * 51 / 100).max(4 * MTU);
        assert!(path.window() <= most, "{} against {most}", path.window());
        let start_ns = path.now_ns;
        starts.push(start_ns);
        path.run_to(Phase::ProbeBwCruise);
        let took_ms = (path.now_ns - start_ns) / MILLISECOND;
        assert!((200..300).contains(&took_ms), "{took_ms}");
        assert!(path.window() > path.bdp());
    }
    for pair in starts.windows(2) {
        let apart_ms = (pair[1] - pair[0]) / MILLISECOND;
        assert!((5000..5400).contains(&apart_ms), "{starts:?}");
    }
}

#[test]
fn probe_rtt_keeps_four_packets_on_a_short_path() {
    let mut path = Path::new();
    path.bytes_per_sec = 125_000;
    path.run_to(Phase::ProbeRtt);
    assert_eq!(path.window(), 4 * MTU);
}

#[test]
fn probe_rtt_does_not_come_while_the_round_trip_time_keeps_falling() {
    let mut path = cruising();
    for _ in 0..4 {
        path.run(3000);
        path.rtt_ns -= MILLISECOND;
    }
    assert!(!path.phases(0).contains(&Phase::ProbeRtt));
}

#[test]
fn probe_rtt_before_the_pipe_was_full_returns_to_startup() {
    let mut path = Path::new();
    path.bytes_per_sec = 12_500_000;
    path.offer_ns = 2 * MILLISECOND;
    path.run(6000);
    assert_eq!(
        path.phases(0),
        [Phase::Startup, Phase::ProbeRtt, Phase::Startup]
    );
}

#[test]
fn a_longer_path_is_believed_after_ten_seconds() {
    let mut path = cruising();
    path.rtt_ns = 80 * MILLISECOND;
    path.run(4000);
    let short = path.bbr.min_rtt().unwrap().as_millis();
    path.run(14_000);
    let long = path.bbr.min_rtt().unwrap().as_millis();
    assert_eq!((short, long), (41, 81));
}

#[test]
fn idleness_stands_in_for_probe_rtt_and_the_restart_is_paced_at_the_bandwidth() {
    let mut path = cruising();
    path.run_to(Phase::ProbeBwUp);
    // Nothing to send for longer than the interval between two ProbeRTTs.
    path.stop_sending(7000);
    let from = path.visits.len();
    path.step(u64::MAX);
    let rate = path.rate() as f64;
    let bandwidth = path.bbr.bandwidth().as_bytes_per_sec() as f64;
    assert!((rate / bandwidth - 0.99).abs() < 0.001, "{rate}");
    path.run(1500);
    assert!(!path.phases(from).contains(&Phase::ProbeRtt));
}
