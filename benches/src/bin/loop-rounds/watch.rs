//! A controller that is held to what the model of the path says about each of its rounds.

use std::collections::VecDeque;

use tautline_core::action::Proposal;
use tautline_core::controller::{
    AckBatch, AckedPacket, CongestionEvent, Controller, Counters, Decision, Learned, Proposer as _,
    SentPacket, Timeout,
};
use tautline_core::features::{FEATURE_COUNT, TABLE_1, index};
use tautline_core::guard::{LoopAssumptions, UncheckedEnvelope};
use tautline_core::units::{Bytes, Timestamp};

use crate::checker::{Checker, Past};
use crate::flight::Flight;
use crate::follow::Follow;
use crate::hands::Recording;
use crate::intervals::{Met, Mistake, Promise, Windows};
use crate::path::Path;
use crate::tally::{Guarded, Tallies};

/// A learned controller with everything that is promised about it.
pub(crate) struct Watched {
    inner: Learned<Recording, UncheckedEnvelope<LoopAssumptions>>,
    path: Path,
    promise: Promise,
    checker: Checker,
    mistake: Mistake,
    /// The last rounds, each under one window, with the decisions that began them.
    rounds: VecDeque<Round>,
    next_number: u64,
    acked_in_batch: u64,
    seen: Counters,
    proposals: u64,
    /// Average and step that the next decision must see; none where others than the policy acted.
    memory: Option<Memory>,
    flight: Flight,
    /// The states of the certified model, where it proposes.
    follow: Option<Follow>,
    /// When the event under way came, and bytes acknowledged so far.
    at: (u64, u64),
    /// Positive steps that the guard did not let through.
    cut: u64,
    tallies: Tallies,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    /// Its first packet.
    marker: u64,
    /// w, units of 2⁻¹⁶.
    log_window: i32,
    /// The window in bandwidth-delay products.
    window: f64,
    /// What its packets meet; none until two windows before it are known as well.
    met: Option<Met>,
    /// Longest round trip of its packets, in base RTTs.
    longest: f64,
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    average: i32,
    last_step: i32,
}

impl Watched {
    pub(crate) fn new(
        inner: Learned<Recording, UncheckedEnvelope<LoopAssumptions>>,
        path: Path,
        checker: Checker,
        mistake: Mistake,
        follow: Option<Follow>,
    ) -> Self {
        Self {
            inner,
            path,
            promise: path.promise(),
            checker,
            mistake,
            rounds: VecDeque::new(),
            next_number: 0,
            acked_in_batch: 0,
            seen: Counters::default(),
            proposals: 0,
            memory: None,
            flight: Flight::default(),
            follow,
            at: (0, 0),
            cut: 0,
            tallies: Tallies::default(),
        }
    }

    /// The tallies, when the run is over.
    pub(crate) fn into_tallies(mut self) -> Tallies {
        let counters = self.inner.counters();
        let guarded = Guarded {
            decisions: self.tallies.decisions,
            cut: self.cut,
            fallbacks: counters.fallbacks,
        };
        let hand = self.inner.proposer().name();
        self.tallies.guarded.insert(hand, guarded);
        self.tallies.evidence = counters.evidence_rounds;
        if let Some(follow) = self.follow {
            let (slice, reached) = follow.into_reached();
            self.tallies.reached.insert(slice, reached);
        }
        self.tallies
    }

    fn window(&self) -> f64 {
        let bytes = self.inner.decision().congestion_window.as_u64();
        self.path.share_of_bdp(bytes)
    }

    fn forget(&mut self) {
        self.rounds.clear();
        self.memory = None;
        self.flight.forget();
        if let Some(follow) = &mut self.follow {
            follow.forget();
        }
    }

