//! `cargo xtask size`: what an embedded program pays for policy, controller and guard.
//!
//! Programs without a start-up (tools/no-std-check) are linked with unused sections dropped, and
//! their sections are read back. The model has the largest shapes that are promised, 16-32-32-4.
//! What stays out: the application, its network driver and its start-up code.

mod artefact;
mod parts;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::no_std::{self, THUMB};
use crate::prerequisites::Installing;
use crate::steps::{check, say, shown};
use crate::workspace::Workspace;
use artefact::Artefact;
use parts::parts;

/// What to build for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Targets {
    /// A microcontroller where that is possible, else this machine.
    One,
    /// Both.
    All,
}

/// Prints the tables; an error where a figure leaves its limit.
pub(crate) fn run(workspace: &Workspace, targets: Targets, installing: Installing) -> Result<()> {
    let mut broken = Vec::new();
    let stacks = Stacks::measure(workspace)?;
    let microcontroller = no_std::microcontroller(installing)?;
    if microcontroller {
        let programs = Programs::build(workspace, THUMB, &COMPACT)?;
        broken.extend(programs.report(THUMB, &stacks)?);
    }
    if microcontroller && targets == Targets::One {
        // That is the one.
    } else if cfg!(target_os = "linux") {
        let host = no_std::host()?;
        let programs = Programs::build(workspace, &host, &[&COMPACT[..], &HOST[..]].concat())?;
        broken.extend(programs.report(&host, &stacks)?);
    } else {
        say("this machine's own programs are no ELF files: not measured")?;
    }
    if broken.is_empty() {
        return Ok(());
    }
    bail!("{}", broken.join("; "))
}

/// The linked programs of one target.
struct Programs {
    empty: Artefact,
    reno: Artefact,
    learned: Artefact,
    learned_watched: Artefact,
    tcp_plain: Artefact,
    tcp_gated: Artefact,
    room: Artefact,
}

impl Programs {
    fn build(workspace: &Workspace, target: &str, flags: &[&str]) -> Result<Self> {
        let mut command = no_std::tool(workspace, "build");
        command.args(["--profile", "size", "--features", "linked", "--bins"]);
        command.args(["--target", target]);
        check(command.env("RUSTFLAGS", flags.join(" ")))?;
        let folder = no_std::built(workspace).join(target).join("size");
        let read = |name: &str| Artefact::read(&folder.join(name));
        Ok(Self {
            empty: read("empty")?,
            reno: read("reno")?,
            learned: read("learned")?,
            learned_watched: read("learned_watched")?,
            tcp_plain: read("tcp_plain")?,
            tcp_gated: read("tcp_gated")?,
            room: read("room")?,
        })
    }

    /// Prints the table and gives the limits that are broken.
    fn report(&self, target: &str, stacks: &Stacks) -> Result<Vec<String>> {
        say(format_args!("\n{target}, bytes"))?;
        row(&["", "code", "constants", "weights", "static RAM"])?;
        program("a program that does nothing", &self.empty)?;
        program("NewReno", &self.reno)?;
        program("policy + controller + guard", &self.learned)?;
        split(&self.learned)?;
        program("the same, watching what is assumed", &self.learned_watched)?;
        program("smoltcp, one socket of 4 + 4 KiB", &self.tcp_plain)?;
        program("the same, gated, policy per connection", &self.tcp_gated)?;
        split(&self.tcp_gated)?;
        self.gate()?;
        let mut broken = PLAIN.judge(target, &self.learned, &stacks.plain)?;
        broken.extend(WATCHED.judge(target, &self.learned_watched, &stacks.watched)?);
        Ok(broken)
    }
}

impl Programs {
    /// What a gate takes of the RAM, by its two parameters.
    fn gate(&self) -> Result<()> {
        let whole = self.tcp_gated.static_of("tcp::DEVICE");
        let one = self.room.static_of("ONE_CONNECTION");
        let two = self.room.static_of("TWO_CONNECTIONS");
        let twice = self.room.static_of("TWICE_THE_SEGMENTS");
        if whole == 0 || one == 0 || two <= one || twice <= one {
            bail!("the gate's statics were not found: {whole}, {one}, {two}, {twice}");
        }
        let segment = (twice - one) / 64;
        let connection = two - one - 64 * segment;
        say(format_args!(
            "  GatedDevice for 4 connections of 64 segments: {whole} bytes of that RAM; in general \
             {} + {connection} per connection + {segment} per segment of each",
            2 * one - two
        ))?;
        Ok(())
    }
}

/// What policy, controller and guard may take, bytes.
struct Budget {
    name: &'static str,
    /// Code and constants without the weights.
    flash: u64,
    /// Static memory and the deepest stack.
    memory: u64,
}

impl Budget {
    /// Prints what `artefact` takes of it and gives the limits that are broken.
    fn judge(&self, target: &str, artefact: &Artefact, stack: &Stack) -> Result<Vec<String>> {
        let flash = artefact.flash();
        let memory = artefact.memory + stack.load.max(stack.step);
        say(format_args!(
            "  {}, flash: code + constants {flash}, at most {}; the weights come to it",
            self.name, self.flash
        ))?;
        say(format_args!(
            "  {}, RAM: static {} + stack {} when the model is loaded ({} in a decision) = \
             {memory}, at most {}",
            self.name, artefact.memory, stack.load, stack.step, self.memory
        ))?;
        Ok(self.broken(target, flash, memory))
    }

