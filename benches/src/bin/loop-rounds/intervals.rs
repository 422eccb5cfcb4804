//! The intervals of docs/closed-loop.md §2, written down once more and not taken from the checker.

use tautline_core::features::{LOG_SCALE_SHIFT, OWN_QUEUE_FLOOR, TABLE_1, index};

/// What a path promises, in base RTTs and bandwidth-delay products.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// g: one datagram.
    pub(crate) datagram: f64,
    /// D.
    pub(crate) jitter: f64,
    /// β; infinite without a bound.
    pub(crate) buffer: f64,
    /// P: what the pacer may hold back.
    pub(crate) pacer: f64,
    /// Ŵ: the largest window of a claim that does not assume A6.
    pub(crate) highest: Option<f64>,
}

/// Windows in bandwidth-delay products.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    /// Under which the judged packets left.
    pub(crate) judged: f64,
    /// In force before that.
    pub(crate) before: f64,
    /// And before that.
    pub(crate) earlier: f64,
}

/// A mistake made on purpose; what is promised must then not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mistake {
    /// None.
    #[default]
    None,
    /// The rise of the window within a round trip is forgotten.
    NoRise,
    /// The marker packet counts in the round before its own.
    Marker,
    /// States are ranked as if the bandwidth-delay product were half of what it is.
    Product,
}

/// What the packets of a round meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met {
    /// Round-trip times.
    pub(crate) rtt: (f64, f64),
    /// Share of lost packets.
    pub(crate) loss: (f64, f64),
    /// λ: the smaller of the windows.
    pub(crate) least: f64,
    /// I: by how much the judged one is peak.
    pub(crate) rise: f64,
    /// P: what the pacer may hold back.
    pub(crate) pacer: f64,
    /// X: what is in flight and gone.
    pub(crate) gone: f64,
}

impl Promise {
    /// What packets meet that left under `windows`.
    pub(crate) fn met(&self, windows: Windows, mistake: Mistake) -> Met {
        let Self {
            datagram: g,
            jitter: d,
            buffer,
            pacer: p,
            ..
        } = *self;
        let (omega, peak) = (windows.judged, windows.judged.max(windows.before));
        let lambda = omega.min(windows.before);
        let rise = match mistake {
            Mistake::NoRise => 0.0,
            Mistake::None | Mistake::Marker | Mistake::Product => omega - lambda,
        };
        let p = p + self.held_at(lambda);
        let still = lambda - p - g - d;
        let of = |window: f64, left: f64| (window + 3.0 * g - buffer - left).max(0.0);
        // Lemma X, as long as no window is above those that it speaks of.
        let highest = self.highest.filter(|&highest| peak <= highest);
        let left = if highest.is_some() {
            1.0
        } else {
            still.min(1.0)
        };
        let gone = of(peak, left);
        let before = highest.map_or(gone, |_| of(peak.max(windows.earlier), 1.0));
        let burst = omega.min(d + rise + before + p + g);
        let excess = ((peak - 1.0 + g).max(burst) - buffer).max(0.0);
        let full = still - 1.0 - 2.0 * g;
        let mut low = full.min(buffer);
        if excess > 0.0 {
            low = low.min(buffer - d - p - 3.0 * g - (peak - lambda));
        }
        if burst > buffer {
            low = low.min(full - (burst - buffer) - gone);
        }
        let queue = (low.max(0.0), (omega - 1.0 + g).max(burst).min(buffer + g));
        let least = (lambda - p - g - 1.0 - d - 3.0 * g - buffer).max(0.0) / omega;
        let loss = if highest.is_some() {
            (0.0, f64::from(excess > 0.0))
        } else {
            (least, (excess / lambda).min(1.0))
        };
        Met {
            pacer: p,
            rtt: (1.0 + queue.0, 1.0 + queue.1 + d),
            loss,
            least: lambda,
            rise: omega - lambda.min(windows.earlier),
            gone: if excess > 0.0 { gone.max(excess) } else { 0.0 },
        }
    }

