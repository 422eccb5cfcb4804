//! As much of HTTP/1.1 (RFC 9112) as a download needs, for both ends of the wire.

/// A file whose bytes follow from its seed, so that both ends know it without having it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) seed: u64,
    pub(crate) bytes: u64,
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// No empty line within [`HEAD_LIMIT`] bytes.
    EndlessHead,
    /// Not what was expected; the first line of the message.
    Unexpected(String),
    /// The body differs from the file at this byte.
    Corrupt(u64),
    /// More body than announced.
    TooLong,
}

impl core::fmt::Display for HttpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::EndlessHead => write!(f, "no empty line in the first {HEAD_LIMIT} bytes"),
            Self::Unexpected(line) => write!(f, "unexpected first line: {line:?}"),
            Self::Corrupt(at) => write!(f, "byte {at} of the body is not the file's"),
            Self::TooLong => write!(f, "more bytes than the file has"),
        }
    }
}

impl std::error::Error for HttpError {}

impl File {
    pub(crate) fn path(&self) -> String {
        format!("/files/{}/{}", self.seed, self.bytes)
    }

    fn of_path(path: &str) -> Option<Self> {
        let (seed, bytes) = path.strip_prefix("/files/")?.split_once('/')?;
        Some(Self {
            seed: seed.parse().ok()?,
            bytes: bytes.parse().ok()?,
        })
    }

    /// Byte number `offset`: SplitMix64 of the seed and the number of its word.
    pub(crate) fn byte(&self, offset: u64) -> u8 {
        let mut word = (offset / 8 + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.seed);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        match offset % 8 {
            0 => a,
            1 => b,
            2 => c,
            3 => d,
            4 => e,
            5 => f,
            6 => g,
            _ => h,
        }
    }

    /// The request for it.
    pub(crate) fn request(&self, host: &str) -> Vec<u8> {
        let path = self.path();
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
    }
}

/// What a server says: the head at once, the body as it fits.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    head: Vec<u8>,
    file: File,
    sent: u64,
}

impl Reply {
    /// The answer to a request whose head is `head`: the file, or 404 for any other path.
    fn to_request(head: &str) -> Result<Self, HttpError> {
        let line = head.lines().next().unwrap_or_default();
        let mut words = line.split(' ');
        let (method, path, version) = (words.next(), words.next(), words.next());
        let (Some("GET"), Some(path), Some("HTTP/1.1")) = (method, path, version) else {
            return Err(HttpError::Unexpected(line.to_owned()));
        };
        let found = File::of_path(path);
        let status = found.map_or("404 Not Found", |_| "200 OK");
        let file = found.unwrap_or(File { seed: 0, bytes: 0 });
        let length = file.bytes;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let head = head.into_bytes();
        Ok(Self {
            head,
            file,
            sent: 0,
        })
    }

    /// Writes what comes next and says how many bytes that were.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> usize {
        let head_bytes = self.head.len() as u64;
        let end = head_bytes + self.file.bytes;
        let mut filled = 0;
        for slot in out {
            if self.sent == end {
                break;
            }
            *slot = match usize::try_from(self.sent)
                .ok()
                .and_then(|at| self.head.get(at))
            {
                Some(&byte) => byte,
                None => self.file.byte(self.sent - head_bytes),
            };
            self.sent += 1;
            filled += 1;
        }
        filled
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.sent == self.head.len() as u64 + self.file.bytes
    }
}

/// A request that arrives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    head: Vec<u8>,
}

impl Request {
    /// Takes bytes in; the reply once the head is complete.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Option<Reply>, HttpError> {
        self.head.extend_from_slice(bytes);
        match head_end(&self.head)? {
            Some(end) => {
                let head = self.head.get(..end).unwrap_or_default();
                Reply::to_request(&String::from_utf8_lossy(head)).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// A response that arrives, checked against the file byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    file: File,
    head: Option<Vec<u8>>,
    received: u64,
}

impl Response {
    pub(crate) const fn expecting(file: File) -> Self {
        Self {
            file,
            head: Some(Vec::new()),
            received: 0,
        }
    }

    /// Takes bytes in.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        let Some(head) = &mut self.head else {
            return self.take_body(bytes);
        };
        head.extend_from_slice(bytes);
        let Some(end) = head_end(head)? else {
            return Ok(());
        };
        let body = head.split_off(end);
        let text = String::from_utf8_lossy(head).into_owned();
        self.head = None;
        let length = format!("\r\nContent-Length: {}\r\n", self.file.bytes);
        if !text.starts_with("HTTP/1.1 200 ") || !text.contains(&length) {
            let line = text.lines().next().unwrap_or_default();
            return Err(HttpError::Unexpected(line.to_owned()));
        }
        self.take_body(&body)
    }

    fn take_body(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        for &byte in bytes {
            if self.received == self.file.bytes {
                return Err(HttpError::TooLong);
            }
            if byte != self.file.byte(self.received) {
                return Err(HttpError::Corrupt(self.received));
            }
            self.received += 1;
        }
        Ok(())
    }

    /// Bytes of the body that arrived, all of them as they should be.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.head.is_none() && self.received == self.file.bytes
    }
}

fn head_end(message: &[u8]) -> Result<Option<usize>, HttpError> {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    match end {
        Some(end) => Ok(Some(end + 4)),
        None if message.len() > HEAD_LIMIT => Err(HttpError::EndlessHead),
        None => Ok(None),
    }
}

/// Longest head of a message, bytes.
const HEAD_LIMIT: usize = 8192;
