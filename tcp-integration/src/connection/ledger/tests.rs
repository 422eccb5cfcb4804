use std::vec::Vec;

use core::time::Duration;

use proptest::prelude::*;
use smoltcp::wire::TcpSeqNumber;
use tautline_core::controller::RoundTrip;
use tautline_core::units::{Bytes, PacketNumber, Timestamp};

use super::super::sequence::after;
use super::*;

/// Close to the wrap.
const BASE: TcpSeqNumber = TcpSeqNumber(i32::MAX - 3000);

fn at(tick: u64) -> Timestamp {
    Timestamp::from_nanos(tick * 1_000_000)
}

fn send<const N: usize>(ledger: &mut Ledger<N>, tick: u64, start: u32, bytes: u32) -> u32 {
    ledger.on_departure(Departure {
        start: after(BASE, start),
        bytes,
        number: PacketNumber::new(tick),
        time_sent: at(tick),
        repeated: false,
    })
}

/// Acknowledges, and returns the reported packets as (number, bytes, measured).
fn ack<const N: usize>(
    ledger: &mut Ledger<N>,
    tick: u64,
    cumulative: u32,
    block: Option<(u32, u32)>,
) -> (Vec<(u64, u64, bool)>, Delivered) {
    let block = block.map(|(start, end)| (after(BASE, start), after(BASE, end)));
    let mut told = Vec::new();
    let delivered = ledger.acknowledge(
        Acknowledgement {
            now: at(tick),
            cumulative: after(BASE, cumulative),
            blocks: &[block, None, None],
            least_round_trip: Some(Duration::from_millis(5)),
        },
        |packet| {
            told.push((
                packet.number.as_u64(),
                packet.bytes.as_u64(),
                packet.round_trip == RoundTrip::Measured,
            ));
        },
    );
    (told, delivered)
}

fn filled() -> Ledger<16> {
    let mut ledger = Ledger::new();
    for number in 0..6 {
        send(
            &mut ledger,
            number,
            u32::try_from(number).unwrap() * 1000,
            1000,
        );
    }
    ledger
}

#[test]
fn acknowledged_packets_are_told_once_and_in_order() {
    let mut ledger = filled();
    let (told, _) = ack(&mut ledger, 10, 1000, Some((2000, 4000)));
    assert_eq!(told, [(0, 1000, true), (2, 1000, true), (3, 1000, true)]);
    assert_eq!(ledger.bytes_in_flight(), Bytes::new(3000));
    let (told, delivered) = ack(&mut ledger, 20, 5000, Some((2000, 4000)));
    assert_eq!(told, [(1, 1000, true), (4, 1000, true)]);
    assert_eq!(delivered.round_trip_time, Some(Duration::from_millis(16)));
    assert_eq!(ledger.bytes_in_flight(), Bytes::new(1000));
}

#[test]
fn a_retransmission_makes_its_acknowledgement_ambiguous() {
    let mut ledger = filled();
    assert!(ledger.lose_front(1000).is_some());
    assert_eq!(ledger.bytes_in_flight(), Bytes::new(5000));
    send(&mut ledger, 10, 0, 1000);
    assert_eq!(ledger.bytes_in_flight(), Bytes::new(6000));
    let (told, delivered) = ack(&mut ledger, 20, 3000, None);
    assert_eq!(
        told,
        [(1, 1000, false), (2, 1000, false), (10, 1000, false)],
        "in the order of numbers, none measured"
    );
    assert_eq!(delivered.round_trip_time, None);
    assert_eq!(
        delivered.largest.first(),
        Some((PacketNumber::new(10), at(10))),
        "ten milliseconds are more than the least round-trip time"
    );
}

#[test]
fn an_acknowledgement_too_soon_for_a_retransmission_condemns_nothing() {
    let mut ledger = filled();
    send(&mut ledger, 10, 0, 1000);
    let (_, delivered) = ack(&mut ledger, 12, 1000, None);
    assert_eq!(delivered.largest.first(), None);
}

