//! z3, for the prover's second opinions: fetched once, linked, and asked.
//!
//! The crate `z3` needs a newer library than Debian's. PyPI's wheel `z3-solver` holds one that needs
//! no compiler and no headers, and the program as well. Both go to `target/z3`; nothing is installed
//! on the machine but pip, where that is missing.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::prerequisites::Installing;
use crate::steps::{check, say, shown};
use crate::workspace::Workspace;

/// Lints and runs what is behind the prover's feature `smt`; says so where z3 cannot be fetched.
pub(crate) fn second_opinions(workspace: &Workspace, installing: Installing) -> Result<()> {
    let folder = workspace.target().join("z3");
    let solver = match find(&folder) {
        Some(solver) => solver,
        None => match fetch(&folder, installing)? {
            Fetched::Here(solver) => solver,
            Fetched::Unreachable => {
                return say(
                    "SKIPPED: no package registry can be reached, so z3 could not be fetched; its \
                     opinions were not asked for",
                )
                .map_err(Into::into);
            }
        },
    };
    for words in [LINT, TEST] {
        let mut command = workspace.cargo(words[0]);
        command.args(&words[1..]);
        check(solver.link(&mut command)?)?;
    }
    Ok(())
}

/// The library and the program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Solver {
    libraries: PathBuf,
    program: PathBuf,
}

enum Fetched {
    Here(Solver),
    Unreachable,
}

impl Solver {
    fn in_folder(folder: &Path) -> Self {
        Self {
            libraries: folder.join("z3/lib"),
            program: folder.join(format!("z3_solver-{VERSION}.data/data/bin/z3")),
        }
    }

    /// Tells cargo, the linker, the loader and the tests where they are.
    fn link<'c>(&self, command: &'c mut Command) -> Result<&'c mut Command> {
        let mut paths = vec![self.libraries.clone()];
        if let Some(others) = env::var_os(LOADER_PATHS) {
            paths.extend(env::split_paths(&others));
        }
        Ok(command
            .env("Z3_LIBRARY_PATH_OVERRIDE", &self.libraries)
            .env("Z3_SYS_Z3_VERSION", LIBRARY_VERSION)
            // An older library of the system is none.
            .env("Z3_NO_PKG_CONFIG", "1")
            // The library names libstdc++ itself; the linker's development link is not needed.
            .env("CXXSTDLIB", "")
            .env(LOADER_PATHS, env::join_paths(paths)?)
            .env("TAUTLINE_Z3", &self.program))
    }
}

/// What an earlier run left; a half-unpacked wheel does not count.
fn find(folder: &Path) -> Option<Solver> {
    let solver = Solver::in_folder(folder);
    let output = Command::new(&solver.program).arg("--version").output();
    let runs = output.is_ok_and(|output| output.status.success());
    let links = ["libz3.so", "libz3.dylib"];
    let links = links
        .iter()
        .any(|name| solver.libraries.join(name).is_file());
    (runs && links).then_some(solver)
}

fn fetch(folder: &Path, installing: Installing) -> Result<Fetched> {
    let wanted = format!("z3-solver=={VERSION}");
    if installing == Installing::Refused {
        bail!(
            "z3 is missing in {}. Nothing was fetched, as asked; please run `cargo xtask test` \
             without `--no-install` once",
            folder.display()
        );
    }
    let Some(python) = python_with_pip()? else {
        return Ok(Fetched::Unreachable);
    };
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut download = Command::new(&python);
    download
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
        ])
        .args(["--retries", "2", "--timeout", "30", "--dest"])
        .arg(folder)
        .arg(&wanted)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    say(format_args!("$ {}", shown(&download)))?;
    let output = download.output().context("cannot run pip")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        say(&said)?;
        if is_unreachable(&said) {
            return Ok(Fetched::Unreachable);
        }
        bail!("pip could not download {wanted}");
    }
    unpack(&python, folder)?;
    match find(folder) {
        Some(solver) => Ok(Fetched::Here(solver)),
        None => bail!("the wheel of {wanted} holds no z3 that runs here"),
    }
}