    fn broken(&self, target: &str, flash: u64, memory: u64) -> Vec<String> {
        let limits = [
            ("code and constants", flash, self.flash),
            ("RAM", memory, self.memory),
        ];
        let broken = limits.into_iter().filter(|&(_, got, most)| got > most);
        let name = self.name;
        broken
            .map(|(what, got, most)| {
                format!("{target}, {name}: {what} take {got} bytes, at most {most}")
            })
            .collect()
    }
}

/// The deepest stacks, without the guard's watch and with it.
struct Stacks {
    plain: Stack,
    watched: Stack,
}

impl Stacks {
    /// Runs the program that paints the memory below its stack.
    fn measure(workspace: &Workspace) -> Result<Self> {
        let mut build = no_std::tool(workspace, "build");
        build.args([
            "--profile",
            "size",
            "--features",
            "hosted",
            "--bin",
            "stack",
        ]);
        check(&mut build)?;
        let program = no_std::built(workspace).join("size/stack");
        Ok(Self {
            plain: Stack::parse(&output(&program, &[])?)?,
            watched: Stack::parse(&output(&program, &["watched"])?)?,
        })
    }
}

/// The deepest stack, bytes, on this machine.
struct Stack {
    /// Reading a model and proving that it cannot overflow.
    load: u64,
    /// Any event of a connection, a decision included.
    step: u64,
}

impl Stack {
    fn parse(text: &str) -> Result<Self> {
        let mut deepest = Self { load: 0, step: 0 };
        for line in text.lines() {
            let (kind, bytes) = line.rsplit_once(' ').context("a line without a number")?;
            let bytes: u64 = bytes.parse().with_context(|| line.to_owned())?;
            let most = if kind.starts_with("load") {
                &mut deepest.load
            } else {
                &mut deepest.step
            };
            *most = bytes.max(*most);
        }
        if deepest.load == 0 || deepest.step == 0 {
            bail!("the stack was not measured: {text}");
        }
        Ok(deepest)
    }
}

fn output(program: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command.output().with_context(|| shown(&command))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", shown(&command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn program(name: &str, artefact: &Artefact) -> Result<()> {
    let numbers = [
        artefact.code,
        artefact.constants,
        artefact.weights,
        artefact.memory,
    ];
    let [code, constants, weights, memory] = numbers.map(|number| number.to_string());
    row(&[name, &code, &constants, &weights, &memory])
}

/// A row per part of the product in a program.
fn split(artefact: &Artefact) -> Result<()> {
    for part in parts(artefact) {
        let name = format!("    {}", part.name);
        let (code, constants) = (part.code.to_string(), part.constants.to_string());
        row(&[&name, &code, &constants, "", ""])?;
    }
    Ok(())
}

fn row(cells: &[&str; 5]) -> Result<()> {
    let [name, code, constants, weights, memory] = cells;
    say(format_args!(
        "  {name:<48}{code:>8}{constants:>11}{weights:>9}{memory:>12}"
    ))?;
    Ok(())
}

/// SHA-256 as a loop in place of 64 steps one after the other, and without the processor's own
/// instructions.
const COMPACT: [&str; 2] = [
    "--cfg=sha2_backend=\"soft\"",
    "--cfg=sha2_backend_soft=\"compact\"",
];
/// A program of this machine that is as bare as one of a microcontroller: no start-up code, no
/// tables for unwinding, the C library only for copying memory.
const HOST: [&str; 5] = [
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=no",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-no-pie",
    "-Clink-arg=-lc",
];
/// Without closed-loop claims, as embedded programs are by default.
const PLAIN: Budget = Budget {
    name: "policy + controller + guard",
    flash: 24 << 10,
    memory: 12 << 10,
};
/// With the watch over what closed-loop claims assume.
const WATCHED: Budget = Budget {
    name: "the same, watching what is assumed",
    flash: 30 << 10,
    memory: 12 << 10,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_beyond_its_limit_is_named() {
        assert_eq!(
            PLAIN.broken("t", PLAIN.flash, PLAIN.memory),
            Vec::<String>::new()
        );
        let broken = PLAIN.broken("t", PLAIN.flash + 1, PLAIN.memory);
        assert_eq!(
            broken,
            [
                "t, policy + controller + guard: code and constants take 24577 bytes, \
              at most 24576"
            ]
        );
        assert_eq!(PLAIN.broken("t", 0, PLAIN.memory + 1).len(), 1);
    }

    #[test]
    fn the_deepest_stack_is_that_of_any_event() {
        let stack = Stack::parse("ack decision 1900\nload - 8000\nsent - 512\n").unwrap();
        assert_eq!((stack.load, stack.step), (8000, 1900));
        assert!(Stack::parse("load - 8000\n").is_err(), "no event");
        assert!(Stack::parse("nonsense\n").is_err());
    }
}
