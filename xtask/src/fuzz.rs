//! Coverage-guided fuzzing of the certificate decoder and checker, and of TCP segments and
//! connections, for a bounded time.
//!
//! libFuzzer comes with `libfuzzer-sys` as C++ and needs a C++ compiler; the compiler's own coverage
//! passes are stable flags. So neither a nightly toolchain nor cargo-fuzz is needed, and with
//! cargo-fuzz the same targets run under sanitizers: `cargo +nightly fuzz run check`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::steps::{check, say};
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

const TARGETS: [&str; 4] = ["decode", "check", "segment", "tracker"];

/// What `cargo fuzz` passes too, without the sanitizers, which need a nightly toolchain.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds the targets and runs them one after the other; those of certificates start from the corpus
/// of accepted files, those of TCP make right frames out of any bytes.
///
/// # Errors
/// A target that found something, with the place of the input; a compiler that is missing, by name.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if !answers(Command::new(&compiler).arg("--version")) {
        bail!(
            "fuzzing needs a C++ compiler for libFuzzer, and `{compiler}` does not run; on Debian: \
             apt-get install g++. `SLOW_TESTS=1 cargo test -p tautline-certificates -p \
             tautline-tcp-integration fuzz` runs the same targets without it"
        );
    }
    let host = host(workspace)?;
    let target = workspace.target().join("fuzz");
    let mut build = workspace.cargo("build");
    build
        .args([
            "--release",
            "--locked",
            "--target",
            &host,
            "--manifest-path",
        ])
        .arg(workspace.root().join("fuzz/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // With --target, build scripts and macros are left uninstrumented.
        .env("RUSTFLAGS", COVERAGE);
    check(&mut build)?;
    for name in TARGETS {
        let program = target.join(&host).join("release").join(name);
        let found = seeds(workspace, &target, name)?;
        say(format_args!("{name}: {} s", arguments.seconds))?;
        let mut fuzz = Command::new(program);
        fuzz.arg(format!("-max_total_time={}", arguments.seconds))
            .args([
                "-max_len=4096",
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-print_final_stats=1",
            ])
            .arg(format!("-artifact_prefix={}/", found.display()))
            .arg(found.join("corpus"));
        check(&mut fuzz)?;
    }
    Ok(())
}

/// The folder of a target's findings, with the accepted files of the corpus to start from if it reads
/// such files.
fn seeds(workspace: &Workspace, target: &Path, name: &str) -> Result<PathBuf> {
    let found = target.join(name);
    let corpus = found.join("corpus");
    std::fs::create_dir_all(&corpus)?;
    if !["decode", "check"].contains(&name) {
        return Ok(found);
    }
    let accepted = workspace.root().join("certificates/tests/corpus/accept");
    for file in std::fs::read_dir(&accepted).context("no corpus to start from")? {
        let model = file?.path();
        if model.extension().is_none_or(|it| it != "tlm") {
            continue;
        }
        let (model, certificate) = (content(&model)?, content(&model.with_extension("tlc"))?);
        let length = u16::try_from(model.len())?.to_le_bytes();
        let pieces = match name {
            "check" => vec![[length.as_slice(), &model, &certificate].concat()],
            _ => vec![model, certificate],
        };
        for (number, piece) in pieces.iter().enumerate() {
            let stem = corpus.read_dir()?.count();
            std::fs::write(corpus.join(format!("accepted-{stem}-{number}")), piece)?;
        }
    }
    Ok(found)
}

/// A file without the digest at its end, which the targets make right themselves.
fn content(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(path)?;
    bytes.truncate(bytes.len().saturating_sub(32));
    Ok(bytes)
}

fn answers(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The machine's own target triple.
fn host(workspace: &Workspace) -> Result<String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc)
        .arg("-vV")
        .current_dir(workspace.root())
        .output()
        .context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_file_and_its_entry_in_the_manifest() {
        let workspace = Workspace::find().unwrap();
        let folder = workspace.root().join("fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for name in TARGETS {
            let file = format!("fuzz_targets/{name}.rs");
            assert!(folder.join(&file).exists(), "{file}");
            assert!(manifest.contains(&format!("path = \"{file}\"")), "{file}");
        }
    }

    #[test]
    fn seeds_of_the_checker_hold_the_length_of_their_model() {
        let workspace = Workspace::find().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let found = seeds(&workspace, folder.path(), "check").unwrap();
        let mut count = 0;
        for file in std::fs::read_dir(found.join("corpus")).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let length = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
            assert_eq!(&bytes[2 + length..][..4], b"\x89TLC");
            count += 1;
        }
        assert!(count >= 8, "{count}");
    }
}