fn unpack(python: &OsString, folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let paths = paths.collect::<std::io::Result<Vec<_>>>()?;
    let is_wheel = |path: &&PathBuf| path.extension().is_some_and(|it| it == "whl");
    let wheel = paths.iter().find(is_wheel).context("pip left no wheel")?;
    let mut unzip = Command::new(python);
    check(
        unzip
            .args(["-m", "zipfile", "-e"])
            .args([wheel.as_path(), folder]),
    )?;
    // Zip files carry no permissions here.
    let program = Solver::in_folder(folder).program;
    check(Command::new("chmod").arg("+x").arg(program))?;
    fs::remove_file(wheel).with_context(|| wheel.display().to_string())
}

/// A Python that has pip; installs the system's where there is none. `None` where that needs a
/// network that is not there.
fn python_with_pip() -> Result<Option<OsString>> {
    if let Some(found) = PYTHONS.iter().find(|python| has_pip(python)) {
        return Ok(Some(found.into()));
    }
    say("pip is missing; installing it with `apt-get install python3-pip`")?;
    let install = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        check(command.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let installed = install(&["update"])
        .and_then(|()| install(&["install", "--yes", "--no-install-recommends", "python3-pip"]));
    if let Err(error) = installed {
        say(format_args!("{error:#}"))?;
        return Ok(None);
    }
    let found = PYTHONS.iter().find(|python| has_pip(python));
    let found = found.context("python3-pip was installed, but `python3 -m pip` does not run")?;
    Ok(Some(found.into()))
}

fn has_pip(python: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--version"]);
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// True if pip found no registry, as opposed to one that lacks the package.
fn is_unreachable(said: &str) -> bool {
    NO_CONNECTION.iter().any(|part| said.contains(part))
}

const VERSION: &str = "5.4.0.0";
const LIBRARY_VERSION: &str = "5.4.0";
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];
const NO_CONNECTION: [&str; 5] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "NameResolutionError",
];
const LOADER_PATHS: &str = if cfg!(target_os = "macos") {
    "DYLD_LIBRARY_PATH"
} else {
    "LD_LIBRARY_PATH"
};
const LINT: &[&str] = &[
    "clippy",
    "--package",
    "tautline-abstract-interp",
    "--features",
    "smt",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];
const TEST: &[&str] = &[
    "test",
    "--package",
    "tautline-abstract-interp",
    "--features",
    "smt",
    "--test",
    "suite",
    "opinions",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_registry_is_told_from_a_missing_package() {
        let refused = "WARNING: Retrying (Retry(total=0, ...)) after connection broken by \
             'NewConnectionError('<pip._vendor.urllib3.connection...>: Failed to establish a new \
             connection: [Errno 111] Connection refused')': /simple/z3-solver/\n\
             ERROR: Could not find a version that satisfies the requirement z3-solver";
        assert!(is_unreachable(refused));
        let missing = "ERROR: Could not find a version that satisfies the requirement \
             z3-solver==0.0.1 (from versions: 4.8.0.0)\nERROR: No matching distribution found";
        assert!(!is_unreachable(missing));
    }

    #[test]
    fn an_empty_folder_holds_no_solver_and_nothing_is_fetched_against_the_users_wish() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(find(folder.path()), None);
        let error = fetch(folder.path(), Installing::Refused).err().unwrap();
        assert!(error.to_string().contains("Nothing was fetched"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn cargo_hears_where_the_library_and_the_program_are() {
        let solver = Solver::in_folder(Path::new("/somewhere"));
        let mut command = Command::new("cargo");
        let shown = shown(solver.link(&mut command).unwrap());
        for part in [
            "Z3_LIBRARY_PATH_OVERRIDE='/somewhere/z3/lib'",
            "TAUTLINE_Z3='/somewhere/z3_solver-5.4.0.0.data/data/bin/z3'",
            "LD_LIBRARY_PATH='/somewhere/z3/lib",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
