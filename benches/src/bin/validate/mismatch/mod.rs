//! The transport model beside quinn-proto, both under the same controller.

mod cases;
mod paced;

use core::time::Duration;

use rayon::prelude::*;
use tautline_netsim::baseline::{BoxedController, flow_seed};
use tautline_netsim::scenario::{FlowSpec, ValidScenario};
use tautline_netsim::sim::{Carrier, RunOptions, run_carriers};
use tautline_netsim::transport::Ecn;
use tautline_quic_integration::sim::{QuinnController, QuinnFlow, connection};

use crate::Extent;
use crate::shipped::Model;
use crate::switches::QUIC;
use crate::table::{Section, Table, Verdict};
use cases::{Case, Pacer};
use paced::PacedAsQuinn;

pub(crate) fn section(extent: Extent) -> anyhow::Result<Section> {
    let model = Model::read()?;
    let cases = match extent {
        Extent::Full => cases::all(),
        Extent::Quick => cases::quick(),
    };
    // The longest first, so that no core waits for one at the end.
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|&at| core::cmp::Reverse(cases[at].packets()));
    let mut pairs: Vec<(usize, anyhow::Result<Pair>)> = order
        .into_par_iter()
        .with_max_len(1)
        .map(|at| (at, Pair::measured(&cases[at], &model)))
        .collect();
    pairs.sort_by_key(|pair| pair.0);

    let mut table = Table::new(&[
        "controller",
        "scenario",
        "runs",
        "goodput Mbit/s",
        "ratio",
        "queueing delay ms",
        "ratio",
    ]);
    let mut outside = Vec::new();
    let mut held = 0;
    let scenarios = cases.iter().filter(|case| case.pacer == Pacer::Controller);
    let scenarios = scenarios.count();
    for (at, pair) in pairs {
        let (case, pair) = (&cases[at], pair?);
        table.row(pair.cells(case));
        if !pair.holds() {
            outside.push(pair.complaint(case));
        } else if case.pacer == Pacer::Controller {
            held += 1;
        }
    }
    let body = format!(
        "{table}\n{held} of {scenarios} scenarios are within both limits, those \"paced as by \
         quinn\" not counted.\n"
    );
    // The table may have rows outside; too few within is what breaks the promise.
    let least = if extent == Extent::Full {
        LEAST_HELD
    } else {
        scenarios
    };
    if held >= least {
        outside.clear();
    }
    Ok(Section {
        name: "mismatch",
        body,
        outside,
    })
}

/// Means over the runs of one transport.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    goodput_mbps: f64,
    delay_ms: f64,
}

/// Both transports in one scenario.
#[derive(Clone, Copy, Debug)]
struct Pair {
    model: Figures,
    quinn: Figures,
}

impl Pair {
    fn measured(case: &Case, model: &Model) -> anyhow::Result<Self> {
        let mut pair = Self {
            model: Figures::default(),
            quinn: Figures::default(),
        };
        let size = QUIC.max_datagram_size();
        for seed in 1..=case.runs {
            pair.model.add(case, seed, |flow| {
                let controller = model.controller(&case.controller, size, flow_seed(seed, flow))?;
                let controller = match case.pacer {
                    Pacer::Controller => controller,
                    Pacer::Quinn => BoxedController::new(PacedAsQuinn::new(controller, size)),
                };
                Ok(Carrier::Model(controller))
            })?;
            pair.quinn.add(case, seed, |flow| {
                let seed = flow_seed(seed, flow);
                let controller = model.controller(&case.controller, size, seed)?;
                let quinn = QuinnFlow {
                    controller: QuinnController::Ours(Box::new(controller)),
                    ecn: Ecn::NotEct,
                    ..QuinnFlow::default()
                };
                Ok(connection(quinn, case.start(flow, seed), seed)?.into())
            })?;
        }
        Ok(pair)
    }

    fn goodput_ratio(&self) -> f64 {
        self.model.goodput_mbps / self.quinn.goodput_mbps
    }

    fn delay_ratio(&self) -> f64 {
        self.model.delay_ms / self.quinn.delay_ms
    }

    fn goodput_holds(&self) -> bool {
        (self.goodput_ratio() - 1.0).abs() <= MOST_GOODPUT
    }

    fn delay_holds(&self) -> bool {
        (self.delay_ratio() - 1.0).abs() <= MOST_DELAY
    }

    fn holds(&self) -> bool {
        self.goodput_holds() && self.delay_holds()
    }

    fn cells(&self, case: &Case) -> [String; 7] {
        let (model, quinn) = (&self.model, &self.quinn);
        let mark = |holds| Verdict::of(holds).mark();
        [
            case.controller.clone(),
            case.name.clone(),
            case.runs.to_string(),
            format!("{:.3} · {:.3}", model.goodput_mbps, quinn.goodput_mbps),
            format!("{:.4}{}", self.goodput_ratio(), mark(self.goodput_holds())),
            format!("{:.2} · {:.2}", model.delay_ms, quinn.delay_ms),
            format!("{:.3}{}", self.delay_ratio(), mark(self.delay_holds())),
        ]
    }

    fn complaint(&self, case: &Case) -> String {
        format!(
            "{}, {}: goodput ratio {:.4}, delay ratio {:.3}",
            case.controller,
            case.name,
            self.goodput_ratio(),
            self.delay_ratio()
        )
    }
}

impl Figures {
    /// Adds one run's share of the means.
    fn add(
        &mut self,
        case: &Case,
        seed: u64,
        carrier: impl Fn(u32) -> anyhow::Result<Carrier<BoxedController>>,
    ) -> anyhow::Result<()> {
        let specs = (0..case.flows).map(|flow| {
            let start = case.start(flow, flow_seed(seed, flow));
            FlowSpec::new(case.controller.as_str()).starting_at(start)
        });
        let scenario =
            ValidScenario::new(case.link.clone(), specs.collect(), Duration::from_mins(1))?
                .with_transport(QUIC)?
                .with_warmup(Duration::from_secs(10))?;
        let carriers: anyhow::Result<Vec<_>> = (0..case.flows).map(carrier).collect();
        let outcome = run_carriers(&scenario, seed, carriers?, &RunOptions::default(), None)?;
        self.goodput_mbps += outcome.link.goodput_mbps / case.runs as f64;
        self.delay_ms += outcome.link.queue_delay_mean_ms / case.runs as f64;
        Ok(())
    }
}

const MOST_GOODPUT: f64 = 0.02;
const MOST_DELAY: f64 = 0.1;
/// Scenarios that must be within both limits.
const LEAST_HELD: usize = 20;
