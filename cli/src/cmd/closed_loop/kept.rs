//! Slices that are done, kept in a file so that an interrupted search goes on.
//!
//! Magic `\x89TLR`, version (2), digest of the model (32), digest of the claim set (32), then per
//! slice claim (2), length (4), bytes; at the end the SHA-256 of everything before. Little-endian.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context as _, bail};
use tautline_certificates::closed_loop::Slice;
use tautline_core::policy::Digest;

use crate::files::{self, FileError};

/// The file, with what it holds.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    head: Vec<u8>,
    /// Claim and bytes of each slice.
    slices: Mutex<Vec<(u16, Vec<u8>)>>,
}

impl Kept {
    /// An empty one, not yet written.
    pub(super) fn new(path: PathBuf, model: Digest, claims: Digest) -> Self {
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend(model.as_bytes());
        head.extend(claims.as_bytes());
        Self {
            path,
            head,
            slices: Mutex::default(),
        }
    }

    /// Takes what the file at `path` holds.
    ///
    /// # Errors
    /// Where it is damaged, or of another model or other claims.
    pub(super) fn read(&self, path: &Path) -> anyhow::Result<()> {
        let bytes = files::read("finished slices", path, MOST)?;
        let read = self.decode(&bytes);
        let read = read.with_context(|| format!("cannot go on from {}", path.display()))?;
        self.lock().extend(read);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> anyhow::Result<Vec<(u16, Vec<u8>)>> {
        if !bytes.starts_with(&MAGIC) {
            bail!("not a file of finished slices, as `tautline certify --closed-loop` leaves it");
        }
        let end = bytes.len().saturating_sub(32);
        let (content, digest) = bytes.split_at(end);
        if Digest::of(content).as_bytes() != digest {
            bail!("its content does not match the digest at its end");
        }
        let Some(mut rest) = content.strip_prefix(self.head.as_slice()) else {
            bail!("it is of another version, another model or other claims");
        };
        let mut slices = vec![];
        while let Some((&[a, b, l0, l1, l2, l3], more)) = rest.split_first_chunk() {
            let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
            let slice = more.split_at_checked(length);
            let (slice, more) = slice.context("it ends within a slice")?;
            slices.push((u16::from_le_bytes([a, b]), slice.to_vec()));
            rest = more;
        }
        if !rest.is_empty() {
            bail!("it ends within a field");
        }
        Ok(slices)
    }

    /// The slices of one claim.
    ///
    /// # Errors
    /// Where bytes are not a slice.
    pub(super) fn of_claim(&self, claim: usize) -> anyhow::Result<Vec<Slice>> {
        let slices = self.lock();
        let of_claim = slices.iter().filter(|(of, _)| usize::from(*of) == claim);
        let decoded = of_claim.map(|(_, bytes)| Slice::decode(bytes));
        decoded
            .collect::<Result<_, _>>()
            .context("a finished slice is damaged")
    }

    /// Adds a slice and writes the file.
    ///
    /// # Errors
    /// Where the slice has no encoding or the file cannot be written.
    pub(super) fn add(&self, claim: usize, slice: &Slice) -> anyhow::Result<()> {
        let entry = (u16::try_from(claim)?, slice.encode()?);
        // Held until the file is there, so that files are replaced in the order of their slices.
        let mut slices = self.lock();
        slices.push(entry);
        let mut bytes = self.head.clone();
        for (claim, slice) in slices.iter() {
            bytes.extend(claim.to_le_bytes());
            bytes.extend(u32::try_from(slice.len())?.to_le_bytes());
            bytes.extend(slice);
        }
        let digest = Digest::of(&bytes);
        bytes.extend(digest.as_bytes());
        Ok(files::write(&self.path, &bytes)?)
    }

    /// How many slices there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, if this ever wrote one.
    pub(super) fn remove(&self) -> Result<(), FileError> {
        if self.path.exists() {
            files::remove(&self.path)?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u16, Vec<u8>)>> {
        // A thread that panicked has pushed a whole entry or none.
        self.slices
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

const MAGIC: [u8; 4] = *b"\x89TLR";
const VERSION: u16 = 1;
const MOST: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use tautline_certificates::closed_loop::{Buffer, Grid, MEMORY_MAX};

    fn slice(rank: u8) -> Slice {
        let grid = Grid {
            low: 0,
            width: 4,
            windows: 3,
            reach: 1,
            falls: 1,
            memory: vec![0, MEMORY_MAX],
        };
        Slice {
            log_bdp: (0, 0),
            buffer: Buffer {
                least: 0,
                most: None,
            },
            ranks: vec![rank; grid.cells().unwrap()],
            grid,
        }
    }

    #[test]
    fn slices_come_back_for_the_same_model_and_claims_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tlr");
        let digests = [b"a", b"b", b"c"].map(|it| Digest::of(it));
        let kept = Kept::new(path.clone(), digests[0], digests[1]);
        kept.add(0, &slice(1)).unwrap();
        kept.add(1, &slice(2)).unwrap();
        let again = Kept::new(path.clone(), digests[0], digests[1]);
        again.read(&path).unwrap();
        assert_eq!(again.count(), 2);
        assert_eq!(again.of_claim(1).unwrap(), [slice(2)]);
        for (model, claims) in [(2, 1), (0, 2)] {
            let other = Kept::new(path.clone(), digests[model], digests[claims]);
            let error = other.read(&path).unwrap_err();
            assert!(format!("{error:#}").contains("another model"), "{error:#}");
        }
        let bytes = std::fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[place] ^= 1;
            assert!(kept.decode(&bad).is_err(), "byte {place}");
            assert!(kept.decode(&bytes[..place]).is_err(), "cut at {place}");
        }
        again.remove().unwrap();
        assert!(!path.exists());
    }
}
