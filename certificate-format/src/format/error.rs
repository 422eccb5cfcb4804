//! What can be wrong with the bytes of a certificate.

use tautline_core::policy::Digest;

use super::SliceError;
use crate::claim::EncodingError;

/// Why bytes are not a certificate of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file does not start with the magic bytes.
    #[error("not a certificate: it starts with {got:02x?}, a .tlc starts with {expected:02x?}")]
    Magic {
        /// The magic bytes.
        expected: [u8; 4],
        /// What the file starts with, zero-padded.
        got: [u8; 4],
    },
    /// The version is not the one this program reads.
    #[error("certificate format version {got}, this program reads version {expected}")]
    Version {
        /// The version read.
        expected: u16,
        /// The file's version.
        got: u16,
    },
    /// A flag is set that version 1 does not know.
    #[error("certificate flags are {got:#06x}, version 1 has none")]
    Flags {
        /// The flags.
        got: u16,
    },
    /// The file is larger than any certificate may be.
    #[error("certificate has {got} bytes, the limit is {limit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// Bytes there are.
        got: usize,
    },
    /// The file ends in the middle of a field.
    #[error("certificate is truncated: it ends at byte {got}, a field needs {needed}")]
    Truncated {
        /// Where the field would have ended.
        needed: usize,
        /// Bytes there are.
        got: usize,
    },
    /// Bytes follow the end.
    #[error("certificate has {got} bytes after its end")]
    Trailing {
        /// How many.
        got: usize,
    },
    /// The content does not match the digest at the end of the file.
    #[error("certificate is corrupt: its content has digest {got}, the file says {expected}")]
    Corrupt {
        /// The digest in the file.
        expected: Digest,
        /// The digest of the content.
        got: Digest,
    },
    /// The claim set does not match its digest.
    #[error("embedded claims have digest {got}, the certificate says {expected}")]
    ClaimsDigest {
        /// The digest in the file.
        expected: Digest,
        /// The digest of the embedded claims.
        got: Digest,
    },
    /// The claim set is not canonical.
    #[error("embedded claims: {0}")]
    Claims(#[from] EncodingError),
    /// The number of sections is not the number of claims.
    #[error("certificate has {got} sections, its claims need {expected}")]
    SectionCount {
        /// The number of claims.
        expected: usize,
        /// The number of sections.
        got: usize,
    },
    /// Sections are not in claim order.
    #[error("section {section} proves claim {got}, claim {expected} is next")]
    SectionOrder {
        /// Section, counted from zero.
        section: usize,
        /// The claim whose turn it is.
        expected: usize,
        /// The claim named.
        got: usize,
    },
    /// The section is of a kind that this program cannot check.
    #[error("section {section} is of unsupported kind {kind} ({name})")]
    UnsupportedSection {
        /// Section, counted from zero.
        section: usize,
        /// The kind.
        kind: u8,
        /// What later versions call it.
        name: &'static str,
    },
    /// The section's kind does not fit its claim.
    #[error("section {section} is of kind {got}, its claim is proven by kind {expected}")]
    SectionKind {
        /// Section, counted from zero.
        section: usize,
        /// The kind that fits.
        expected: u8,
        /// The section's kind.
        got: u8,
    },
    /// Bytes follow the last tree of a section.
    #[error("section payload has {got} bytes after its last tree")]
    PayloadTrailing {
        /// How many.
        got: usize,
    },
    /// A section ends in the middle of a tree.
    #[error("section payload ends at byte {got}, its trees need {needed}: a node is missing")]
    PayloadTruncated {
        /// Where the field would have ended.
        needed: usize,
        /// Bytes there are.
        got: usize,
    },
    /// A node has an unknown tag.
    #[error("unknown node tag {got}")]
    Tag {
        /// The tag.
        got: u8,
    },
    /// A slope is outside 0 to 128, or not written in its only form.
    #[error("alpha of neuron {neuron} is {got}, an explicit one is 1 to 127")]
    Alpha {
        /// The neuron, over all hidden layers.
        neuron: usize,
        /// The byte.
        got: u8,
    },
    /// Unused bits are not zero.
    #[error("padding after the alphas is not zero")]
    Padding,
    /// Facts are not in strictly increasing order.
    #[error("multiplier of fact {got} follows that of fact {previous}")]
    MultiplierOrder {
        /// The fact before.
        previous: u8,
        /// The fact that follows.
        got: u8,
    },
    /// A multiplier of zero says nothing and has no encoding.
    #[error("multiplier of fact {index} is zero")]
    ZeroMultiplier {
        /// The fact.
        index: u8,
    },
    /// A relaxation under phases without a phase has another encoding.
    #[error("relaxation under phases has no beta")]
    NoBeta,
    /// A tree in memory is not complete, or goes on after its end.
    #[error("tree has {got} nodes, its shape needs {expected}")]
    Shape {
        /// Nodes that the shape needs, or at least needs.
        expected: usize,
        /// Nodes there are.
        got: usize,
    },
    /// A path from a tree's root is too long.
    #[error("tree is deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The trees have too many nodes to be kept in memory.
    #[error("certificate has more than {limit} nodes, the most that are read into memory")]
    TooManyNodes {
        /// The limit.
        limit: u64,
    },
    /// A rank grid has no slice, or too many.
    #[error("rank grid has {got} slices, expected 1 to {limit}")]
    SliceCount {
        /// The limit.
        limit: usize,
        /// Slices there are.
        got: usize,
    },
    /// A slice of a rank grid is damaged.
    #[error("slice {slice} of the rank grid: {error}")]
    Slice {
        /// Slice, counted from zero.
        slice: usize,
        /// What is wrong with it.
        error: SliceError,
    },
    /// The certificate has closed-loop claims, which are not checked claim by claim.
    #[error(
        "the certificate has {got} closed-loop claims, which need the check of closed-loop certificates"
    )]
    LoopClaims {
        /// How many.
        got: usize,
    },
    /// A list in memory has more entries than the format can write.
    #[error("{field} has {got} entries, the format can write {limit}")]
    TooMany {
        /// The list.
        field: &'static str,
        /// The most there may be.
        limit: usize,
        /// Entries there are.
        got: usize,
    },
}
