//! What a bare `transmit()` gate lets through, and why.
//!
//! The obvious middleware refuses `transmit()` while `SND.NXT − SND.UNA` and a segment exceed the
//! window. Two things must pass nevertheless, or the connection deadlocks: the fast retransmission
//! (one *credit* at the third duplicate acknowledgement) and the retransmission after a timeout
//! (one *escape* after a second without progress). With them a few segments per transfer still
//! leave above the window. The reason is always the same: **the gate decides when a frame may
//! leave, the stack decides which**, and no public interface of smoltcp tells the one what the
//! other would do.
//!
//! * *The escape is earlier than the stack's timer.* smoltcp's retransmission timer is at least a
//!   second, but it starts anew with every fast retransmission and doubles with every timeout
//!   (RFC 6298 §5); the gate's second starts with the last acknowledgement that moved. When
//!   a fast retransmission is lost, the gate's second is over first, by the time between that
//!   acknowledgement and the third duplicate. The stack has not gone back yet, so what it sends is
//!   *new* data, above a window that the loss has just halved. After a timeout whose repetition is
//!   lost as well, the stack waits two seconds or more, and the escape lets out the next
//!   segment *between* the first and the last.
//! * *The credit is spent on something else.* If the gate counts duplicates by RFC 5681 while
//!   smoltcp starts anew at each change of the window field, the gate is at three when the stack is
//!   at two. The stack has nothing to repeat and sends new data with the credit.
//!
//! The tests below count both, and show that they are the whole cause: no other event lets anything
//! out, and with an escape that is later than any timer of smoltcp nothing leaves above the
//! window, at the price of a minute per lost repetition.

use std::collections::BTreeMap;

use smoltcp::phy::Medium;

use crate::oracle::app::Task;
use crate::oracle::naive::{
    Backlog, Cause, Counting, Credit, NaiveGate, Pass, Rules, SEGMENT, Sent,
};
use crate::oracle::path::{Path, Way};
use crate::oracle::port::Port;
use crate::oracle::sniffer::{Reference, Sniffer};
use crate::oracle::world::{End, Family, Host, SocketPlan, World};

#[derive(Debug)]
struct Run {
    segments: u64,
    violations: BTreeMap<Cause, u64>,
    trail: Vec<String>,
    micros: i64,
}

/// 10 Mbit/s, 40 ms, drop-tail of one bandwidth-delay product, and random loss.
fn run(seed: u64, loss_per_million: u64, rules: Rules) -> Run {
    let port = || {
        Port::new(
            Medium::Ip,
            1500,
            1 << 20,
            Sniffer::new(Medium::Ip, Reference::Nothing),
        )
    };
    let mut there = Way::clean(20_000, Some(1_250_000), 50_000);
    there.loss = loss_per_million;
    let path = Path::new(Medium::Ip, [there, Way::clean(20_000, None, 0)], seed);
    let mut a = Host::new(0, Family::V4, seed, NaiveGate::new(port(), rules));
    let mut b = Host::new(1, Family::V4, seed, port());
    let plan = SocketPlan::with_buffers(500_000);
    let bytes = 6000 * SEGMENT as u64;
    let send = Task {
        send: bytes,
        ..Task::default()
    };
    let receive = Task {
        receive: bytes,
        ..Task::default()
    };
    b.listen(80, &plan, receive);
    a.connect(80, &plan, send);
    let mut world = World::new(a, b, path);
    let end = world.run(7_200_000_000);
    assert_eq!(end, End::Over, "SIM_SEED={seed}");
    let gate = world.a.device;
    Run {
        segments: gate.segments,
        violations: gate.violations,
        trail: gate.trail.into(),
        micros: world.now,
    }
}

fn rules(counting: Counting, backlog: Backlog) -> Rules {
    Rules {
        counting,
        escape_micros: 1_000_000,
        backlog,
    }
}

#[test]
fn the_escape_of_a_bare_gate_lets_out_what_the_stack_prefers_to_send() {
    for backlog in [Backlog::Full, Backlog::OneWindow] {
        let mut causes = BTreeMap::<Cause, u64>::new();
        let mut worst = 0;
        for seed in 0..12 {
            let clean = run(seed, 0, rules(Counting::LikeSmoltcp, backlog));
            assert!(clean.violations.is_empty(), "{backlog:?} {clean:?}");
            let lossy = run(seed, 10_000, rules(Counting::LikeSmoltcp, backlog));
            assert!(lossy.segments >= 6000, "{lossy:?}");
            worst = worst.max(lossy.violations.values().sum());
            for (cause, count) in lossy.violations {
                assert_eq!(cause.pass, Pass::Escape, "{cause:?} {:#?}", lossy.trail);
                assert_ne!(cause.sent, Sent::First, "{cause:?} {:#?}", lossy.trail);
                *causes.entry(cause).or_default() += count;
            }
        }
        println!("{backlog:?}: at most {worst} of 6000, {causes:?}");
        assert!((1..=6).contains(&worst), "{backlog:?} {causes:?}");
    }
}

#[test]
fn a_credit_counted_by_the_book_is_spent_on_new_data() {
    let cause = Cause {
        pass: Pass::Credit,
        sent: Sent::New,
        credit: Credit::Open,
    };
    let wasted = |counting| {
        let runs = (0..4).map(|seed| run(seed, 10_000, rules(counting, Backlog::Full)));
        let count = |run: Run| run.violations.get(&cause).copied().unwrap_or(0);
        runs.map(count).sum::<u64>()
    };
    assert_eq!(wasted(Counting::LikeSmoltcp), 0);
    assert!(wasted(Counting::All) > 20);
}

#[test]
fn an_escape_later_than_every_timer_leaks_nothing_and_takes_minutes() {
    let late = Rules {
        escape_micros: 61_000_000,
        ..rules(Counting::LikeSmoltcp, Backlog::Full)
    };
    for seed in 0..6 {
        let soon = run(seed, 10_000, rules(Counting::LikeSmoltcp, Backlog::Full));
        let patient = run(seed, 10_000, late);
        println!(
            "{} s, patient {} s",
            soon.micros / 1_000_000,
            patient.micros / 1_000_000
        );
        assert!(patient.violations.is_empty(), "{patient:#?}");
        assert!(patient.micros > 3 * soon.micros, "{patient:?} {soon:?}");
    }
}
