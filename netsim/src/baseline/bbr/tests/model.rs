//! The model of the path: bounds from losses, bandwidth, aggregation (draft-ietf-ccwg-bbr §5.5).

use tautline_core::controller::{CongestionTrigger, Controller as _, RetryTiming};
use tautline_core::units::Bytes;

use super::path::{MILLISECOND, MTU, Path};
use crate::baseline::bbr::long_term::{inflight_at_loss, is_inflight_too_high};
use crate::baseline::bbr::rate_sample::Load;
use crate::baseline::bbr::{Bbr, Phase};

fn load(tx_in_flight: u64, lost: u64) -> Load {
    Load {
        tx_in_flight,
        lost,
        is_app_limited: false,
    }
}

#[test]
fn more_than_two_percent_of_the_flight_is_too_high() {
    assert!(!is_inflight_too_high(load(100_000, 2000)));
    assert!(is_inflight_too_high(load(100_000, 2001)));
}

#[test]
fn the_flight_at_loss_is_where_losses_crossed_the_threshold() {
    // 97 000 before it with 500 lost: (0.02 · 97 000 − 500) / 0.98 = 1469 more were safe.
    assert_eq!(inflight_at_loss(load(100_000, 3500), 3000), 98_469);
    // Too much was lost before it.
    assert_eq!(inflight_at_loss(load(100_000, 6000), 3000), 97_000);
}

#[test]
fn loss_in_a_probe_bounds_the_flight_by_at_most_three_tenths_and_ends_it() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwUp);
    let target = path.bbr.bdp().as_u64().min(path.window());
    path.lose_every = 10;
    path.run_to(Phase::ProbeBwDown);
    let bound = path.bbr.inflight_longterm().unwrap().as_u64();
    assert!(bound >= target * 7 / 10, "{bound} of {target}");
    assert!(bound < path.bdp() * 3 / 2, "{bound} of {}", path.bdp());
    assert!(path.window() <= bound.max(4 * MTU));
    // The rest of the same probe's losses is not answered once more.
    path.run(60);
    assert_eq!(path.bbr.inflight_longterm().unwrap().as_u64(), bound);
}

#[test]
fn light_loss_in_a_probe_sets_no_bound() {
    let mut path = Path::new();
    path.bytes_per_sec *= 10;
    path.run_to(Phase::ProbeBwUp);
    path.lose_every = 200;
    path.run_to(Phase::ProbeBwDown);
    assert_eq!(path.bbr.inflight_longterm(), None);
}

#[test]
fn cruising_leaves_headroom_below_the_bound() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwUp);
    path.lose_every = 10;
    path.run_to(Phase::ProbeBwDown);
    path.lose_every = 0;
    path.run_to(Phase::ProbeBwCruise);
    path.run(100);
    let bound = path.bbr.inflight_longterm().unwrap().as_u64();
    let most = bound * 85 / 100 + 1;
    assert!(path.window() <= most, "{} of {bound}", path.window());
}

#[test]
fn after_a_probe_too_high_the_next_is_cautious_and_the_one_after_follows_at_once() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwUp);
    path.lose_every = 10;
    path.run_to(Phase::ProbeBwDown);
    path.lose_every = 0;
    let bound = path.bbr.inflight_longterm().unwrap().as_u64();
    path.run_to(Phase::ProbeBwUp);
    let round = path.bbr.rounds();
    let from = path.visits.len();
    path.run_to(Phase::ProbeBwDown);
    assert!(
        path.in_flight + 2 * MTU > bound,
        "{} of {bound}",
        path.in_flight
    );
    assert!(path.bbr.rounds() - round <= 2);
    path.run_to(Phase::ProbeBwUp);
    let phases = path.phases(from);
    let expected = [Phase::ProbeBwDown, Phase::ProbeBwRefill, Phase::ProbeBwUp];
    let down_up: Vec<Phase> = phases
        .into_iter()
        .filter(|&phase| phase != Phase::ProbeBwCruise)
        .collect();
    assert_eq!(down_up, expected);
    // Not two seconds later, but as soon as the cautious probe was answered.
    let down_ns = path.visits[from].1;
    assert!(path.now_ns - down_ns < 4 * path.rtt_ns);
}

#[test]
fn a_bound_that_limits_is_raised_ever_faster() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwUp);
    path.lose_every = 10;
    path.run_to(Phase::ProbeBwDown);
    path.lose_every = 0;
    path.bytes_per_sec *= 8;
    path.run_to(Phase::ProbeBwUp);
    path.run_to(Phase::ProbeBwUp);
    let mut raises = Vec::new();
    for _ in 0..4 {
        let before = path.bbr.inflight_longterm().unwrap().as_u64();
        path.run(45);
        raises.push(path.bbr.inflight_longterm().unwrap().as_u64() - before);
    }
    assert!(raises[0] >= MTU, "{raises:?}");
    assert!(
        raises.windows(2).all(|pair| pair[1] > pair[0]),
        "{raises:?}"
    );
    assert!(raises[3] >= 4 * raises[0], "{raises:?}");
}

