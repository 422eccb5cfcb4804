//! Certificates written by hand, byte by byte, so that tests can write wrong ones.

use tautline_certificates::claim::ClaimSet;
use tautline_core::policy::Digest;

/// A section as bytes.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) kind: u8,
    pub(crate) claim: u16,
    pub(crate) payload: Vec<u8>,
}

impl Raw {
    /// A region tree of a claim.
    pub(crate) fn tree(claim: u16, payload: &[u8]) -> Self {
        Self {
            kind: 1,
            claim,
            payload: payload.to_vec(),
        }
    }
}

/// A file with right lengths and digests around whatever the sections hold.
pub(crate) fn write(model: Digest, claims: &ClaimSet, sections: &[Raw]) -> Vec<u8> {
    let claims = claims.encode().unwrap();
    let mut out = b"\x89TLC\x01\x00\x00\x00".to_vec();
    out.extend(model.as_bytes());
    out.extend(Digest::of(&claims).as_bytes());
    out.extend(u32::try_from(claims.len()).unwrap().to_le_bytes());
    out.extend(claims);
    out.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    for section in sections {
        out.push(section.kind);
        out.extend(section.claim.to_le_bytes());
        out.extend(u32::try_from(section.payload.len()).unwrap().to_le_bytes());
        out.extend(&section.payload);
    }
    seal(out)
}

/// Appends the digest of what is there.
pub(crate) fn seal(mut content: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&content);
    content.extend(digest.as_bytes());
    content
}

/// Node: split.
pub(crate) fn split(feature: u8, cut: i32) -> Vec<u8> {
    let mut node = vec![1, feature];
    node.extend(cut.to_le_bytes());
    node
}

/// Node: corner.
pub(crate) const CORNER: &[u8] = &[2];
/// Node: interval leaf.
pub(crate) const INTERVAL: &[u8] = &[4];

/// Node: empty leaf.
pub(crate) fn empty(index: u8) -> Vec<u8> {
    vec![3, index]
}

/// Node: relaxation of a model without hidden neurons.
pub(crate) fn linear(multipliers: &[(u8, u32)]) -> Vec<u8> {
    let mut node = vec![0, 0, 0, u8::try_from(multipliers.len()).unwrap()];
    for (index, multiplier) in multipliers {
        node.push(*index);
        node.extend(multiplier.to_le_bytes());
    }
    node
}
