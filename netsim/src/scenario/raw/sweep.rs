//! Sweeps: keys that take several values, and the grid of all their combinations.

use super::tree::{Entry, Node, Table, Value};
use crate::scenario::{Problem, ScenarioError};

/// A range: `{ from, to, steps, scale }`.
pub(super) const RANGE: &[&str] = &["from", "to", "steps", "scale"];

/// A key that takes several values.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The way to the key.
    path: Vec<String>,
    /// Offset of its entry.
    at: usize,
    /// What it is called in the names of cells.
    label: String,
    /// Its values.
    values: Vec<Node>,
}

/// An error with the offset at which it stands.
pub(super) type Misread = (usize, ScenarioError);

/// The axes of the table under `sweep`, in the order of the file.
pub(super) fn axes(entry: &Entry) -> Result<Vec<Axis>, Misread> {
    let mut axes = Vec::new();
    let Value::Table(table) = &entry.node.value else {
        let error = ScenarioError::value("sweep", "a table", &entry.node.value);
        return Err((entry.at, error));
    };
    gather(&[], table, &mut axes)?;
    axes.sort_by_key(|axis| axis.at);
    let mut cells = 1_u64;
    for axis in &axes {
        cells = cells.saturating_mul(axis.values.len() as u64);
    }
    if cells > MOST_CELLS {
        let cells = if cells == u64::MAX {
            "more than 10^19".to_owned()
        } else {
            cells.to_string()
        };
        let most = MOST_CELLS;
        let error = ScenarioError::new("sweep", Problem::LargeGrid { cells, most });
        return Err((entry.at, error));
    }
    label(&mut axes);
    Ok(axes)
}

/// The number of combinations.
pub(super) fn cells(axes: &[Axis]) -> u64 {
    axes.iter().map(|axis| axis.values.len() as u64).product()
}

/// The file `root` in cell `index`, of which the last axis changes fastest, and its values as
/// (name, value).
pub(super) fn cell(
    root: &Table,
    axes: &[Axis],
    index: u64,
) -> Result<(Table, Vec<(String, String)>), Misread> {
    let mut file = Node {
        at: 0,
        value: Value::Table(root.clone()),
    };
    let mut rest = index;
    let mut values = Vec::new();
    for axis in axes.iter().rev() {
        let of = axis.values.len() as u64;
        let place = (rest % of) as usize;
        rest /= of;
        let Some(value) = axis.values.get(place) else {
            continue;
        };
        put(&mut file, &axis.path, value).map_err(|expected| {
            let got = format!("`{}`", axis.path.join("."));
            (axis.at, ScenarioError::value("sweep", expected, got))
        })?;
        values.push((axis.label.clone(), shown(place, &value.value)));
    }
    values.reverse();
    let table = match file.value {
        Value::Table(table) => table,
        _ => Table::new(),
    };
    Ok((table, values))
}

fn gather(path: &[String], table: &Table, axes: &mut Vec<Axis>) -> Result<(), Misread> {
    for (key, entry) in table {
        let steps = key.split('.').map(str::to_owned);
        let path: Vec<String> = path.iter().cloned().chain(steps).collect();
        let field = format!("sweep.{}", path.join("."));
        let placed = |error| (entry.at, error);
        let values = match &entry.node.value {
            Value::List(values) => values.clone(),
            Value::Table(table) if RANGE.iter().any(|key| table.contains_key(*key)) => {
                range(&field, entry.at, table).map_err(placed)?
            }
            Value::Table(table) => {
                gather(&path, table, axes)?;
                continue;
            }
            other => {
                let expected = "a list, or a table with `from`, `to` and `steps`";
                return Err(placed(ScenarioError::value(&field, expected, other)));
            }
        };
        if path.first().is_some_and(|key| key == "sweep") {
            let error = ScenarioError::misplaced(&field, "a sweep cannot sweep itself");
            return Err(placed(error));
        }
        distinct(&field, &values).map_err(placed)?;
        axes.push(Axis {
            label: path.last().cloned().unwrap_or_default(),
            at: entry.at,
            path,
            values,
        });
    }
    Ok(())
}

/// Refuses an empty list and values that stand twice.
fn distinct(field: &str, values: &[Node]) -> Result<(), ScenarioError> {
    if values.is_empty() {
        return Err(ScenarioError::value(field, "at least one value", "none"));
    }
    let names = values.iter().enumerate();
    let mut names: Vec<String> = names.map(|(at, value)| shown(at, &value.value)).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let got = format!("{} twice", pair[0]);
            Err(ScenarioError::value(field, "values that differ", got))
        }
        None => Ok(()),
    }
}

