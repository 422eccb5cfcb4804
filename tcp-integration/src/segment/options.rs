//! TCP options, read with smoltcp's own reader.

use smoltcp::wire::{TcpOption, TcpSeqNumber};

use super::Refusal;

/// What the options of a segment say. Of options of one kind the last counts, as in smoltcp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size in bytes (RFC 9293 §3.7.1).
    pub max_segment_size: Option<u16>,
    /// Shift count of the window scale, at most 14 (RFC 7323 §2.3).
    pub window_scale: Option<u8>,
    /// SACK is permitted (RFC 2018 §2).
    pub sack_permitted: bool,
    /// The first three SACK blocks as they are on the wire: first byte, and byte after the last
    /// (RFC 2018 §3). Nothing is checked: blocks may be inverted, or lie anywhere.
    pub sack: [Option<(TcpSeqNumber, TcpSeqNumber)>; 3],
    /// TSval and TSecr (RFC 7323 §3.2).
    pub timestamps: Option<(u32, u32)>,
}

/// The largest shift count of a window scale (RFC 7323 §2.3).
const MAX_WINDOW_SCALE: u8 = 14;

/// Reads the options of a TCP header, and where in it the window's shift count lies.
///
/// # Errors
/// [`Refusal::Options`] where smoltcp would refuse them.
pub(super) fn read(bytes: &[u8]) -> Result<(Options, Option<usize>), Refusal> {
    let mut options = Options::default();
    let mut shift_count = None;
    let mut rest = bytes;
    while !rest.is_empty() {
        let offset = bytes.len().saturating_sub(rest.len());
        let (next, option) = TcpOption::parse(rest).map_err(|_| Refusal::Options)?;
        match option {
            TcpOption::EndOfList => break,
            TcpOption::NoOperation | TcpOption::Unknown { .. } => {}
            TcpOption::MaxSegmentSize(size) => options.max_segment_size = Some(size),
            TcpOption::WindowScale(scale) => {
                options.window_scale = Some(scale.min(MAX_WINDOW_SCALE));
                shift_count = Some(offset.saturating_add(2));
            }
            TcpOption::SackPermitted => options.sack_permitted = true,
            TcpOption::SackRange(blocks) => {
                options.sack = blocks.map(|block| {
                    block.map(|(start, end)| {
                        (
                            TcpSeqNumber(start.cast_signed()),
                            TcpSeqNumber(end.cast_signed()),
                        )
                    })
                });
            }
            TcpOption::TimeStamp { tsval, tsecr } => options.timestamps = Some((tsval, tsecr)),
        }
        rest = next;
    }
    Ok((options, shift_count))
}