#[test]
fn three_later_packets_make_a_loss() {
    let mut ledger = filled();
    let (_, delivered) = ack(&mut ledger, 10, 0, Some((2000, 4000)));
    let mut largest = delivered.largest;
    assert_eq!(largest.third(), None);
    let (_, delivered) = ack(&mut ledger, 11, 0, Some((2000, 5000)));
    largest.merge(&delivered.largest);
    assert_eq!(largest.third(), Some(PacketNumber::new(2)));
    let third = largest.third().unwrap();
    let losses = ledger.lose_before(third, 1000).unwrap();
    assert_eq!((losses.packets, losses.bytes), (2, Bytes::new(2000)));
    assert_eq!(losses.number, PacketNumber::new(1));
    assert_eq!(ledger.lose_before(third, 1000), None, "once");
    let (told, _) = ack(&mut ledger, 12, 5000, None);
    assert_eq!(told, [], "what was lost is accounted for");
}

#[test]
fn a_full_ledger_joins_neighbours_and_forgets_no_byte() {
    let mut ledger = Ledger::<8>::new();
    for number in 0..100 {
        send(
            &mut ledger,
            number,
            u32::try_from(number).unwrap() * 100,
            100,
        );
    }
    assert_eq!(ledger.bytes_in_flight(), Bytes::new(10_000));
    let (told, _) = ack(&mut ledger, 200, 5050, None);
    assert_eq!(told.iter().map(|(_, bytes, _)| bytes).sum::<u64>(), 5050);
    assert_eq!(ledger.bytes_in_flight(), Bytes::new(4950));
    assert!(told.is_sorted());
}

/// What a byte's life was, kept per byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Byte {
    state: State,
    number: u64,
    repeated: bool,
}

#[derive(Debug, Default)]
struct Naive {
    bytes: Vec<Byte>,
    una: usize,
}

impl Naive {
    fn in_flight(&self) -> u64 {
        let flying = |byte: &&Byte| byte.state == State::Outstanding;
        self.bytes[self.una..].iter().filter(flying).count() as u64
    }

    fn send(&mut self, number: u64, start: usize, count: usize) {
        for index in start..start + count {
            let byte = Byte {
                state: State::Outstanding,
                number,
                repeated: index < self.bytes.len(),
            };
            if index < self.bytes.len() {
                if self.bytes[index].state != State::Sacked {
                    self.bytes[index] = byte;
                }
            } else {
                self.bytes.push(byte);
            }
        }
    }

    fn ack(&mut self, cumulative: usize, block: Option<(usize, usize)>) -> Vec<(u64, u64)> {
        let mut told: Vec<(u64, u64)> = Vec::new();
        let block = block.filter(|(start, end)| *start >= cumulative && start < end);
        for index in self.una..self.bytes.len() {
            let blocked = block.is_some_and(|(start, end)| start <= index && index < end);
            if index >= cumulative && !blocked {
                continue;
            }
            let byte = &mut self.bytes[index];
            if byte.state == State::Outstanding {
                match told.iter_mut().find(|(number, _)| *number == byte.number) {
                    Some((_, bytes)) => *bytes += 1,
                    None => told.push((byte.number, 1)),
                }
            }
            byte.state = State::Sacked;
        }
        self.una = self.una.max(cumulative);
        told.sort_unstable();
        told
    }

