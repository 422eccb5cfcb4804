//! Real processes on the kernel's side of the wire.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::host::HTTP;
use super::http::File;
use super::namespace::Namespace;

/// How a client behaves; as most do by default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// How long it stops reading after the first bytes.
    pub(super) pause_millis: u64,
    /// Whether it closes its direction after the request.
    pub(super) closes_early: bool,
}

/// A process in a namespace, killed with the test.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// The server, listening.
    pub(super) fn server(namespace: &Namespace) -> Self {
        let mut command = namespace.command(PEER);
        let mut process = Self::start(command.args(["serve", &format!("[::]:{HTTP}")]));
        let output = process.child.stdout.as_mut().expect("it is piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n");
        process
    }

    /// A client that fetches `file` from `address` (in brackets for IPv6).
    pub(super) fn client(namespace: &Namespace, address: &str, file: File, manner: Manner) -> Self {
        let (seed, bytes) = (file.seed.to_string(), file.bytes.to_string());
        let (address, pause) = (format!("{address}:{HTTP}"), manner.pause_millis.to_string());
        let closing = if manner.closes_early { "early" } else { "late" };
        let mut command = namespace.command(PEER);
        Self::start(command.args(["fetch", &address, &seed, &bytes, &pause, closing]))
    }

    pub(super) fn start(command: &mut Command) -> Self {
        // Both kinds of peer end with their standard input, and so with us.
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().expect("the program runs");
        Self { child }
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it said, after it ended well.
    pub(super) fn report(mut self) -> String {
        // Waiting would close it, and a client that is still busy would give up.
        let _input = self.child.stdin.take();
        assert!(self.child.wait().unwrap().success());
        let output = self.child.stdout.take().expect("it is piped");
        std::io::read_to_string(output).unwrap()
    }

    /// How long the download of a [`Process::client`] took, after it ended.
    pub(super) fn download_time(self, file: File) -> Duration {
        let report = self.report();
        let bytes = file.bytes;
        let micros = report.strip_prefix(&format!("complete {bytes} "));
        let micros = micros.unwrap_or_else(|| panic!("{report:?}"));
        Duration::from_micros(micros.trim().parse().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program of `tests/support/kernel_peer.rs`.
const PEER: &str = env!("CARGO_BIN_EXE_kernel-peer");
