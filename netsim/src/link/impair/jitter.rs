//! Extra delay: random, or as an adversary of the controller would choose it.

use tautline_core::units::duration_nanos;

use super::spec::{JitterLaw, JitterSpec, Order};
use crate::rng::Stream;

/// Delays packets by at most a given time.
///
/// Where order is kept, a packet that would overtake comes out together with the one before; that
/// one was not late by more than the most either, so neither is this one.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    stream: Stream,
    most_ns: u64,
    law: JitterLaw,
    order: Order,
    last_exit_ns: u64,
    /// Mean time of packets in the link so far, recent ones counting most.
    mean_stay_ns: u64,
}

impl Jitter {
    pub(super) const fn new(spec: &JitterSpec, stream: Stream) -> Self {
        Self {
            stream,
            most_ns: duration_nanos(spec.max),
            law: spec.law,
            order: spec.order,
            last_exit_ns: 0,
            mean_stay_ns: 0,
        }
    }

    /// Whether packets may come out in another order than they went in.
    pub(super) fn reorders(&self) -> bool {
        self.order == Order::Free && self.most_ns > 0
    }

    /// When a packet comes out that left the transmitter now and was in the link for `stay_ns`.
    #[inline]
    pub(super) fn exit_ns(&mut self, now_ns: u64, stay_ns: u64) -> u64 {
        if self.most_ns == 0 {
            return now_ns;
        }
        let extra_ns = if self.law == JitterLaw::Uniform {
            self.stream.up_to(self.most_ns)
        } else {
            self.chosen_ns(now_ns, stay_ns)
        };
        let exit_ns = now_ns.saturating_add(extra_ns);
        if self.order == Order::Free {
            return exit_ns;
        }
        self.last_exit_ns = self.last_exit_ns.max(exit_ns);
        self.last_exit_ns
    }

    fn chosen_ns(&mut self, now_ns: u64, stay_ns: u64) -> u64 {
        let most_ns = self.most_ns;
        let either = |late: bool| if late { most_ns } else { 0 };
        match self.law {
            JitterLaw::Uniform | JitterLaw::Constant => most_ns,
            JitterLaw::Square { period } => {
                let period_ns = duration_nanos(period).max(1);
                either(now_ns % period_ns < period_ns / 2)
            }
            JitterLaw::Sawtooth { period } => {
                let period_ns = duration_nanos(period).max(1);
                let share = u128::from(now_ns % period_ns) * u128::from(most_ns);
                (share / u128::from(period_ns)) as u64
            }
            JitterLaw::Bursts => match now_ns % most_ns {
                0 => 0,
                since_ns => most_ns - since_ns,
            },
            JitterLaw::ShortQueue => either(self.is_shorter_than_lately(stay_ns)),
            JitterLaw::LongQueue => either(!self.is_shorter_than_lately(stay_ns)),
        }
    }

    fn is_shorter_than_lately(&mut self, stay_ns: u64) -> bool {
        let mean_ns = self.mean_stay_ns;
        // The newest counts 1/64; at most 2⁵⁸ ns, which is nine years.
        self.mean_stay_ns = mean_ns - mean_ns / 64 + stay_ns.min(1 << 58) / 64;
        stay_ns < mean_ns
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::rng::Component;

    fn jitter(law: JitterLaw, most_ns: u64) -> Jitter {
        let spec = JitterSpec {
            max: Duration::from_nanos(most_ns),
            law,
            ..JitterSpec::default()
        };
        Jitter::new(&spec, Stream::new(3, Component::Jitter))
    }

    fn delays(law: JitterLaw, stays_ns: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut jitter = jitter(law, 40);
        let entries = (0_u64..).map(|number| number * 10);
        let delay = |(stay_ns, now_ns)| jitter.exit_ns(now_ns, stay_ns) - now_ns;
        stays_ns.zip(entries).map(delay).collect()
    }

    #[test]
    fn waves_and_bursts_are_late_when_they_say() {
        let period = Duration::from_nanos(80);
        let stays = || core::iter::repeat_n(5, 9);
        assert_eq!(delays(JitterLaw::Constant, stays()), [40; 9]);
        // What would overtake waits for the last late one.
        let square = delays(JitterLaw::Square { period }, stays());
        assert_eq!(square, [40, 40, 40, 40, 30, 20, 10, 0, 40]);
        let sawtooth = delays(JitterLaw::Sawtooth { period }, stays());
        assert_eq!(sawtooth, [0, 5, 10, 15, 20, 25, 30, 35, 25]);
        let bursts = delays(JitterLaw::Bursts, stays());
        assert_eq!(bursts, [0, 30, 20, 10, 0, 30, 20, 10, 0]);
    }

    #[test]
    fn opponents_of_the_queue_look_at_the_time_in_the_link() {
        let stays = || [6400, 6400, 0, 0, 100_000, 0].into_iter();
        let short = delays(JitterLaw::ShortQueue, stays());
        assert_eq!(short, [0, 0, 40, 40, 30, 40]);
        let long = delays(JitterLaw::LongQueue, stays());
        assert_eq!(long, [40, 40, 30, 20, 40, 30]);
    }

    fn laws() -> impl Strategy<Value = JitterLaw> {
        let period = (1_u64..200).prop_map(Duration::from_nanos);
        prop_oneof![
            Just(JitterLaw::Uniform),
            Just(JitterLaw::Constant),
            period
                .clone()
                .prop_map(|period| JitterLaw::Square { period }),
            period.prop_map(|period| JitterLaw::Sawtooth { period }),
            Just(JitterLaw::Bursts),
            Just(JitterLaw::ShortQueue),
            Just(JitterLaw::LongQueue),
        ]
    }

    proptest! {
        #[test]
        fn every_law_keeps_the_order_and_its_most(
            law in laws(),
            most_ns in 0_u64..60,
            entries in prop::collection::vec((0_u64..30, 0_u64..1000), 1..200),
        ) {
            let mut jitter = jitter(law, most_ns);
            let (mut now_ns, mut last_ns) = (0, 0);
            for (gap_ns, stay_ns) in entries {
                now_ns += gap_ns;
                let exit_ns = jitter.exit_ns(now_ns, stay_ns);
                prop_assert!(exit_ns >= now_ns && exit_ns >= last_ns);
                prop_assert!(exit_ns <= now_ns + most_ns, "{exit_ns} {now_ns}");
                last_ns = exit_ns;
            }
        }
    }
}
