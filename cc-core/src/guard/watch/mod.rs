//! Whether the path behaves as the closed-loop claims assume.
//!
//! Every test is the negation of something that the model of `docs/closed-loop.md` implies, so
//! evidence is proof that one of its assumptions does not hold here; on a path as assumed there is
//! none, whatever jitter does within D. What follows has the derivations, in base round-trip
//! times; the controller knows m with R ≤ m ≤ (1+D)·R and takes whichever end is on the safe side.
//!
//! * **Rise.** Between two accepted packets that leave one after the other the queue grows by one
//!   datagram at most, so r′ − r ≤ D + g, at any time and under any controller.
//! * **Spread.** r ∈ [1+q_lo, 1+q_hi+D]. Where β cuts off q_lo, q_hi − q_lo ≤ g; else
//!   q_hi − q_lo ≤ I + P + D + 4g in either case of q_hi, and λ ≤ r_min + P + D + 3g. With P = D + g the
//!   spread is at most 3D + 5g + (ω/λ − 1)·(r_min + 2D + 4g). Drops that are not yet known would lower
//!   q_lo; they show as loss in this round or the next, which therefore must have none.
//!   P is larger where the window lies below (1+D)/2, by at most (1+D)/8.
//! * **Delivery.** What is acknowledged in a time t left the server within t + D, so C ≥ acked/(t+D).
//! * **Explanation.** Without a rise of the window r ≤ max(ω + g + D, 1 + 3D + 2g), so a round trip
//!   beyond the second has C ≤ W/(r − g − D), again if this round and the next lose nothing. Two rounds whose bounds of C cross saw two rates.
//! * **Buffer.** An accepted packet found at most β: r ≤ 1 + β + D. A dropped one found more, so the
//!   last accepted before it has r ≥ 1 + β − g; it is among those acknowledged in the last four
//!   rounds. Bounds of β must not cross either.
//! * **Base.** r ≥ R ≥ m/(1+D) for the m of any earlier time.

mod evidence;
mod extreme;
mod packets;

use core::time::Duration;

use self::extreme::Largest;
use self::packets::PacketFold;
use crate::fixed::Q16;
use crate::guard::{Assumption, LoopAssumptions};
use crate::log2::exp2_scaled;
use crate::observe::Observation;
use crate::units::{Bandwidth, Bytes, PacketNumber, Timestamp, duration_nanos, mul_div};

/// Watches the path for evidence against a model's assumptions.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    assumed: LoopAssumptions,
    /// One bit per round and assumption, newest lowest.
    histories: [u32; Assumption::ALL.len()],
    packets: PacketFold,
    /// Largest round-trip times of the last rounds, newest first.
    recent: [u64; SETTLED_ROUNDS],
    /// Windows in force before the last decision and before the one before that.
    windows: [Bytes; 2],
    /// Rounds since hands other than the policy's moved the window, or the flow
    /// left it unused.
    steady_rounds: usize,
    lossless_rounds: usize,
    /// What the last round shows, if no drop of it becomes known in this one.
    pending: Pending,
    round_began: Option<Timestamp>,
    /// Lower bounds of the rate, in bytes per second.
    delivered: Largest,
    /// Complements of upper bounds of the rate.
    explained: Largest,
    /// Lower bounds of β·R in nanoseconds.
    buffered: Largest,
    /// The largest m since the policy took over.
    base_nanos: u64,
    /// The least round-trip time since a fallback, after which m may be of another path; until a
    /// drain ends, R lies below the larger of both.
    renewed: Option<u64>,
}

/// A round as the watch sees it.
#[derive(Clone, Copy, Debug)]
pub struct WatchedRound<'a> {
    /// When it ended.
    pub now: Timestamp,
    /// What it showed.
    pub observation: &'a Observation,
    /// m.
    pub min_rtt: Duration,
    /// The window in force until now.
    pub window: Bytes,
    /// The largest datagram.
    pub datagram: Bytes,
    /// True if the policy moves the window.
    pub by_policy: bool,
}