    /// What followed from an event.
    fn note(&mut self) {
        let counters = self.inner.counters();
        let regular = counters.fallbacks == counters.returns && counters.decisions > 0;
        if !regular {
            self.seen = counters;
            self.forget();
        } else if counters.decisions > self.seen.decisions {
            self.seen = counters;
            self.on_decision();
        } else if self
            .rounds
            .back()
            .is_some_and(|last| !same(last.window, self.window()))
        {
            // Nobody decided on this window: a timeout.
            self.forget();
        }
    }

    fn on_decision(&mut self) {
        self.tallies.decisions += 1;
        let proposals = self.inner.proposer().count;
        let by_policy = proposals > self.proposals && self.inner.policy_in_charge();
        self.proposals = proposals;
        if by_policy {
            self.follow();
            self.judge();
            self.remember();
        } else {
            // A window that is only held is as good as the policy's.
            self.memory = None;
            if let Some(follow) = &mut self.follow {
                follow.on_pause();
            }
            if self
                .rounds
                .back()
                .is_some_and(|last| !same(last.window, self.window()))
            {
                self.rounds.clear();
            }
        }
        self.flight.next_round();
        let window = self.window();
        let mut recent = self.rounds.iter().rev().map(|round| round.window);
        let met = match (recent.next(), recent.next()) {
            (Some(before), Some(earlier)) if self.rounds.len() >= WINDOWS_BEFORE => {
                let windows = Windows {
                    judged: window,
                    before,
                    earlier,
                };
                Some(self.promise.met(windows, self.mistake))
            }
            _ => None,
        };
        self.rounds.push_back(Round {
            marker: self.next_number,
            log_window: self.inner.log_window().units(),
            window,
            met,
            longest: 0.0,
        });
        if self.rounds.len() > WINDOWS_BEFORE {
            self.rounds.pop_front();
        }
    }

    /// Holds the state that the policy decided in to the ranks.
    fn follow(&mut self) {
        let Some(follow) = &mut self.follow else {
            return;
        };
        if !self.inner.proposer().by_model {
            follow.forget();
            return;
        }
        let mut recent = self.rounds.iter().rev();
        if let (Some(now), Some(judged), Some(earlier)) =
            (recent.next(), recent.next(), recent.next())
        {
            let past = Past {
                now: now.log_window,
                before: judged.log_window,
                earlier: earlier.log_window,
                average: self.inner.proposer().features[index::QUEUEING_EWMA],
            };
            follow.on_decision(&past, judged.longest, self.at);
        }
    }

    /// Holds a decision of the policy to what its round can have shown.
    fn judge(&mut self) {
        let mut recent = self.rounds.iter().rev().copied();
        let (Some(current), Some(judged), Some(earlier)) =
            (recent.next(), recent.next(), recent.next())
        else {
            return;
        };
        let Some(met) = judged.met else { return };
        self.tallies.rounds += 1;
        let peak = self.flight.peak();
        let least = judged.window * 7.0 / 8.0 - 3.0 * self.promise.datagram;
        let path = self.path;
        self.tallies.peak.check(peak, (least, f64::INFINITY), || {
            format!("{peak:.4} of {:.4}, {path:?}", judged.window)
        });
        let features = self.inner.proposer().features;
        for (feature, &value) in features.iter().enumerate().take(FEATURE_COUNT) {
            let bounds = match (feature, self.memory) {
                (index::QUEUEING_EWMA, Some(memory)) => Some((memory.average, memory.average)),
                (index::LAST_STEP, Some(memory)) => Some((memory.last_step, memory.last_step)),
                _ => self.promise.feature(feature, &met, current.log_window),
            };
            let Some((low, high)) = bounds else { continue };
            let share = |units: i32| f64::from(units) / 65_536.0;
            let (value, bounds) = (share(value), (share(low), share(high)));
            self.tallies.features[feature].check_cut(value, bounds, limits(feature), || {
                let rise = met.rise;
                format!(
                    "{value:.5} in {bounds:.5?}, window {:.4} up {rise:.4}, {path:?}",
                    judged.window
                )
            });
        }
        self.judge_by_checker(&Past {
            now: current.log_window,
            before: judged.log_window,
            earlier: earlier.log_window,
            average: features[index::QUEUEING_EWMA],
        });
        let proposer = self.inner.proposer();
        let proposed = Proposal::from_heads(proposer.header(), &proposer.heads).step;
        let applied = self.inner.log_window().units() - current.log_window;
        self.cut += u64::from(applied < proposed.units());
    }

