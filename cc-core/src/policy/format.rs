//! `.tlm` version 1, byte by byte.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | magic `89 54 4c 4d` (`\x89TLM`) |
//! | 4 | 2 | format version, 1 |
//! | 6 | 2 | feature table version |
//! | 8 | 2 | inputs |
//! | 10 | 1 | hidden layers H |
//! | 11 | 1 | heads N |
//! | 12 | 1 | skip: 0 none, 1 linear |
//! | 13 | 1 | output shift |
//! | 14 | 4 | step gain G |
//! | 18 | 4 | pacing gain P |
//! | 22 | 4 | design jitter D |
//! | 26 | 1 | cadence: 0 every round, 1 settled |
//! | 27 | 4·H | hidden layers: width (2), shift (1), zero (1) |
//! | … | (1+inputs)·N | heads: kind (1), sign per input (1 each) |
//! | … | 4 | parameter count |
//! | … | 2·count | parameters: layer by layer, row by row, bias last |
//! | … | 32 | SHA-256 of everything before |
//!
//! All integers are little-endian; gains and jitter count units of 2⁻¹⁶. Encoding is canonical:
//! one model has one file.

use sha2::Digest as _;

use super::{
    Cadence, Digest, Head, HeadKind, Hidden, MAX_HEADS, MAX_HIDDEN_LAYERS, ModelError, ModelHeader,
    Skip,
};
use crate::features::MAX_INPUTS;
use crate::fixed::Q16;

/// The parameters of a decoded file, still as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a>(&'a [u8]);

impl Parameters<'_> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len() >> 1
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = i16> + '_ {
        self.0
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair))
    }
}

/// Reads a `.tlm` file: header and parameters, with the digest checked.
///
/// # Errors
/// Any [`ModelError`] of format, length, digest or header; overflow is proven later, by
/// [`super::Policy::new`].
pub fn decode(bytes: &[u8]) -> Result<(ModelHeader, Parameters<'_>), ModelError> {
    let mut reader = Reader { bytes, at: 0 };
    let magic = first_bytes(bytes);
    if magic != MAGIC {
        return Err(ModelError::Magic {
            expected: MAGIC,
            got: magic,
        });
    }
    reader.take::<4>()?;
    let version = u16::from_le_bytes(reader.take()?);
    if version != VERSION {
        return Err(ModelError::Version {
            expected: VERSION,
            got: version,
        });
    }
    let header = reader.header()?;
    header.check()?;
    let count = reader.u32()?;
    let expected = header.parameter_count();
    if usize::try_from(count) != Ok(expected) {
        return Err(ModelError::ParameterCount {
            expected,
            got: usize::try_from(count).unwrap_or(usize::MAX),
        });
    }
    let total = encoded_len(&header);
    if bytes.len() != total {
        return Err(ModelError::Length {
            expected: total,
            got: bytes.len(),
        });
    }
    let end = total.saturating_sub(Digest::LEN);
    let parameters = bytes.get(reader.at..end).unwrap_or_default();
    let content = bytes.get(..end).unwrap_or_default();
    reader.at = end;
    let expected = Digest::from_bytes(reader.take()?);
    let got = Digest::of(content);
    if expected != got {
        return Err(ModelError::Corrupt { expected, got });
    }
    Ok((header, Parameters(parameters)))
}

/// Bytes of the file for a header.
pub fn encoded_len(header: &ModelHeader) -> usize {
    let row = usize::from(header.inputs).saturating_add(1);
    FIXED_LEN
        .saturating_add(header.hidden_layers().len().saturating_mul(4))
        .saturating_add(header.head_list().len().saturating_mul(row))
        .saturating_add(4)
        .saturating_add(header.parameter_count().saturating_mul(2))
        .saturating_add(Digest::LEN)
}

/// Writes a `.tlm` file piece by piece: `emit` receives consecutive bytes.
pub fn encode(header: &ModelHeader, parameters: &[i16], mut emit: impl FnMut(&[u8])) {
    let mut hasher = sha2::Sha256::new();
    content(header, parameters, |bytes| {
        hasher.update(bytes);
        emit(bytes);
    });
    let digest: [u8; 32] = hasher.finalize().into();
    emit(&digest);
}

/// The digest of the canonical encoding without its last field.
pub(super) fn digest(header: &ModelHeader, parameters: &[i16]) -> Digest {
    let mut hasher = sha2::Sha256::new();
    content(header, parameters, |bytes| hasher.update(bytes));
    Digest::from_bytes(hasher.finalize().into())
}

