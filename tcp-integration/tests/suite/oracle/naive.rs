//! The gate that suggests itself: `transmit()` says no while the window is full.
//!
//! It cannot see what the stack wants to send. So that the stack can repair losses at all, it lets
//! one frame pass at the third duplicate acknowledgement (the *credit*) and one after a second
//! without progress (the *escape*). What that costs is measured in `gate_naive.rs`.

use std::collections::{BTreeMap, VecDeque};

use smoltcp::phy::{Device, DeviceCapabilities, Medium, TxToken};
use smoltcp::time::Instant;

use super::port::{Arrived, Departing, Port, Tap};
use super::wire;

/// Why the gate let a frame pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pass {
    /// A full segment fits into the window.
    Window,
    /// The third duplicate acknowledgement has come.
    Credit,
    /// Nothing has moved for a second.
    Escape,
}

/// What the frame was, as its sequence number shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sent {
    /// Data after all that was sent.
    New,
    /// The first unacknowledged segment.
    First,
    /// Something in between, after going back.
    Between,
}

/// What is known of the stack when a segment left above the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    /// Why it could pass.
    pub(crate) pass: Pass,
    /// What it was.
    pub(crate) sent: Sent,
    /// What the stack did with the last credit.
    pub(crate) credit: Credit,
}

/// What became of the frame that the last third duplicate acknowledgement stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Credit {
    /// The first segment left with it.
    Used,
    /// Something else did, or nothing yet.
    Open,
    /// There was none since the last progress.
    None,
}

/// Which acknowledgements count as duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// All that acknowledge nothing new.
    All,
    /// Those that smoltcp counts: without a change of window, and while something is under way
    /// as it sees it.
    LikeSmoltcp,
}

/// Whether the application fills its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backlog {
    /// As far as the socket takes it (mode b of the table in `gate_naive.rs`).
    Full,
    /// Up to the congestion window only (mode ab).
    OneWindow,
}

/// How the gate works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Which duplicates count.
    pub(crate) counting: Counting,
    /// The time without progress after which one frame passes.
    pub(crate) escape_micros: i64,
    /// What the application may hold.
    pub(crate) backlog: Backlog,
}

/// AIMD behind a bare `transmit()` gate.
#[derive(Debug)]
pub(crate) struct NaiveGate {
    port: Port,
    window: f64,
    threshold: f64,
    isn: u32,
    una: i64,
    next: i64,
    max: i64,
    rules: Rules,
    duplicates: u32,
    last_window: u16,
    credit: bool,
    credit_use: Credit,
    recover: i64,
    progress_at: i64,
    pass: Pass,
    /// Data segments without fast retransmissions.
    pub(crate) segments: u64,
    /// Causes of segments above the window.
    pub(crate) violations: BTreeMap<Cause, u64>,
    /// The last events before the first violation.
    pub(crate) trail: VecDeque<String>,
}

impl NaiveGate {
    /// A gate before `port`.
    pub(crate) fn new(port: Port, rules: Rules) -> Self {
        Self {
            port,
            rules,
            window: 10.0 * SEGMENT as f64,
            threshold: f64::MAX,
            isn: 0,
            una: 1,
            next: 1,
            max: 1,
            duplicates: 0,
            last_window: 0,
            credit: false,
            credit_use: Credit::None,
            recover: 0,
            progress_at: 0,
            pass: Pass::Window,
            segments: 0,
            violations: BTreeMap::new(),
            trail: VecDeque::new(),
        }
    }

    /// The congestion window in bytes.
    pub(crate) const fn window(&self) -> i64 {
        self.window as i64
    }

    fn note(&mut self, event: impl FnOnce() -> String) {
        if self.violations.is_empty() {
            if self.trail.len() == TRAIL {
                self.trail.pop_front();
            }
            self.trail.push_back(event());
        }
    }

    fn offset(&self, sequence: u32) -> i64 {
        let reference = self.isn.wrapping_add(self.max as u32);
        self.max + i64::from(sequence.wrapping_sub(reference) as i32)
    }

    fn permission(&self, now: i64) -> Option<Pass> {
        if self.next - self.una + SEGMENT <= self.window() {
            Some(Pass::Window)
        } else if self.credit {
            Some(Pass::Credit)
        } else if now - self.progress_at >= self.rules.escape_micros {
            Some(Pass::Escape)
        } else {
            None
        }
    }

