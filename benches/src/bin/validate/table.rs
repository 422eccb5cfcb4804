//! Tables in Markdown, and what they say about limits.

use core::fmt;

/// A part of the documentation that is generated.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// What its markers in the documentation are called.
    pub(crate) name: &'static str,
    /// Markdown.
    pub(crate) body: String,
    /// Every figure outside its limit, a line each.
    pub(crate) outside: Vec<String>,
}

/// Rows under a heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<H: ToString>(heads: &[H]) -> Self {
        Self {
            heads: heads.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.heads.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(self.heads.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// Whether a figure is within its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Outside,
    /// There is no limit, or nothing to compare with.
    Open,
}

impl Verdict {
    /// Of a limit that can be looked at.
    pub(crate) const fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Outside }
    }

    /// What stands behind the figure.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::Holds => " ✓",
            Self::Outside => " ✗",
            Self::Open => "",
        }
    }
}

/// Mean; NaN without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Smallest and largest; none without values.
pub(crate) fn span(values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    values.into_iter().fold(None, |span, value| match span {
        None => Some([value, value]),
        Some([least, most]) => Some([f64::min(least, value), f64::max(most, value)]),
    })
}

/// `least–most`, or one number where both read the same.
pub(crate) fn range([least, most]: [f64; 2], decimals: usize) -> String {
    let (least, most) = (format!("{least:.decimals$}"), format!("{most:.decimals$}"));
    if least == most {
        least
    } else {
        format!("{least}–{most}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["1".to_owned(), "2".to_owned()]);
        assert_eq!(table.to_string(), "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }

    #[test]
    fn a_range_of_equal_numbers_is_one() {
        assert_eq!(range([1.001, 1.004], 2), "1.00");
        assert_eq!(span([2.0, 1.0, 3.0]), Some([1.0, 3.0]));
        assert_eq!(range([1.0, 3.0], 1), "1.0–3.0");
    }
}
