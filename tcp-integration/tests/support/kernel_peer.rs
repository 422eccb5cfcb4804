//! The other side of the tests with real packets: a small HTTP server and client over the kernel's
//! TCP, run inside a network namespace of their own.
//!
//! Either ends when its standard input does, so that it does not outlive whoever started it, however
//! that ended.
//!
//! `kernel-peer serve ADDRESS:PORT` says `listening` and serves;
//! `kernel-peer fetch ADDRESS:PORT SEED BYTES PAUSE CLOSING` downloads one file, with a pause of that
//! many milliseconds after the first bytes, compares every byte, and says `complete BYTES
//! MICROSECONDS`, counted from the start of the connection. It closes its direction `early`, after
//! the request, or `late`.
#![expect(clippy::print_stdout, reason = "standard output is how it reports")]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

mod http;

use http::{File, Request, Response};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", address] => serve(address.parse()?),
        ["fetch", address, seed, bytes, pause, closing] => {
            let (seed, bytes) = (seed.parse()?, bytes.parse()?);
            let manner = Manner {
                pause: Duration::from_millis(pause.parse()?),
                closing: closing.parse()?,
            };
            let (address, file) = (address.parse()?, File { seed, bytes });
            until_standard_input_ends(move || fetch(address, file, manner))
        }
        _ => Err(
            "usage: kernel-peer serve ADDRESS:PORT | fetch ADDRESS:PORT SEED BYTES PAUSE \
             (early|late)"
                .into(),
        ),
    }
}

/// One connection after the other; one that fails does not end the server.
fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)?;
    println!("listening");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            match stream.map_err(Into::into).and_then(reply) {
                Ok(()) => println!("served"),
                Err(error) => println!("failed: {error}"),
            }
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn reply(mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut buffer = vec![0; 65_536];
    let mut request = Request::default();
    let mut reply = loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err("the client closed before its request was complete".into());
        }
        if let Some(reply) = request.take(buffer.get(..length).unwrap_or_default())? {
            break reply;
        }
    };
    while !reply.is_finished() {
        let length = reply.fill(&mut buffer);
        stream.write_all(buffer.get(..length).unwrap_or_default())?;
    }
    stream.shutdown(Shutdown::Write)?;
    // The client closes when it has everything; what it still sends is of no interest.
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
struct Manner {
    /// How long it stops reading after the first bytes.
    pause: Duration,
    closing: Closing,
}

/// When a client closes its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// After the request.
    Early,
    /// After the response.
    Late,
}

impl FromStr for Closing {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "early" => Ok(Self::Early),
            "late" => Ok(Self::Late),
            _ => Err(format!("a client closes `early` or `late`, not `{word}`")),
        }
    }
}

/// What `work` says, or an error once standard input ends before it does.
fn until_standard_input_ends(
    work: impl FnOnce() -> Result<(), Box<dyn Error>> + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let (worker, first) = mpsc::channel();
    let watcher = worker.clone();
    // Whoever comes second has nobody to tell.
    std::thread::spawn(move || drop(worker.send(work().map_err(|error| error.to_string()))));
    std::thread::spawn(move || {
        let ended = std::io::stdin().read_to_end(&mut Vec::new());
        let ended = format!("standard input ended ({ended:?}) before the download did");
        drop(watcher.send(Err(ended)));
    });
    Ok(first.recv()??)
}

#[expect(clippy::disallowed_methods, reason = "a real download takes real time")]
fn fetch(address: SocketAddr, file: File, manner: Manner) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&file.request(&address.ip().to_string()))?;
    if manner.closing == Closing::Early {
        stream.shutdown(Shutdown::Write)?;
    }
    let mut buffer = vec![0; 65_536];
    let mut response = Response::expecting(file);
    let mut completed = None;
    let mut pause = Some(manner.pause);
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        response.take(buffer.get(..length).unwrap_or_default())?;
        std::thread::sleep(pause.take().unwrap_or_default());
        if response.is_complete() && completed.is_none() {
            completed = Some(started.elapsed());
        }
    }
    let (received, bytes) = (response.received(), file.bytes);
    match completed {
        Some(elapsed) => println!("complete {received} {}", elapsed.as_micros()),
        None => return Err(format!("ended after {received} of {bytes} bytes").into()),
    }
    Ok(())
}

/// Longest wait for anything of the other side.
const PATIENCE: Duration = Duration::from_secs(50);
