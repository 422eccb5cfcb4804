//! Proof that the core and its gate for smoltcp need neither std nor a heap, and the programs that
//! measure them.
//!
//! `tools/no-std-check` is a library in a workspace of its own, with its own panic handler and no
//! allocator. If the core or a dependency linked std, the panic handler would be defined twice
//! (E0152); if it used `alloc`, the build would miss a global allocator. On the host that proves it
//! without a bare-metal target; for a microcontroller it is built as well where rustup can fetch
//! that target.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::prerequisites::Installing;
use crate::steps::{check, say};
use crate::workspace::Workspace;

/// A Cortex-M4 or M7 with floating point: the microcontroller that figures are given for.
pub(crate) const THUMB: &str = "thumbv7em-none-eabihf";

/// Builds the static library for this machine, and for a microcontroller where possible.
pub(crate) fn prove(workspace: &Workspace, installing: Installing) -> Result<()> {
    check(&mut static_library(workspace))?;
    if microcontroller(installing)? {
        check(static_library(workspace).args(["--target", THUMB]))?;
    }
    Ok(())
}

fn static_library(workspace: &Workspace) -> Command {
    let mut command = tool(workspace, "rustc");
    command.args(["--release", "--lib", "--crate-type", "staticlib"]);
    command
}

/// A cargo command about `tools/no-std-check`.
pub(crate) fn tool(workspace: &Workspace, subcommand: &str) -> Command {
    let manifest = workspace.root().join("tools/no-std-check/Cargo.toml");
    let mut command = workspace.cargo(subcommand);
    command
        .args(["--locked", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(built(workspace));
    command
}

/// Where the tool's programs are built.
pub(crate) fn built(workspace: &Workspace) -> PathBuf {
    workspace.target().join("no-std-check")
}

/// True if programs for [`THUMB`] can be built here. Tries to fetch what that needs where it may,
/// and says what is left out otherwise.
pub(crate) fn microcontroller(installing: Installing) -> Result<bool> {
    if target_is_here()? {
        return Ok(true);
    }
    let add = format!("rustup target add {THUMB}");
    if installing == Installing::Allowed {
        say(format_args!("{THUMB} is missing; fetching it with `{add}`"))?;
        let mut rustup = Command::new("rustup");
        let fetched = check(rustup.args(["target", "add", THUMB]));
        if fetched.is_ok() && target_is_here()? {
            return Ok(true);
        }
    }
    say(format_args!(
        "SKIPPED: {THUMB} is not here (`{add}` would fetch it); only this machine's own target is \
         built"
    ))?;
    Ok(false)
}

fn target_is_here() -> Result<bool> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", THUMB]);
    let output = rustc.stderr(Stdio::null()).output();
    let output = output.context("cannot run `rustc --print target-libdir`")?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && PathBuf::from(folder.trim()).is_dir())
}

/// The target of this machine, as rustc names it.
pub(crate) fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.context("cannot run `rustc -vV`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}
