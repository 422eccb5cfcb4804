//! What runs are made from: scenario files, and the traces that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tautline_netsim::scenario::{CapacitySpec, ValidScenario};

use super::table::shown;
use crate::files;

/// The scenarios of `paths` in their order, every cell of a sweep on its own. Those without a name
/// have their file's.
///
/// # Errors
/// Files that are not valid; scenarios of the same name, whose results could not be told apart.
pub(super) fn scenarios(paths: &[PathBuf]) -> anyhow::Result<Vec<ValidScenario>> {
    let mut scenarios = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        for scenario in read(path)? {
            let name = scenario.name().to_owned();
            if let Some(other) = known.insert(name.clone(), at) {
                anyhow::bail!(same_name(&name, (&paths[other], path), other == at));
            }
            scenarios.push(scenario);
        }
    }
    Ok(scenarios)
}

fn same_name(name: &str, (first, second): (&Path, &Path), in_one: bool) -> String {
    let (name, a, b) = (shown(name), first.display(), second.display());
    if in_one {
        return format!("{a}: expected cells with names that differ, got `{name}` twice");
    }
    let same = first.canonicalize().ok().zip(second.canonicalize().ok());
    if same.is_some_and(|(first, second)| first == second) {
        return format!("expected files that differ, got {a} and {b}, which are the same");
    }
    format!(
        "{a} and {b} both have a scenario `{name}`, and results go by that name: give one of them \
         another (`name = \"…\"`)"
    )
}

fn read(path: &Path) -> anyhow::Result<Vec<ValidScenario>> {
    let text = files::read_text("scenario", path)?;
    let scenarios = ValidScenario::grid_from_toml(&text, &path.display().to_string())?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let named = scenarios.into_iter().map(|scenario| {
        if scenario.name().is_empty() {
            scenario.named(stem.clone())
        } else {
            scenario
        }
    });
    Ok(named.collect())
}

/// The trace files of all links of `scenarios`.
pub(super) fn traces(scenarios: &[ValidScenario]) -> BTreeSet<&Path> {
    let links = scenarios.iter().flat_map(ValidScenario::links);
    let traces = links.filter_map(|link| match &link.capacity {
        CapacitySpec::Trace(trace) => Some(trace.file()),
        _ => None,
    });
    traces.collect()
}

/// Fails where a controller is named twice.
pub(super) fn check_distinct(controllers: &[String]) -> anyhow::Result<()> {
    let mut known = BTreeSet::new();
    for controller in controllers {
        anyhow::ensure!(
            known.insert(controller),
            "--controllers: expected names that differ, got `{controller}` twice"
        );
    }
    Ok(())
}
