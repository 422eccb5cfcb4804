//! Random loss.

use super::chance::Chance;
use super::spec::LossSpec;
use crate::rng::{Bernoulli, Stream};

/// A loss process.
#[derive(Clone, Debug)]
pub(super) enum Loss {
    Bernoulli(Bernoulli),
    GilbertElliott(GilbertElliott),
}

impl Loss {
    pub(super) fn new(spec: &LossSpec, stream: Stream) -> Self {
        match *spec {
            LossSpec::Bernoulli(probability) => {
                Self::Bernoulli(Bernoulli::new(probability, stream))
            }
            LossSpec::GilbertElliott {
                to_bad,
                to_good,
                loss_good,
                loss_bad,
            } => Self::GilbertElliott(GilbertElliott {
                good: State {
                    leave: Chance::new(to_bad),
                    loss: Chance::new(loss_good),
                },
                bad: State {
                    leave: Chance::new(to_good),
                    loss: Chance::new(loss_bad),
                },
                is_bad: false,
                stream,
            }),
        }
    }

    /// Whether the next packet is lost.
    #[inline]
    pub(super) fn happens(&mut self) -> bool {
        match self {
            Self::Bernoulli(bernoulli) => bernoulli.happens(),
            Self::GilbertElliott(process) => process.happens(),
        }
    }
}

/// Two states (Gilbert 1960, Elliott 1963); it starts in the good one. A packet is lost by the
/// state that it finds, then the state may change.
#[derive(Clone, Debug)]
pub(super) struct GilbertElliott {
    good: State,
    bad: State,
    is_bad: bool,
    stream: Stream,
}

#[derive(Clone, Copy, Debug)]
struct State {
    leave: Chance,
    loss: Chance,
}

impl GilbertElliott {
    fn happens(&mut self) -> bool {
        let state = if self.is_bad { self.bad } else { self.good };
        let lost = state.loss.happens(&mut self.stream);
        if state.leave.happens(&mut self.stream) {
            self.is_bad = !self.is_bad;
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Component;

    fn losses(spec: LossSpec, seed: u64, packets: usize) -> Vec<bool> {
        let mut loss = Loss::new(&spec, Stream::new(seed, Component::Loss));
        (0..packets).map(|_| loss.happens()).collect()
    }

    fn share(losses: &[bool]) -> f64 {
        losses.iter().filter(|&&lost| lost).count() as f64 / losses.len() as f64
    }

    #[test]
    fn bernoulli_losses_draw_as_the_event_itself_does() {
        let mut event = Bernoulli::new(0.02, Stream::new(5, Component::Loss));
        let expected: Vec<bool> = (0..10_000).map(|_| event.happens()).collect();
        assert_eq!(losses(LossSpec::Bernoulli(0.02), 5, 10_000), expected);
    }

    #[test]
    fn bursts_of_a_bad_state_have_mean_one_over_the_way_back() {
        for to_good in [0.1, 0.25, 0.5] {
            let spec = LossSpec::GilbertElliott {
                to_bad: 0.01,
                to_good,
                loss_good: 0.0,
                loss_bad: 1.0,
            };
            let losses = losses(spec, 7, 2_000_000);
            let bursts = losses.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            let mean = share(&losses) * losses.len() as f64 / bursts as f64;
            assert!((mean * to_good - 1.0).abs() < 0.03, "{mean} at {to_good}");
            // In the long run, the bad state has its share of the packets.
            let expected = 0.01 / (0.01 + to_good);
            assert!((share(&losses) / expected - 1.0).abs() < 0.03);
        }
    }

    proptest! {
        #[test]
        fn the_long_run_loss_of_two_states_is_their_weighted_mean(
            to_bad in 0.05_f64..0.9,
            to_good in 0.05_f64..0.9,
            loss_good in 0.0_f64..=1.0,
            loss_bad in 0.0_f64..=1.0,
            seed: u64,
        ) {
            let spec = LossSpec::GilbertElliott { to_bad, to_good, loss_good, loss_bad };
            let bad = to_bad / (to_bad + to_good);
            let expected = loss_bad * bad + loss_good * (1.0 - bad);
            let share = share(&losses(spec, seed, 100_000));
            prop_assert!((share - expected).abs() < 0.03, "{share} of {expected}");
        }
    }
}
