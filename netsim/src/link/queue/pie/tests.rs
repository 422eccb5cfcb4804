use super::*;
use crate::link::queue::tests::{packet, stream};

const MS: u64 = 1_000_000;

fn control() -> Control {
    rfc(Limit::Packets(1000)).control
}

fn rfc(limit: Limit) -> Pie {
    let ms = Duration::from_millis;
    Pie::new(ms(15), ms(15), ms(150), limit, stream())
}

// 30 ms: p = 0.125·0.015 + 1.25·0.030 = 0.039375; prob 0 < 1e-6: /2048 = 1.9226074e-5.
// 30 ms: p = 0.125·0.015 + 0 = 0.001875; prob < 1e-4: /128 = 1.4648438e-5; sum 3.3874512e-5.
// 50 ms: p = 0.125·0.035 + 1.25·0.020 = 0.029375; /128 = 2.2949219e-4; sum 2.6336670e-4.
// 50 ms: p = 0.004375; prob < 1e-3: /32 = 1.3671875e-4; sum 4.0008545e-4.
#[test]
fn the_probability_follows_the_delay_in_steps_scaled_to_its_size() {
    let mut control = control();
    let expected = [
        1.922_607_421_875e-5,
        3.387_451_171_875e-5,
        2.633_666_992_187_5e-4,
    ];
    let expected = expected.into_iter().chain([4.000_854_492_187_5e-4]);
    for (delay_ms, expected) in [30, 30, 50, 50].into_iter().zip(expected) {
        control.update(delay_ms * MS);
        let error = (control.drop_probability - expected).abs();
        assert!(error < 1e-15, "{} {expected}", control.drop_probability);
    }
}

// For each step of the scale: p = 0.125·0.025 + 1.25·0 = 0.003125 at 40 ms after 40 ms.
#[test]
fn every_step_of_the_scale_is_the_one_of_the_rfc() {
    let steps = [
        (0.000_000_5, 2048.0),
        (0.000_005, 512.0),
        (0.000_05, 128.0),
        (0.000_5, 32.0),
        (0.005, 8.0),
        (0.05, 2.0),
        (0.5, 1.0),
    ];
    for (probability, divisor) in steps {
        let mut control = control();
        control.drop_probability = probability;
        control.old_delay_ns = 40 * MS;
        control.update(40 * MS);
        let expected = probability + 0.003_125 / divisor;
        assert!((control.drop_probability - expected).abs() < 1e-15);
    }
}

// 0.125·0.085 + 1.25·0.1 = 0.135625 is capped at 0.02 from a probability of 0.1 on.
#[test]
fn a_large_probability_grows_by_at_most_two_percent() {
    let mut control = control();
    control.drop_probability = 0.15;
    control.update(100 * MS);
    assert!((control.drop_probability - 0.17).abs() < 1e-15);
}

// 0.5 + 0.125·(0 − 0.015) = 0.498125, times 0.98 = 0.4881625.
#[test]
fn an_empty_queue_lets_the_probability_decay() {
    let mut control = control();
    control.drop_probability = 0.5;
    control.update(0);
    assert!((control.drop_probability - 0.488_162_5).abs() < 1e-15);
    for _ in 0..1000 {
        control.update(0);
    }
    assert!(control.is_at_rest());
}

#[test]
fn the_burst_allowance_lasts_ten_updates_and_returns_when_the_queue_is_short() {
    let mut control = control();
    for update in 1..=12 {
        control.update(50 * MS);
        let left_ms = 150_u64.saturating_sub(15 * update);
        assert_eq!(control.burst_allowance_ns, left_ms * MS);
    }
    control.rearm_burst(0);
    assert_eq!(control.burst_allowance_ns, 0, "the probability is not zero");
    control.drop_probability = 0.0;
    control.old_delay_ns = 7 * MS;
    control.rearm_burst(8 * MS);
    assert_eq!(control.burst_allowance_ns, 0, "8 ms is above half of 15 ms");
    control.rearm_burst(7 * MS);
    assert_eq!(control.burst_allowance_ns, 150 * MS);
}

/// A queue with 100 packets, old delay 20 ms and no burst allowance.
fn busy(drop_probability: f64) -> Pie {
    let mut queue = rfc(Limit::Packets(100_000));
    for number in 0..100 {
        queue.enqueue(0, packet(0, number, 1500, Ecn::NotEct), &mut vec![]);
    }
    queue.control.drop_probability = drop_probability;
    queue.control.old_delay_ns = 20 * MS;
    queue.control.burst_allowance_ns = 0;
    queue
}

/// Of 10,000 arrivals: (dropped, marked).
fn arrivals(queue: &mut Pie, ecn: Ecn) -> (usize, usize) {
    let mut dropped = vec![];
    for number in 100..10_100 {
        queue.enqueue(0, packet(0, number, 1500, ecn), &mut dropped);
    }
    let marked = queue.waiting().filter(|waits| waits.ecn == Ecn::Ce);
    (dropped.len(), marked.count())
}

// The standard deviation is √(10,000 · 0.05 · 0.95) = 22.
#[test]
fn arrivals_are_dropped_or_marked_with_the_probability() {
    let (dropped, marked) = arrivals(&mut busy(0.05), Ecn::NotEct);
    assert!(dropped.abs_diff(500) < 110 && marked == 0, "{dropped}");
    let (dropped, marked) = arrivals(&mut busy(0.05), Ecn::Ect0);
    assert!(marked.abs_diff(500) < 110 && dropped == 0, "{marked}");
}

#[test]
fn capable_packets_are_dropped_too_from_ten_percent_on() {
    let (dropped, marked) = arrivals(&mut busy(0.1), Ecn::Ect0);
    assert!(dropped.abs_diff(1000) < 150 && marked == 0, "{dropped}");
}

