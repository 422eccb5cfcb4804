//! What smoltcp alone gets wrong when its device is full, and what the gate makes of it.
//!
//! smoltcp 0.14 forgets a fast retransmission if `transmit()` has no room for it at that moment:
//! `dispatch()` clears its request before it emits, and has stopped the timer by then. Data is in
//! flight, nothing repeats it, and no timer runs. With keep-alives on, it then sends one byte of
//! zero at `SND.NXT − 1`, which the peer has not received: the peer takes it as data.

use smoltcp::time::Duration;

use crate::oracle::path::Way;
use crate::oracle::plan::{Plan, Report, report};
use crate::oracle::recorder::Choice;
use crate::oracle::sniffer::Reference;
use crate::oracle::world::End;

/// Three connections over a device with room for one frame, random loss, and receive buffers that
/// a few segments fill: whenever one socket sends, the next one finds the device full.
pub(crate) fn plan(seed: u64, keep_alive: Option<Duration>) -> Plan {
    let mut there = Way::clean(2_000, Some(1_250_000), 50_000);
    there.loss = 20_000;
    let ways = [there, Way::clean(2_000, None, 0)];
    let mut plan = Plan::simple(seed, Choice::Fixed(20_000), ways, 500_000);
    plan.ring = 1;
    plan.granularity = 10_000;
    let mut transfer = plan.transfers.remove(0);
    transfer.far.receive_buffer = 9000;
    transfer.near.keep_alive = keep_alive;
    plan.transfers = vec![transfer; 3];
    plan
}

fn alone(plan: &Plan) -> Report {
    let near = plan.plain(Reference::Nothing);
    let far = plan.plain(Reference::Nothing);
    report(plan.world(near, far), MINUTES, |_| String::new())
}

#[test]
fn smoltcp_alone_stalls_for_ever_or_sends_a_byte_that_nobody_wrote() {
    let mut stalled = 0;
    let mut wrong = 0;
    for seed in 0..20 {
        let quiet = alone(&plan(seed, None));
        stalled += u64::from(quiet.end != End::Over);
        let alive = alone(&plan(seed, Some(Duration::from_millis(500))));
        wrong += u64::from(!alive.wrong.is_empty());
    }
    println!("{stalled} of 20 stalled, {wrong} of 20 wrong with keep-alives");
    assert!(stalled > 0 && wrong > 0, "{stalled} {wrong}");
}

#[test]
fn behind_the_gate_the_same_transfers_finish_intact() {
    for seed in 0..20 {
        for keep_alive in [None, Some(Duration::from_millis(500))] {
            let plan = plan(seed, keep_alive);
            let report = plan.run(MINUTES);
            assert_eq!(report.end, End::Over, "SIM_SEED={seed} {report:#?}");
            assert!(report.wrong.is_empty(), "SIM_SEED={seed} {report:#?}");
            for verdict in &report.verdicts {
                assert_eq!(verdict.violations, 0, "SIM_SEED={seed} {report:#?}");
            }
        }
    }
}

const MINUTES: i64 = 600_000_000;
