//! The invariants of a connection over random events, against a small model of smoltcp's sender.

use core::time::Duration;

use std::vec::Vec;

use proptest::prelude::*;
use smoltcp::wire::{IpAddress, IpEndpoint, TcpSeqNumber};
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Decision, FixedWindow, NewReno, SentPacket,
    Timeout,
};
use tautline_core::units::{Bandwidth, Bytes, Timestamp};

use super::super::{Arrival, Connection, Gate, Marks, Phase, Settings, Withheld};
use crate::segment::{Ecn, Flags, Layout, Options, Segment, Tuple};

const INITIAL: TcpSeqNumber = TcpSeqNumber(i32::MAX - 20_000);
const PEER: TcpSeqNumber = TcpSeqNumber(-500);

/// Data of a full segment.
const FULL: u32 = 1000;

fn segment(flags: Flags, sequence: TcpSeqNumber, acknowledgement: TcpSeqNumber) -> Segment {
    let end = |last, port| IpEndpoint::new(IpAddress::v4(10, 0, 0, last), port);
    Segment {
        tuple: Tuple {
            local: end(1, 50_000),
            remote: end(2, 80),
        },
        flags,
        sequence,
        acknowledgement,
        window: 2000,
        payload_bytes: 0,
        wire_bytes: 40,
        options: Options::default(),
        ecn: Ecn::NotEct,
        layout: Layout::default(),
    }
}

const ACK: Flags = Flags {
    syn: false,
    fin: false,
    rst: false,
    psh: false,
    ack: true,
    ece: false,
    cwr: false,
};

fn at(micros: u64) -> Timestamp {
    Timestamp::from_nanos(micros * 1000)
}

/// A connection after its handshake, 10 ms long.
fn established<C: Controller>(controller: C) -> Connection<C, 16> {
    let syn_options = Options {
        max_segment_size: Some(1000),
        window_scale: Some(0),
        sack_permitted: true,
        ..Options::default()
    };
    let syn_flags = Flags {
        syn: true,
        ack: false,
        ..ACK
    };
    let syn = Segment {
        options: syn_options,
        ..segment(syn_flags, INITIAL, TcpSeqNumber(0))
    };
    let mut connection = Connection::active(at(0), &syn, controller, Settings::default());
    connection.on_departure(at(0), &syn);
    let answer_flags = Flags { syn: true, ..ACK };
    let answer = Segment {
        window: u16::MAX,
        options: Options {
            window_scale: Some(7),
            ..syn_options
        },
        ..segment(answer_flags, PEER, INITIAL + 1)
    };
    let delivered = connection.on_arrival(at(10_000), &answer);
    assert!(matches!(delivered, Arrival::Deliver { .. }));
    connection.on_departure(at(10_000), &segment(ACK, INITIAL + 1, PEER + 1));
    connection
}

/// smoltcp's sender, as far as windows matter: what it may send it sends.
#[derive(Debug)]
struct Sender {
    una: u32,
    nxt: u32,
    max: u32,
    window: u32,
    duplicates: u32,
}

impl Sender {
    fn hear(&mut self, acknowledged: u32, field: u16) -> bool {
        let window = u32::from(field) << 5;
        let duplicate = acknowledged == self.una && window == self.window && self.una < self.nxt;
        self.duplicates = if duplicate { self.duplicates + 1 } else { 0 };
        self.window = window;
        self.una = acknowledged;
        self.nxt = self.nxt.max(acknowledged);
        self.duplicates == 3
    }

    fn room(&self) -> u32 {
        (self.una + self.window).saturating_sub(self.nxt)
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Time passes, in µs.
    Wait(u32),
    /// The application has so much to send.
    Send(u32),
    /// The peer acknowledges a share of what left, in 1/1000, and has a block beyond.
    Ack(u32, u32, u32),
    /// smoltcp's retransmission timer expires, if a second has passed.
    Timeout,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0u32..100_000).prop_map(Event::Wait),
        1 => (1_000_000u32..3_000_000).prop_map(Event::Wait),
        4 => (1u32..30_000).prop_map(Event::Send),
        4 => (0u32..=1000, 0u32..1000, 0u32..5000).prop_map(|(a, b, c)| Event::Ack(a, b, c)),
        1 => Just(Event::Timeout),
    ];
    prop::collection::vec(event, 1..80)
}

fn data(start: u32, bytes: u32) -> Segment {
    Segment {
        payload_bytes: bytes,
        ..segment(ACK, INITIAL + 1 + start as usize, PEER + 1)
    }
}

