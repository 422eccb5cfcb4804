//! Sequence numbers that never panic: smoltcp's own `-` does where the result would be negative.

use smoltcp::wire::TcpSeqNumber;

/// The number `bytes` after `start`.
pub(super) const fn after(start: TcpSeqNumber, bytes: u32) -> TcpSeqNumber {
    TcpSeqNumber(start.0.wrapping_add_unsigned(bytes))
}

/// The number `bytes` before `end`.
pub(super) const fn before(end: TcpSeqNumber, bytes: u32) -> TcpSeqNumber {
    TcpSeqNumber(end.0.wrapping_sub_unsigned(bytes))
}

/// Bytes from `start` to `end`, or zero where `end` comes first.
pub(super) const fn distance(start: TcpSeqNumber, end: TcpSeqNumber) -> u32 {
    let bytes = end.0.wrapping_sub(start.0);
    if bytes < 0 { 0 } else { bytes.cast_unsigned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_cross_the_wrap_and_never_go_below_zero() {
        let start = TcpSeqNumber(-10);
        assert_eq!(after(start, 30), TcpSeqNumber(20));
        assert_eq!(before(TcpSeqNumber(20), 30), start);
        assert_eq!(distance(start, TcpSeqNumber(20)), 30);
        assert_eq!(distance(TcpSeqNumber(20), start), 0);
        assert_eq!(after(TcpSeqNumber(i32::MAX), 1), TcpSeqNumber(i32::MIN));
        assert_eq!(distance(TcpSeqNumber(i32::MAX), TcpSeqNumber(i32::MIN)), 1);
    }
}
