//! One process at a time in a results folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use anyhow::Context as _;

/// Name of the file that is locked. It stays: a lock on a file that another process has just
/// removed would keep nobody out.
pub(super) const LOCK: &str = ".lock";

/// A results folder is this process's own as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes `folder`, which exists.
    ///
    /// # Errors
    /// Another process has it.
    pub(super) fn take(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(LOCK);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "{} is in use by another `tautline sim`: wait until that has ended, or name \
                 another folder with --out",
                folder.display()
            ),
            // Some network file systems know no locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Self { _file: file })
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}
