//! The path: what a round shows of a queue (docs/closed-loop.md, section 2).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "Path::new bounds jitter and datagram by 2^31, buffers and powers by 2^55, so sums of \
              a dozen stay below 2^60 in 64 bits; products are made in 128"
)]

use super::power::Powers;
use super::{ONE, ONE_BITS, in_range};
use crate::Reason;
use crate::closed_loop::{Buffer, PathFamily};
use crate::semantics;

/// Bits between a share's units of 2⁻¹⁶ and those of 2⁻³⁰.
const SHARE_SHIFT: u32 = ONE_BITS - 16;
/// Where a buffer has no bound, or none that a window reaches.
const BOUNDLESS: i64 = 1 << 55;
/// A datagram is cut into at least 2⁹ bytes, and a window to whole bytes.
const BYTE_BITS: u32 = 9;
/// The largest log₂ of a bandwidth-delay product, in 2⁻⁸ octaves.
const LOG_BDP_MOST: i64 = 24 << 8;

/// The paths of one slice.
///
/// # Units
/// 2⁻³⁰ base RTTs or bandwidth-delay products.
#[derive(Clone, Debug)]
pub struct Path {
    powers: Powers,
    /// D.
    pub(super) jitter: i64,
    /// g at the smallest bandwidth-delay product.
    pub(super) datagram: i64,
    /// b, in 2⁻⁸ octaves.
    pub(super) log_bdp: (i32, i32),
    buffer: (i64, i64),
    /// What a burst may leave where X has the bound of its lemma, which is β; boundless under A6.
    pub(super) burst_most: i64,
}

/// Bounds of the windows of a round, in units of 2⁻³⁰ bandwidth-delay products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// ω, the window under which the judged packets left, at most.
    pub most: i64,
    /// λ, the smaller of that window and the one before, at least.
    pub least: i64,
    /// ω̂, the larger of the two, at most.
    pub peak: i64,
    /// The largest of them and of the window before both, at most.
    pub past: i64,
}

/// Bounds of what a round shows.
///
/// # Units
/// 2⁻³⁰ base RTTs or bandwidth-delay products; `loss` in 2⁻¹⁶.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// q, the queueing of the judged datagrams.
    pub queue: (i64, i64),
    /// r, their round-trip times, in base RTTs.
    pub rtt: (i64, i64),
    /// The share of them that is lost.
    pub loss: (i32, i32),
    /// What is in flight and not dropped, at least, less what pacing and the last datagram leave
    /// open: λ − P − g, and X or E if more. Over 1 + D it is the share of the capacity that is carried.
    pub carried: i64,
    /// B, what a burst into an empty queue leaves there, at most.
    pub burst: i64,
}

impl Path {
    /// The paths of `family` with these bandwidth-delay products and buffers, where windows that are
    /// held stay below `held` (2⁻⁸ octaves); where that is none A6 is assumed.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] for numbers that no path has, and where lemma X asks for a deeper buffer
    /// after a window was held.
    pub fn new(
        powers: &Powers,
        family: &PathFamily,
        log_bdp: (i32, i32),
        buffer: Buffer,
        held: Option<i32>,
    ) -> Result<Self, Reason> {
        in_range("jitter", family.jitter, 0, semantics::ONE)?;
        in_range("least log2 BDP", log_bdp.0, 0, LOG_BDP_MOST)?;
        let least = i64::from(log_bdp.0);
        in_range("largest log2 BDP", log_bdp.1, least, LOG_BDP_MOST)?;
        let share = |units: u32| i64::from(units) << SHARE_SHIFT;
        let path = Self {
            powers: powers.clone(),
            jitter: share(family.jitter),
            datagram: powers.of(-log_bdp.0)?.1,
            log_bdp,
            buffer: (share(buffer.least), buffer.most.map_or(BOUNDLESS, share)),
            burst_most: held.map_or(i64::MAX, |_| share(buffer.least)),
        };
        if let Some(edge) = held {
            let (d, g, depth) = (path.jitter, path.datagram, path.buffer.0);
            in_range("twice the buffer", 2 * depth, ONE + 4 * d + 7 * g, i64::MAX)?;
            let least = powers.window(edge)?.1 + 4 * d + 8 * g;
            in_range("three times the buffer", 3 * depth, least, i64::MAX)?;
        }
        Ok(path)
    }

