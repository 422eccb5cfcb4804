//! Scenario files as they are written.

mod flow;
mod link;
mod queue;
mod section;
mod sweep;
mod topology;
mod traces;
mod transport;
mod tree;
mod workload;

use std::path::Path;

use core::time::Duration;

use self::section::Section;
use self::sweep::Axis;
use self::traces::Traces;
use self::tree::{Document, Table};
use super::valid::{Extent, Parts};
use super::{ScenarioError, ValidScenario};

/// The keys of a file outside of tables, and its tables.
const TOP: &[&str] = &[
    "version",
    "name",
    "duration_s",
    "warmup_s",
    "link",
    "reverse",
    "topology",
    "links",
    "transport",
    "flow",
    "sweep",
];

/// A scenario file, version 1, whose values are not checked yet: one scenario, or the grid of its
/// sweep.
#[derive(Debug)]
pub struct Scenario {
    document: Document,
    axes: Vec<Axis>,
    traces: Traces,
}

/// A scenario of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The swept values as (key, value), in the order of the file: the key alone, or its whole path
    /// where two swept keys have the same name. Empty where nothing is swept.
    pub values: Vec<(String, String)>,
    /// The scenario; its name ends in those values.
    pub scenario: ValidScenario,
}

impl Cell {
    /// The values as they stand in the scenario's name, for example `rate_mbps=10,base_rtt_ms=40`.
    pub fn suffix(&self) -> String {
        suffix(&self.values)
    }
}

impl Scenario {
    /// Reads the text of `file`, which errors name and relative to which traces are looked for.
    ///
    /// # Errors
    /// [`ScenarioError`] where the text is no TOML, or its sweep cannot be understood or has more
    /// than 100 000 cells.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let document = Document::parse(text, file)?;
        let axes = match document.root.get("sweep") {
            Some(sweep) => {
                sweep::axes(sweep).map_err(|(at, error)| error.at(|| document.place(Some(at))))?
            }
            None => Vec::new(),
        };
        Ok(Self {
            document,
            axes,
            traces: Traces::beside(file),
        })
    }

    /// Every cell of the file's grid; one where nothing is swept.
    ///
    /// # Errors
    /// [`ScenarioError`] with file, line and field; values that were swept have the line of the
    /// sweep. Also where all cells together have more than 1 000 000 flows or links, or more than
    /// 2 000 000 entries of lists.
    pub fn expand(text: &str, file: &str) -> Result<Vec<Cell>, ScenarioError> {
        let scenario = Self::from_toml(text, file)?;
        let mut extent = Extent::default();
        let mut cells = Vec::new();
        for index in 0..scenario.cells() {
            let cell = scenario.cell(index)?;
            if !scenario.axes.is_empty() {
                extent.add(&cell.scenario).map_err(|error| {
                    let at = tree::offset_of(&scenario.document.root, "sweep");
                    error.at(|| scenario.document.place(at))
                })?;
            }
            cells.push(cell);
        }
        Ok(cells)
    }

    /// Number of cells; 1 where nothing is swept.
    pub fn cells(&self) -> u64 {
        sweep::cells(&self.axes)
    }

    /// Checks cell `index`, counted with the last swept key changing fastest.
    ///
    /// # Errors
    /// As [`Scenario::expand`].
    pub fn cell(&self, index: u64) -> Result<Cell, ScenarioError> {
        let (root, values) = sweep::cell(&self.document.root, &self.axes, index)
            .map_err(|(at, error)| error.at(|| self.document.place(Some(at))))?;
        let suffix = suffix(&values);
        let scenario = build(&root, &self.traces).map_err(|error| {
            let at = tree::offset_of(&root, error.field());
            error.at(|| self.document.place(at)).in_cell(&suffix)
        })?;
        if values.is_empty() {
            return Ok(Cell { values, scenario });
        }
        let stem = Path::new(&self.document.file).file_stem();
        let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
        let name = match scenario.name() {
            "" => stem.unwrap_or_default(),
            name => name.to_owned(),
        };
        let name = format!("{name} {suffix}");
        let scenario = scenario.named(name.trim_start());
        Ok(Cell { values, scenario })
    }

    /// Checks the only scenario of the file.
    ///
    /// # Errors
    /// [`ScenarioError`] with file, line and field; also where the file has a sweep.
    pub fn check(&self) -> Result<ValidScenario, ScenarioError> {
        if self.axes.is_empty() {
            return self.cell(0).map(|cell| cell.scenario);
        }
        let reason = format!(
            "this file is a grid of {} scenarios, read it as one",
            self.cells()
        );
        let at = tree::offset_of(&self.document.root, "sweep");
        Err(ScenarioError::misplaced("sweep", reason).at(|| self.document.place(at)))
    }
}

