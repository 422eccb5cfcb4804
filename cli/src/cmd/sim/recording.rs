//! Captures and logs of runs.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tautline_netsim::record::{Capture, FlowLogs, Observers};
use tautline_netsim::scenario::ValidScenario;
use tautline_netsim::sim::Observer;

use crate::files::{self, Staged};

/// Where captures and logs go.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorders {
    pcap: Option<PathBuf>,
    qlog: Option<PathBuf>,
    /// Where marks say which run a recording is of.
    marks: PathBuf,
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
    ) -> anyhow::Result<Self> {
        for folder in [&pcap, &qlog].into_iter().flatten() {
            files::create_folder(folder)?;
        }
        Ok(Self { pcap, qlog, marks })
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
        let says = |word: &str| mark.split_whitespace().any(|it| it == word);
        let marked = says(run.key)
            && (capture.is_none() || says(CAPTURED))
            && (logs.is_empty() || says(LOGGED));
        marked && capture.iter().chain(&logs).all(|path| path.is_file())
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
        let capture = self.capture(stem).map(|path| {
            let output = Staged::create(&path)?;
            let capture = Capture::new(output).with_context(|| cannot_write(&path))?;
            anyhow::Ok((path, capture))
        });
        let paths = self.logs(stem, run.flows);
        let logs = paths.first().cloned().map(|first| {
            let outputs = paths.iter().map(|path| Staged::create(path));
            let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
            let logs = FlowLogs::new(scenario, seed, outputs);
            anyhow::Ok((logs.with_context(|| cannot_write(&first))?, first))
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
    logs: Option<(FlowLogs<Staged>, PathBuf)>,
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
        let mut mark = String::new();
        if let Some((path, capture)) = self.capture {
            mark = format!("{mark} {CAPTURED}");
            let output = capture.finish().with_context(|| cannot_write(&path))?;
            output.finish()?;
        }
        if let Some((logs, first)) = self.logs {
            mark = format!("{mark} {LOGGED}");
            let outputs = logs.finish().with_context(|| cannot_write(&first))?;
            for output in outputs {
                output.finish()?;
            }
        }
        if let Some((path, key)) = self.mark.filter(|_| !mark.is_empty()) {
            files::write(&path, format!("{key}{mark}\n").as_bytes())?;
        }
        Ok(())
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

const CAPTURED: &str = "captured";
const LOGGED: &str = "logged";
/// Each has a file of its own open while its run goes on.
pub(super) const MOST_LOGGED_FLOWS: usize = 64;
