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
}

impl Recorders {
    /// Creates the folders that are asked for.
    pub(super) fn open(pcap: Option<PathBuf>, qlog: Option<PathBuf>) -> anyhow::Result<Self> {
        for folder in [&pcap, &qlog].into_iter().flatten() {
            files::create_folder(folder)?;
        }
        Ok(Self { pcap, qlog })
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

    /// Whether everything that is to be recorded of a run is there.
    pub(super) fn are_complete(&self, stem: &str, flows: usize) -> bool {
        let logs = self.logs(stem, flows);
        let mut all = self.capture(stem).into_iter().chain(logs);
        all.all(|path| path.is_file())
    }

    /// Begins the recording of a run.
    pub(super) fn start(
        &self,
        stem: &str,
        scenario: &ValidScenario,
        seed: u64,
    ) -> anyhow::Result<Recording> {
        let capture = self.capture(stem).map(|path| {
            let output = Staged::create(&path)?;
            let capture = Capture::new(output).with_context(|| cannot_write(&path))?;
            anyhow::Ok((path, capture))
        });
        let paths = self.logs(stem, scenario.flows().len());
        let logs = paths.first().cloned().map(|first| {
            let outputs = paths.iter().map(|path| Staged::create(path));
            let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
            let logs = FlowLogs::new(scenario, seed, outputs);
            anyhow::Ok((logs.with_context(|| cannot_write(&first))?, first))
        });
        Ok(Recording {
            capture: capture.transpose()?,
            logs: logs.transpose()?,
        })
    }
}

/// A recording in progress; nothing of it is left where it is not finished.
#[derive(Debug, Default)]
pub(super) struct Recording {
    capture: Option<(PathBuf, Capture<Staged>)>,
    logs: Option<(FlowLogs<Staged>, PathBuf)>,
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
        if let Some((path, capture)) = self.capture {
            let output = capture.finish().with_context(|| cannot_write(&path))?;
            output.finish()?;
        }
        if let Some((logs, first)) = self.logs {
            let outputs = logs.finish().with_context(|| cannot_write(&first))?;
            for output in outputs {
                output.finish()?;
            }
        }
        Ok(())
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Each has a file of its own open while its run goes on.
pub(super) const MOST_LOGGED_FLOWS: usize = 64;