    /// Holds the same features to the checker's own intervals.
    fn judge_by_checker(&mut self, past: &Past) {
        let Some(bounds) = self.checker.features(past) else {
            return;
        };
        let features = self.inner.proposer().features;
        // Before that the policy has no step of its own to remember.
        let remembers = self.memory.is_some();
        for (feature, (&value, (low, high))) in features.iter().zip(bounds).enumerate() {
            if feature == index::LAST_STEP && !remembers {
                continue;
            }
            let share = |units: i32| f64::from(units) / 65_536.0;
            let (value, bounds) = (share(value), (share(low), share(high)));
            let path = self.path;
            self.tallies.checker[feature].check_cut(value, bounds, limits(feature), || {
                format!("{value:.5} in {bounds:.5?}, {path:?}")
            });
        }
    }

    fn remember(&mut self) {
        let Some(last) = self.rounds.back() else {
            return;
        };
        let applied = self.inner.log_window().units() - last.log_window;
        let proposer = self.inner.proposer();
        let average = proposer.features[index::QUEUEING_EWMA];
        let standing = proposer.features[index::STANDING_QUEUE];
        let step = (i64::from(applied) << 16) / i64::from(proposer.header().step_gain.units());
        self.memory = Some(Memory {
            average: average + ((standing - average) >> 2),
            last_step: step.clamp(-(1 << 16), 1 << 16) as i32,
        });
    }

    /// Holds the round-trip time of a packet to the interval of its round.
    fn on_rtt(&mut self, number: u64, rtt_ns: u64) {
        let late = u64::from(self.mistake == Mistake::Marker);
        let rtt = self.path.base_rtts(rtt_ns);
        let mut newest_first = self.rounds.iter_mut().rev();
        let Some(round) = newest_first.find(|round| round.marker + late <= number) else {
            return;
        };
        round.longest = round.longest.max(rtt);
        let Some(met) = round.met else { return };
        let bounds = (met.rtt.0 - ROUNDING, met.rtt.1 + ROUNDING);
        let (window, path) = (round.window, self.path);
        self.tallies.rtt.check(rtt, bounds, || {
            format!("{rtt:.5} in {bounds:.5?}, window {window:.4}, {path:?}")
        });
    }

    /// What the round under way promises; none while that is unknown.
    fn current(&self) -> Option<Met> {
        self.rounds.back()?.met
    }

    /// A4(a): what is in flight just before an acknowledgement.
    fn on_in_flight(&mut self, in_flight: f64) {
        let Some(met) = self.current() else { return };
        let least = met.least - self.promise.datagram - met.pacer - met.gone;
        let (rise, path) = (met.rise, self.path);
        let bounds = (least - ROUNDING, f64::INFINITY);
        self.tallies.in_flight.check(in_flight, bounds, || {
            format!("{in_flight:.4} from {least:.4}, up {rise:.4}, {path:?}")
        });
    }

    /// A4(b): what is in flight with a departure, over the least within one base RTT before.
    fn on_growth(&mut self, growth: f64) {
        let Some(met) = self.current() else { return };
        let most = met.rise + met.pacer + self.promise.datagram + met.gone;
        let path = self.path;
        let bounds = (f64::NEG_INFINITY, most + ROUNDING);
        self.tallies.growth.check(growth, bounds, || {
            format!("{growth:.4} to {most:.4}, {path:?}")
        });
    }