struct World<C> {
    connection: Connection<C, 16>,
    sender: Sender,
    now: u64,
    queued: u32,
    progress: u64,
}

impl<C: Controller> World<C> {
    /// Lets a segment leave, which the gate must have allowed unless it is `exempt`.
    fn depart(&mut self, start: u32, bytes: u32, exempt: bool) -> Result<(), TestCaseError> {
        let before = self.connection.outstanding();
        let window = self.connection.status().window;
        let marks = self
            .connection
            .on_departure(at(self.now), &data(start, bytes));
        let withheld = marks.withheld;
        prop_assert_eq!(
            Marks {
                withheld: None,
                ..marks
            },
            Marks::default()
        );
        let after = self.connection.outstanding();
        if withheld.is_some() {
            // The gate gave way, and the segment is dropped.
            prop_assert_eq!((withheld, exempt), (Some(Withheld::Excess), false));
            prop_assert_eq!(before, after);
            return Ok(());
        }
        let lone = before == Bytes::ZERO || after <= Bytes::new(FULL.into());
        prop_assert!(
            exempt || lone || after <= window,
            "{before:?} {after:?} {window:?}"
        );
        self.sender.max = self.sender.max.max(start + bytes);
        Ok(())
    }

    /// What a driver does until nothing is left to do now.
    fn poll(&mut self) -> Result<(), TestCaseError> {
        for round in 0.. {
            prop_assert!(round < 100, "spins");
            if self.connection.poll_at() <= at(self.now) {
                self.connection.on_time(at(self.now));
            }
            let mut retransmit = false;
            for made in 0.. {
                let Some(ack) = self.connection.next_made(at(self.now)) else {
                    break;
                };
                prop_assert!(made < 10, "made without end");
                prop_assert!(ack.window > 0, "the peer's window is open");
                retransmit |= self.sender.hear(self.sender.una, ack.window);
            }
            if retransmit {
                prop_assert_eq!(self.connection.gate(), Gate::Open, "it would be forgotten");
                let bytes = FULL.min(self.queued.saturating_sub(self.sender.una));
                self.depart(self.sender.una, bytes, true)?;
                self.sender.nxt = self.sender.nxt.max(self.sender.una + bytes);
            }
            let bytes = self.sendable();
            if bytes == 0 || self.connection.gate() == Gate::Shut {
                return Ok(());
            }
            self.depart(self.sender.nxt, bytes, false)?;
            self.sender.nxt += bytes;
        }
        Ok(())
    }

    /// What smoltcp wants to send next, Nagle's algorithm off.
    fn sendable(&self) -> u32 {
        let left = self.queued.saturating_sub(self.sender.nxt);
        left.min(self.sender.room()).min(FULL)
    }

    fn step(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Wait(micros) => self.now += u64::from(micros),
            Event::Send(bytes) => self.queued += bytes,
            Event::Ack(share, from, bytes) => {
                let sent = self.sender.max - self.sender.una;
                let to = self.sender.una + sent * share / 1000;
                let start = to + 1 + (self.sender.max - to) * from / 1000;
                let end = (start + bytes).min(self.sender.max);
                let number = |at: u32| INITIAL + 1 + at as usize;
                let block = (start < end).then(|| (number(start), number(end)));
                let mut ack = segment(ACK, PEER + 1, number(to));
                ack.options.sack = [block, None, None];
                if to > self.sender.una {
                    self.progress = self.now;
                }
                let delivered = self.connection.on_arrival(at(self.now), &ack);
                let Arrival::Deliver { window } = delivered else {
                    return Err(TestCaseError::fail("dropped"));
                };
                if self.sender.hear(to, window) && self.sender.una < self.sender.nxt {
                    let bytes = FULL.min(self.queued - self.sender.una);
                    self.depart(self.sender.una, bytes, true)?;
                }
            }
            Event::Timeout => {
                let due = self.now >= self.progress + 1_000_000;
                if due && self.sender.una < self.sender.nxt && self.sender.window > 0 {
                    let bytes = FULL
                        .min(self.queued - self.sender.una)
                        .min(self.sender.window);
                    self.depart(self.sender.una, bytes, true)?;
                    self.sender.nxt = self.sender.una + bytes;
                    self.progress = self.now;
                }
            }
        }
        self.poll()
    }

    /// Data waits, and nothing in flight will bring an acknowledgement: then something is due.
    fn is_alive(&self) -> bool {
        let idle = self.connection.outstanding() == Bytes::ZERO;
        let waits = self.sender.nxt < self.queued || self.sender.una < self.sender.max;
        let acts = self.connection.poll_at() < Timestamp::MAX || self.sender.una < self.sender.nxt;
        !(idle && waits) || acts
    }
}

