//! Copies the published source of smoltcp, applies the patch and hands over to what is asked for:
//!
//! ```text
//! cargo run --release -- compare [ARGUMENTS]   measure it against the middleware (the default)
//! cargo run --release -- test                  smoltcp's own tests on the patched copy
//! cargo run --release -- source                only make the patched copy and say where it is
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use anyhow::{Context as _, Result, bail, ensure};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let task = arguments.next().unwrap_or_else(|| "compare".to_owned());
    let rest: Vec<String> = arguments.collect();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let patched = home.join("target").join("smoltcp-patched");
    make_patched_copy(home, &patched)?;
    match task.as_str() {
        "compare" => {
            let manifest = home.join("compare").join("Cargo.toml");
            run(cargo()
                .args(["run", "--release", "--quiet", "--manifest-path"])
                .arg(manifest)
                .arg("--")
                .args(rest))
        }
        "test" => {
            // A workspace of its own, as it was when it was published.
            let manifest = patched.join("Cargo.toml");
            for features in ["default", "default,socket-tcp-reno,socket-tcp-cubic"] {
                run(cargo()
                    .args(["test", "--features", features, "--manifest-path"])
                    .arg(&manifest)
                    .env(
                        "CARGO_TARGET_DIR",
                        home.join("target").join("smoltcp-tests"),
                    )
                    .args(&rest))?;
            }
            Ok(())
        }
        "source" => {
            println!("{}", patched.display());
            Ok(())
        }
        other => bail!("unknown task {other:?}: give compare, test or source"),
    }
}

/// Copies smoltcp's source, anew each time, applies the patch and calls the result `patched`.
fn make_patched_copy(home: &Path, patched: &Path) -> Result<()> {
    let published = published_source(home)?;
    // Only what the patch applied to gets the name.
    let copy = patched.with_extension("unfinished");
    for folder in [patched, &copy] {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
        }
    }
    copy_folder(&published, &copy)
        .with_context(|| format!("copy {} to {}", published.display(), copy.display()))?;
    apply(&home.join("custom-congestion-control.patch"), &copy)?;
    // Otherwise cargo takes the copy for a forgotten member of the workspace around it.
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, format!("{text}\n[workspace]\n"))?;
    fs::rename(&copy, patched)?;
    Ok(())
}

/// Where cargo keeps the source of smoltcp 0.14.0 as it was published.
fn published_source(home: &Path) -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(home.join("Cargo.toml"))
        .output()
        .context("run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|package| package["name"] == "smoltcp" && package["version"] == VERSION)
        .find_map(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_path_buf)
        .with_context(|| format!("cargo knows no source of smoltcp {VERSION}"))
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Applies the patch with `patch`, or with `git` where that is missing.
fn apply(patch: &Path, folder: &Path) -> Result<()> {
    let mut by_patch = Command::new("patch");
    by_patch
        .args(["--strip=1", "--forward", "--batch", "--silent", "--input"])
        .arg(patch);
    let mut by_git = Command::new("git");
    by_git
        .arg("apply")
        .arg(patch)
        // Without this git takes the folder for a part of the repository around it.
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder));
    for mut program in [by_patch, by_git] {
        match program.current_dir(folder).output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("start the program that applies the patch"),
            Ok(output) => {
                ensure!(
                    output.status.success(),
                    "the patch does not apply to smoltcp {VERSION}: {}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
                return Ok(());
            }
        }
    }
    bail!("neither `patch` nor `git` is installed: install one of them to apply the patch")
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

const VERSION: &str = "0.14.0";
