//! Why a scenario is refused.

use core::fmt;

/// Where in which file something stands; empty for scenarios built in code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Name of the file.
    pub file: Option<String>,
    /// Line from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: "),
            (Some(file), None) => write!(f, "{file}: "),
            (None, _) => Ok(()),
        }
    }
}

/// A scenario that cannot be simulated: where, which field, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}`{field}`: {problem}{cell}")]
pub struct ScenarioError {
    place: Box<Place>,
    field: Box<str>,
    problem: Box<Problem>,
    cell: CellName,
}

/// The cell of a grid in which a value is wrong; empty outside of grids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CellName(Box<str>);

impl fmt::Display for CellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " (in the cell {})", self.0)
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is no TOML.
    #[error("{message}")]
    Syntax {
        /// What the TOML reader says.
        message: String,
    },
    /// No such key is known there.
    #[error("unknown key, expected one of {known}")]
    Unknown {
        /// The keys that are known there.
        known: String,
    },
    /// The key exists, but not in a scenario of this kind.
    #[error("does not belong here: {reason}")]
    Misplaced {
        /// Where it belongs.
        reason: String,
    },
    /// A value is outside its range or set.
    #[error("expected {expected}, got {got}")]
    Value {
        /// What is allowed.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A field without a default is absent.
    #[error("missing, expected {expected}")]
    Missing {
        /// What is expected there.
        expected: String,
    },
    /// Two fields exclude each other.
    #[error("excludes `{other}`: give one of them")]
    Exclusive {
        /// Path of the other.
        other: String,
    },
    /// A rate of nothing.
    #[error("a zero-rate link carries nothing: expected 0.001 to 1000000, got 0")]
    ZeroRate,
    /// A queue in which no packet fits.
    #[error(
        "a queue smaller than a packet: expected at least one packet of {packet_bytes} bytes, \
         got {got}"
    )]
    SmallQueue {
        /// Size of a full packet.
        packet_bytes: u64,
        /// Size of the queue.
        got: String,
    },
    /// A trace that cannot be used.
    #[error("{message}")]
    Trace {
        /// Why, with the file and line of the trace.
        message: String,
    },
    /// Two things of one name.
    #[error("duplicate name `{name}`: `{first}` has it already")]
    DuplicateName {
        /// The name.
        name: String,
        /// Path of the first that has it.
        first: String,
    },
    /// A route over no link.
    #[error("empty route: expected at least one link")]
    EmptyRoute,
    /// A route over a link that does not exist.
    #[error("unknown link `{name}`: expected one of {known}")]
    UnknownLink {
        /// Its name.
        name: String,
        /// The links that exist.
        known: String,
    },
    /// A route whose links do not meet.
    #[error("route with a gap: `{link}` ends at `{to}`, but `{next}` starts at `{from}`")]
    Gap {
        /// A link.
        link: String,
        /// Where it ends.
        to: String,
        /// The link behind it.
        next: String,
        /// Where that starts.
        from: String,
    },
    /// A route that comes to a node twice.
    #[error("cyclic route: it comes to `{node}` twice")]
    CyclicRoute {
        /// The node, or the link where nodes have no names.
        node: String,
    },
    /// A route between other nodes than the flow's.
    #[error("expected a route from `{from}` to `{to}`, got one from `{got_from}` to `{got_to}`")]
    OtherEnds {
        /// Where it should start.
        from: String,
        /// Where it should end.
        to: String,
        /// Where it starts.
        got_from: String,
        /// Where it ends.
        got_to: String,
    },
    /// A sweep of too many cells.
    #[error("a grid of {cells} cells, expected at most {most}")]
    LargeGrid {
        /// Cells of the grid.
        cells: String,
        /// Most that are allowed.
        most: u64,
    },
}

impl ScenarioError {
    /// `problem` with `field`, at a place that is not known yet.
    pub(super) fn new(field: &str, problem: Problem) -> Self {
        Self {
            place: Box::default(),
            field: field.into(),
            problem: Box::new(problem),
            cell: CellName::default(),
        }
    }

    /// A value outside its range.
    pub(super) fn value(field: &str, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        let (expected, got) = (expected.to_string(), got.to_string());
        Self::new(field, Problem::Value { expected, got })
    }

    /// An absent field.
    pub(super) fn missing(field: &str, expected: impl fmt::Display) -> Self {
        let expected = expected.to_string();
        Self::new(field, Problem::Missing { expected })
    }

    /// A field of another kind of scenario.
    pub(super) fn misplaced(field: &str, reason: impl fmt::Display) -> Self {
        let reason = reason.to_string();
        Self::new(field, Problem::Misplaced { reason })
    }

    /// The path of the field that is concerned, for example `flow[1].start_s`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Where it stands.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong with it.
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The same error in a cell of a grid.
    #[must_use]
    pub(super) fn in_cell(self, suffix: &str) -> Self {
        let cell = CellName(suffix.into());
        Self { cell, ..self }
    }

    /// The same error at `place`, unless it has one.
    #[must_use]
    pub(super) fn at(self, place: impl FnOnce() -> Place) -> Self {
        if *self.place != Place::default() {
            return self;
        }
        let place = Box::new(place());
        Self { place, ..self }
    }
}

/// `names` as they stand in messages: `` `a`, `b` ``.
pub(super) fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names = names.into_iter().map(|name| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}
