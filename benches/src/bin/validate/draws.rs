//! Eight flows on the reference dumbbells, with starts that are drawn instead of listed.

use rayon::prelude::*;
use tautline_core::units::Timestamp;
use tautline_netsim::baseline::{BoxedController, by_name, flow_seed};
use tautline_netsim::scenario::{FlowSpec, TransportSpec, ValidScenario};

use crate::agreement::{FIGURES, figures_of, is_within, scenario};
use crate::reference::{Dumbbell, Figures, References};
use crate::table::{Table, mean, range, span};

/// How far figures of eight flows depend on when they start, and how many draws are within limits.
pub(crate) fn table(references: &References) -> anyhow::Result<Table> {
    let mut heads = vec!["Mbit/s".to_owned(), "flows".to_owned(), String::new()];
    heads.extend(FIGURES.iter().map(|figure| figure.name.to_owned()));
    let mut table = Table::new(&heads);
    for rate_mbps in [10, 100] {
        let dumbbell = Dumbbell {
            rate_mbps,
            flows: 8,
        };
        for controller in ["newreno", "cubic"] {
            let runs: anyhow::Result<Vec<Figures>> = (1..=DRAWS)
                .into_par_iter()
                .map(|seed| drawn(dumbbell, controller, seed))
                .collect();
            let runs = runs?;
            let cells = FIGURES.iter().map(|figure| {
                let values: Vec<f64> = runs.iter().map(figure.of).collect();
                let span = span(values.iter().copied()).unwrap_or_default();
                let verdicts = runs
                    .iter()
                    .filter_map(|run| is_within(figure, references, (controller, dumbbell), run));
                let (held, judged) = verdicts.fold((0, 0), |(held, judged), holds| {
                    (held + u32::from(holds), judged + 1)
                });
                let counted = if judged > 0 {
                    format!("; {held} of {judged} ✓")
                } else {
                    String::new()
                };
                let (mean, decimals) = (mean(&values), figure.decimals);
                format!("{mean:.decimals$} ({}){counted}", range(span, decimals))
            });
            let names = [rate_mbps.to_string(), "8".to_owned(), controller.to_owned()];
            table.row(names.into_iter().chain(cells));
        }
    }
    Ok(table)
}

/// One run whose flows start within the first second.
fn drawn(dumbbell: Dumbbell, controller: &str, seed: u64) -> anyhow::Result<Figures> {
    let listed = scenario(dumbbell, controller, TransportSpec::default())?;
    let start = |flow| Timestamp::from_nanos(flow_seed(seed, flow) % SECOND_NS);
    let flows = 0..dumbbell.flows;
    let specs = flows.map(|flow| FlowSpec::new(controller).starting_at(start(flow)));
    let scenario = ValidScenario::new(listed.link().clone(), specs.collect(), listed.duration())?
        .with_warmup(listed.warmup())?;
    let size = scenario.transport().max_datagram_size();
    let mut controllers = Vec::new();
    for flow in 0..dumbbell.flows {
        let made = by_name(controller, size, flow_seed(seed, flow))?;
        controllers.push(BoxedController::from(made));
    }
    figures_of(&scenario, controllers)
}

const DRAWS: u64 = 20;
const SECOND_NS: u64 = 1_000_000_000;