fn content(header: &ModelHeader, parameters: &[i16], mut emit: impl FnMut(&[u8])) {
    emit(&MAGIC);
    emit(&VERSION.to_le_bytes());
    emit(&header.feature_table.to_le_bytes());
    emit(&header.inputs.to_le_bytes());
    let skip = match header.skip {
        Skip::None => 0,
        Skip::Linear => 1,
    };
    emit(&[
        header.hidden_count,
        header.head_count,
        skip,
        header.output_shift,
    ]);
    for gain in [header.step_gain, header.pacing_gain, header.jitter] {
        emit(&gain.units().to_le_bytes());
    }
    let cadence = match header.cadence {
        Cadence::EveryRound => 0,
        Cadence::Settled => 1,
    };
    emit(&[cadence]);
    for layer in header.hidden_layers() {
        emit(&layer.width.to_le_bytes());
        emit(&[layer.shift, 0]);
    }
    for head in header.head_list() {
        emit(&[head.kind.code()]);
        for sign in head.signs.iter().take(usize::from(header.inputs)) {
            emit(&sign.to_le_bytes());
        }
    }
    emit(
        &u32::try_from(parameters.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    for parameter in parameters {
        emit(&parameter.to_le_bytes());
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let end = self.at.saturating_add(N);
        let array = self
            .bytes
            .get(self.at..end)
            .and_then(|slice| slice.try_into().ok());
        self.at = end;
        array.ok_or(ModelError::Length {
            expected: end,
            got: self.bytes.len(),
        })
    }

    fn u8(&mut self) -> Result<u8, ModelError> {
        self.take().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        self.take().map(u32::from_le_bytes)
    }

    fn q16(&mut self) -> Result<Q16, ModelError> {
        Ok(Q16::from_units(i32::from_le_bytes(self.take()?)))
    }

    fn header(&mut self) -> Result<ModelHeader, ModelError> {
        let feature_table = u16::from_le_bytes(self.take()?);
        let inputs = u16::from_le_bytes(self.take()?);
        let [hidden_count, head_count, skip, output_shift] = self.take()?;
        let skip = match skip {
            0 => Skip::None,
            1 => Skip::Linear,
            other => return Err(field("skip", 1, i64::from(other))),
        };
        let step_gain = self.q16()?;
        let pacing_gain = self.q16()?;
        let jitter = self.q16()?;
        let cadence = match self.u8()? {
            0 => Cadence::EveryRound,
            1 => Cadence::Settled,
            other => return Err(field("cadence", 1, i64::from(other))),
        };
        if usize::from(hidden_count) > MAX_HIDDEN_LAYERS {
            return Err(field("hidden layer count", 4, i64::from(hidden_count)));
        }
        if usize::from(head_count) > MAX_HEADS {
            return Err(field("head count", 4, i64::from(head_count)));
        }
        if usize::from(inputs) > MAX_INPUTS {
            return Err(ModelError::Inputs {
                expected: MAX_INPUTS,
                got: usize::from(inputs),
            });
        }
        let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
        for layer in hidden.iter_mut().take(usize::from(hidden_count)) {
            let width = u16::from_le_bytes(self.take()?);
            let [shift, zero] = self.take()?;
            if zero != 0 {
                return Err(field("hidden layer padding", 0, i64::from(zero)));
            }
            *layer = Hidden { width, shift };
        }
        let mut heads = [Head::free(HeadKind::Rate); MAX_HEADS];
        for head in heads.iter_mut().take(usize::from(head_count)) {
            *head = self.head(usize::from(inputs))?;
        }
        Ok(ModelHeader {
            feature_table,
            inputs,
            hidden_count,
            hidden,
            output_shift,
            skip,
            head_count,
            heads,
            step_gain,
            pacing_gain,
            jitter,
            cadence,
        })
    }

    fn head(&mut self, inputs: usize) -> Result<Head, ModelError> {
        let code = self.u8()?;
        let kind =
            HeadKind::from_code(code).ok_or_else(|| field("head kind", 4, i64::from(code)))?;
        let mut head = Head::free(kind);
        for sign in head.signs.iter_mut().take(inputs) {
            *sign = i8::from_le_bytes(self.take()?);
        }
        Ok(head)
    }
}

const fn field(field: &'static str, high: i64, got: i64) -> ModelError {
    ModelError::Field {
        field,
        low: 0,
        high,
        got,
    }
}

fn first_bytes(bytes: &[u8]) -> [u8; 4] {
    let mut first = [0; 4];
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = *from;
    }
    first
}

const MAGIC: [u8; 4] = *b"\x89TLM";
const VERSION: u16 = 1;
const FIXED_LEN: usize = 27;
