//! Training state that a run resumes from, byte for byte.
//!
//! Little-endian: magic `TLTC`, version u16, digests of parameters and claims, phase u8, step u64,
//! the optimiser's step count u64, then six vectors (weights, mean, square, teacher, best weights,
//! history), each with a u32 length and `f64` bits, then the SHA-256 of all before.

use tautline_core::policy::Digest;

use crate::optimiser::Adam;

/// A phase of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Cloning the reference law.
    Clone,
    /// Evolution strategies.
    Evolve,
    /// Repair of the claims.
    Repair,
}

impl Phase {
    /// Its name in progress and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Evolve => "evolve",
            Self::Repair => "repair",
        }
    }
}

/// Everything that the next step depends on, beside parameters and claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub(crate) params: Digest,
    pub(crate) claims: Digest,
    pub(crate) phase: Phase,
    /// Steps done in the phase.
    pub(crate) step: u64,
    pub(crate) weights: Vec<f64>,
    pub(crate) adam: Adam,
    /// Weights that the repair imitates; empty before.
    pub(crate) teacher: Vec<f64>,
    /// Best validated score and its weights.
    pub(crate) best: Option<(f64, Vec<f64>)>,
    /// Figures of the report so far: clone error, then pairs of generation and reward.
    pub(crate) history: Vec<f64>,
}

/// What is wrong with a checkpoint's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentFault {
    /// It starts with other bytes.
    #[error("it does not start with the bytes TLTC")]
    Magic,
    /// Another version.
    #[error("format version {got}, this program reads version {expected}")]
    Version {
        /// The version read.
        expected: u16,
        /// The file's.
        got: u16,
    },
    /// It ends early, or goes on after its end.
    #[error("{got} bytes, its content describes {expected}")]
    Length {
        /// Bytes described, or at least needed.
        expected: usize,
        /// Bytes there are.
        got: usize,
    },
    /// The digest at the end does not match.
    #[error("its content has digest {got}, the file says {expected}")]
    Corrupt {
        /// The file's.
        expected: Digest,
        /// The content's.
        got: Digest,
    },
    /// No phase has this code.
    #[error("unknown phase code {got}")]
    Phase {
        /// The code.
        got: u8,
    },
}

impl Checkpoint {
    /// The phase that goes on.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Steps done in the phase.
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(self.params.as_bytes());
        bytes.extend_from_slice(self.claims.as_bytes());
        bytes.push(self.phase as u8);
        bytes.extend_from_slice(&self.step.to_le_bytes());
        bytes.extend_from_slice(&self.adam.steps.to_le_bytes());
        let best = self
            .best
            .as_ref()
            .map_or_else(Vec::new, |(score, weights)| {
                let mut values = vec![*score];
                values.extend_from_slice(weights);
                values
            });
        let vectors = [
            &self.weights,
            &self.adam.mean,
            &self.adam.square,
            &self.teacher,
            &best,
            &self.history,
        ];
        for vector in vectors {
            bytes.extend_from_slice(&(vector.len() as u32).to_le_bytes());
            for value in vector {
                bytes.extend_from_slice(&value.to_bits().to_le_bytes());
            }
        }
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes
    }

    /// Reads the bytes that [`Checkpoint::encode`] writes.
    ///
    /// # Errors
    /// The [`ContentFault`] found first.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentFault> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(ContentFault::Magic);
        }
        let version = u16::from_le_bytes(reader.array()?);
        if version != VERSION {
            return Err(ContentFault::Version {
                expected: VERSION,
                got: version,
            });
        }
        let params = Digest::from_bytes(reader.array()?);
        let claims = Digest::from_bytes(reader.array()?);
        let phase = match reader.array::<1>()? {
            [0] => Phase::Clone,
            [1] => Phase::Evolve,
            [2] => Phase::Repair,
            [got] => return Err(ContentFault::Phase { got }),
        };
        let step = u64::from_le_bytes(reader.array()?);
        let steps = u64::from_le_bytes(reader.array()?);
        let weights = reader.vector()?;
        let mean = reader.vector()?;
        let square = reader.vector()?;
        let teacher = reader.vector()?;
        let best = reader.vector()?;
        let history = reader.vector()?;
        let got = Digest::of(&bytes[..reader.at]);
        let expected = Digest::from_bytes(reader.array()?);
        if reader.at != bytes.len() {
            return Err(ContentFault::Length {
                expected: reader.at,
                got: bytes.len(),
            });
        }
        if got != expected {
            return Err(ContentFault::Corrupt { expected, got });
        }
        Ok(Self {
            params,
            claims,
            phase,
            step,
            weights,
            adam: Adam {
                mean,
                square,
                steps,
            },
            teacher,
            best: best
                .split_first()
                .map(|(score, weights)| (*score, weights.to_vec())),
            history,
        })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ContentFault> {
        let expected = self.at.saturating_add(len);
        let taken = self.bytes.get(self.at..expected);
        self.at = expected;
        taken.ok_or(ContentFault::Length {
            expected,
            got: self.bytes.len(),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ContentFault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn vector(&mut self) -> Result<Vec<f64>, ContentFault> {
        let len = u32::from_le_bytes(self.array()?) as usize;
        let (values, _) = self.take(len.saturating_mul(8))?.as_chunks::<8>();
        Ok(values
            .iter()
            .map(|bits| f64::from_bits(u64::from_le_bytes(*bits)))
            .collect())
    }
}

const MAGIC: &[u8] = b"TLTC";
const VERSION: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            params: Digest::of(b"params"),
            claims: Digest::of(b"claims"),
            phase: Phase::Evolve,
            step: 7,
            weights: vec![0.5, -0.25],
            adam: Adam {
                mean: vec![1e-3, 2e-3],
                square: vec![1e-6, 4e-6],
                steps: 11,
            },
            teacher: Vec::new(),
            best: Some((-0.3, vec![0.5, 0.0])),
            history: vec![1.0],
        }
    }

    #[test]
    fn another_version_is_refused_with_both_numbers() {
        let error = Checkpoint::decode(b"TLTC\x07\x00").unwrap_err();
        assert_eq!(
            error.to_string(),
            "format version 7, this program reads version 1"
        );
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_refused() {
        let bytes = checkpoint().encode();
        assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint()));
        for len in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..len]).is_err(), "length {len}");
        }
        for place in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[place] ^= 1;
            assert!(Checkpoint::decode(&bad).is_err(), "byte {place}");
        }
        let mut long = bytes;
        long.push(0);
        assert!(matches!(
            Checkpoint::decode(&long),
            Err(ContentFault::Length { .. })
        ));
    }
}
