//! Finished runs on disk, so that an interrupted sweep goes on where it was.
//!
//! A cell is one run's result in a file of its own, written whole or not at all. Its name is the
//! digest of everything that the result depends on: the scenario with the contents of its trace
//! files, the controllers, the seed, model and certificate, and the program itself. What changed is
//! therefore never taken from an old cell.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tautline_netsim::scenario::{CapacitySpec, ValidScenario};

use super::results::Detailed;
use crate::files;

/// What every run of one call depends on.
#[derive(Clone, Debug)]
pub(super) struct Base(Sha256);

impl Base {
    /// This program, and `inputs` (model, certificate, claims) that it was given.
    pub(super) fn new(inputs: &[&Path]) -> anyhow::Result<Self> {
        let mut digest = Sha256::new();
        digest.update(b"tautline cell 1\0");
        digest.update(env!("CARGO_PKG_VERSION"));
        let program = std::env::current_exe().context("cannot find this program's file")?;
        add_file(&mut digest, &program)?;
        for input in inputs {
            add_file(&mut digest, input)?;
        }
        Ok(Self(digest))
    }

    /// The digest of one run, in hexadecimal; `settings` are what else shapes its result.
    pub(super) fn key(
        &self,
        scenario: &ValidScenario,
        seed: u64,
        settings: &str,
    ) -> anyhow::Result<String> {
        let mut digest = self.0.clone();
        // The derived form has every field, with numbers that read back exactly.
        digest.update(format!("{scenario:?}\0{seed}\0{settings}"));
        for link in scenario.links() {
            if let CapacitySpec::Trace(trace) = &link.capacity {
                add_file(&mut digest, trace.file())?;
            }
        }
        let digits = digest.finalize();
        let digits = digits.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        Ok(digits.collect())
    }
}

/// Adds length and contents.
fn add_file(digest: &mut Sha256, path: &Path) -> anyhow::Result<()> {
    let mut attempt = || -> io::Result<()> {
        let mut file = File::open(path)?;
        digest.update(file.metadata()?.len().to_le_bytes());
        let mut block = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut block)?;
            if read == 0 {
                return Ok(());
            }
            digest.update(&block[..read]);
        }
    };
    attempt().with_context(|| format!("cannot read {}", path.display()))
}

/// The folder of cells.
#[derive(Clone, Debug)]
pub(super) struct Cells(PathBuf);

/// What a cell file holds.
#[derive(Serialize, Deserialize)]
struct Cell<T> {
    key: String,
    result: T,
}

impl Cells {
    /// The folder `folder`, created where it does not exist.
    pub(super) fn open(folder: PathBuf) -> anyhow::Result<Self> {
        files::create_folder(&folder)?;
        Ok(Self(folder))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.0.join(format!("{key}.json"))
    }

    /// The result under `key`; none where there is no file, or one that is not whole.
    pub(super) fn load(&self, key: &str) -> Option<Detailed> {
        let text = fs::read(self.path(key)).ok()?;
        let cell: Cell<Detailed> = serde_json::from_slice(&text).ok()?;
        (cell.key == key).then_some(cell.result)
    }

    /// Keeps `result` under `key`.
    pub(super) fn store(&self, key: &str, result: &Detailed) -> anyhow::Result<()> {
        let cell = Cell {
            key: key.to_owned(),
            result,
        };
        let text = serde_json::to_vec(&cell).context("cannot write JSON")?;
        Ok(files::write(&self.path(key), &text)?)
    }

    /// Removes the cells of earlier calls; other files stay.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        let listed = fs::read_dir(&self.0);
        let listed = listed.with_context(|| format!("cannot read {}", self.0.display()))?;
        for entry in listed {
            let path = entry
                .with_context(|| format!("cannot read {}", self.0.display()))?
                .path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let is_key = stem.is_some_and(|stem| {
                stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
            });
            if is_key && path.extension().is_some_and(|it| it == "json") {
                files::remove(&path)?;
            }
        }
        Ok(())
    }
}