/// Names axes by their last key, and by their whole path where that is not enough.
fn label(axes: &mut [Axis]) {
    let last: Vec<String> = axes.iter().map(|axis| axis.label.clone()).collect();
    for axis in axes {
        if last.iter().filter(|&label| *label == axis.label).count() > 1 {
            axis.label = axis.path.join(".");
        }
    }
}

/// A value in the name of a cell; tables and lists go by their place in the sweep, from 1.
fn shown(place: usize, value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Table(_) | Value::List(_) => format!("#{}", place + 1),
        other => other.to_string(),
    }
}

fn range(field: &str, at: usize, table: &Table) -> Result<Vec<Node>, ScenarioError> {
    if let Some(key) = table.keys().find(|key| !RANGE.contains(&key.as_str())) {
        let known = crate::scenario::error::quoted(RANGE.iter().copied());
        let problem = Problem::Unknown { known };
        return Err(ScenarioError::new(&format!("{field}.{key}"), problem));
    }
    let end = |key: &str| {
        let field = format!("{field}.{key}");
        match table.get(key).map(|entry| &entry.node.value) {
            Some(Value::Integer(number)) => Ok((*number as f64, true)),
            Some(Value::Float(number)) if number.is_finite() => Ok((*number, false)),
            Some(other) => Err(ScenarioError::value(&field, "a number", other)),
            None => Err(ScenarioError::missing(&field, "a number")),
        }
    };
    let ((from, from_whole), (to, to_whole)) = (end("from")?, end("to")?);
    let steps = match table.get("steps").map(|entry| &entry.node.value) {
        Some(Value::Integer(steps)) if (2..=MOST_CELLS as i64).contains(steps) => *steps,
        Some(other) => {
            let expected = format!("a whole number from 2 to {MOST_CELLS}");
            return Err(ScenarioError::value(
                &format!("{field}.steps"),
                expected,
                other,
            ));
        }
        None => {
            let expected = "a number of values";
            return Err(ScenarioError::missing(&format!("{field}.steps"), expected));
        }
    };
    let logarithmic = match table.get("scale").map(|entry| &entry.node.value) {
        None => false,
        Some(Value::Text(scale)) if scale == "linear" => false,
        Some(Value::Text(scale)) if scale == "log" => true,
        Some(other) => {
            let expected = "one of `linear`, `log`";
            return Err(ScenarioError::value(
                &format!("{field}.scale"),
                expected,
                other,
            ));
        }
    };
    if logarithmic && !(from > 0.0 && to > 0.0) {
        let got = format!("{from} to {to}");
        return Err(ScenarioError::value(
            field,
            "ends above 0 on a log scale",
            got,
        ));
    }
    let values = (0..steps).map(|step| {
        let share = step as f64 / (steps - 1) as f64;
        let value = match step {
            0 => from,
            _ if step == steps - 1 => to,
            _ if logarithmic => from * libm::pow(to / from, share),
            _ => from + (to - from) * share,
        };
        let value = if from_whole && to_whole {
            Value::Integer(libm::round(value) as i64)
        } else {
            Value::Float(value)
        };
        Node { at, value }
    });
    Ok(values.collect())
}

/// Puts `new` at `path`; tables on the way are made. The error says what was expected.
fn put(node: &mut Node, path: &[String], new: &Node) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        *node = new.clone();
        return Ok(());
    };
    match &mut node.value {
        Value::Table(table) => {
            let entry = table.entry(key.clone()).or_insert_with(|| Entry {
                at: new.at,
                node: Node {
                    at: new.at,
                    value: Value::Table(Table::new()),
                },
            });
            if rest.is_empty() {
                entry.at = new.at;
            }
            put(&mut entry.node, rest, new)
        }
        Value::List(all) => {
            let of = all.len();
            let element = key.parse().ok().and_then(|index: usize| all.get_mut(index));
            let element = element.ok_or_else(|| {
                format!("a number below {of}, the entries that there are, in place of `{key}`")
            })?;
            put(element, rest, new)
        }
        _ => Err(format!("a table or a list before `{key}`")),
    }
}

/// Most cells of a grid.
const MOST_CELLS: u64 = 100_000;