/// What one round showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// There was evidence against an assumption in this round.
    pub evidence: bool,
    /// The assumption that has had enough of it.
    pub broken: Option<Assumption>,
}

/// What would be evidence unless drops of the same round, not known yet, explained it.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// Round trips differ too much.
    spread: bool,
    /// An upper bound of the rate, in bytes per second.
    rate: Option<u64>,
}

impl Pending {
    const NOTHING: Self = Self {
        spread: false,
        rate: None,
    };
}

/// Sizes of one round in nanoseconds, each on the side that keeps the tests implied.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// m, at least R.
    most: u64,
    /// m/(1+D), at most R.
    least: u64,
    /// At least D·R.
    jitter: u64,
    /// At least g·R.
    datagram: u64,
}

impl Watch {
    /// Watches for what `assumed` says.
    pub fn new(assumed: LoopAssumptions) -> Self {
        Self {
            assumed,
            histories: [0; Assumption::ALL.len()],
            packets: PacketFold::default(),
            recent: [0; SETTLED_ROUNDS],
            windows: [Bytes::ZERO; 2],
            steady_rounds: 0,
            lossless_rounds: 0,
            pending: Pending::NOTHING,
            round_began: None,
            delivered: Largest::default(),
            explained: Largest::default(),
            buffered: Largest::default(),
            base_nanos: 0,
            renewed: None,
        }
    }

    /// Notes a packet newly acknowledged and its round-trip time, if it tells one.
    pub fn on_packet_acked(
        &mut self,
        number: PacketNumber,
        bytes: Bytes,
        sample: Option<Duration>,
    ) {
        self.packets.on_packet_acked(number, bytes, sample);
    }

    /// Judges a round.
    pub fn on_round(&mut self, round: &WatchedRound<'_>) -> Verdict {
        let packets = self.packets.take();
        self.recent.rotate_right(1);
        if let Some(newest) = self.recent.first_mut() {
            *newest = packets.largest_rtt;
        }
        if let Some(least) = &mut self.renewed
            && !round.observation.min_rtt.is_zero()
        {
            *least = duration_nanos(round.observation.min_rtt).min(*least);
        }
        let scale = self.scale(round);
        self.count_rounds(round);
        let shown = self.pending(scale, round);
        let last = core::mem::replace(&mut self.pending, shown);
        let lossless = round.observation.lost_packets == 0;
        let pending = if lossless { last } else { Pending::NOTHING };
        let mut evidence = [false; Assumption::ALL.len()];
        let mut against = |assumption: Assumption, found: bool| {
            if let Some(place) = evidence.get_mut(assumption.index()) {
                *place |= found;
            }
        };
        against(Assumption::Jitter, Self::rises(&packets, scale, round));
        against(Assumption::Jitter, pending.spread);
        against(Assumption::BaseRtt, self.undercuts(round));
        let (rate, range) = self.rates(&packets, pending.rate, scale, round);
        against(Assumption::Rate, rate);
        against(Assumption::Range, range);
        against(Assumption::Buffer, self.drops(&packets, scale, round));
        against(Assumption::Marks, round.observation.ce_packets > 0);
        against(Assumption::Order, packets.late > 0);
        let [before, _] = self.windows;
        self.windows = [round.window, before];
        self.round_began = Some(round.now);
        self.verdict(evidence)
    }

    /// The minimum round-trip time is fresh, and bounds begin to age.
    pub const fn on_drained(&mut self) {
        self.renewed = None;
        self.delivered.turn();
        self.explained.turn();
        self.buffered.turn();
    }

    /// The policy takes over, or something but a decision moved its window.
    pub const fn on_moved(&mut self) {
        self.steady_rounds = 0;
        self.pending = Pending::NOTHING;
        self.base_nanos = 0;
        self.histories = [0; Assumption::ALL.len()];
    }

    /// The fallback takes over from what was believed about the path so far.
    pub fn on_fallback(&mut self) {
        self.on_moved();
        self.delivered = Largest::default();
        self.explained = Largest::default();
        self.buffered = Largest::default();
        self.renewed = Some(u64::MAX);
    }

