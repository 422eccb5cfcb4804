//! Two flows on one bottleneck, one of them behind jitter that plays against the other's share.

use core::time::Duration;

use anyhow::Context as _;
use tautline_core::units::{Bandwidth, Timestamp};
use tautline_netsim::baseline::BoxedController;
use tautline_netsim::scenario::{
    Buffer, FlowSpec, JitterLaw, JitterSpec, LinkSpec, RouteSpec, TransportSpec, ValidScenario,
};
use tautline_netsim::sim::{RunOptions, run};

/// How the first flow's acknowledgements are late, by no more than D.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adversary {
    /// Always by D: its own minimum knows it too, after a drain.
    Constant,
    /// At random, uniform.
    Random,
    /// Released together at multiples of D.
    Bursts,
    /// By D for half a second, then not for half a second.
    Square,
    /// The same with four seconds each, through several drains: the minimum that it learns while
    /// late is too high later.
    LongSquare,
    /// What it sees of its queue is D too long, and what the second flow sees is too short, as its
    /// minimum is D too large: as far apart as jitter can bring them ([`crate::late`]).
    Seen,
}

impl Adversary {
    pub(crate) const ALL: [Self; 6] = [
        Self::Constant,
        Self::Random,
        Self::Bursts,
        Self::Square,
        Self::LongSquare,
        Self::Seen,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Random => "random",
            Self::Bursts => "bursts",
            Self::Square => "square, 1 s",
            Self::LongSquare => "square, 8 s",
            Self::Seen => "seen apart",
        }
    }

    const fn law(self) -> JitterLaw {
        match self {
            Self::Constant | Self::Seen => JitterLaw::Constant,
            Self::Random => JitterLaw::Uniform,
            Self::Bursts => JitterLaw::Bursts,
            Self::Square => JitterLaw::Square {
                period: Duration::from_secs(1),
            },
            Self::LongSquare => JitterLaw::Square {
                period: Duration::from_secs(8),
            },
        }
    }
}

/// Two flows' paths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paths {
    /// Rate of the bottleneck, 1 to 10 000.
    pub(crate) mbps: u64,
    /// Base RTTs of the first and the second flow.
    pub(crate) base_ms: [f64; 2],
    /// D, as a share of the first flow's base RTT.
    pub(crate) jitter: f64,
    /// How the first flow is late.
    pub(crate) adversary: Adversary,
}

/// What a run of two flows gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shares {
    /// log₂ of the first flow's goodput over the second's, in the second half of the run.
    pub(crate) mean: f64,
    /// The same by its magnitude in the worst second of that half.
    pub(crate) worst: f64,
    /// Share of the capacity that both carry, in the second half.
    pub(crate) utilisation: f64,
    /// Mean queueing delay over the second flow's base RTT, in the second half.
    pub(crate) queue: f64,
    /// Returns of either flow to its fallback controller.
    pub(crate) fallbacks: u64,
}

impl Paths {
    /// Runs the two controllers for so many seconds; the second starts a second after the first.
    ///
    /// # Errors
    /// A path outside the simulator's ranges.
    pub(crate) fn run(
        &self,
        controllers: [BoxedController; 2],
        seconds: u64,
    ) -> anyhow::Result<Shares> {
        let scenario = self.scenario(seconds)?;
        let options = RunOptions::default().with_timeline(Duration::from_secs(1));
        let outcome = run(&scenario, 1, controllers.into(), &options)?;
        let goodput = [0, 1].map(|flow| outcome.flows[flow].goodput_mbps);
        let timeline = outcome.timeline.context("a timeline was asked for")?;
        let bins = timeline.flows[0].goodput_mbps.iter();
        let bins = bins.zip(&timeline.flows[1].goodput_mbps);
        let whole = seconds as usize;
        let late = bins.take(whole).skip(whole / 2);
        let worst = late.map(|(one, other)| libm::log2(one / other).abs());
        Ok(Shares {
            mean: libm::log2(goodput[0] / goodput[1]),
            worst: worst.fold(0.0, f64::max),
            utilisation: outcome.link.utilisation,
            queue: outcome.link.queue_delay_mean_ms / self.base_ms[1],
            fallbacks: outcome
                .flows
                .iter()
                .map(|flow| flow.counters.fallbacks)
                .sum(),
        })
    }

    /// D of a flow as a time.
    pub(crate) fn most(&self, flow: usize) -> Duration {
        Duration::from_secs_f64(self.jitter * self.base_ms[flow] / 1e3)
    }

    fn scenario(&self, seconds: u64) -> anyhow::Result<ValidScenario> {
        let rate = Bandwidth::from_bits_per_sec(1_000_000 * self.mbps);
        let deep = Buffer::Packets(100_000);
        let link = |name: &str, rate| LinkSpec::between(name, rate, Duration::ZERO, deep);
        let fast = Bandwidth::from_bits_per_sec(1_000_000_000_000);
        let most = match self.adversary {
            Adversary::Seen => Duration::ZERO,
            _ => self.most(0),
        };
        let late = LinkSpec {
            jitter: JitterSpec {
                max: most,
                law: self.adversary.law(),
                ..JitterSpec::default()
            },
            ..link("late", fast)
        };
        let links = vec![link("trunk", rate), late, link("back", fast)];
        let route = |back: &str| RouteSpec {
            at: Timestamp::ZERO,
            forward: vec!["trunk".to_owned()],
            backward: vec![back.to_owned()],
        };
        let flow = |ms: f64, back| FlowSpec {
            routes: vec![route(back)],
            base_rtt: Some(Duration::from_secs_f64(ms / 1e3)),
            ..FlowSpec::new("by hand")
        };
        let flows = vec![
            flow(self.base_ms[0], "late"),
            flow(self.base_ms[1], "back")
                .starting_at(Timestamp::ZERO.saturating_add(Duration::from_secs(1))),
        ];
        let transport = TransportSpec {
            ack_every: 1,
            max_ack_delay: Duration::ZERO,
            ..TransportSpec::default()
        };
        let duration = Duration::from_secs(seconds);
        let scenario = ValidScenario::over(links, flows, duration)?;
        Ok(scenario
            .with_transport(transport)?
            .with_warmup(duration / 2)?)
    }
}
