//! Reads a trace in blocks and checks each line.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TraceError;

/// The times of a file, in order, with constant memory.
///
/// A clone opens the file again where it reads on.
#[derive(Debug)]
pub(super) struct TimeReader {
    path: Arc<PathBuf>,
    file: Option<File>,
    /// Where the block after this one begins in the file.
    offset: u64,
    block: Vec<u8>,
    /// Bytes of the block that were taken.
    taken: usize,
    /// Complete lines so far.
    lines: u64,
    /// Time of the last of them.
    last_ms: u32,
}

impl Clone for TimeReader {
    fn clone(&self) -> Self {
        Self {
            path: Arc::clone(&self.path),
            file: None,
            block: self.block.clone(),
            ..*self
        }
    }
}

impl TimeReader {
    /// At the start of the file, which is opened at the first read.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            file: None,
            offset: 0,
            block: Vec::new(),
            taken: 0,
            lines: 0,
            last_ms: 0,
        }
    }

    /// Goes back to the start of the file.
    pub(super) fn rewind(&mut self) {
        self.file = None;
        self.offset = 0;
        self.block.clear();
        self.taken = 0;
        self.lines = 0;
        self.last_ms = 0;
    }

    /// Lines read since the start.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes of the file that were read into blocks.
    pub(super) const fn bytes_read(&self) -> u64 {
        self.offset
    }

    /// The time of the next line in milliseconds; `None` at the end of the file.
    pub(super) fn next_ms(&mut self) -> Result<Option<u32>, TraceError> {
        let mut digits = 0_usize;
        let mut value = 0_u64;
        loop {
            let Some(byte) = self.next_byte()? else {
                if digits == 0 {
                    return Ok(None);
                }
                return self.complete(value).map(Some);
            };
            match byte {
                b'\n' if digits == 0 => {
                    return Err(TraceError::EmptyLine {
                        file: self.path.to_path_buf(),
                        line: self.lines + 1,
                    });
                }
                b'\n' => return self.complete(value).map(Some),
                b'0'..=b'9' if digits < MOST_DIGITS => {
                    digits += 1;
                    value = value * 10 + u64::from(byte - b'0');
                }
                other => return Err(self.not_a_time(value, digits, other)),
            }
        }
    }

    fn complete(&mut self, value: u64) -> Result<u32, TraceError> {
        let line = self.lines + 1;
        let file = || self.path.to_path_buf();
        let Ok(found_ms) = u32::try_from(value) else {
            return Err(TraceError::NotATime {
                file: file(),
                line,
                found: value.to_string(),
            });
        };
        if found_ms < self.last_ms {
            return Err(TraceError::Decreasing {
                file: file(),
                line,
                previous_ms: self.last_ms,
                found_ms,
            });
        }
        self.lines = line;
        self.last_ms = found_ms;
        Ok(found_ms)
    }

    /// The error of a line that began with the digits of `value` and went on with `wrong`.
    fn not_a_time(&mut self, value: u64, digits: usize, wrong: u8) -> TraceError {
        let mut found = if digits == 0 {
            Vec::new()
        } else {
            format!("{value:0digits$}").into_bytes()
        };
        found.push(wrong);
        while let Ok(Some(byte)) = self.next_byte() {
            if byte == b'\n' || found.len() >= LONGEST_EXCERPT {
                break;
            }
            found.push(byte);
        }
        TraceError::NotATime {
            file: self.path.to_path_buf(),
            line: self.lines + 1,
            found: String::from_utf8_lossy(&found).into_owned(),
        }
    }

    #[inline]
    fn next_byte(&mut self) -> Result<Option<u8>, TraceError> {
        if self.taken == self.block.len() {
            self.refill()?;
        }
        let byte = self.block.get(self.taken).copied();
        self.taken += usize::from(byte.is_some());
        Ok(byte)
    }

    /// Reads the next block, empty at the end of the file.
    #[cold]
    fn refill(&mut self) -> Result<(), TraceError> {
        self.taken = 0;
        self.block.resize(BLOCK_BYTES, 0);
        let read = self.read_block();
        self.block.truncate(*read.as_ref().unwrap_or(&0));
        let read = read.map_err(|error| TraceError::Unreadable {
            file: self.path.to_path_buf(),
            reason: error.to_string(),
        })?;
        self.offset += read as u64;
        Ok(())
    }

    fn read_block(&mut self) -> std::io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            closed => {
                let mut file = File::open(self.path.as_path())?;
                if self.offset > 0 {
                    file.seek(SeekFrom::Start(self.offset))?;
                }
                closed.insert(file)
            }
        };
        loop {
            match file.read(&mut self.block) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

const BLOCK_BYTES: usize = 1 << 16;
/// More digits than any time in range has, leading zeros included.
const MOST_DIGITS: usize = 18;
/// How much of a wrong line an error shows.
const LONGEST_EXCERPT: usize = 32;
