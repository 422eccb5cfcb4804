//! Everything that quinn draws at random, from one seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use quinn_proto::crypto::{AeadKey, CryptoError, HandshakeTokenKey, HmacKey};
use quinn_proto::{ConfigError, ConnectionId, ConnectionIdGenerator, EndpointConfig, TimeSource};

/// The finaliser of SplitMix64: a bijection that spreads every bit.
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// A number that `data` and `seed` decide; no defence against anybody.
pub(super) fn digest(seed: u64, data: &[u8]) -> u64 {
    let start = mix(seed ^ data.len() as u64 ^ GOLDEN_GAMMA);
    data.chunks(8).fold(start, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state.wrapping_add(GOLDEN_GAMMA) ^ u64::from_le_bytes(word))
    })
}

/// The configuration of an endpoint whose every random number follows from `seed`.
///
/// # Errors
/// If `largest_datagram` is not within 1,200 to 65,527 bytes.
pub(super) fn endpoint_config(
    seed: u64,
    largest_datagram: u16,
) -> Result<EndpointConfig, ConfigError> {
    let mut config = EndpointConfig::new(Arc::new(SeededKey(seed)));
    config
        .rng_seed(Some(rng_seed(seed)))
        .cid_generator(move || Box::new(SeededIds::new(seed)))
        .grease_quic_bit(false)
        .max_udp_payload_size(largest_datagram)?;
    Ok(config)
}

fn rng_seed(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (index, chunk) in bytes.chunks_mut(8).enumerate() {
        let word = digest(seed, &[index as u8]);
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Connection IDs of eight bytes, as quinn's own; distinct because the mixing is a bijection.
#[derive(Debug)]
pub(super) struct SeededIds {
    next: u64,
}

impl SeededIds {
    pub(super) const fn new(seed: u64) -> Self {
        Self { next: mix(seed) }
    }
}

impl ConnectionIdGenerator for SeededIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.next = self.next.wrapping_add(GOLDEN_GAMMA);
        ConnectionId::new(&mix(self.next).to_be_bytes())
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Destinations of a client's first packets.
pub(super) fn initial_destinations(seed: u64) -> Arc<dyn Fn() -> ConnectionId + Send + Sync> {
    let ids = Mutex::new(SeededIds::new(!seed));
    Arc::new(move || {
        ids.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .generate_cid()
    })
}

/// Signs stateless reset and address tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeededKey(pub(super) u64);

impl SeededKey {
    fn fill(self, data: &[u8], output: &mut [u8]) {
        let state = digest(self.0, data);
        for (index, chunk) in output.chunks_mut(8).enumerate() {
            let word = digest(state, &[index as u8]).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

impl HmacKey for SeededKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        self.fill(data, signature_out);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let mut expected = [0; 32];
        self.fill(data, &mut expected);
        if signature == expected {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}

impl HandshakeTokenKey for SeededKey {
    fn aead_from_hkdf(&self, random_bytes: &[u8]) -> Box<dyn AeadKey> {
        Box::new(Self(digest(self.0, random_bytes)))
    }
}

impl AeadKey for SeededKey {
    fn seal(&self, data: &mut Vec<u8>, additional_data: &[u8]) -> Result<(), CryptoError> {
        let mut tag = [0; SEAL];
        Self(digest(self.0, additional_data)).fill(data, &mut tag);
        data.extend_from_slice(&tag);
        Ok(())
    }

    fn open<'a>(
        &self,
        data: &'a mut [u8],
        additional_data: &[u8],
    ) -> Result<&'a mut [u8], CryptoError> {
        let (content, tag) = data.split_last_chunk_mut::<SEAL>().ok_or(CryptoError)?;
        let mut expected = [0; SEAL];
        Self(digest(self.0, additional_data)).fill(content, &mut expected);
        if *tag == expected {
            Ok(content)
        } else {
            Err(CryptoError)
        }
    }
}

/// A calendar that stands still; only tokens, which the simulation does not use, look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandingStill;

impl TimeSource for StandingStill {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

const SEAL: usize = 16;
/// The increment of SplitMix64: 2⁶⁴ over the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_ids_depend_on_the_seed_and_never_repeat() {
        let mut ids = SeededIds::new(1);
        let mut seen: Vec<ConnectionId> = (0..1000).map(|_| ids.generate_cid()).collect();
        assert_eq!(SeededIds::new(1).generate_cid(), seen[0]);
        assert_ne!(SeededIds::new(2).generate_cid(), seen[0]);
        seen.sort_by_key(|id| id.to_vec());
        seen.dedup();
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn sealed_data_opens_with_the_same_key_and_context_only() {
        let key = SeededKey(3);
        let mut data = b"token".to_vec();
        key.seal(&mut data, b"context").unwrap();
        assert_eq!(key.open(&mut data.clone(), b"context").unwrap(), b"token");
        assert!(key.open(&mut data.clone(), b"other").is_err());
        assert!(SeededKey(4).open(&mut data.clone(), b"context").is_err());
        assert!(key.open(&mut [0; 3], b"").is_err());
        let mut signature = [0; 32];
        key.sign(b"data", &mut signature);
        assert!(key.verify(b"data", &signature).is_ok());
        assert!(key.verify(b"date", &signature).is_err());
    }
}
