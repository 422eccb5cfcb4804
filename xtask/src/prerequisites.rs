//! What must be on the machine besides cargo.
//!
//! `ring`, the cryptography under QUIC's TLS, has C parts, so a C compiler with its headers is
//! needed. rustfmt and clippy come with rustup's default profile.

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::steps::{check, say};
use crate::workspace::Workspace;

/// Whether this program may install packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installing {
    /// It may.
    Allowed,
    /// It must not.
    Refused,
}

/// The flag of every task that may install or fetch something.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct InstallArguments {
    /// Do not install or fetch what is missing: name the command that would
    #[arg(long)]
    no_install: bool,
}

impl InstallArguments {
    /// What the flag permits.
    pub(crate) const fn installing(self) -> Installing {
        if self.no_install {
            Installing::Refused
        } else {
            Installing::Allowed
        }
    }
}

/// Checks every prerequisite and installs what is missing where that is possible and allowed.
pub(crate) fn ensure(workspace: &Workspace, installing: Installing) -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !succeeds(workspace.cargo(subcommand).arg("--version")) {
            bail!("`cargo {subcommand}` is missing; run `rustup component add {component}`");
        }
    }
    ensure_c_compiler(&c_compiler(), installing)
}

fn ensure_c_compiler(compiler: &OsString, installing: Installing) -> Result<()> {
    if compiles_c(compiler) {
        return say(format_args!(
            "cargo fmt, cargo clippy and a C compiler ({}) are here",
            compiler.display()
        ))
        .map_err(Into::into);
    }
    let missing = format!(
        "a C compiler with its headers is missing (`{}`): ring, the cryptography under QUIC's \
         TLS, has C parts",
        compiler.display()
    );
    if installing == Installing::Refused {
        bail!("{missing}. Nothing was installed, as asked; please run `{INSTALL}` and try again");
    }
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{missing}, and there is no apt-get here; please install gcc and the C headers");
    }
    say(format_args!("{missing}; installing it with `{INSTALL}`"))?;
    install(&["gcc", "libc6-dev"])
        .with_context(|| format!("`{INSTALL}` did not work; please run it yourself"))?;
    if compiles_c(compiler) {
        return Ok(());
    }
    bail!(
        "gcc was installed, but `{}` still compiles nothing",
        compiler.display()
    )
}

/// Checks that valgrind is here, and installs it where that is possible and allowed: nothing can be
/// counted without it.
pub(crate) fn valgrind(installing: Installing) -> Result<()> {
    ensure_valgrind("valgrind", installing)
}

fn ensure_valgrind(program: &str, installing: Installing) -> Result<()> {
    let here = || succeeds(Command::new(program).arg("--version"));
    if here() {
        return Ok(());
    }
    let command = "apt-get install valgrind";
    let skipped = "SKIPPED, nothing was counted: valgrind is missing";
    if installing == Installing::Refused {
        bail!("{skipped}. Nothing was installed, as asked; please run `{command}` and try again");
    }
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{skipped}, and there is no apt-get here; please install it");
    }
    say(format_args!(
        "valgrind is missing; installing it with `{command}`"
    ))?;
    install(&["valgrind"])
        .with_context(|| format!("{skipped}: `{command}` did not work; please run it yourself"))?;
    if here() {
        return Ok(());
    }
    bail!("{skipped}: it was installed, but `{program} --version` still does not run")
}

fn install(packages: &[&str]) -> Result<()> {
    let mut update = Command::new("apt-get");
    check(update.arg("update"))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends"]);
    install.args(packages);
    check(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The compiler that ring's build will call.
fn c_compiler() -> OsString {
    env::var_os("CC").unwrap_or_else(|| "cc".into())
}

/// True if the compiler runs and finds the standard headers.
fn compiles_c(compiler: &OsString) -> bool {
    let child = Command::new(compiler)
        .args(["-x", "c", "-fsyntax-only", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let written = child
        .stdin
        .take()
        .is_some_and(|mut stdin| stdin.write_all(C_PROBE).is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

const C_PROBE: &[u8] = b"#include <stdint.h>\n#include <string.h>\nint main(void) { return 0; }\n";
const INSTALL: &str = "apt-get install gcc libc6-dev";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_compiler_is_refused_politely_with_the_command_to_run() {
        let error = ensure_c_compiler(&"no-such-compiler".into(), Installing::Refused)
            .unwrap_err()
            .to_string();
        assert!(error.contains("ring"), "says why: {error}");
        assert!(
            error.contains("please run `apt-get install gcc libc6-dev`"),
            "{error}"
        );
    }

    #[test]
    fn counting_without_valgrind_is_an_error_that_says_that_nothing_was_counted() {
        let error = ensure_valgrind("no-such-valgrind", Installing::Refused)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("SKIPPED, nothing was counted"), "{error}");
        assert!(error.contains("Nothing was installed, as asked"), "{error}");
        assert!(error.contains("`apt-get install valgrind`"), "{error}");
    }

    #[test]
    fn a_program_that_compiles_nothing_is_no_compiler() {
        assert!(!compiles_c(&"false".into()));
        assert!(!compiles_c(&"no-such-compiler".into()));
    }
}
