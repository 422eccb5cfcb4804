//! The canonical binary encoding of closed-loop claims.

use super::encoding::{decode_text, encode_text, field, in_range};
use super::{EncodingError, MAX_TEXT};
use crate::bytes::Reader;
use crate::closed_loop::{
    Buffer, LoopBounds, LoopClaim, Losses, MAX_BUFFER, MAX_LOG, MAX_LOG_BDP, MAX_ROUNDS, PathFamily,
};
use tautline_core::fixed::Q16;

impl LoopClaim {
    /// Checks everything that decoding promises of one claim, the `number`-th of its set where the
    /// claims of other kinds are counted first.
    ///
    /// # Errors
    /// [`EncodingError`] naming the claim and the field.
    pub fn validate(&self, number: usize) -> Result<(), EncodingError> {
        in_range(number, "name length", self.name.len(), 1, MAX_TEXT)?;
        in_range(number, "sentence length", self.says.len(), 0, MAX_TEXT)?;
        let within = |name, got: i64, low: i64, high: i64| field(number, name, got, low, high);
        let (one, buffer_end) = (i64::from(Q16::ONE.units()), i64::from(MAX_BUFFER));
        within("jitter", self.family.jitter.into(), 0, one)?;
        let (least, most) = (self.family.log_bdp.0.into(), self.family.log_bdp.1.into());
        within("least log_bdp", least, 0, MAX_LOG_BDP.into())?;
        within("largest log_bdp", most, least, MAX_LOG_BDP.into())?;
        let least = i64::from(self.family.buffer.least);
        within("least buffer", least, 0, buffer_end)?;
        if let Some(most) = self.family.buffer.most {
            within("largest buffer", most.into(), least, buffer_end)?;
        }
        let (low, high) = (i64::from(self.start.0), i64::from(self.start.1));
        let end = i64::from(MAX_LOG);
        within("lower end of start", low, end.saturating_neg(), end)?;
        within("upper end of start", high, low.saturating_add(1), end)?;
        within("utilisation", self.then.utilisation.into(), 0, one)?;
        within("queue", self.then.queue.into(), 0, buffer_end)?;
        within("rounds", self.then.rounds.into(), 0, MAX_ROUNDS.into())
    }
}

pub(super) fn encode(out: &mut Vec<u8>, claim: &LoopClaim) {
    encode_text(out, &claim.name);
    encode_text(out, &claim.says);
    let family = claim.family;
    let assumed = match claim.losses {
        Losses::Any => 0,
        Losses::Assumed => A6,
    };
    out.extend((family.jitter | assumed).to_le_bytes());
    out.extend(family.log_bdp.0.to_le_bytes());
    out.extend(family.log_bdp.1.to_le_bytes());
    out.extend(family.buffer.least.to_le_bytes());
    out.extend(family.buffer.most.unwrap_or(UNBOUNDED).to_le_bytes());
    out.extend(claim.start.0.to_le_bytes());
    out.extend(claim.start.1.to_le_bytes());
    out.extend(claim.then.utilisation.to_le_bytes());
    out.extend(claim.then.queue.to_le_bytes());
    out.push(claim.then.rounds);
}

pub(super) fn decode(reader: &mut Reader<'_>, claim: usize) -> Result<LoopClaim, EncodingError> {
    let name = decode_text(reader, claim, "name")?;
    let says = decode_text(reader, claim, "sentence")?;
    let jitter = reader.u32()?;
    Ok(LoopClaim {
        name,
        says,
        losses: if jitter & A6 == 0 {
            Losses::Any
        } else {
            Losses::Assumed
        },
        family: PathFamily {
            jitter: jitter & !A6,
            log_bdp: (reader.i32()?, reader.i32()?),
            buffer: Buffer {
                least: reader.u32()?,
                most: match reader.u32()? {
                    UNBOUNDED => None,
                    most => Some(most),
                },
            },
        },
        start: (reader.i32()?, reader.i32()?),
        then: LoopBounds {
            utilisation: reader.u32()?,
            queue: reader.u32()?,
            rounds: reader.u8()?,
        },
    })
}

/// Stands beside the jitter, which is at most one, where a claim assumes A6: who does not know of it
/// finds the jitter out of range.
const A6: u32 = 1 << 31;
/// Stands for no bound; a bound is at most [`MAX_BUFFER`].
const UNBOUNDED: u32 = u32::MAX;
