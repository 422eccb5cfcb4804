//! Lists of instances, and what is known about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::decide::Question;
use crate::{files, output};

/// The instances of a file, in its order.
#[derive(Debug)]
pub(super) struct Instances {
    pub(super) list: Vec<Instance>,
    /// Times of other tools: a name, and seconds per instance where there are any.
    pub(super) anchors: Vec<(String, Vec<Option<f64>>)>,
}

/// One line.
#[derive(Debug)]
pub(super) struct Instance {
    /// As the line says.
    pub(super) network: String,
    pub(super) property: String,
    pub(super) question: Question,
    /// `holds` or `violated`, where it is known.
    pub(super) expected: Option<&'static str>,
    /// Counted from one.
    pub(super) line: usize,
}

/// What `expected.csv` knows about an instance.
struct Known {
    /// Its line, counted from one.
    line: usize,
    verdict: Option<&'static str>,
    seconds: Vec<Option<f64>>,
    /// Some instance is this one.
    is_asked: bool,
}

/// All of `expected.csv`.
#[derive(Default)]
struct Expected {
    /// Names of other tools, in the order of every row's seconds.
    tools: Vec<String>,
    /// By network and property.
    known: BTreeMap<(PathBuf, PathBuf), Known>,
}

impl Instances {
    /// Reads a file, and `expected.csv` beside it.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let text = files::read_text("list of instances", path)?;
        let mut list = Vec::new();
        for (number, line) in lines(&text) {
            let at = || format!("{}:{number}", path.display());
            list.push(instance(line, number, folder).with_context(at)?);
        }
        if list.is_empty() {
            anyhow::bail!(
                "{}: expected a line network,property,seconds",
                path.display()
            );
        }
        let beside = folder.join("expected.csv");
        let Expected { tools, mut known } = if beside.exists() {
            expected(&beside)?
        } else {
            Expected::default()
        };
        let mut anchors: Vec<(String, Vec<Option<f64>>)> =
            tools.into_iter().map(|name| (name, Vec::new())).collect();
        for instance in &mut list {
            let key = (clean(&instance.network), clean(&instance.property));
            let known = known.get_mut(&key);
            let known = known.map(|known| {
                known.is_asked = true;
                &*known
            });
            instance.expected = known.and_then(|known| known.verdict);
            for (anchor, (_, seconds)) in anchors.iter_mut().enumerate() {
                seconds.push(known.and_then(|known| known.seconds[anchor]));
            }
        }
        note_unasked(&beside, &known);
        Ok(Self { list, anchors })
    }
}

/// Says which rows are about no instance: their names may be misspelt.
fn note_unasked(path: &Path, known: &BTreeMap<(PathBuf, PathBuf), Known>) {
    let unasked = known.values().filter(|known| !known.is_asked);
    let lines: Vec<usize> = unasked.map(|known| known.line).collect();
    if let Some(first) = lines.iter().min() {
        let (path, count) = (path.display(), lines.len());
        output::note(&format!(
            "{path}: rows about no instance: {count}, the first on line {first}"
        ));
    }
}

fn instance(line: &str, number: usize, folder: &Path) -> anyhow::Result<Instance> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let (network, property, timeout) = match cells[..] {
        [network, property] => (network, property, None),
        [network, property, seconds] => {
            let timeout = crate::cmd::seconds(seconds).map_err(anyhow::Error::msg)?;
            (network, property, Some(timeout))
        }
        _ => anyhow::bail!(
            "expected network,property,seconds, got {} cells",
            cells.len()
        ),
    };
    if network.is_empty() || property.is_empty() {
        anyhow::bail!("expected the names of a network and a property, got an empty one");
    }
    Ok(Instance {
        network: network.to_owned(),
        property: property.to_owned(),
        question: Question {
            network: folder.join(network),
            property: folder.join(property),
            timeout,
        },
        expected: None,
        line: number,
    })
}

fn expected(path: &Path) -> anyhow::Result<Expected> {
    let text = files::read_text("table of expected verdicts", path)?;
    let mut lines = lines(&text);
    let header = lines.next().map_or("", |(_, line)| line);
    let header: Vec<&str> = header.split(',').map(str::trim).collect();
    let column = |name: &str| {
        let found = header.iter().position(|&it| it == name);
        found.with_context(|| format!("{}:1: expected a column `{name}`", path.display()))
    };
    let (network, property, verdict) =
        (column("network")?, column("property")?, column("expected")?);
    let is_anchor = |name: &&str| name.ends_with("_s") && *name != "timeout_s";
    let anchors: Vec<usize> = (0..header.len())
        .filter(|&column| is_anchor(&header[column]))
        .collect();
    let mut known: BTreeMap<(PathBuf, PathBuf), Known> = BTreeMap::new();
    for (number, line) in lines {
        let at = || format!("{}:{number}", path.display());
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        if cells.len() != header.len() {
            let (expected, got) = (header.len(), cells.len());
            anyhow::bail!("{}: expected {expected} cells, got {got}", at());
        }
        let mut row = Known {
            line: number,
            verdict: verdict_of(cells[verdict]).with_context(at)?,
            seconds: anchors
                .iter()
                .map(|&column| seconds_of(cells[column]))
                .collect::<anyhow::Result<_>>()
                .with_context(at)?,
            is_asked: false,
        };
        let key = (clean(cells[network]), clean(cells[property]));
        if let Some(other) = known.get(&key) {
            if let (Some(said), Some(got)) = (other.verdict, row.verdict)
                && said != got
            {
                let line = other.line;
                anyhow::bail!("{}: expected {said} as line {line} says, got {got}", at());
            }
            row.verdict = row.verdict.or(other.verdict);
        }
        known.insert(key, row);
    }
    let tools = anchors.iter();
    let tools = tools.map(|&column| header[column].trim_end_matches("_s").to_owned());
    Ok(Expected {
        tools: tools.collect(),
        known,
    })
}

/// Ours, and VNN-COMP's words.
fn verdict_of(cell: &str) -> anyhow::Result<Option<&'static str>> {
    match cell {
        "holds" | "unsat" => Ok(Some("holds")),
        "violated" | "sat" => Ok(Some("violated")),
        "" | "unknown" | "?" => Ok(None),
        other => anyhow::bail!("expected: holds, violated or unknown, got `{other}`"),
    }
}

fn seconds_of(cell: &str) -> anyhow::Result<Option<f64>> {
    if cell.is_empty() {
        return Ok(None);
    }
    let seconds: Option<f64> = cell.parse().ok();
    let seconds = seconds.filter(|it| it.is_finite() && *it >= 0.0);
    let seconds = seconds.with_context(|| format!("expected seconds, got `{cell}`"))?;
    Ok(Some(seconds))
}

/// A path without steps that lead nowhere, to compare.
fn clean(path: &str) -> PathBuf {
    Path::new(path)
        .components()
        .collect::<PathBuf>()
        .strip_prefix(".")
        .map_or_else(|_| Path::new(path).components().collect(), Path::to_owned)
}

/// Lines with their numbers, without the empty ones.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate();
    numbered
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty())
}
