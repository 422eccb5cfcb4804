//! Departures keep to burst and rate, over any interval.

use tautline_core::controller::Decision;
use tautline_core::units::{Bandwidth, Bytes};

use crate::oracle::path::Way;
use crate::oracle::plan::Plan;
use crate::oracle::recorder::Choice;
use crate::oracle::world::End;

fn paced(rate_bits: u64, quantum: u64) -> Choice {
    Choice::Steady(Decision {
        pacing_rate: Bandwidth::from_bits_per_sec(rate_bits),
        send_quantum: Bytes::new(quantum),
        ..Decision::unpaced(Bytes::new(300_000))
    })
}

#[test]
fn a_steady_pace_is_kept_and_used() {
    for (seed, bits, quantum) in [
        (1, 1_000_000, 1),
        (2, 8_000_000, 3000),
        (3, 8_000_000, 14_600),
        (4, 40_000_000, 60_000),
    ] {
        let ways = [
            Way::clean(10_000, Some(12_500_000), 1_000_000),
            Way::clean(10_000, None, 0),
        ];
        let bytes = bits / 8 * 4;
        let plan = Plan::simple(seed, paced(bits, quantum), ways, bytes);
        let report = plan.run(60_000_000);
        assert_eq!(report.end, End::Over, "{bits} {quantum} {report:#?}");
        assert_eq!(report.verdicts[0].hasty, 0, "{bits} {quantum} {report:#?}");
        // Four seconds at that rate, the handshake and the last acknowledgement.
        let seconds = report.done_at as f64 / 1e6;
        println!("{bits} bit/s, bursts of {quantum}: {seconds} s");
        assert!((3.8..4.4).contains(&seconds), "{bits} {quantum} {seconds}");
    }
}

#[test]
fn a_driver_that_polls_every_ten_milliseconds_stays_within_the_pace() {
    let ways = [
        Way::clean(10_000, Some(12_500_000), 1_000_000),
        Way::clean(10_000, None, 0),
    ];
    let mut plan = Plan::simple(5, paced(8_000_000, 14_600), ways, 3_000_000);
    plan.granularity = 10_000;
    let report = plan.run(60_000_000);
    assert_eq!(report.end, End::Over, "{report:#?}");
    assert_eq!(report.verdicts[0].hasty, 0, "{report:#?}");
    let seconds = report.done_at as f64 / 1e6;
    assert!((2.9..3.9).contains(&seconds), "{seconds}");
}
