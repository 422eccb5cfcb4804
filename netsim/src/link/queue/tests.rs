//! What holds for every discipline under any arrivals.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rng::Component;
use crate::transport::{Direction, Ecn};

pub(super) fn packet(flow: u32, number: u64, bytes: u32, ecn: Ecn) -> Packet {
    Packet {
        ecn,
        ..Packet::new(flow, Direction::Forward, number, bytes)
    }
}

pub(super) const fn at(now_ns: u64, mut packet: Packet) -> Packet {
    packet.enqueued_ns = now_ns;
    packet
}

pub(super) fn stream() -> Stream {
    Stream::new(1, Component::Queue)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive { flow: u32, bytes: u32, ecn: Ecn },
    Serve,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let ecn = prop_oneof![
        Just(Ecn::NotEct),
        Just(Ecn::Ect0),
        Just(Ecn::Ect1),
        Just(Ecn::Ce)
    ];
    let arrive = (0_u32..5, 40_u32..1515, ecn);
    let arrive = arrive.prop_map(|(flow, bytes, ecn)| Step::Arrive { flow, bytes, ecn });
    let step = prop_oneof![4 => arrive, 3 => Just(Step::Serve)];
    let gap_ns = prop_oneof![
        4 => Just(0_u64),
        8 => 0_u64..2_000_000,
        2 => 0_u64..40_000_000,
        1 => 0_u64..3_000_000_000,
    ];
    prop::collection::vec((gap_ns, step), 1..600)
}

fn specs() -> impl Strategy<Value = QueueSpec> {
    let small_fq = QueueSpec::FqCoDel {
        target: Duration::from_millis(5),
        interval: Duration::from_millis(100),
        quantum: 300,
        flows: 2,
    };
    prop::sample::select(vec![
        QueueSpec::DropTail,
        QueueSpec::codel(),
        QueueSpec::fq_codel(),
        small_fq,
        QueueSpec::pie(),
        QueueSpec::red(3000, 9000),
        QueueSpec::Red {
            min_bytes: 500,
            max_bytes: 2000,
            max_probability: 0.5,
            weight: 0.5,
        },
        QueueSpec::dual_pi2(),
        QueueSpec::step(),
    ])
}

fn limits() -> impl Strategy<Value = Limit> {
    prop_oneof![
        (0_u64..200).prop_map(Limit::Packets),
        (0_u64..200_000).prop_map(Limit::Bytes),
    ]
}

/// Everything that went in, by number, and what happened to it.
struct Ledger {
    spec: QueueSpec,
    queue: AnyQueue,
    limit: Limit,
    /// As they arrived, until they leave.
    inside: BTreeMap<u64, Packet>,
    /// Newest number sent per order that must hold.
    sent: BTreeMap<(u32, bool), u64>,
}

impl Ledger {
    fn apply(&mut self, now_ns: u64, number: u64, step: Step) -> Result<(), TestCaseError> {
        let mut dropped = vec![];
        match step {
            Step::Arrive { flow, bytes, ecn } => {
                let arriving = at(now_ns, packet(flow, number, bytes, ecn));
                self.inside.insert(number, arriving);
                self.queue.enqueue(now_ns, arriving, &mut dropped);
            }
            Step::Serve => {
                let had_packets = !self.inside.is_empty();
                let sent = self.queue.dequeue(now_ns, &mut dropped);
                if let Some(sent) = sent {
                    self.leaves(now_ns, sent)?;
                } else {
                    // Work conservation: all that waited was dropped.
                    prop_assert_eq!(dropped.len(), self.inside.len());
                }
                let may_drop_all = matches!(self.spec, QueueSpec::DualPi2 { .. });
                prop_assert!(sent.is_some() || !had_packets || may_drop_all);
            }
        }
        for lost in &dropped {
            let arrived = self.inside.remove(&lost.number);
            prop_assert!(arrived.is_some(), "dropped {} twice", lost.number);
        }
        self.balances()
    }

    fn leaves(&mut self, now_ns: u64, sent: Packet) -> Result<(), TestCaseError> {
        let arrived = self.inside.remove(&sent.number);
        let Some(arrived) = arrived else {
            return Err(TestCaseError::fail(format!("{} sent twice", sent.number)));
        };
        prop_assert!(sent.enqueued_ns <= now_ns);
        prop_assert!(sent.ecn == arrived.ecn || sent.ecn == Ecn::Ce);
        prop_assert!(sent.ecn == arrived.ecn || arrived.ecn.is_capable());
        prop_assert_eq!(
            Packet {
                ecn: arrived.ecn,
                ..sent
            },
            arrived
        );
        let class = match self.spec {
            QueueSpec::DualPi2 { .. } => (0, matches!(arrived.ecn, Ecn::Ect1 | Ecn::Ce)),
            QueueSpec::FqCoDel { .. } => (sent.flow, false),
            _ => (0, false),
        };
        if let Some(before) = self.sent.insert(class, sent.number) {
            prop_assert!(before < sent.number, "{before} before {}", sent.number);
        }
        Ok(())
    }