    /// Bounds of a window over the bandwidth-delay product, from bounds of its logarithm in 2⁻⁸
    /// octaves. The controller cuts it to whole bytes.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] for logarithms beyond 24 octaves.
    pub fn window(&self, (low, high): (i32, i32)) -> Result<(i64, i64), Reason> {
        let byte = (self.datagram >> BYTE_BITS) + 1;
        let (low, high) = (self.powers.window(low)?.0, self.powers.window(high)?.1);
        Ok((low - byte, high))
    }

    /// What a round shows that left in windows within `sent`.
    pub fn round(&self, sent: Sent) -> Round {
        let (most, least, peak) = (sent.most, sent.least, sent.peak);
        let (d, g) = (self.jitter, self.datagram);
        let (shallow, deep) = self.buffer;
        let held = d + g + self.unsent(least);
        let is_bare = self.burst_most < i64::MAX;
        let over = |window: i64, left: i64| (window + 3 * g - shallow - left).max(0);
        // X, and X at the start of a burst, which may be of a window before both.
        let left = if is_bare { ONE } else { least - held - g - d };
        let gone = over(peak, left.min(ONE));
        let before = if is_bare { over(sent.past, ONE) } else { gone };
        let burst = most.min(d + (most - least) + before + held + g);
        let overflow = ((peak - ONE + g).max(burst) - shallow).max(0);
        let full = least - held - g - ONE - d - 2 * g;
        let mut queue = full.min(shallow);
        if overflow > 0 {
            queue = queue.min(shallow - d - held - 3 * g - (peak - least));
        }
        if burst > shallow {
            queue = queue.min(full - (burst - shallow) - gone);
        }
        let queue = (queue.max(0), (most - ONE + g).max(burst).min(deep + g));
        let unknown = if overflow > 0 { overflow.max(gone) } else { 0 };
        let lost = share_down((full - g - deep).max(0), most);
        let loss = match overflow {
            0 => (0, 0),
            _ if is_bare => (0, share_up(ONE, ONE)),
            _ => (lost, share_up(overflow, least)),
        };
        Round {
            queue,
            rtt: (ONE + queue.0, ONE + queue.1 + d),
            loss: (loss.0.min(loss.1), loss.1),
            carried: least - held - g - unknown,
            burst,
        }
    }

    /// e: what the pacer holds back of a window below half of what the path holds, at twice the
    /// window per round trip; at most, over all windows from `least` on.
    fn unsent(&self, least: i64) -> i64 {
        let whole = ONE + self.jitter;
        if least >= whole / 2 {
            0
        } else if least <= whole / 4 {
            whole / 8 + 1
        } else {
            least - 2 * least * least / whole
        }
    }
}

/// part / whole in units of 2⁻¹⁶, rounded down, at most one; one where the whole is not positive.
pub(super) fn share_down(part: i64, whole: i64) -> i32 {
    share(part, whole, 0)
}

/// part / whole in units of 2⁻¹⁶, rounded up, at most one; one where the whole is not positive.
pub(super) fn share_up(part: i64, whole: i64) -> i32 {
    share(part, whole, i128::from(whole) - 1)
}

fn share(part: i64, whole: i64, round: i128) -> i32 {
    let scaled = i128::from(part) * i128::from(semantics::ONE) + round;
    let share = scaled
        .checked_div(i128::from(whole.max(0)))
        .unwrap_or(i128::MAX);
    i32::try_from(share.min(i128::from(semantics::ONE))).unwrap_or(0)
}
