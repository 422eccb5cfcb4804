//! `tautline perf`, as two processes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Fixture, Said, file, run, tautline, text};

/// A server that has said where it listens; ended when dropped.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let all = ["perf", "server", "--listen", "127.0.0.1:0"];
        let mut child = tautline(all.iter().chain(args)).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("{line:?}"));
        let address = address.split(',').next().unwrap().to_owned();
        Self {
            child,
            stdout,
            address,
        }
    }

    /// Ctrl-C; the exit code.
    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }

    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_certified_server_delivers_every_byte_and_ends_on_ctrl_c() {
    let fixture = Fixture::shared();
    let (model, certificate) = (fixture.model(), fixture.certificate());
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("server.der");
    let mut server = Server::start(&[
        "--model",
        text(&model),
        "--certificate",
        text(&certificate),
        "--identity",
        text(&identity),
    ]);
    let said = run([
        "perf",
        "client",
        &server.address,
        "--trust",
        text(&identity),
        "--bytes",
        "3000000",
        "--json",
        "-",
    ]);
    let report = said.exits(0).json();
    assert_eq!(report["bytes"], 3_000_000);
    assert!(report["goodput_mbps"].as_f64().unwrap() > 0.0, "{report}");
    assert!(server.next_line().contains("connected"));
    assert!(server.next_line().contains("guard interventions"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn an_untrusted_server_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.der"), folder.path().join("two.der"));
    let first = Server::start(&["--identity", text(&one)]);
    let second = Server::start(&["--identity", text(&two)]);
    run([
        "perf",
        "client",
        &first.address,
        "--trust",
        text(&two),
        "--time",
        "1",
    ])
    .exits(2)
    .complains_of(&["cannot fetch from", &first.address]);
    let fetch = [
        "perf",
        "client",
        &second.address,
        "--trust",
        text(&two),
        "--time",
        "0.2",
    ];
    run(fetch).exits(0);
}

#[test]
fn a_port_in_use_is_reported_with_advice() {
    let server = Server::start(&[]);
    run(["perf", "server", "--listen", &server.address])
        .exits(2)
        .complains_of(&[&server.address, "port is in use"]);
}

#[test]
fn tls_certificates_are_written_early_and_read_with_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let server = ["perf", "server", "--listen", "127.0.0.1:0", "--identity"];
    let missing = folder.path().join("missing/server.der");
    run(server.into_iter().chain([text(&missing)]))
        .exits(2)
        .complains_of(&["cannot write", "missing/server.der"]);
    run(["perf", "client", "127.0.0.1:1", "--trust", "/dev/zero"])
        .exits(2)
        .complains_of(&["/dev/zero is larger than 65536 bytes"]);
}

#[test]
fn wrong_usage_is_refused_before_anything_is_opened() {
    run(["perf", "client", "127.0.0.1:1"])
        .exits(2)
        .complains_of(&["--trust"]);
    run([
        "perf",
        "client",
        "127.0.0.1:1",
        "--insecure",
        "--time",
        "-1",
    ])
    .exits(2);
    run(["perf", "server", "--controller", "certified"])
        .exits(2)
        .complains_of(&["needs --model"]);
    let model = Fixture::shared().model();
    let folder = tempfile::tempdir().unwrap();
    let bad = file(&folder, "bad.tlc", "bad");
    let args = [
        "perf",
        "server",
        "--model",
        text(&model),
        "--certificate",
        text(&bad),
    ];
    Said::of(&tautline(args).output().unwrap())
        .exits(1)
        .complains_of(&["bad.tlc", "rejected"]);
}
