//! Which charts, captures and logs in a results folder are ours, so that those of an earlier call
//! can be removed and a user's own files never are.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::files;

/// The list of files, `FOLDER/NAME` per line, in a results folder. Files are entered before they
/// are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    results: PathBuf,
}

impl Written {
    /// The list of the folder `results`.
    pub(super) const fn of(results: PathBuf) -> Self {
        Self { results }
    }

    fn list(&self) -> PathBuf {
        self.results.join(CELLS).join("written.txt")
    }

    /// Enters `names`, which are about to be written into `folder`.
    pub(super) fn add(
        &self,
        folder: &str,
        names: impl IntoIterator<Item = String>,
    ) -> anyhow::Result<()> {
        let lines = names.into_iter().map(|name| format!("{folder}/{name}\n"));
        let lines: String = lines.collect();
        let path = self.list();
        // One write: threads do not mix their lines.
        File::options()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut list| list.write_all(lines.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes all files of the list that are in one of `folders`, and keeps the others in it.
    pub(super) fn remove(&self, folders: &[&str]) -> anyhow::Result<()> {
        let path = self.list();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let text = String::from_utf8_lossy(&text);
        let mut kept = BTreeSet::new();
        for line in text.lines() {
            let Some((folder, name)) = entry(line) else {
                continue;
            };
            if folders.contains(&folder) {
                files::remove(&self.results.join(folder).join(name))?;
            } else {
                kept.insert(line);
            }
        }
        if kept.is_empty() {
            return Ok(files::remove(&path)?);
        }
        let kept: String = kept.into_iter().flat_map(|line| [line, "\n"]).collect();
        Ok(files::write(&path, kept.as_bytes())?)
    }
}

/// Folder and name; none for what we would not have entered.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (folder, name) = line.split_once('/')?;
    let ending = name.rsplit_once('.')?.1;
    let ours = match folder {
        PLOTS => ["svg", "png"].contains(&ending),
        PCAP => ending == "pcapng",
        QLOG => ending == "sqlog",
        CELLS => ending == "recorded",
        _ => false,
    };
    (ours && !name.contains(['/', '\\'])).then_some((folder, name))
}

/// Folders within the results.
pub(super) const PLOTS: &str = "plots";
pub(super) const PCAP: &str = "pcap";
pub(super) const QLOG: &str = "qlog";
pub(super) const CELLS: &str = "cells";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_list_are_removed_and_nothing_outside_its_folders() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for inner in ["cells", "plots", "pcap"] {
            fs::create_dir(path(inner)).unwrap();
        }
        let files = [
            "plots/a.svg",
            "plots/mine.svg",
            "pcap/a.pcapng",
            "out.svg",
            "plots/a.txt",
        ];
        for name in files {
            fs::write(path(name), "x").unwrap();
        }
        let written = Written::of(folder.path().to_owned());
        written.remove(&[PLOTS]).unwrap();
        for name in ["a.svg", "gone.svg", "../out.svg", "a.txt"] {
            written.add(PLOTS, [name.to_owned()]).unwrap();
        }
        written.add(PCAP, ["a.pcapng".to_owned()]).unwrap();
        written.remove(&[PLOTS]).unwrap();
        assert!(!path("plots/a.svg").exists());
        for name in &files[1..] {
            assert!(path(name).exists(), "{name}");
        }
        assert_eq!(
            fs::read_to_string(path("cells/written.txt")).unwrap(),
            "pcap/a.pcapng\n"
        );
        written.remove(&[PCAP]).unwrap();
        assert!(!path("pcap/a.pcapng").exists() && !path("cells/written.txt").exists());
    }
}