    /// L3, as the sender sees it: a window of 1 + D of the server lies within every 1 + 2·D of
    /// acknowledgements.
    fn on_carried(&mut self, carried: f64) {
        let Promise {
            datagram: g,
            jitter: d,
            ..
        } = self.promise;
        // The server's share may lie two rounds back, with what was held back and unknown then.
        let mut least = f64::INFINITY;
        for round in self.rounds.iter().rev().take(3) {
            let Some(met) = round.met else { return };
            least = least.min(met.least - met.pacer - met.gone);
        }
        let least = (least - g).min(1.0 + d) - 2.0 * g;
        let path = self.path;
        let bounds = (least - ROUNDING, f64::INFINITY);
        self.tallies.carried.check(carried, bounds, || {
            format!("{carried:.4} from {least:.4}, {path:?}")
        });
    }
}

impl Controller for Watched {
    fn on_packet_sent(&mut self, now: Timestamp, packet: SentPacket) {
        self.next_number = packet.number.as_u64() + 1;
        let after = self.path.share_of_bdp(packet.bytes_in_flight.as_u64());
        let bytes = self.path.share_of_bdp(packet.bytes.as_u64());
        let now_ns = now.as_nanos();
        let horizon_ns = now_ns.saturating_sub(self.path.base_rtt_ns() - 1);
        self.flight.note(now_ns, after - bytes, horizon_ns);
        self.flight.depart(after);
        if let Some(least) = self.flight.least() {
            self.on_growth(after - least);
        }
        self.inner.on_packet_sent(now, packet);
    }

    fn on_packet_acked(&mut self, now: Timestamp, packet: AckedPacket) {
        self.tallies.packets += 1;
        self.acked_in_batch += packet.bytes.as_u64();
        if let Some(rtt) = packet.round_trip_time(now) {
            self.on_rtt(packet.number.as_u64(), rtt.as_nanos() as u64);
        }
        self.inner.on_packet_acked(now, packet);
    }

    fn on_ack_end(&mut self, now: Timestamp, batch: AckBatch) {
        let acked = core::mem::take(&mut self.acked_in_batch);
        self.at = (now.as_nanos(), self.at.1 + acked);
        let before = self
            .path
            .share_of_bdp(batch.bytes_in_flight.as_u64() + acked);
        let now_ns = now.as_nanos();
        let base_ns = self.path.base_rtt_ns();
        self.flight
            .note(now_ns, before, now_ns.saturating_sub(base_ns - 1));
        self.on_in_flight(before);
        let span_ns = base_ns * (1000 + 2 * self.path.jitter) / 1000;
        if let Some(bytes) = self.flight.acknowledge(now_ns, acked, span_ns) {
            self.on_carried(self.path.share_of_bdp(bytes));
        }
        self.inner.on_ack_end(now, batch);
        self.note();
    }

    fn on_congestion_event(&mut self, now: Timestamp, event: CongestionEvent) {
        self.inner.on_congestion_event(now, event);
        self.note();
    }

    fn on_timeout(&mut self, now: Timestamp, timeout: Timeout) {
        self.inner.on_timeout(now, timeout);
        self.note();
    }

    fn on_mtu_update(&mut self, now: Timestamp, max_datagram_size: Bytes) {
        self.inner.on_mtu_update(now, max_datagram_size);
        self.forget();
    }

    fn decision(&self) -> Decision {
        self.inner.decision()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

/// The range of a feature.
fn limits(feature: usize) -> (f64, f64) {
    let everything = (f64::NEG_INFINITY, f64::INFINITY);
    TABLE_1.features.get(feature).map_or(everything, |range| {
        let share = |units: i32| f64::from(units) / 65_536.0;
        (share(range.low.units()), share(range.high.units()))
    })
}

fn same(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits()
}

/// Windows before a round that must be the policy's, or held: what others, or the rise at the end
/// of a drain, made overflow is known by then.
const WINDOWS_BEFORE: usize = 4;
/// Rounding of floating-point numbers, far below a nanosecond of any base RTT.
const ROUNDING: f64 = 1e-9;
