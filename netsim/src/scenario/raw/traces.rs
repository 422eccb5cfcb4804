//! Trace files that scenarios name.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::scenario::{Problem, ScenarioError, TraceSpec};

/// The traces of a file, each read once however many links and cells name it.
#[derive(Debug)]
pub(super) struct Traces {
    folder: PathBuf,
    read: RefCell<BTreeMap<PathBuf, TraceSpec>>,
}

impl Traces {
    /// Traces whose names are relative to the folder of the scenario `file`.
    pub(super) fn beside(file: &str) -> Self {
        let folder = Path::new(file).parent().unwrap_or_else(|| Path::new(""));
        Self {
            folder: folder.to_owned(),
            read: RefCell::default(),
        }
    }

    /// The trace `file`, which stands under `field`.
    pub(super) fn load(&self, field: &str, file: &str) -> Result<TraceSpec, ScenarioError> {
        let path = self.folder.join(file);
        if let Some(trace) = self.read.borrow().get(&path) {
            return Ok(trace.clone());
        }
        let trace = TraceSpec::load(&path).map_err(|error| {
            let message = error.to_string();
            ScenarioError::new(field, Problem::Trace { message })
        })?;
        self.read.borrow_mut().insert(path, trace.clone());
        Ok(trace)
    }
}