fn suffix(values: &[(String, String)]) -> String {
    let values = values.iter().map(|(key, value)| format!("{key}={value}"));
    values.collect::<Vec<_>>().join(",")
}

fn build(root: &Table, traces: &Traces) -> Result<ValidScenario, ScenarioError> {
    let root = Section::root(root);
    let version = root.needed("version", root.whole("version")?, "1")?;
    if version != VERSION {
        return Err(ScenarioError::value("version", VERSION, version));
    }
    root.only(&[TOP])?;
    let duration = root.needed("duration_s", root.time("duration_s")?, "a time")?;
    let (shape, links) = topology::links(&root, traces)?;
    let flows = flow::flows(&root, shape, &links)?;
    ValidScenario::from_parts(Parts {
        name: root.name("name")?.unwrap_or_default().to_owned(),
        links,
        naming: shape.naming(),
        flows,
        transport: transport::transport(&root)?,
        duration,
        warmup: root.time("warmup_s")?.unwrap_or(Duration::ZERO),
    })
}

const VERSION: u64 = 1;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The keys of each table, by the heading that documents them.
    const DOCUMENTED: &[(&str, &[&[&str]])] = &[
        ("## Top level", &[TOP]),
        ("### `[topology]`", &[topology::TOPOLOGY]),
        ("### Capacity", &[link::CAPACITY]),
        ("### Queue size", &[queue::BUFFER]),
        (
            "### Propagation and names",
            &[topology::DUMBBELL_LINK, topology::HOP, topology::GRAPH_LINK],
        ),
        ("### Queue, impairments", &[link::LINK]),
        ("### `rate_steps`", &[link::RATE_STEP]),
        ("### `[link.cellular]`", &[link::CELLULAR]),
        ("### `[link.wifi]`", &[link::WIFI]),
        ("### `[link.leo]`", &[link::LEO]),
        (
            "### `[link.queue]`",
            &[
                queue::QUEUE,
                queue::CODEL,
                queue::FQ_CODEL,
                queue::PIE,
                queue::RED,
                queue::DUALPI2,
                queue::STEP,
            ],
        ),
        ("### `[link.policer]`", &[queue::POLICER]),
        ("### `[link.gilbert_elliott]`", &[link::GILBERT_ELLIOTT]),
        ("### `blackouts`", &[link::BLACKOUT]),
        ("## `[transport]`", &[transport::TRANSPORT]),
        (
            "## `[[flow]]`",
            &[
                flow::FLOW,
                flow::DUMBBELL_FLOW,
                flow::PARKING_LOT_FLOW,
                flow::GRAPH_FLOW,
            ],
        ),
        ("### `reroutes`", &[flow::REROUTE]),
        (
            "### `[flow.workload]`",
            &[
                workload::WORKLOAD,
                workload::ON_OFF,
                workload::WEB,
                workload::REQUEST_RESPONSE,
                workload::REAL_TIME,
                workload::VIDEO,
                workload::INCAST,
            ],
        ),
        ("### `[flow.workload.retry]`", &[workload::RETRY]),
        (
            "### Sizes",
            &[
                workload::SIZE,
                workload::FIXED,
                workload::EXPONENTIAL,
                workload::PARETO,
                workload::LOG_NORMAL,
            ],
        ),
        ("## Sweeps", &[sweep::RANGE]),
    ];

    #[test]
    fn every_key_is_documented_and_every_documented_key_exists() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
        let text = std::fs::read_to_string(file).unwrap();
        let mut tables = 0;
        for (heading, known) in DOCUMENTED {
            let start = text.find(&format!("\n{heading}\n")).unwrap() + 1;
            let section = &text[start + heading.len()..];
            let end = section.find("\n#").unwrap_or(section.len());
            let rows = section[..end].lines();
            let keys = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
            let documented: BTreeSet<&str> = keys.collect();
            let known: BTreeSet<&str> = known.iter().copied().flatten().copied().collect();
            assert_eq!(documented, known, "{heading}");
            tables += 1;
        }
        assert_eq!(text.matches("\n| key |").count(), tables);
    }
}
