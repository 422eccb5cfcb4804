//! The figures of docs/validation.md: the simulator against the kernel, ns-3 and quinn, and our
//! controllers over smoltcp.
//!
//! Run it as `cargo xtask validate`. It ends with 1 where a figure leaves its limit, with 2 where
//! something fails.

mod agreement;
mod bbr;
mod clock;
mod document;
mod draws;
mod mismatch;
mod reference;
mod shipped;
mod smoltcp;
mod speed;
mod switches;
mod table;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use crate::reference::References;
use crate::table::Section;

/// Compare the simulator with the kernel, ns-3 and quinn, and print the tables
#[derive(Debug, Parser)]
#[command(name = "validate", bin_name = "cargo xtask validate --")]
struct Arguments {
    /// Only the small dumbbells and a few scenarios of the comparison with quinn; no speed
    #[arg(long)]
    quick: bool,
    /// Rewrite the generated parts of FILE, which hold these tables
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "only"])]
    write: Option<PathBuf>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    only: Vec<Part>,
    /// Run 64 flows over 1 Gbit/s for SECONDS and print the most memory used, in KiB
    #[arg(long, value_name = "SECONDS", hide = true)]
    memory: Option<u64>,
}

/// A table, or several that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// NewReno and CUBIC beside the kernel and ns-3
    Agreement,
    /// BBRv3 beside its draft
    Bbr,
    /// What each property of the transport changes
    Switches,
    /// The transport model beside quinn
    Mismatch,
    /// Our controllers over smoltcp beside its own
    Smoltcp,
    /// Packets per second of processor time, and memory
    Speed,
}

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What the documentation shows.
    Full,
    /// What the gate has time for.
    Quick,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Standard error may be closed; the exit code still tells.
            let told = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(if told.is_ok() { 2 } else { 3 })
        }
    }
}

/// False where a figure is outside its limit.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(seconds) = arguments.memory {
        writeln!(io::stdout(), "{}", speed::memory_of(seconds)?)?;
        return Ok(true);
    }
    let extent = if arguments.quick {
        Extent::Quick
    } else {
        Extent::Full
    };
    let mut sections = Vec::new();
    for &part in Part::value_variants() {
        let wanted = if arguments.only.is_empty() {
            extent == Extent::Full || matches!(part, Part::Agreement | Part::Mismatch)
        } else {
            arguments.only.contains(&part)
        };
        if wanted {
            let section = section(part, extent)?;
            // Tables appear as they are ready.
            writeln!(
                io::stdout().lock(),
                "## {}\n\n{}",
                section.name,
                section.body
            )?;
            sections.push(section);
        }
    }
    if let Some(path) = &arguments.write {
        document::rewrite(path, &sections)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    report(&sections)
}

fn section(part: Part, extent: Extent) -> anyhow::Result<Section> {
    let references = References::find()?;
    match part {
        Part::Agreement => agreement::section(extent, &references),
        Part::Bbr => bbr::section(),
        Part::Switches => switches::section(&references),
        Part::Mismatch => mismatch::section(extent),
        Part::Smoltcp => smoltcp::section(),
        Part::Speed => speed::section(),
    }
}

/// Names what is outside its limit.
fn report(sections: &[Section]) -> anyhow::Result<bool> {
    let mut all = io::stdout().lock();
    let outside = sections.iter().flat_map(|section| &section.outside);
    let mut holds = true;
    for figure in outside {
        writeln!(all, "outside: {figure}")?;
        holds = false;
    }
    if holds {
        writeln!(all, "every figure is within its limit")?;
    }
    Ok(holds)
}

/// The folder of the workspace.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