#[test]
fn the_safeguards_admit_everything() {
    let mut calm = busy(0.19);
    calm.control.old_delay_ns = 7 * MS;
    assert_eq!(arrivals(&mut calm, Ecn::NotEct), (0, 0));
    let mut bursty = busy(0.5);
    bursty.control.burst_allowance_ns = 1;
    assert_eq!(arrivals(&mut bursty, Ecn::NotEct), (0, 0));
    let mut short = busy(0.5);
    while short.bytes() > 2 * 1500 {
        short.dequeue(0, &mut vec![]);
    }
    let mut dropped = vec![];
    short.enqueue(0, packet(0, 0, 1500, Ecn::NotEct), &mut dropped);
    assert_eq!(dropped, []);
}

// The head arrived at 0; updates at 15, 30 and 45 ms see delays of 15, 30 and 45 ms:
// 0 + (0 + 1.25·0.015)/2048 = 9.1552734e-6;
// + (0.001875 + 0.01875)/512 = 4.0283203e-5 → 4.9438477e-5;
// + (0.00375 + 0.01875)/128 = 1.7578125e-4 → 2.2521973e-4.
#[test]
fn updates_between_two_calls_are_caught_up_with() {
    let mut queue = rfc(Limit::Packets(1000));
    for number in 0..10 {
        queue.enqueue(0, packet(0, number, 1500, Ecn::NotEct), &mut vec![]);
    }
    queue.dequeue(50 * MS, &mut vec![]);
    let error = (queue.control.drop_probability - 2.252_197_265_625e-4).abs();
    assert!(error < 1e-15, "{}", queue.control.drop_probability);
    assert_eq!(queue.control.old_delay_ns, 45 * MS);
}

// Updates of an empty queue: (0.5 − 0.001875) · 0.98 = 0.4881625 at 15 ms, then
// (0.4881625 − 0.001875) · 0.98 = 0.47656175 at 30 ms.
#[test]
fn an_idle_queue_forgets_update_by_update() {
    let mut queue = rfc(Limit::Packets(1000));
    queue.control.drop_probability = 0.5;
    assert_eq!(queue.dequeue(44 * MS, &mut vec![]), None);
    assert!((queue.control.drop_probability - 0.476_561_75).abs() < 1e-15);
    assert_eq!(queue.dequeue(100_000 * MS, &mut vec![]), None);
    assert!(queue.control.is_at_rest());
    queue.enqueue(100_000 * MS, packet(0, 0, 1500, Ecn::NotEct), &mut vec![]);
    assert_eq!(queue.control.burst_allowance_ns, 150 * MS);
}

// α = 0.125·T/15 and β = 1.25 + (0.125 − α)/2:
// 15 ms: 0.125, 1.25; 7.5 ms: α/2 = 0.0625, β + α/4 = 1.25 + 0.125/4 = 1.28125; 3.75 ms: once more,
// 0.03125 and 1.28125 + 0.0625/4 = 1.296875; 30 ms: 0.25 and 1.25 − 0.25/4 = 1.1875 (halved again:
// 1.1875 + 0.25/4 = 1.25); 315 ms: 0.125·21 = 2.625 and 1.25 − 2.5/2 = 0.
#[test]
fn the_gains_follow_the_time_between_updates() {
    let cases = [
        (15_000_000, 0.125, 1.25),
        (7_500_000, 0.0625, 1.281_25),
        (3_750_000, 0.031_25, 1.296_875),
        (30_000_000, 0.25, 1.1875),
        (315_000_000, 2.625, 0.0),
    ];
    for (update_ns, alpha, beta) in cases {
        let gains = Gains::every(update_ns);
        assert_eq!((gains.alpha, gains.beta), (alpha, beta), "{update_ns}");
    }
}

// Updates 30 ms apart, the probability 0.5 (scale 1), the old delay 20 ms, now 30 ms:
// 0.25·(0.030 − 0.015) + 1.1875·(0.030 − 0.020) = 0.00375 + 0.011875 = 0.015625.
// With 15 ms in two steps over 25 ms: 0.125·0.010 + 1.25·0.005 = 0.0075, then
// 0.125·0.015 + 1.25·0.005 = 0.008125, in sum 0.015625 as well.
#[test]
fn updates_twice_as_rare_answer_a_ramp_of_the_delay_equally() {
    let ms = Duration::from_millis;
    for (update_ms, delays_ms) in [(30, &[30][..]), (15, &[25, 30])] {
        let queue = Pie::new(ms(15), ms(update_ms), ms(150), Limit::Packets(9), stream());
        let mut control = queue.control;
        control.drop_probability = 0.5;
        control.old_delay_ns = 20 * MS;
        for delay_ms in delays_ms {
            control.update(delay_ms * MS);
        }
        let error = (control.drop_probability - 0.515_625).abs();
        assert!(error < 1e-15, "{}", control.drop_probability);
    }
}

// No update before 15 ms, so the probability and the old delay are zero; the head has waited since
// 0. At 7 ms that is below half of 15 ms, at 10 ms it is not.
#[test]
fn an_arrival_restores_the_burst_allowance_only_where_the_head_has_waited_shortly() {
    for (arrival_ms, allowance_ms) in [(7, 150), (10, 0)] {
        let mut queue = rfc(Limit::Packets(1000));
        queue.enqueue(0, packet(0, 0, 1500, Ecn::NotEct), &mut vec![]);
        queue.control.burst_allowance_ns = 0;
        let arrival = packet(0, 1, 1500, Ecn::NotEct);
        queue.enqueue(arrival_ms * MS, arrival, &mut vec![]);
        assert_eq!(queue.control.burst_allowance_ns, allowance_ms * MS);
    }
}
