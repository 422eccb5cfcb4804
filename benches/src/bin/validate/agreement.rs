//! The reference dumbbells, beside the kernel and ns-3.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;
use rayon::prelude::*;
use tautline_netsim::baseline::{BoxedController, by_name, flow_seed};
use tautline_netsim::scenario::{TransportSpec, ValidScenario};
use tautline_netsim::sim::{RunOptions, run};

use crate::draws;
use crate::reference::{DUMBBELLS, Dumbbell, Figures, References, Source, file_of};
use crate::table::{Section, Table, Verdict, range};
use crate::{Extent, root};

pub(crate) fn section(extent: Extent, references: &References) -> anyhow::Result<Section> {
    let cases: Vec<(Dumbbell, &str)> = DUMBBELLS
        .into_iter()
        .filter(|dumbbell| extent == Extent::Full || dumbbell.rate_mbps == 10)
        .flat_map(|dumbbell| CONTROLLERS.map(|controller| (dumbbell, controller)))
        .collect();
    let figures: Vec<anyhow::Result<Figures>> = cases
        .par_iter()
        .map(|&(dumbbell, controller)| measured(dumbbell, controller, TransportSpec::default()))
        .collect();
    let mut table = Table::new(&[
        "Mbit/s",
        "flows",
        "",
        "goodput Mbit/s",
        "queueing delay ms",
        "its p95 ms",
        "loss %",
        "Jain",
    ]);
    let mut outside = Vec::new();
    let mut notes = Vec::new();
    for (&(dumbbell, controller), ours) in cases.iter().zip(figures) {
        let row = Row {
            dumbbell,
            controller,
            ours: ours?,
            references,
        };
        table.row(row.cells());
        outside.extend(row.outside());
        notes.extend(row.note());
    }
    let mut body = table.to_string();
    if references.is_absent() {
        body.push_str("\nThe measurements of kernel and ns-3 are not here, so ours stand alone.\n");
    }
    for note in notes.iter().chain(&outside) {
        write!(body, "\n* {note}")?;
    }
    body.push('\n');
    if extent == Extent::Full {
        let drawn = draws::table(references)?;
        write!(body, "\n{drawn}")?;
    }
    Ok(Section {
        name: "agreement",
        body,
        outside,
    })
}

/// What one dumbbell does under one controller.
pub(crate) fn measured(
    dumbbell: Dumbbell,
    controller: &str,
    transport: TransportSpec,
) -> anyhow::Result<Figures> {
    let scenario = scenario(dumbbell, controller, transport)?;
    let size = scenario.transport().max_datagram_size();
    let mut controllers = Vec::new();
    for flow in 0..dumbbell.flows {
        let made = by_name(controller, size, flow_seed(1, flow))?;
        controllers.push(BoxedController::from(made));
    }
    figures_of(&scenario, controllers)
}

/// The shipped file with every flow under one controller.
pub(crate) fn scenario(
    dumbbell: Dumbbell,
    controller: &str,
    transport: TransportSpec,
) -> anyhow::Result<ValidScenario> {
    let file = file_of(dumbbell);
    let name = file.display().to_string();
    let text = fs::read_to_string(root().join(&file)).with_context(|| name.clone())?;
    let scenario = ValidScenario::from_toml(&text, &name)?;
    Ok(scenario
        .with_controller(controller)
        .with_transport(transport)?)
}

/// What a run gives.
pub(crate) fn figures_of(
    scenario: &ValidScenario,
    controllers: Vec<BoxedController>,
) -> anyhow::Result<Figures> {
    let link = run(scenario, 1, controllers, &RunOptions::default())?.link;
    Ok(Figures {
        goodput_mbps: link.goodput_mbps,
        delay_ms: link.queue_delay_mean_ms,
        delay_p95_ms: link.queue_delay_p95_ms,
        loss: 100.0 * link.loss,
        jain: link.jain,
    })
}

/// Whether a figure is within its limit; none where nothing is there to compare with.
pub(crate) fn is_within(
    figure: &Figure,
    references: &References,
    (controller, dumbbell): (&str, Dumbbell),
    ours: &Figures,
) -> Option<bool> {
    let ours = (figure.of)(ours);
    let kernel = || {
        references
            .kernel(controller, dumbbell)
            .map(|kernel| (figure.of)(&kernel))
    };
    match figure.limit {
        Limit::None => None,
        Limit::Share(share) => kernel().map(|kernel| (ours / kernel - 1.0).abs() <= share),
        Limit::Distance(distance) => kernel().map(|kernel| (ours - kernel).abs() <= distance),
        Limit::Band => {
            let band = references.band(controller, dumbbell, &ALL, figure.of);
            band.map(|band| is_near(band, ours))
        }
    }
}

/// One dumbbell and controller.
struct Row<'a> {
    dumbbell: Dumbbell,
    controller: &'a str,
    ours: Figures,
    references: &'a References,
}