    /// What the pacer holds back of a train of acknowledgements, which come at the rate of the
    /// server, where a small window makes its own rate, twice the window per minimum RTT, less.
    fn held_at(&self, window: f64) -> f64 {
        let slowest = 1.0 + self.jitter;
        if self.pacer == 0.0 || window >= slowest / 2.0 {
            return 0.0;
        }
        if window <= slowest / 4.0 {
            return slowest / 8.0;
        }
        window * (1.0 - 2.0 * window / slowest)
    }

    /// The interval of a feature, in units of 2⁻¹⁶; none where anything is possible. `log_window`
    /// is that in force.
    pub(crate) fn feature(&self, feature: usize, met: &Met, log_window: i32) -> Option<(i32, i32)> {
        let shortest = met.rtt.0 / (1.0 + self.jitter);
        let (low, high) = match feature {
            index::QUEUEING | index::STANDING_QUEUE => {
                (units(shortest - 1.0) - 2, units(met.rtt.1 - 1.0) + 3)
            }
            // A share is rounded down.
            index::LOSS => (units(met.loss.0) - 1, units(met.loss.1)),
            index::CE => (0, 0),
            index::LOG_WINDOW => {
                let exact = log_window >> LOG_SCALE_SHIFT;
                (exact, exact)
            }
            index::OWN_QUEUE => (
                own_queue(log_window, shortest) - 1,
                own_queue(log_window, met.rtt.1) + 1,
            ),
            _ => return None,
        };
        let range = TABLE_1.features.get(feature)?;
        let clamp = |value: i32| value.clamp(range.low.units(), range.high.units());
        Some((clamp(low), clamp(high)))
    }
}

/// Rounded down.
fn units(share: f64) -> i32 {
    (share * 65_536.0).floor().clamp(-1e9, 1e9) as i32
}

/// From the largest share of a round trip that its queue may have, 2/3.
fn own_queue(log_window: i32, over_minimum: f64) -> i32 {
    let floor = f64::from(OWN_QUEUE_FLOOR.units()) / 65_536.0;
    let share = (1.0 - 1.0 / over_minimum).clamp(floor, 2.0 / 3.0);
    let logarithm = (share.log2() * 65_536.0).floor() as i32;
    (log_window + logarithm) >> LOG_SCALE_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_one_and_a_half_fills_half_a_product() {
        let promise = Promise {
            datagram: 0.01,
            jitter: 0.05,
            buffer: f64::INFINITY,
            pacer: 0.06,
            highest: None,
        };
        let windows = Windows {
            judged: 1.5,
            before: 1.4,
            earlier: 1.4,
        };
        let met = promise.met(windows, Mistake::None);
        assert!((met.rtt.0 - 1.26).abs() < 1e-12, "{met:?}");
        assert!((met.rtt.1 - 1.56).abs() < 1e-12, "{met:?}");
        assert_eq!(met.loss, (0.0, 0.0));
        let shallow = Promise {
            buffer: 0.2,
            ..promise
        };
        let met = shallow.met(windows, Mistake::None);
        assert!(
            (met.rtt.1 - 1.26).abs() < 1e-12 && met.rtt.0 == 1.0,
            "{met:?}"
        );
        // X = 1.5 + 0.03 − 0.2 − 1 = 0.33, B = 0.05 + 0.1 + 0.33 + 0.06 + 0.01 = 0.55, E = B − 0.2.
        assert!((met.loss.1 - 0.35 / 1.4).abs() < 1e-12, "{met:?}");
        // Without A6 X stays as it is, and any share may be lost; where a window is larger than any
        // that has a rank, nothing is said of that. X = 0.33, and E = B − 0.2 = 0.35.
        let bare = Promise {
            highest: Some(2.0),
            ..shallow
        };
        let met = bare.met(windows, Mistake::None);
        assert!(
            (met.gone - 0.35).abs() < 1e-12 && met.loss == (0.0, 1.0),
            "{met:?}"
        );
        let small = Promise {
            highest: Some(1.45),
            ..shallow
        };
        assert!(small.met(windows, Mistake::None).loss.1 < 0.3);
    }
}
