//! The one field of an IP packet that queues write.

use crate::transport::Ecn;

/// Writes `ecn` into the header of an IPv4 or IPv6 packet and keeps the checksum as right or as
/// wrong as it was (RFC 1624); anything else stays as it is.
pub(crate) fn set_ecn(packet: &mut [u8], ecn: Ecn) {
    match packet {
        // RFC 791: the second byte; the header's checksum is in bytes 10 and 11.
        [first, class, rest @ ..] if *first >> 4 == 4 => {
            let [_, _, _, _, _, _, _, _, high, low, ..] = rest else {
                return;
            };
            let before = u16::from_be_bytes([*first, *class]);
            *class = (*class & !ECN_MASK) | ecn.bits();
            let after = u16::from_be_bytes([*first, *class]);
            let sum = u16::from_be_bytes([*high, *low]);
            [*high, *low] = changed(sum, before, after).to_be_bytes();
        }
        // RFC 8200 §3: version, traffic class and flow label share bytes; no checksum.
        [first, second, ..] if *first >> 4 == 6 => {
            *second = (*second & !(ECN_MASK << 4)) | (ecn.bits() << 4);
        }
        _ => {}
    }
}

/// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
fn changed(checksum: u16, before: u16, after: u16) -> u16 {
    let mut sum = u32::from(!checksum) + u32::from(!before) + u32::from(after);
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

const ECN_MASK: u8 = 0b11;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODEPOINTS: [Ecn; 4] = [Ecn::NotEct, Ecn::Ect1, Ecn::Ect0, Ecn::Ce];

    /// RFC 1071 over a header: all ones where it is right.
    fn sum(header: &[u8]) -> u32 {
        let words = header.chunks(2).map(|pair| {
            u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        });
        let sum: u32 = words.sum();
        let sum = (sum & 0xFFFF) + (sum >> 16);
        (sum & 0xFFFF) + (sum >> 16)
    }

    #[test]
    fn a_marked_ipv4_header_has_the_mark_and_a_valid_checksum() {
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
            0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
        ];
        let mut packet = header;
        for ecn in CODEPOINTS {
            set_ecn(&mut packet, ecn);
            assert_eq!(Ecn::from_bits(packet[1]), ecn);
            assert_eq!(sum(&packet), 0xFFFF);
        }
        set_ecn(&mut packet, Ecn::NotEct);
        assert_eq!(packet, header);
    }

    #[test]
    fn the_traffic_class_of_ipv6_is_split_over_two_bytes() {
        let mut packet = [0x6A, 0xBC, 0xDE, 0xF0];
        set_ecn(&mut packet, Ecn::Ce);
        assert_eq!(packet, [0x6A, 0xBC | 0x30, 0xDE, 0xF0]);
        set_ecn(&mut packet, Ecn::NotEct);
        assert_eq!(packet, [0x6A, 0x8C, 0xDE, 0xF0]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_short_or_strange(mut packet in prop::collection::vec(any::<u8>(), 0..40)) {
            let before = packet.clone();
            set_ecn(&mut packet, Ecn::Ce);
            let changed = packet.iter().zip(&before).enumerate().filter(|(_, (new, old))| new != old);
            for (place, _) in changed {
                prop_assert!([1, 10, 11].contains(&place), "{place}");
            }
        }
    }
}
