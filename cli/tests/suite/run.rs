//! How tests run the binary, and the model that they share.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The command with its standard streams caught.
pub(crate) fn tautline<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tautline"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a finished command said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics with everything said unless the exit code is `expected`.
    #[track_caller]
    pub(crate) fn exits(self, expected: i32) -> Self {
        let Self {
            code,
            stdout,
            stderr,
        } = &self;
        assert_eq!(
            *code,
            Some(expected),
            "stdout:\n{stdout}\nstderr:\n{stderr}"
        );
        self
    }

    /// Panics unless standard error contains every one of `parts`.
    #[track_caller]
    pub(crate) fn complains_of(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no {part:?} in:\n{}",
                self.stderr
            );
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error} in:\n{}", self.stdout);
        })
    }
}

/// Runs the command to its end.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Said {
    Said::of(&tautline(args).output().unwrap())
}

/// A folder with a trained, certified model.
pub(crate) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    /// Trained once per test run.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Fixture> = OnceLock::new();
        SHARED.get_or_init(|| {
            let fixture = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            run([
                "train",
                "--preset",
                "quick",
                "--out",
                text(&fixture.model()),
            ])
            .exits(0);
            run(["certify", text(&fixture.model())]).exits(0);
            fixture
        })
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model.tlm")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("model.tlc")
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A new file `name` in `folder`.
pub(crate) fn file(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Names of everything in a folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