impl Row<'_> {
    fn cells(&self) -> [String; 8] {
        let [goodput, delay, p95, loss, jain] = FIGURES.map(|figure| {
            let ours = format!("{:.1$}", (figure.of)(&self.ours), figure.decimals);
            let kernel = self
                .kernel(&figure)
                .map(|value| format!("{value:.0$}", figure.decimals));
            let ns3 = self
                .band(&NS3, &figure)
                .map(|band| range(band, figure.decimals));
            let parts: Vec<String> = std::iter::once(ours).chain(kernel).chain(ns3).collect();
            format!("{}{}", parts.join(" · "), self.verdict(&figure).mark())
        });
        [
            self.dumbbell.rate_mbps.to_string(),
            self.dumbbell.flows.to_string(),
            self.controller.to_owned(),
            goodput,
            delay,
            p95,
            loss,
            jain,
        ]
    }

    fn kernel(&self, figure: &Figure) -> Option<f64> {
        let kernel = self.references.kernel(self.controller, self.dumbbell);
        kernel.map(|kernel| (figure.of)(&kernel))
    }

    fn band(&self, sources: &[Source], figure: &Figure) -> Option<[f64; 2]> {
        self.references
            .band(self.controller, self.dumbbell, sources, figure.of)
    }

    fn verdict(&self, figure: &Figure) -> Verdict {
        if self.controller == "bbr" {
            return Verdict::Open;
        }
        let case = (self.controller, self.dumbbell);
        let holds = is_within(figure, self.references, case, &self.ours);
        holds.map_or(Verdict::Open, Verdict::of)
    }

    fn name(&self) -> String {
        let Dumbbell { rate_mbps, flows } = self.dumbbell;
        let flows = if flows == 1 {
            "1 flow".to_owned()
        } else {
            format!("{flows} flows")
        };
        format!("{rate_mbps} Mbit/s, {flows}, {}", self.controller)
    }

    fn outside(&self) -> Vec<String> {
        let figures = FIGURES
            .iter()
            .filter(|figure| self.verdict(figure) == Verdict::Outside);
        let line = |figure: &Figure| {
            let ours = (figure.of)(&self.ours);
            format!(
                "{}: {} {ours:.*}, {}",
                self.name(),
                figure.name,
                figure.decimals,
                figure.limit
            )
        };
        figures.map(line).collect()
    }

    /// Where the band of losses only holds ours because of one source.
    fn note(&self) -> Option<String> {
        let loss = FIGURES
            .iter()
            .find(|figure| matches!(figure.limit, Limit::Band))?;
        if self.verdict(loss) != Verdict::Holds {
            return None;
        }
        let ours = (loss.of)(&self.ours);
        let band = self.band(&WITHOUT_344, loss)?;
        let newer = self.band(&[Source::Ns344], loss)?;
        (!is_near(band, ours)).then(|| {
            format!(
                "{}: loss {ours:.3} % is within the band only because of ns-3.44 ({} %); kernel and \
                 ns-3.37 have {} %.",
                self.name(),
                range(newer, 3),
                range(band, 3)
            )
        })
    }
}

/// Within the band widened by 30 %.
fn is_near([least, most]: [f64; 2], value: f64) -> bool {
    (0.7 * least..=1.3 * most).contains(&value)
}

/// A column.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) of: fn(&Figures) -> f64,
    pub(crate) decimals: usize,
    limit: Limit,
}

enum Limit {
    None,
    /// Of the kernel's figure.
    Share(f64),
    /// From the kernel's figure.
    Distance(f64),
    /// Of kernel and ns-3, widened by 30 %.
    Band,
}

impl core::fmt::Display for Limit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::None => f.write_str("no limit"),
            Self::Share(share) => write!(f, "more than {} % from the kernel's", share * 100.0),
            Self::Distance(distance) => write!(f, "more than {distance} from the kernel's"),
            Self::Band => f.write_str("outside the band of kernel and ns-3 ± 30 %"),
        }
    }
}

pub(crate) const FIGURES: [Figure; 5] = [
    Figure {
        name: "goodput in Mbit/s",
        of: |run| run.goodput_mbps,
        decimals: 2,
        limit: Limit::Share(0.01),
    },
    Figure {
        name: "queueing delay in ms",
        of: |run| run.delay_ms,
        decimals: 2,
        limit: Limit::Share(0.1),
    },
    Figure {
        name: "p95 of the queueing delay in ms",
        of: |run| run.delay_p95_ms,
        decimals: 1,
        limit: Limit::None,
    },
    Figure {
        name: "loss in %",
        of: |run| run.loss,
        decimals: 4,
        limit: Limit::Band,
    },
    Figure {
        name: "Jain's index",
        of: |run| run.jain,
        decimals: 3,
        limit: Limit::Distance(0.05),
    },
];

const CONTROLLERS: [&str; 3] = ["newreno", "cubic", "bbr"];
const NS3: [Source; 2] = [Source::Ns337, Source::Ns344];
const ALL: [Source; 3] = [Source::Kernel, Source::Ns337, Source::Ns344];
const WITHOUT_344: [Source; 2] = [Source::Kernel, Source::Ns337];
