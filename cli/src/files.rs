//! Reading with limits, writing without halves.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The system refused to read it.
    #[error("cannot read {what} {}", path.display())]
    Read {
        /// What it was to be read as.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is larger than anything of its kind.
    #[error("{} is larger than {limit} bytes, which no {what} is", path.display())]
    TooLarge {
        /// What it was to be read as.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// It holds no text.
    #[error("{}:{line}: expected UTF-8 text, got other bytes", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Line of the first wrong byte, from one.
        line: usize,
    },
    /// The system refused to write it; what was there before is untouched.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refused to remove it.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An output would replace an input.
    #[error("{} is both an input and an output", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// One output would replace another.
    #[error("{} is the place of two outputs", path.display())]
    TwoOutputs {
        /// The file.
        path: PathBuf,
    },
}

/// Largest text file that is read, bytes.
const MOST_TEXT: u64 = 16 << 20;

/// All bytes of `path`, which is a `what`; at most `limit` of them.
pub(crate) fn read(what: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let read = |path: &Path| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read(path).map_err(|source| FileError::Read {
        what,
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge {
            what,
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

/// The text of `path`, which is a `what`.
pub(crate) fn read_text(what: &'static str, path: &Path) -> Result<String, FileError> {
    let bytes = read(what, path, MOST_TEXT)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..good).unwrap_or_default();
        FileError::Text {
            path: path.to_owned(),
            line: before.split(|&byte| byte == b'\n').count(),
        }
    })
}

/// Replaces `path` by `bytes`: all of them or none.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let attempt = || -> io::Result<()> {
        let Some(target) = replaceable(path)? else {
            let mut device = File::options().write(true).open(path)?;
            return device.write_all(bytes);
        };
        let mut file = temporary_beside(&target)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&target)?;
        Ok(())
    };
    attempt().map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// A file that is written piece by piece and appears under its name only once it is whole.
#[derive(Debug)]
pub(crate) struct Staged {
    output: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Staged {
    /// Begins the file `path`; nothing of it is left where it is not finished.
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        let attempt = || -> io::Result<Self> {
            let target = replaceable(path)?.ok_or(io::ErrorKind::Unsupported)?;
            let file = temporary_beside(&target)?;
            Ok(Self {
                output: BufWriter::with_capacity(1 << 18, file),
                path: target,
            })
        };
        attempt().map_err(|source| Self::failed(path, source))
    }

    /// Gives the file its name.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        let path = self.path;
        let attempt = || -> io::Result<()> {
            let file = self
                .output
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        attempt().map_err(|source| Self::failed(&path, source))
    }

    fn failed(path: &Path, source: io::Error) -> FileError {
        FileError::Write {
            path: path.to_owned(),
            source,
        }
    }
}

impl Write for Staged {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Fails where [`write()`] would, before the work whose result shall go there.
pub(crate) fn check_writable(path: &Path) -> Result<(), FileError> {
    let attempt = || -> io::Result<()> {
        match replaceable(path)? {
            Some(target) => temporary_beside(&target).map(drop),
            None => File::options().write(true).open(path).map(drop),
        }
    };
    attempt().map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Creates the folder `path` and those above it.
pub(crate) fn create_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Fails where one of `outputs` is one of `inputs` or another output. Devices and pipes replace
/// nothing, so they may serve twice.
pub(crate) fn check_apart(outputs: &[&Path], inputs: &[&Path]) -> Result<(), FileError> {
    let read: Vec<_> = inputs.iter().filter_map(|input| place(input)).collect();
    let mut written = Vec::new();
    for output in outputs {
        let path = || (*output).to_owned();
        let Some(place) = place(output) else {
            continue;
        };
        if read.contains(&place) {
            return Err(FileError::SameFile { path: path() });
        }
        if written.contains(&place) {
            return Err(FileError::TwoOutputs { path: path() });
        }
        written.push(place);
    }
    Ok(())
}

/// Those of `paths` that the user named.
pub(crate) fn named<'a>(paths: &[Option<&'a Path>]) -> Vec<&'a Path> {
    paths.iter().copied().flatten().collect()
}

/// Removes the file `path` if there is one; devices and pipes stay.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    let attempt = || match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    attempt().map_err(|source| FileError::Remove {
        path: path.to_owned(),
        source,
    })
}

/// Where a file is or would be, however it is called; none for devices, pipes and what cannot
/// exist.
fn place(path: &Path) -> Option<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => path.canonicalize().ok(),
        Ok(_) => None,
        Err(_) => Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?)),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

/// What to rename over: the file that `path` leads to. None for devices and pipes, which are
/// written to in place.
fn replaceable(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => path.canonicalize().map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(path.to_owned())),
        Err(error) => Err(error),
    }
}

fn temporary_beside(target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tautline-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The user's mask applies, as to any other new file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_replaces_the_old_one_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read_text("text", &path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_staged_file_appears_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let mut dropped = Staged::create(&path).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut staged = Staged::create(&path).unwrap();
        staged.write_all(b"whole").unwrap();
        assert!(!path.exists());
        staged.finish().unwrap();
        assert_eq!(read_text("text", &path).unwrap(), "whole");
        assert!(Staged::create(folder.path()).is_err());
    }

    #[test]
    fn a_folder_or_a_missing_folder_is_no_destination() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/a.txt");
        for path in [folder.path(), &missing] {
            let error = check_writable(path).unwrap_err();
            assert!(matches!(error, FileError::Write { .. }), "{error:?}");
            assert!(write(path, b"x").is_err());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        write(&path, b"a = 1\nb = \xff\n").unwrap();
        let error = read_text("claims", &path).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("a.toml:2: expected UTF-8 text, got other bytes")
        );
    }

    #[test]
    fn an_endless_file_is_refused_at_the_limit() {
        let error = read("model", Path::new("/dev/zero"), 1000).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { limit: 1000, .. }));
    }

    #[test]
    fn no_output_is_an_input_or_another_output_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("model"), b"x").unwrap();
        std::os::unix::fs::symlink(path("model"), path("link")).unwrap();
        let (model, link, new) = (path("model"), path("link"), path("new"));
        let same_new = folder.path().join(".").join("new");
        check_apart(&[&new], &[&model, &link]).unwrap();
        let error = check_apart(&[&new, &link], &[&model]).unwrap_err();
        assert!(matches!(error, FileError::SameFile { .. }), "{error:?}");
        let error = check_apart(&[&new, &same_new], &[]).unwrap_err();
        assert!(matches!(error, FileError::TwoOutputs { .. }), "{error:?}");
        let null = Path::new("/dev/null");
        check_apart(&[null, null], &[null]).unwrap();
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"one").unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
        remove(&path).unwrap();
        remove(Path::new("/dev/null")).unwrap();
        assert!(Path::new("/dev/null").exists());
    }
}
