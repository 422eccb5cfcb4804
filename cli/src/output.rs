//! The only place that prints.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::files;

/// Where a command's machine-readable result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonTarget {
    /// Standard output; nothing else is printed there then.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl JsonTarget {
    /// Reads the value of `--json`.
    ///
    /// # Errors
    /// Names that only an input can have: `--json MODEL` is a slip of the pen.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let extension = Path::new(text).extension().and_then(|it| it.to_str());
        match extension {
            Some("tlm" | "tlc" | "tltc" | "toml") => Err(format!(
                "`{text}` looks like an input; write `--json -` for standard output or \
                 `--json FILE.json`"
            )),
            _ => Ok(Self::File(text.into())),
        }
    }

    /// Writes `value`, indented, with a final newline.
    pub(crate) fn write(&self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = json(value)?;
        match self {
            Self::Stdout => print(&text),
            Self::File(path) => Ok(files::write(path, text.as_bytes())?),
        }
    }
}

/// The value of `--json`, shared by all commands.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct JsonArgs {
    /// Write the result as JSON to PATH, or to standard output (`-`) in place of the table
    #[arg(
        long,
        value_name = "PATH|-",
        num_args = 0..=1,
        default_missing_value = "-",
        value_parser = JsonTarget::parse
    )]
    pub(crate) json: Option<JsonTarget>,
}

impl JsonArgs {
    /// The file that will be written, if one will.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.json {
            Some(JsonTarget::File(path)) => Some(path),
            Some(JsonTarget::Stdout) | None => None,
        }
    }

    /// Fails early where the file could not be written later.
    pub(crate) fn check_writable(&self) -> anyhow::Result<()> {
        Ok(self.path().map_or(Ok(()), files::check_writable)?)
    }

    /// Writes the JSON where asked for, and `table` unless standard output holds the JSON.
    pub(crate) fn finish(&self, value: &impl Serialize, table: &str) -> anyhow::Result<()> {
        if let Some(target) = &self.json {
            target.write(value)?;
        }
        if self.json == Some(JsonTarget::Stdout) {
            return Ok(());
        }
        print(table)
    }
}

/// `value` as JSON, indented, with a final newline.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    text.push('\n');
    Ok(text)
}

/// Prints `text` as it is.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

/// Says `text` on standard error: progress and notes, which no machine reads.
pub(crate) fn note(text: &str) {
    let mut stderr = io::stderr().lock();
    // There is nowhere left to report that this failed.
    drop(writeln!(stderr, "{text}"));
}

/// Reports what ended the command; a reader that closed the pipe wants to hear nothing.
pub(crate) fn error(error: &anyhow::Error) {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if !error.chain().any(closed) {
        note(&format!("tautline: {error:#}"));
    }
}

/// A table in plain text: the first columns to the left, the others to the right.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    left: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose first `left` columns are words.
    pub(crate) fn new<const N: usize>(left: usize, header: [&str; N]) -> Self {
        Self {
            left,
            rows: vec![header.map(str::to_owned).into()],
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).enumerate();
            let line = cells.map(|(column, (cell, &width))| {
                if column < self.left {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            let line = line.collect::<Vec<_>>().join("  ");
            writeln!(f, "{}", line.trim_end())?;
            if number == 0 {
                let rule: Vec<_> = widths.iter().map(|&width| "─".repeat(width)).collect();
                writeln!(f, "{}", rule.join("  "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_left_and_numbers_right() {
        let mut table = Table::new(1, ["claim", "boxes"]);
        table.row(["smooth".to_owned(), "7".to_owned()]);
        let expected = "claim   boxes\n──────  ─────\nsmooth      7\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn an_input_is_no_place_for_json() {
        assert!(JsonTarget::parse("model.tlm").is_err());
        assert_eq!(JsonTarget::parse("-"), Ok(JsonTarget::Stdout));
        let file = JsonTarget::File("out.json".into());
        assert_eq!(JsonTarget::parse("out.json"), Ok(file));
    }
}
