//! How much a file unfolds to, before anything of it is decoded.
//!
//! A message of two bytes becomes a structure of hundreds, so that a small file could take all memory.
//! Counted are messages, lists of texts and whole numbers in lists; what is not a list of the
//! format, such as raw bytes, takes about as much memory as in the file.
//!
//! # Source
//! "Protocol Buffers: encoding", <https://protobuf.dev/programming-guides/encoding>.

/// Messages, texts and whole numbers at most.
pub(super) const PART_LIMIT: usize = 1 << 20;

/// What a field holds whose length is written before it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    /// A message without lists or messages in it, or a text.
    Leaf,
    /// Whole numbers one after the other.
    Packed,
    /// Nothing that is read, or bytes.
    Bytes,
}

/// Whether a file unfolds to no more than [`PART_LIMIT`] parts. What is malformed ends the count; the
/// decoder refuses it at the same place.
pub(super) fn is_moderate(file: &[u8]) -> bool {
    let mut left = PART_LIMIT;
    count(file, Kind::Model, &mut left).is_some()
}

/// What a field of a message holds, as in [`super::message`].
const fn held(message: Kind, field: u64) -> Kind {
    match (message, field) {
        (Kind::Model, 7) => Kind::Graph,
        (Kind::Graph, 1) => Kind::Node,
        (Kind::Graph | Kind::Attribute, 5) => Kind::Tensor,
        (Kind::Graph, 11 | 12) => Kind::Value,
        (Kind::Node, 5) => Kind::Attribute,
        (Kind::Value, 2) => Kind::Type,
        (Kind::Type, 1) => Kind::TensorType,
        (Kind::TensorType, 2) => Kind::Shape,
        (Kind::Model, 8) | (Kind::Graph, 15) | (Kind::Node, 1 | 2) | (Kind::Shape, 1) => Kind::Leaf,
        (Kind::Attribute, 8) | (Kind::Tensor, 1 | 5 | 7) => Kind::Packed,
        _ => Kind::Bytes,
    }
}

/// Takes the parts of a message from those that are `left`; none where there are too few, and true
/// where the message goes on to its end.
fn count(message: &[u8], kind: Kind, left: &mut usize) -> Option<bool> {
    let mut rest = message;
    while !rest.is_empty() {
        let Some(key) = varint(&mut rest) else {
            return Some(false);
        };
        let held = held(kind, key >> 3);
        let length = match key & 7 {
            0 => {
                if held == Kind::Packed {
                    *left = left.checked_sub(1)?;
                }
                if varint(&mut rest).is_none() {
                    return Some(false);
                }
                continue;
            }
            1 => Some(8),
            2 => varint(&mut rest).and_then(|length| usize::try_from(length).ok()),
            // A group: long out of use, and no format of ONNX has one.
            3 | 4 => return None,
            5 => Some(4),
            _ => None,
        };
        let Some((content, after)) = length.and_then(|length| rest.split_at_checked(length)) else {
            return Some(false);
        };
        rest = after;
        if key & 7 != 2 || held == Kind::Bytes {
            continue;
        }
        if held == Kind::Packed {
            // The last byte of each number is less than 128.
            let numbers = content.iter().filter(|&&byte| byte < 0x80).count();
            *left = left.checked_sub(numbers)?;
            continue;
        }
        *left = left.checked_sub(1)?;
        if held != Kind::Leaf && !count(content, held, left)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Seven bits a byte, the lowest first.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