    /// True from a fallback of [`Watch::on_fallback`] to the next drain: m may be of another path.
    pub const fn doubts_min_rtt(&self) -> bool {
        self.renewed.is_some()
    }

    /// The window with which the policy begins, in place of `window`.
    ///
    /// What was delivered bounds the rate from below, so the window can be brought below the upper
    /// end of the start range for certain, by two steps of `gain`, which the policy makes before it
    /// sees the first round of its own. That it lies above the lower end is certain only where the
    /// rate was delivered in full, as it is once slow start or loss has shown a queue; then it is
    /// raised to what the start range asks for, which is less than was delivered already.
    pub fn entry_window(&self, window: Bytes, min_rtt: Duration, gain: Q16) -> Bytes {
        let (low, high) = self.assumed.start;
        let margin = gain.saturating_add(gain);
        let rate = Bandwidth::from_bytes_per_sec(self.delivered.once());
        let base = Duration::from_nanos(self.least_base(duration_nanos(min_rtt)));
        let product = rate.bytes_in(base).as_u64();
        let low = exp2_scaled(low.saturating_add(margin), product);
        let high = exp2_scaled(high.saturating_sub(margin), product);
        if product == 0 || low > high || self.doubts_min_rtt() {
            return window;
        }
        window.clamp(Bytes::new(low), Bytes::new(high))
    }

    /// m/(1+D), rounded down.
    fn least_base(&self, most: u64) -> u64 {
        let one = Q16::ONE.saturating_add(self.assumed.jitter);
        let divisor = u64::try_from(one.units()).unwrap_or(u64::MAX);
        mul_div(most, 1 << Q16::FRACTION_BITS, divisor)
    }

    fn scale(&self, round: &WatchedRound<'_>) -> Scale {
        let min = duration_nanos(round.min_rtt);
        let renewed = self.renewed.filter(|&least| least != u64::MAX);
        let most = renewed.map_or(min, |least| least.max(min));
        let declared = self.assumed.largest_datagram().scale(most);
        let delivered = Bandwidth::from_bytes_per_sec(self.delivered.get());
        Scale {
            most,
            least: self.least_base(min),
            jitter: self.assumed.jitter.scale(most),
            datagram: declared.min(duration_nanos(delivered.time_for(round.datagram))),
        }
    }

    fn count_rounds(&mut self, round: &WatchedRound<'_>) {
        let [before, _] = self.windows;
        let slack = round.datagram.saturating_mul(3);
        let slack = slack.saturating_add(before.scale(1, 8));
        let reached = round.observation.max_bytes_in_flight.saturating_add(slack);
        self.steady_rounds = if round.by_policy && reached >= before {
            self.steady_rounds.saturating_add(1)
        } else {
            0
        };
        self.lossless_rounds = if round.observation.lost_packets == 0 {
            self.lossless_rounds.saturating_add(1)
        } else {
            0
        };
    }

    /// Judged and earlier packets all left under windows that this watch has seen.
    const fn steady(&self) -> bool {
        self.steady_rounds >= SETTLED_ROUNDS && self.lossless_rounds >= SETTLED_ROUNDS
    }

    fn verdict(&mut self, evidence: [bool; Assumption::ALL.len()]) -> Verdict {
        let mut broken = None;
        let found = self.histories.iter_mut().zip(evidence);
        for (assumption, (history, found)) in Assumption::ALL.into_iter().zip(found) {
            *history = (*history << 1) | u32::from(found);
            if broken.is_none() && history.count_ones() >= assumption.rounds() {
                broken = Some(assumption);
            }
        }
        Verdict {
            evidence: evidence.contains(&true),
            broken,
        }
    }
}

/// Rounds after which all packets judged, and those in flight before them, left under windows
/// that the watch knows.
const SETTLED_ROUNDS: usize = 4;
/// Two readings of a clock in microseconds, and all roundings here.
const SLACK_NANOS: u64 = 2000;