#[test]
fn loss_while_cruising_slows_to_what_was_delivered_until_the_pipe_is_refilled() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwCruise);
    let before = path.bbr.bandwidth().as_bytes_per_sec() as f64;
    let window = path.window();
    path.lose_every = 12;
    path.run(150);
    let rate = path.bbr.bandwidth_shortterm().unwrap().as_bytes_per_sec() as f64;
    assert!((0.7..0.99).contains(&(rate / before)), "{}", rate / before);
    assert!(path.bbr.inflight_shortterm().unwrap().as_u64() < window);
    assert_eq!(path.bbr.bandwidth().as_bytes_per_sec(), rate as u64);
    // The long-term model stays.
    assert_eq!(path.bbr.max_bandwidth().as_bytes_per_sec() as f64, before);
    assert_eq!(path.bbr.inflight_longterm(), None);
    path.lose_every = 0;
    path.run_to(Phase::ProbeBwRefill);
    assert_eq!(path.bbr.bandwidth_shortterm(), None);
    assert_eq!(path.bbr.inflight_shortterm(), None);
}

#[test]
fn a_round_of_loss_lowers_the_short_term_bounds_by_at_most_three_tenths() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwCruise);
    let before = path.bbr.bandwidth().as_bytes_per_sec();
    // One burst of losses, and nearly nothing arrives any more.
    path.bytes_per_sec /= 20;
    path.lose_every = 4;
    while path.bbr.bandwidth_shortterm().is_none() {
        path.step(u64::MAX);
    }
    let after = path.bbr.bandwidth_shortterm().unwrap().as_bytes_per_sec();
    assert!(after >= before * 7 / 10 - 1, "{after} of {before}");
}

#[test]
fn marks_count_as_losses() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwUp);
    path.marks = true;
    path.lose_every = 10;
    path.run_to(Phase::ProbeBwDown);
    assert!(path.bbr.inflight_longterm().is_some());
}

#[test]
fn samples_that_the_application_limits_do_not_lower_the_bandwidth() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwCruise);
    let known = path.bbr.max_bandwidth();
    path.offer_ns = 6 * MILLISECOND;
    path.run(1000);
    assert!(path.bbr.is_app_limited());
    path.run(12_000);
    assert_eq!(path.bbr.max_bandwidth(), known);
}

#[test]
fn a_sender_with_data_is_never_taken_for_limited_by_the_application() {
    let mut path = Path::new();
    while path.now_ns < 4900 * MILLISECOND {
        path.step(u64::MAX);
        assert!(!path.bbr.is_app_limited(), "{}", path.now_ns);
    }
}

#[test]
fn a_slower_path_is_known_after_two_cycles() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwCruise);
    path.bytes_per_sec /= 2;
    for _ in 0..3 {
        path.run_to(Phase::ProbeBwUp);
    }
    path.run_to(Phase::ProbeBwDown);
    path.run(200);
    let known = path.bbr.max_bandwidth().as_bytes_per_sec();
    assert!(known <= 625_000 * 102 / 100, "{known}");
}

#[test]
fn persistent_congestion_leaves_one_packet_more_and_recovery_restores_the_window() {
    let mut path = Path::new();
    path.run_to(Phase::ProbeBwCruise);
    path.run(100);
    let before = path.window();
    let flight = path.in_flight;
    path.report(CongestionTrigger::Persistent, 0, 0);
    assert_eq!(path.window(), (flight + MTU).max(2 * MTU + 1));
    assert!(path.window() < before);
    path.run(100);
    assert_eq!(path.window(), before);
}

#[test]
fn the_decision_starts_as_the_draft_says() {
    let bbr = Bbr::new(Bytes::new(MTU), 1);
    let decision = bbr.decision();
    assert_eq!(decision.congestion_window, Bytes::new(14_720));
    // 2.77 initial windows per millisecond.
    assert_eq!(decision.pacing_rate.as_bytes_per_sec(), 40_774_400);
    assert_eq!(decision.send_quantum, Bytes::new(2 * MTU));
    assert_eq!(decision.buffer_cap, Bytes::new(29_440));
    assert_eq!(decision.retry, RetryTiming::RFC9002);
}

#[test]
fn the_first_round_trip_time_corrects_the_first_rate() {
    let mut path = Path::new();
    while path.bbr.min_rtt().is_none() {
        path.step(u64::MAX);
    }
    let rtt_s = path.bbr.min_rtt().unwrap().as_secs_f64();
    let expected = 2.77 * 14_720.0 / rtt_s;
    let rate = path.rate() as f64;
    assert!((rate / expected - 1.0).abs() < 0.01, "{rate} of {expected}");
}

#[test]
fn a_quantum_is_a_millisecond_of_at_most_64_kilobytes() {
    let mut path = Path::new();
    path.bytes_per_sec = 125_000_000;
    path.rtt_ns = 5 * MILLISECOND;
    path.buffer = 10_000_000;
    path.run_to(Phase::ProbeBwCruise);
    path.run(1);
    assert_eq!(path.bbr.decision().send_quantum, Bytes::new(65_536));
}

#[test]
fn equal_seeds_wait_equally_and_others_do_not() {
    let starts = |seed: u64| {
        let mut path = Path::new();
        path.rtt_ns = 100 * MILLISECOND;
        path.bbr = Bbr::new(Bytes::new(MTU), seed);
        path.run(12_000);
        path.visits
    };
    assert_eq!(starts(1), starts(1));
    assert_ne!(starts(1), starts(2));
}