    fn on_departure(&mut self, now: i64, frame: &[u8]) {
        let Some(seen) = wire::read(Medium::Ip, frame) else {
            return;
        };
        if seen.syn {
            self.isn = seen.sequence;
        }
        if seen.payload == 0 {
            return;
        }
        let start = self.offset(seen.sequence);
        let end = start + seen.payload;
        let pass = self.pass;
        let sent = match start {
            _ if start >= self.max => Sent::New,
            _ if start <= self.una => Sent::First,
            _ => Sent::Between,
        };
        if sent == Sent::First && self.credit && self.next > end {
            self.credit = false;
            self.credit_use = Credit::Used;
            self.note(|| format!("{now} fast retransmission {start}"));
            return;
        }
        self.segments += 1;
        if pass != Pass::Window {
            self.credit = false;
            self.progress_at = now;
        }
        if start < self.next {
            self.threshold = (self.window / 2.0).max(2.0 * SEGMENT as f64);
            self.window = SEGMENT as f64;
            self.recover = self.max;
        }
        self.next = end;
        self.max = self.max.max(end);
        let (flight, window) = (end - self.una, self.window());
        self.note(|| format!("{now} {pass:?} {sent:?} {start} flight {flight} of {window}"));
        if flight > window {
            let credit = self.credit_use;
            let cause = Cause { pass, sent, credit };
            *self.violations.entry(cause).or_default() += 1;
        }
    }

    fn on_arrival(&mut self, now: i64, frame: &[u8]) {
        let Some(seen) = wire::read(Medium::Ip, frame) else {
            return;
        };
        let Some(ack) = seen.acknowledgement else {
            return;
        };
        let ack = self.offset(ack);
        if ack > self.una {
            self.progress_at = now;
            self.duplicates = 0;
            self.credit = false;
            self.credit_use = Credit::None;
            let segment = SEGMENT as f64;
            let grown = (ack - self.una) as f64;
            if ack >= self.recover {
                self.window += if self.window < self.threshold {
                    grown.min(segment)
                } else {
                    segment * segment / self.window
                };
            }
            self.una = ack;
            self.next = self.next.max(ack);
        } else if ack == self.una && self.max > self.una && !seen.syn {
            let same = self.last_window == seen.window;
            let counts = same && ack < self.next;
            self.duplicates = match self.rules.counting {
                Counting::LikeSmoltcp if !counts => 0,
                _ => self.duplicates + 1,
            };
            let duplicates = self.duplicates;
            self.note(|| format!("{now} duplicate {duplicates} of {ack}, same window: {same}"));
            if self.duplicates == 3 {
                self.credit = true;
                self.credit_use = Credit::Open;
                if self.una >= self.recover {
                    self.threshold = (self.window / 2.0).max(2.0 * SEGMENT as f64);
                    self.window = self.threshold;
                    self.recover = self.max;
                }
            }
        }
        self.last_window = seen.window;
    }
}

impl Tap for NaiveGate {
    fn port(&mut self) -> &mut Port {
        &mut self.port
    }

    fn due(&self) -> Option<Instant> {
        Some(Instant::from_micros(
            self.progress_at + self.rules.escape_micros,
        ))
    }

    fn backlog_cap(&self) -> usize {
        match self.rules.backlog {
            Backlog::Full => usize::MAX,
            Backlog::OneWindow => self.window() as usize,
        }
    }
}

impl Device for NaiveGate {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = NaiveToken<'a>;

    fn receive(&mut self, timestamp: Instant) -> Option<(Arrived, NaiveToken<'_>)> {
        let now = timestamp.total_micros();
        let (arrived, _) = self.port.receive(timestamp)?;
        self.on_arrival(now, arrived.frame());
        Some((arrived, NaiveToken { gate: self, now }))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<NaiveToken<'_>> {
        let now = timestamp.total_micros();
        self.pass = self.permission(now)?;
        Some(NaiveToken { gate: self, now })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.port.capabilities()
    }
}

/// A frame that the gate lets pass.
#[derive(Debug)]
pub(crate) struct NaiveToken<'a> {
    gate: &'a mut NaiveGate,
    now: i64,
}

impl TxToken for NaiveToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut sent = Vec::new();
        let result = Departing::new(&mut self.gate.port, self.now).consume(len, |frame| {
            let result = f(frame);
            sent.extend_from_slice(frame);
            result
        });
        self.gate.on_departure(self.now, &sent);
        result
    }
}

/// Payload of a full segment over IPv4 with an MTU of 1500.
pub(crate) const SEGMENT: i64 = 1460;
const TRAIL: usize = 24;
