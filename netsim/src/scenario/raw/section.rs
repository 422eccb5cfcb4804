//! One table of a scenario file, read key by key.

use core::time::Duration;

use tautline_core::units::{Bandwidth, Bytes, Timestamp};

use super::tree::{Node, Table, Value};
use crate::scenario::error::quoted;
use crate::scenario::{Problem, ScenarioError};

/// A table with its path, for example `flow[1].workload`.
#[derive(Clone, Debug)]
pub(super) struct Section<'t> {
    path: String,
    table: &'t Table,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) const fn root(table: &'t Table) -> Self {
        Self {
            path: String::new(),
            table,
        }
    }

    /// The path of `key`.
    pub(super) fn field(&self, key: &str) -> String {
        if self.path.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.path)
    }

    /// Refuses every key that is not in one of the lists `known`.
    pub(super) fn only(&self, known: &[&[&str]]) -> Result<(), ScenarioError> {
        let strange = |key: &&String| !known.iter().any(|list| list.contains(&key.as_str()));
        let Some(key) = self.table.keys().find(strange) else {
            return Ok(());
        };
        let known = quoted(known.iter().copied().flatten().copied());
        let problem = Problem::Unknown { known };
        Err(ScenarioError::new(&self.field(key), problem))
    }

    /// Refuses `keys`, which belong elsewhere.
    pub(super) fn without(&self, keys: &[&str], reason: &str) -> Result<(), ScenarioError> {
        match keys.iter().find(|&&key| self.has(key)) {
            Some(key) => Err(ScenarioError::misplaced(&self.field(key), reason)),
            None => Ok(()),
        }
    }

    /// Whether `key` is given.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The only one of `keys` that is given; the first of them stands for all where none is.
    pub(super) fn one_of<'k>(
        &self,
        keys: &[&'k str],
        expected: &str,
    ) -> Result<&'k str, ScenarioError> {
        let mut given = keys.iter().copied().filter(|key| self.has(key));
        match (given.next(), given.next()) {
            (Some(key), None) => Ok(key),
            (Some(key), Some(other)) => {
                let other = self.field(other);
                let problem = Problem::Exclusive { other };
                Err(ScenarioError::new(&self.field(key), problem))
            }
            (None, _) => {
                let first = keys.first().copied().unwrap_or_default();
                Err(ScenarioError::missing(&self.field(first), expected))
            }
        }
    }

    /// `value` of `key`, which must be there.
    pub(super) fn needed<T>(
        &self,
        key: &str,
        value: Option<T>,
        expected: &str,
    ) -> Result<T, ScenarioError> {
        value.ok_or_else(|| ScenarioError::missing(&self.field(key), expected))
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, ScenarioError> {
        self.read(key, "a number", |value| match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        })
    }

    /// A whole number that is not negative.
    pub(super) fn whole(&self, key: &str) -> Result<Option<u64>, ScenarioError> {
        self.read(key, "a whole number that is not negative", |value| {
            let Value::Integer(number) = value else {
                return None;
            };
            u64::try_from(*number).ok()
        })
    }

    /// A whole number of 32 bits.
    pub(super) fn count(&self, key: &str) -> Result<Option<u32>, ScenarioError> {
        let whole = self.whole(key)?;
        let narrow = whole.map(|number| {
            u32::try_from(number).map_err(|_| {
                let expected = format!("at most {}", u32::MAX);
                ScenarioError::value(&self.field(key), expected, number)
            })
        });
        narrow.transpose()
    }

    /// A size in bytes.
    pub(super) fn bytes(&self, key: &str) -> Result<Option<Bytes>, ScenarioError> {
        Ok(self.whole(key)?.map(Bytes::new))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'t str>, ScenarioError> {
        self.read(key, "a text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A text that names something; short, because names are kept per flow and per cell.
    pub(super) fn name(&self, key: &str) -> Result<Option<&'t str>, ScenarioError> {
        let name = self.text(key)?;
        match name.map(str::len) {
            Some(bytes) if bytes > LONGEST_NAME => {
                let expected = format!("a name of at most {LONGEST_NAME} bytes");
                let got = format!("{bytes} bytes");
                Err(ScenarioError::value(&self.field(key), expected, got))
            }
            _ => Ok(name),
        }
    }

    /// A text out of a set, given as (text, meaning).
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        all: &[(&str, T)],
    ) -> Result<Option<T>, ScenarioError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let known = all.iter().find(|(name, _)| *name == text);
        let meaning = known.map(|&(_, meaning)| meaning).ok_or_else(|| {
            let names = quoted(all.iter().map(|&(name, _)| name));
            self.strange(key, &names, text)
        });
        meaning.map(Some)
    }

    /// A text that is none of `expected`.
    pub(super) fn strange(&self, key: &str, expected: &str, got: &str) -> ScenarioError {
        ScenarioError::value(
            &self.field(key),
            format!("one of {expected}"),
            format!("`{got}`"),
        )
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ScenarioError> {
        self.list(key, "a text", |node| match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A list of numbers.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, ScenarioError> {
        self.list(key, "a number", |node| match node.value {
            Value::Integer(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        })
    }

    /// A time under a key that ends in `_s` or `_ms`, rounded to nanoseconds.
    pub(super) fn time(&self, key: &str) -> Result<Option<Duration>, ScenarioError> {
        let Some(value) = self.number(key)? else {
            return Ok(None);
        };
        let nanos_per_unit = if key.ends_with("_ms") { 1e6 } else { 1e9 };
        let nanos = value * nanos_per_unit;
        if !(0.0..=LONGEST_NANOS).contains(&nanos) {
            let expected = format!("a time of 0 to {}", LONGEST_NANOS / nanos_per_unit);
            return Err(ScenarioError::value(&self.field(key), expected, value));
        }
        Ok(Some(Duration::from_nanos(libm::round(nanos) as u64)))
    }

    /// A time since the start of the simulation.
    pub(super) fn instant(&self, key: &str) -> Result<Option<Timestamp>, ScenarioError> {
        let time = self.time(key)?;
        Ok(time.map(|time| Timestamp::ZERO.saturating_add(time)))
    }

    /// A rate in Mbit/s.
    pub(super) fn rate(&self, key: &str) -> Result<Option<Bandwidth>, ScenarioError> {
        let rate = self.number(key)?;
        let rate = rate.map(|rate| bandwidth(&self.field(key), rate));
        rate.transpose()
    }

    /// Per cent, as a share of one.
    pub(super) fn share(&self, key: &str) -> Result<Option<f64>, ScenarioError> {
        let Some(percent) = self.number(key)? else {
            return Ok(None);
        };
        if !(0.0..=100.0).contains(&percent) {
            return Err(ScenarioError::value(&self.field(key), "0 to 100", percent));
        }
        Ok(Some(percent / 100.0))
    }

    /// A table.
    pub(super) fn section(&self, key: &str) -> Result<Option<Self>, ScenarioError> {
        let table = self.read(key, "a table", |value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })?;
        let path = self.field(key);
        Ok(table.map(|table| Self { path, table }))
    }

    /// A list of tables; empty where it is absent.
    pub(super) fn sections(&self, key: &str) -> Result<Vec<Self>, ScenarioError> {
        let tables = self.list(key, "a table", |node| match &node.value {
            Value::Table(table) => Some(table),
            _ => None,
        })?;
        let path = self.field(key);
        let tables = tables.unwrap_or_default().into_iter().enumerate();
        let sections = tables.map(|(index, table)| Self {
            path: format!("{path}[{index}]"),
            table,
        });
        Ok(sections.collect())
    }

    fn read<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'t Value) -> Option<T>,
    ) -> Result<Option<T>, ScenarioError> {
        let Some(entry) = self.table.get(key) else {
            return Ok(None);
        };
        let value = &entry.node.value;
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(ScenarioError::value(&self.field(key), expected, value)),
        }
    }

    fn list<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&'t Node) -> Option<T>,
    ) -> Result<Option<Vec<T>>, ScenarioError> {
        let nodes = self.read(key, "a list", |value| match value {
            Value::List(nodes) => Some(nodes),
            _ => None,
        })?;
        let Some(nodes) = nodes else { return Ok(None) };
        let elements = nodes.iter().enumerate().map(|(index, node)| {
            read(node).ok_or_else(|| {
                let field = format!("{}[{index}]", self.field(key));
                ScenarioError::value(&field, expected, &node.value)
            })
        });
        elements.collect::<Result<_, _>>().map(Some)
    }
}

/// A rate of `rate_mbps`, in the range of all rates.
pub(super) fn bandwidth(field: &str, rate_mbps: f64) -> Result<Bandwidth, ScenarioError> {
    if rate_mbps == 0.0 {
        return Err(ScenarioError::new(field, Problem::ZeroRate));
    }
    let bits_per_sec = rate_mbps * 1e6;
    if !(1000.0..=1e12).contains(&bits_per_sec) {
        return Err(ScenarioError::value(field, "0.001 to 1000000", rate_mbps));
    }
    let bits_per_sec = libm::round(bits_per_sec) as u64;
    Ok(Bandwidth::from_bits_per_sec(bits_per_sec))
}

/// A century, so that sums of times stay far from overflow.
const LONGEST_NANOS: f64 = 3.2e18;
const LONGEST_NAME: usize = 128;
