//! Little-endian fields, read and written in one place.

/// A cursor over bytes that never reads past them.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A field needed more bytes than there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// Bytes that the field would have ended at.
    pub(crate) needed: usize,
    /// Bytes there are.
    pub(crate) got: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn slice(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let end = self.at.saturating_add(length);
        let slice = self.bytes.get(self.at..end).ok_or(Short {
            needed: end,
            got: self.bytes.len(),
        })?;
        self.at = end;
        Ok(slice)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (needed, got) = (self.at.saturating_add(N), self.bytes.len());
        self.slice(N)?.try_into().map_err(|_| Short { needed, got })
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Short> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Short> {
        self.array().map(i64::from_le_bytes)
    }

    /// A length of four bytes.
    pub(crate) fn length(&mut self) -> Result<usize, Short> {
        // A length that does not fit this machine's addresses is longer than any file here.
        Ok(usize::try_from(self.u32()?).unwrap_or(usize::MAX))
    }
}
