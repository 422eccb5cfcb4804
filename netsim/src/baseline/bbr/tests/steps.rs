//! Single steps of the draft with every number computed by hand.

use tautline_core::units::{Bandwidth, Bytes};

use super::path::{MILLISECOND, MTU};
use crate::baseline::bbr::rate_sample::Load;
use crate::baseline::bbr::{Bbr, Phase};

/// Past startup, 1,000,000 bytes per second and 40 ms: a bandwidth-delay product of 40,000 bytes. The
/// send quantum stays two datagrams.
fn known(phase: Phase) -> Bbr {
    let mut bbr = Bbr::new(Bytes::new(MTU), 7);
    bbr.phase = phase;
    bbr.full_pipe.reached = true;
    bbr.max_bw.update(1_000_000);
    bbr.bw = 1_000_000;
    bbr.min_rtt.value_ns = 40 * MILLISECOND;
    bbr.sample.rtt_ns = 40 * MILLISECOND;
    bbr.control.window = 100_000;
    bbr
}

// §5.3.1.2: 1.25 · 1,000,000 is growth and the new baseline; three rounds of one byte per second
// less are the plateau.
#[test]
fn growth_by_a_quarter_is_no_plateau_and_anything_less_is_one() {
    let mut bbr = Bbr::new(Bytes::new(MTU), 7);
    bbr.round.starts = true;
    bbr.full_pipe.restart(1_000_000);
    for (rate, baseline, is_full) in [
        (1_249_999, 1_000_000, false),
        (1_249_999, 1_000_000, false),
        (1_250_000, 1_250_000, false),
        (1_562_499, 1_250_000, false),
        (1_562_499, 1_250_000, false),
        (1_562_499, 1_250_000, true),
    ] {
        bbr.sample.delivery_rate = rate;
        bbr.check_full_bw_reached();
        assert_eq!(bbr.full_pipe.baseline, baseline);
        assert_eq!(bbr.full_pipe.reached, is_full);
    }
}

// §5.3.1.3: 2001 of 100,000 bytes are more than 2 %, but five runs of losses are fewer than six. The
// bound is then the larger of what was delivered, 50,000, and the bandwidth-delay product, 40,000.
#[test]
fn startup_needs_six_runs_of_losses_to_end() {
    for (ranges, bound) in [(5, None), (6, Some(Bytes::new(50_000)))] {
        let mut bbr = known(Phase::Startup);
        bbr.full_pipe.reached = false;
        bbr.handle_losses(0, 0, 0);
        bbr.congestion.round_starts = true;
        bbr.congestion.inflight_latest = 50_000;
        bbr.sample.load = Load {
            tx_in_flight: 100_000,
            lost: 2001,
            is_app_limited: false,
        };
        bbr.startup.lost_ranges = ranges;
        bbr.check_startup_done();
        assert_eq!(bbr.phase == Phase::Drain, ranges == 6);
        assert_eq!(bbr.inflight_longterm(), bound);
    }
}

// §5.5.9, BBR.ExtraAckedFilterLen: 10,000 bytes at once when nothing was expected. Every later round
// gets nothing beyond the rate, so the lump is the maximum for ten rounds and no longer.
#[test]
fn a_lump_of_acknowledgements_is_remembered_for_ten_rounds() {
    let mut bbr = known(Phase::ProbeBwCruise);
    bbr.sample.newly_acked = 10_000;
    bbr.update_ack_aggregation(0);
    bbr.sample.newly_acked = 0;
    for round in 1..=10 {
        bbr.round.count = round;
        bbr.update_ack_aggregation(round * 40 * MILLISECOND);
        assert_eq!(bbr.extra_acked(), Bytes::new(10_000), "{round}");
    }
    bbr.round.count = 11;
    bbr.update_ack_aggregation(440 * MILLISECOND);
    assert_eq!(bbr.extra_acked(), Bytes::ZERO);
}

