//! A scenario file as a tree whose values know where they stand.

use core::fmt;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::scenario::{Place, Problem, ScenarioError};

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Its name.
    pub(super) file: String,
    /// Its keys.
    pub(super) root: Table,
    /// Offset of each line.
    lines: Vec<usize>,
}

/// Keys with their values.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key's place and value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Offset of the key.
    pub(super) at: usize,
    /// Its value.
    pub(super) node: Node,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Offset of the value.
    pub(super) at: usize,
    /// The value.
    pub(super) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Integer(i64),
    Float(f64),
    Text(String),
    Truth(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Truth(value) => write!(f, "{value}"),
            Self::Date(date) => write!(f, "the date {date}"),
            Self::List(_) => f.write_str("a list"),
            Self::Table(_) => f.write_str("a table"),
        }
    }
}

impl Document {
    /// Reads `text`, which came from `file`.
    pub(super) fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = core::iter::once(0).chain(ends.map(|(at, _)| at + 1));
        let mut document = Self {
            file: file.to_owned(),
            root: Table::new(),
            lines: lines.collect(),
        };
        let parsed = DeTable::parse(text).map_err(|error| {
            let at = error.span().map(|span| span.start);
            let key = at.and_then(|at| key_on(text, document.line(at)));
            let message = error.message().trim().to_owned();
            let error = ScenarioError::new(key.unwrap_or("scenario"), Problem::Syntax { message });
            error.at(|| document.place(at))
        })?;
        document.root = table("", parsed.get_ref())
            .map_err(|(at, error)| error.at(|| document.place(Some(at))))?;
        Ok(document)
    }

    /// A place in this file.
    pub(super) fn place(&self, at: Option<usize>) -> Place {
        Place {
            file: Some(self.file.clone()),
            line: at.map(|at| self.line(at)),
        }
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|&start| start <= at)
    }
}

/// The key that a line assigns to, if it does.
fn key_on(text: &str, line: usize) -> Option<&str> {
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let key = line.split_once('=').map_or(line, |(key, _)| key).trim();
    (!key.is_empty()).then_some(key)
}

/// Offset of a field such as `flow[1].start_s`, or of the innermost part on the way to it.
pub(super) fn offset_of(root: &Table, field: &str) -> Option<usize> {
    let mut table = root;
    let mut offset = None;
    for part in field.split('.') {
        let (key, index) = match part.split_once('[') {
            Some((key, index)) => (key, index.strip_suffix(']')?.parse::<usize>().ok()),
            None => (part, None),
        };
        let Some(entry) = table.get(key) else { break };
        offset = Some(entry.at);
        let mut node = &entry.node;
        if let (Some(index), Value::List(all)) = (index, &node.value) {
            let Some(element) = all.get(index) else { break };
            node = element;
            offset = Some(element.at);
        }
        let Value::Table(inner) = &node.value else {
            break;
        };
        table = inner;
    }
    offset
}

/// An error with the offset at which it stands.
type Misread = (usize, ScenarioError);

fn table(path: &str, parsed: &DeTable<'_>) -> Result<Table, Misread> {
    let entries = parsed.iter().map(|(key, value)| {
        let name = key.get_ref().as_ref();
        let path = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let entry = Entry {
            at: key.span().start,
            node: node(&path, value)?,
        };
        Ok((name.to_owned(), entry))
    });
    entries.collect()
}

fn node(path: &str, parsed: &Spanned<DeValue<'_>>) -> Result<Node, Misread> {
    let at = parsed.span().start;
    let misread =
        |expected: &str, got: &dyn fmt::Display| (at, ScenarioError::value(path, expected, got));
    let value = match parsed.get_ref() {
        DeValue::String(text) => Value::Text(text.as_ref().to_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Integer)
            .map_err(|_| misread("a whole number of at most 63 bits", number))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map(Value::Float)
            .map_err(|_| misread("a number", number))?,
        DeValue::Boolean(value) => Value::Truth(*value),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(all) => {
            let elements = all.iter().enumerate();
            let nodes = elements.map(|(index, element)| node(&format!("{path}[{index}]"), element));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => Value::Table(table(path, inner)?),
    };
    Ok(Node { at, value })
}
