//! Keys that protect nothing.
//!
//! Packets keep the layout that AES-128-GCM gives them, 16 bytes of tag included; the tag names
//! packet number and key, so that a packet read with the wrong key is refused as it would be.

use bytes::BytesMut;
use quinn_proto::Side;
use quinn_proto::crypto::{CryptoError, HeaderKey, KeyPair, Keys, PacketKey};

/// Which keys protect a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Epoch {
    Initial,
    Handshake,
    /// After this many key updates.
    Data(u32),
}

/// Both directions' keys as `side` holds them.
pub(super) fn keys(epoch: Epoch, side: Side) -> Keys {
    let packet = |sender: Side| -> Box<dyn PacketKey> {
        let epoch = match epoch {
            Epoch::Initial => 0,
            Epoch::Handshake => 1,
            Epoch::Data(updates) => 2 + u64::from(updates),
        };
        Box::new(NullPacketKey {
            key: 2 * epoch + u64::from(sender.is_server()),
        })
    };
    Keys {
        header: KeyPair {
            local: Box::new(NullHeaderKey),
            remote: Box::new(NullHeaderKey),
        },
        packet: KeyPair {
            local: packet(side),
            remote: packet(!side),
        },
    }
}

/// Writes packet number and key in place of an authentication tag, and encrypts nothing.
#[derive(Clone, Copy, Debug)]
struct NullPacketKey {
    key: u64,
}

impl NullPacketKey {
    fn tag(self, packet: u64) -> [u8; TAG] {
        (u128::from(packet) << 64 | u128::from(self.key)).to_be_bytes()
    }
}

impl PacketKey for NullPacketKey {
    fn encrypt(&self, packet: u64, buf: &mut [u8], _header_len: usize) {
        if let Some(tag) = buf.last_chunk_mut::<TAG>() {
            *tag = self.tag(packet);
        }
    }

    fn decrypt(
        &self,
        packet: u64,
        _header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        match payload.split_last_chunk::<TAG>() {
            Some((rest, tag)) if *tag == self.tag(packet) => {
                let length = rest.len();
                payload.truncate(length);
                Ok(())
            }
            _ => Err(CryptoError),
        }
    }

    fn tag_len(&self) -> usize {
        TAG
    }

    fn confidentiality_limit(&self) -> u64 {
        1 << 23
    }

    fn integrity_limit(&self) -> u64 {
        1 << 52
    }
}

/// Leaves headers as they are.
#[derive(Clone, Copy, Debug)]
struct NullHeaderKey;

impl HeaderKey for NullHeaderKey {
    fn decrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}

    fn encrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}

    fn sample_size(&self) -> usize {
        16
    }
}

/// Tag of AES-128-GCM (RFC 9001 §5.3).
pub(super) const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_opens_only_with_its_own_number_and_key() {
        let client = keys(Epoch::Data(0), Side::Client).packet;
        let server = keys(Epoch::Data(0), Side::Server).packet;
        let mut packet = vec![7; 40];
        client.local.encrypt(9, &mut packet, 10);
        let open = |key: &dyn PacketKey, number| {
            let mut payload = BytesMut::from(&packet[10..]);
            key.decrypt(number, &packet[..10], &mut payload)
                .map(|()| payload)
        };
        assert_eq!(open(&*server.remote, 9).unwrap(), [7; 14][..]);
        assert!(open(&*server.remote, 8).is_err());
        assert!(open(&*server.local, 9).is_err());
        let updated = keys(Epoch::Data(1), Side::Server).packet;
        assert!(open(&*updated.remote, 9).is_err());
        assert!(
            server
                .remote
                .decrypt(9, &[], &mut BytesMut::from(&[0; 3][..]))
                .is_err()
        );
    }
}