// §5.5.10.3: from the window of 100,000 and the bandwidth of 1,000,000, 0.7 times per round of
// loss: 70,000 and 49,000; 700,000 after one. A round without loss lowers nothing, and what was
// delivered in the round, 45,000, is more than 0.7 · 49,000 = 34,300.
#[test]
fn a_round_of_loss_takes_three_tenths_of_the_short_term_bounds() {
    let mut bbr = known(Phase::ProbeBwCruise);
    bbr.congestion.round_starts = true;
    let mut lower = |is_loss, delivered| {
        if is_loss {
            bbr.handle_losses(0, 0, 0);
            bbr.congestion.round_starts = true;
        }
        bbr.congestion.inflight_latest = delivered;
        bbr.update_congestion_signals();
        let inflight = bbr.inflight_shortterm().map(Bytes::as_u64);
        let rate = bbr.bandwidth_shortterm().map(Bandwidth::as_bytes_per_sec);
        (inflight, rate)
    };
    assert_eq!(lower(false, 0), (None, None));
    assert_eq!(lower(true, 0), (Some(70_000), Some(700_000)));
    assert_eq!(lower(false, 0), (Some(70_000), Some(700_000)));
    assert_eq!(lower(true, 0).0, Some(49_000));
    assert_eq!(lower(true, 45_000).0, Some(45_000));
}

// §5.5.10.2: BBR.Beta of the target, min(40,000, 100,000), is 28,000.
#[test]
fn a_probe_too_high_bounds_the_flight_at_seven_tenths_of_the_target_or_more() {
    for (tx_in_flight, bound) in [(20_000, 28_000), (28_001, 28_001)] {
        let mut bbr = known(Phase::ProbeBwCruise);
        let load = Load {
            tx_in_flight,
            lost: 2000,
            is_app_limited: false,
        };
        bbr.handle_inflight_too_high(0, load);
        assert_eq!(bbr.inflight_longterm(), Some(Bytes::new(bound)));
    }
}

// §5.3.3.9: 40,000 bytes fit the path; under a long-term bound of 40,000 a headroom of 15 % stays
// free: 34,000.
#[test]
fn cruising_begins_where_the_flight_fits_the_path_and_leaves_the_headroom() {
    let cases = [
        (None, 40_000, Phase::ProbeBwCruise),
        (None, 40_001, Phase::ProbeBwDown),
        (Some(40_000), 34_000, Phase::ProbeBwCruise),
        (Some(40_000), 34_001, Phase::ProbeBwDown),
    ];
    for (bound, in_flight, phase) in cases {
        let mut bbr = known(Phase::ProbeBwDown);
        bbr.inflight_longterm = bound.unwrap_or(bbr.inflight_longterm);
        bbr.in_flight = in_flight;
        bbr.update_probe_bw_cycle_phase(0);
        assert_eq!(bbr.phase, phase, "{bound:?} {in_flight}");
    }
}

// §5.6.4.2: 40,000, with two datagrams of 1500 more in UP.
#[test]
fn a_probe_up_may_have_two_datagrams_more_in_flight() {
    let bbr = known(Phase::ProbeBwCruise);
    assert_eq!(bbr.inflight(1_000_000, 1.0), 40_000);
    let bbr = known(Phase::ProbeBwUp);
    assert_eq!(bbr.inflight(1_000_000, 1.0), 43_000);
}

// §5.6.1, §5.6.4: 2 · 40,000, in UP 2.25 · 40,000 + 2 · 1500 = 93,000.
#[test]
fn the_window_is_two_paths_and_a_quarter_more_with_two_datagrams_in_a_probe_up() {
    for (phase, window) in [
        (Phase::ProbeBwDown, 80_000),
        (Phase::ProbeBwCruise, 80_000),
        (Phase::ProbeBwRefill, 80_000),
        (Phase::ProbeBwUp, 93_000),
    ] {
        let mut bbr = known(phase);
        bbr.update_control();
        assert_eq!(bbr.control.window, window, "{phase:?}");
    }
}
