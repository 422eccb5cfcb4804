//! Captures and logs of runs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tautline_netsim::record::{Capture, FlowLogs, Observers};
use tautline_netsim::scenario::ValidScenario;
use tautline_netsim::sim::Observer;

use super::written::{CELLS, PCAP, QLOG, Written};
use crate::files::{self, Staged};

/// Where captures and logs go.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorders {
    pcap: Option<PathBuf>,
    qlog: Option<PathBuf>,
    /// Where marks say which run a recording is of.
    marks: PathBuf,
    /// Where all files are entered.
    written: Written,
}

/// The run that is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// What its files are called.
    pub(super) stem: &'a str,
    /// Its digest.
    pub(super) key: &'a str,
    /// Number of its flows.
    pub(super) flows: usize,
}

impl Recorders {
    /// Creates the folders that are asked for.
    pub(super) fn open(
        pcap: Option<PathBuf>,
        qlog: Option<PathBuf>,
        marks: PathBuf,
        written: Written,
    ) -> anyhow::Result<Self> {
        for folder in [&pcap, &qlog].into_iter().flatten() {
            files::create_folder(folder)?;
        }
        Ok(Self {
            pcap,
            qlog,
            marks,
            written,
        })
    }

    fn mark(&self, stem: &str) -> PathBuf {
        self.marks.join(format!("{stem}.recorded"))
    }

    fn capture(&self, stem: &str) -> Option<PathBuf> {
        let folder = self.pcap.as_ref()?;
        Some(folder.join(format!("{stem}.pcapng")))
    }

    fn logs(&self, stem: &str, flows: usize) -> Vec<PathBuf> {
        let Some(folder) = &self.qlog else {
            return Vec::new();
        };
        let name = |flow| folder.join(format!("{stem}-flow{flow}.sqlog"));
        (0..flows.min(MOST_LOGGED_FLOWS)).map(name).collect()
    }

    /// Whether everything that is to be recorded of `run` is there, and of this very run.
    pub(super) fn are_complete(&self, run: Subject<'_>) -> bool {
        let (capture, logs) = (self.capture(run.stem), self.logs(run.stem, run.flows));
        if capture.is_none() && logs.is_empty() {
            return true;
        }
        let Ok(mark) = files::read_text("mark", &self.mark(run.stem)) else {
            return false;
        };
        let Some((key, lines)) = mark.split_once('\n') else {
            return false;
        };
        let is_whole = |path: &PathBuf| {
            let found = fs::metadata(path).ok().filter(fs::Metadata::is_file);
            let line = found.map(|found| mark_line(path, found.len()));
            line.is_some_and(|line| lines.lines().any(|it| it == line))
        };
        key == run.key && capture.iter().chain(&logs).all(is_whole)
    }

    /// Begins the recording of `run`.
    pub(super) fn start(
        &self,
        run: Subject<'_>,
        scenario: &ValidScenario,
        seed: u64,
    ) -> anyhow::Result<Recording> {
        let stem = run.stem;
        let mark = self.mark(stem);
        // From here on the files are of no known run.
        files::remove(&mark)?;
        let (capture, paths) = (self.capture(stem), self.logs(stem, run.flows));
        if capture.is_some() || !paths.is_empty() {
            let names = |paths: &[PathBuf]| paths.iter().map(file_name).collect::<Vec<_>>();
            self.written.add(CELLS, [file_name(&mark)])?;
            self.written.add(PCAP, names(capture.as_slice()))?;
            self.written.add(QLOG, names(&paths))?;
        }
        let capture = capture.map(|path| {
            let output = Staged::create(&path)?;
            let capture = Capture::new(output).with_context(|| cannot_write(&path))?;
            anyhow::Ok((path, capture))
        });
        let logs = paths.first().cloned().map(|first| {
            let outputs = paths.iter().map(|path| Staged::create(path));
            let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
            let logs = FlowLogs::new(scenario, seed, outputs);
            anyhow::Ok((logs.with_context(|| cannot_write(&first))?, paths))
        });
        Ok(Recording {
            capture: capture.transpose()?,
            logs: logs.transpose()?,
            mark: Some((mark, run.key.to_owned())),
        })
    }
}

/// A recording in progress; nothing of it is left where it is not finished.
#[derive(Debug, Default)]
pub(super) struct Recording {
    capture: Option<(PathBuf, Capture<Staged>)>,
    logs: Option<(FlowLogs<Staged>, Vec<PathBuf>)>,
    /// The file that says of which run they are.
    mark: Option<(PathBuf, String)>,
}

impl Recording {
    /// Calls `run` with what records, if anything does.
    pub(super) fn with_observer<T>(
        &mut self,
        run: impl FnOnce(Option<&mut dyn Observer>) -> T,
    ) -> T {
        let mut observers = Observers::default();
        if let Some((_, capture)) = &mut self.capture {
            observers = observers.with(capture);
        }
        if let Some((logs, _)) = &mut self.logs {
            observers = observers.with(logs);
        }
        if observers.is_empty() {
            return run(None);
        }
        run(Some(&mut observers))
    }

    /// Gives the files their names.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let mut finished = Vec::new();
        if let Some((path, capture)) = self.capture {
            let output = capture.finish().with_context(|| cannot_write(&path))?;
            output.finish()?;
            finished.push(path);
        }
        if let Some((logs, paths)) = self.logs {
            let first = || {
                paths
                    .first()
                    .map_or_else(String::new, |path| cannot_write(path))
            };
            let outputs = logs.finish().with_context(first)?;
            for output in outputs {
                output.finish()?;
            }
            finished.extend(paths);
        }
        if let Some((path, key)) = self.mark.filter(|_| !finished.is_empty()) {
            let mut mark = format!("{key}\n");
            for file in &finished {
                let found = fs::metadata(file).with_context(|| cannot_write(file))?;
                writeln!(mark, "{}", mark_line(file, found.len()))?;
            }
            files::write(&path, mark.as_bytes())?;
        }
        Ok(())
    }
}

/// What a mark says of a file with `length` bytes.
fn mark_line(path: &Path, length: u64) -> String {
    format!("{length} {}", file_name(path))
}

fn file_name(path: impl AsRef<Path>) -> String {
    let name = path.as_ref().file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Each has a file of its own open while its run goes on.
pub(super) const MOST_LOGGED_FLOWS: usize = 64;