    fn lose(&mut self, which: impl Fn(&Byte) -> bool) {
        for byte in &mut self.bytes[self.una..] {
            if byte.state == State::Outstanding && which(byte) {
                byte.state = State::Lost;
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(u32),
    Resend(u32, u32),
    Ack(u32),
    Sack(u32, u32, u32),
    LoseBefore(u64),
    LoseAll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1u32..200).prop_map(Step::Send),
        2 => (0u32..1000, 1u32..300).prop_map(|(start, bytes)| Step::Resend(start, bytes)),
        2 => (0u32..1000).prop_map(Step::Ack),
        4 => (0u32..1000, 0u32..1000, 0u32..400).prop_map(|(a, b, c)| Step::Sack(a, b, c)),
        1 => (0u64..10).prop_map(Step::LoseBefore),
        1 => Just(Step::LoseAll),
    ];
    prop::collection::vec(step, 1..60)
}

/// Plays `steps` on both; `check` gets both after each, and what each reported.
fn play<const N: usize>(
    steps: &[Step],
    check: impl Fn(&Ledger<N>, &Naive, &[(u64, u64)], &[(u64, u64)]) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::<N>::new();
    let mut naive = Naive::default();
    let scaled = |share: u32, span: usize| share as usize * span / 1000;
    // Bytes that left, and of them those that were reported.
    let (mut departed, mut reported) = (0_u64, 0_u64);
    let total = |losses: Option<Losses>| losses.map_or(0, |losses| losses.bytes.as_u64());
    for (number, step) in (0u64..).zip(steps) {
        let (mut told, mut expected) = (Vec::new(), Vec::new());
        let sent = naive.bytes.len();
        let span = sent - naive.una;
        match *step {
            Step::Send(bytes) => {
                departed += u64::from(send(&mut ledger, number, sent as u32, bytes));
                naive.send(number, sent, bytes as usize);
            }
            Step::Resend(share, bytes) => {
                let start = naive.una + scaled(share, span);
                let bytes = (bytes as usize).min(sent - start);
                departed += u64::from(send(&mut ledger, number, start as u32, bytes as u32));
                naive.send(number, start, bytes);
            }
            Step::Ack(share) => {
                let to = naive.una + scaled(share, span);
                (told, _) = pairs(ack(&mut ledger, number, to as u32, None));
                expected = naive.ack(to, None);
            }
            Step::Sack(share, from, bytes) => {
                let to = naive.una + scaled(share, span) / 4;
                let start = to + scaled(from, sent - to);
                let end = (start + bytes as usize).min(sent);
                let block = Some((start as u32, end as u32));
                (told, _) = pairs(ack(&mut ledger, number, to as u32, block));
                expected = naive.ack(to, Some((start, end)));
            }
            Step::LoseBefore(age) => {
                let largest = number.saturating_sub(age);
                reported += total(ledger.lose_before(PacketNumber::new(largest), 100));
                naive.lose(|byte| byte.number < largest);
            }
            Step::LoseAll => {
                reported += total(ledger.lose_all(100));
                naive.lose(|_| true);
            }
        }
        prop_assert!(told.is_sorted_by_key(|(number, _)| *number));
        reported += told.iter().map(|(_, bytes)| bytes).sum::<u64>();
        prop_assert!(reported <= departed, "{reported} bytes told of {departed}");
        check(&ledger, &naive, &told, &expected)?;
    }
    Ok(())
}

fn pairs((told, delivered): (Vec<(u64, u64, bool)>, Delivered)) -> (Vec<(u64, u64)>, Delivered) {
    let mut sums: Vec<(u64, u64)> = Vec::new();
    for (number, bytes, _) in told {
        match sums.last_mut() {
            Some((last, sum)) if *last == number => *sum += bytes,
            _ => sums.push((number, bytes)),
        }
    }
    (sums, delivered)
}

proptest! {
    #[test]
    fn the_ledger_agrees_with_one_that_keeps_every_byte(steps in steps()) {
        play::<256>(&steps, |ledger, naive, told, expected| {
            prop_assert_eq!(ledger.bytes_in_flight().as_u64(), naive.in_flight());
            prop_assert_eq!(told, expected);
            let live = ledger.live();
            prop_assert!(live.windows(2).all(|pair| pair[0].end() <= pair[1].start));
            Ok(())
        })?;
    }

    #[test]
    fn a_ledger_that_is_too_small_never_counts_too_few_bytes_in_flight(steps in steps()) {
        play::<8>(&steps, |ledger, naive, _, _| {
            prop_assert!(ledger.bytes_in_flight().as_u64() >= naive.in_flight());
            if naive.una == naive.bytes.len() {
                prop_assert_eq!(ledger.bytes_in_flight(), Bytes::ZERO);
            }
            Ok(())
        })?;
    }
}