fn play<C: Controller + core::fmt::Debug>(
    controller: C,
    events: &[Event],
) -> Result<(), TestCaseError> {
    let mut world = World {
        connection: established(controller),
        sender: Sender {
            una: 0,
            nxt: 0,
            max: 0,
            window: 65_535,
            duplicates: 0,
        },
        now: 10_000,
        queued: 0,
        progress: 10_000,
    };
    // What the SYN-ACK brought is not scaled; the first acknowledgement replaces it.
    world.step(Event::Ack(0, 0, 0))?;
    for event in events {
        world.step(*event)?;
        prop_assert!(world.is_alive(), "after {event:?}: {:?}", world.connection);
        prop_assert_eq!(world.connection.status().violations, 0);
        prop_assert_eq!(world.connection.phase(), Phase::Established);
    }
    Ok(())
}

proptest! {
    #[test]
    fn nothing_leaves_above_the_window_of_reno(events in events()) {
        play(NewReno::new(Bytes::new(FULL.into())), &events)?;
    }

    #[test]
    fn nothing_leaves_above_a_window_smaller_than_a_segment(events in events()) {
        play(Tiny, &events)?;
    }

    #[test]
    fn nothing_leaves_above_a_fixed_window(events in events(), window in 2001u64..60_000) {
        play(FixedWindow::new(Bytes::new(window), Bytes::new(FULL.into())), &events)?;
    }
}

/// A controller that asks for nothing at all: no window, no rate, no burst.
#[derive(Debug)]
struct Tiny;

impl Controller for Tiny {
    fn on_packet_sent(&mut self, _: Timestamp, _: SentPacket) {}
    fn on_packet_acked(&mut self, _: Timestamp, _: AckedPacket) {}
    fn on_ack_end(&mut self, _: Timestamp, _: AckBatch) {}
    fn on_congestion_event(&mut self, _: Timestamp, _: CongestionEvent) {}
    fn on_timeout(&mut self, _: Timestamp, _: Timeout) {}
    fn on_mtu_update(&mut self, _: Timestamp, _: Bytes) {}

    fn decision(&self) -> Decision {
        Decision {
            pacing_rate: Bandwidth::ZERO,
            ..Decision::unpaced(Bytes::ZERO)
        }
    }
}

#[test]
fn time_may_stand_still_and_jump() {
    let mut connection = established(NewReno::new(Bytes::new(FULL.into())));
    connection.on_departure(at(10_000), &data(0, FULL));
    connection.on_time(Timestamp::MAX);
    while connection.next_made(Timestamp::MAX).is_some() {}
    let ack = segment(ACK, PEER + 1, INITIAL + 1 + FULL as usize);
    let delivered = connection.on_arrival(at(0), &ack);
    assert!(matches!(delivered, Arrival::Deliver { window } if window > 0));
    assert_eq!(connection.outstanding(), Bytes::ZERO);
    assert_eq!(connection.status().min_rtt, Duration::ZERO);
}

#[test]
fn what_acknowledges_unsent_data_is_dropped_and_what_smoltcp_ignores_changes_nothing() {
    let mut connection = established(NewReno::new(Bytes::new(FULL.into())));
    connection.on_departure(at(10_000), &data(0, FULL));
    let beyond = segment(ACK, PEER + 1, INITIAL + 2 + FULL as usize);
    assert!(matches!(
        connection.on_arrival(at(20_000), &beyond),
        Arrival::Drop(_)
    ));
    let outside = segment(ACK, PEER - 100, INITIAL + 1 + FULL as usize);
    let delivered = connection.on_arrival(at(20_000), &outside);
    assert_eq!(delivered, Arrival::Deliver { window: 2000 });
    assert_eq!(connection.outstanding(), Bytes::new(FULL.into()));
    let reset = Flags { rst: true, ..ACK };
    connection.on_arrival(at(20_000), &segment(reset, PEER - 100, INITIAL));
    assert_eq!(connection.phase(), Phase::Established);
    connection.on_arrival(at(20_000), &segment(reset, PEER + 1, INITIAL));
    assert_eq!(connection.phase(), Phase::Closed);
}