    /// What the queue says is inside is what went in and did not come out.
    fn balances(&self) -> Result<(), TestCaseError> {
        let mut waiting: Vec<u64> = self.queue.waiting().map(|waits| waits.number).collect();
        waiting.sort_unstable();
        let inside: Vec<u64> = self.inside.keys().copied().collect();
        prop_assert_eq!(waiting, inside);
        let bytes = |packet: &Packet| u64::from(packet.bytes);
        let sum: u64 = self.inside.values().map(bytes).sum();
        prop_assert_eq!(self.queue.bytes(), sum);
        prop_assert!(self.limit.holds(self.inside.len() as u64, sum));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn packets_are_conserved_in_order_within_the_limit_and_always_served(
        spec in specs(),
        limit in limits(),
        steps in steps(),
    ) {
        let queue = AnyQueue::new(&spec, limit, stream());
        let (inside, sent) = (BTreeMap::new(), BTreeMap::new());
        let mut ledger = Ledger { spec, queue, limit, inside, sent };
        let mut now_ns = 0;
        for (number, (gap_ns, step)) in steps.into_iter().enumerate() {
            now_ns += gap_ns;
            ledger.apply(now_ns, number as u64, step)?;
        }
        // Whatever is left comes out without further arrivals.
        while !ledger.inside.is_empty() {
            now_ns += 1_000_000;
            ledger.apply(now_ns, 0, Step::Serve)?;
        }
    }

    #[test]
    fn equal_streams_give_equal_outcomes(spec in specs(), limit in limits(), steps in steps()) {
        let outcome = || {
            let mut queue = AnyQueue::new(&spec, limit, stream());
            let (mut now_ns, mut sent, mut dropped) = (0, vec![], vec![]);
            for (number, &(gap_ns, step)) in steps.iter().enumerate() {
                now_ns += gap_ns;
                match step {
                    Step::Arrive { flow, bytes, ecn } => {
                        let arriving = at(now_ns, packet(flow, number as u64, bytes, ecn));
                        queue.enqueue(now_ns, arriving, &mut dropped);
                    }
                    Step::Serve => sent.extend(queue.dequeue(now_ns, &mut dropped)),
                }
            }
            (sent, dropped)
        };
        prop_assert_eq!(outcome(), outcome());
    }

    // Without congestion no discipline touches a packet: each is served at once.
    #[test]
    fn an_idle_transmitter_gets_every_packet_untouched(spec in specs(), gaps_us in prop::collection::vec(0_u64..100_000, 1..200)) {
        let mut queue = AnyQueue::new(&spec, Limit::Packets(10), stream());
        let (mut now_ns, mut dropped) = (0, vec![]);
        for (number, gap_us) in gaps_us.into_iter().enumerate() {
            now_ns += gap_us * 1000;
            let arriving = at(now_ns, packet(0, number as u64, 1500, Ecn::Ect0));
            queue.enqueue(now_ns, arriving, &mut dropped);
            prop_assert_eq!(queue.dequeue(now_ns, &mut dropped), Some(arriving));
        }
        prop_assert_eq!(dropped, []);
    }
}

#[test]
fn every_spec_makes_the_discipline_it_names() {
    let specs = [
        QueueSpec::DropTail,
        QueueSpec::codel(),
        QueueSpec::fq_codel(),
        QueueSpec::pie(),
        QueueSpec::red(3000, 9000),
        QueueSpec::dual_pi2(),
        QueueSpec::step(),
    ];
    for spec in specs {
        let queue = AnyQueue::new(&spec, Limit::Packets(1), stream());
        let made = match queue {
            AnyQueue::DropTail(_) => "drop-tail",
            AnyQueue::CoDel(_) => "codel",
            AnyQueue::FqCoDel(_) => "fq-codel",
            AnyQueue::Pie(_) => "pie",
            AnyQueue::Red(_) => "red",
            AnyQueue::DualPi2(_) => "dualpi2",
            AnyQueue::Step(_) => "step",
        };
        assert_eq!(made, spec.name());
    }
}

// Scenarios refuse such values; a program may still pass them.
#[test]
fn senseless_parameters_lose_no_packet_and_end() {
    let zero = Duration::ZERO;
    let (max, nan) = (Duration::MAX, f64::NAN);
    let codel = |target, interval| QueueSpec::CoDel { target, interval };
    let fq_codel = |quantum, flows| QueueSpec::FqCoDel {
        target: zero,
        interval: zero,
        quantum,
        flows,
    };
    let pie = |target, update, max_burst| QueueSpec::Pie {
        target,
        update,
        max_burst,
    };
    let dual_pi2 = |target, update, step| QueueSpec::DualPi2 {
        target,
        update,
        step,
    };
    let red = |min_bytes, max_bytes, max_probability, weight| QueueSpec::Red {
        min_bytes,
        max_bytes,
        max_probability,
        weight,
    };
    let specs = [
        codel(zero, zero),
        codel(max, max),
        fq_codel(0, 0),
        fq_codel(u32::MAX, u32::MAX),
        pie(zero, zero, zero),
        pie(max, max, max),
        dual_pi2(zero, zero, zero),
        dual_pi2(max, max, max),
        red(0, 0, nan, nan),
        red(u64::MAX, 0, -1.0, 7.0),
    ];
    for spec in specs {
        for limit in [Limit::Packets(0), Limit::Bytes(0), Limit::Packets(20)] {
            let mut queue = AnyQueue::new(&spec, limit, stream());
            let (mut sent, mut dropped) = (vec![], vec![]);
            for number in 0..200 {
                let now_ns = number * 1_000_000;
                let arriving = at(now_ns, packet(0, number, 1500, Ecn::Ect1));
                queue.enqueue(now_ns, arriving, &mut dropped);
                if number % 2 == 1 {
                    sent.extend(queue.dequeue(now_ns, &mut dropped));
                }
            }
            let accounted = sent.len() + dropped.len() + queue.waiting().count();
            assert_eq!(accounted, 200, "{spec:?} {limit:?}");
        }
    }
}
