//! A network namespace with one end of a TUN device in it, gone when the test is.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use smoltcp::phy::{Medium, TunTapInterface};

/// Why there is no laboratory on this machine: what was tried, and what the answer was.
#[derive(Clone, Debug)]
pub(super) struct Unavailable(String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Unavailable {
    fn because(what: &str, why: impl fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

/// A namespace of this process. The kernel's side of the wire lives in it.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
    interface: String,
}

impl Namespace {
    /// Makes a namespace and a TUN device whose far end is in it: [`KERNEL_V4`], [`KERNEL_V6`].
    ///
    /// The device is to be dropped before the namespace: smoltcp's panics when its interface
    /// disappears under it.
    ///
    /// # Errors
    /// [`Unavailable`] where `ip` is missing, or TUN devices or namespaces are not permitted.
    pub(super) fn with_tun() -> Result<(TunTapInterface, Self), Unavailable> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let process = std::process::id();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let interface = format!("tl{process}n{number}");
        let name = format!("{PREFIX}{process}-{number}");
        let tun = TunTapInterface::new(&interface, Medium::Ip)
            .map_err(|error| Unavailable::because("cannot make a TUN device", error))?;
        ip(&["netns", "add", &name])?;
        let namespace = Self { name, interface };
        let interface = namespace.interface.as_str();
        ip(&["link", "set", interface, "netns", &namespace.name])?;
        let inside = |words: &[&str]| namespace.ip(words);
        inside(&["link", "set", "lo", "up"])?;
        // No link-local address: no router solicitations among the packets that are measured.
        inside(&["link", "set", interface, "addrgenmode", "none"])?;
        let v4 = format!("{KERNEL_V4}/24");
        inside(&["address", "add", &v4, "dev", interface])?;
        let v6 = format!("{KERNEL_V6}/64");
        inside(&["address", "add", &v6, "dev", interface, "nodad"])?;
        inside(&["link", "set", interface, "up"])?;
        Ok((tun, namespace))
    }

    fn ip(&self, words: &[&str]) -> Result<(), Unavailable> {
        ip(&[&["-netns", &self.name], words].concat())
    }

    /// Lets the kernel's connections to us use the congestion control `name`. By route, because
    /// the default of a namespace can only be one that every user may choose.
    ///
    /// # Errors
    /// [`Unavailable`] where the kernel has no such congestion control.
    pub(super) fn congestion_control(&self, name: &str) -> Result<(), Unavailable> {
        let to = ["dev", &self.interface, "proto", "kernel", "congctl", name];
        let v4 = ["route", "replace", SUBNET_V4, "src", KERNEL_V4];
        self.ip(&[&v4[..], &to].concat())?;
        let v6 = ["-6", "route", "replace", SUBNET_V6];
        self.ip(&[&v6[..], &to].concat())
    }

    /// A command that runs `program` inside.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .arg(program.as_ref());
        command
    }

    /// Sets `net.ipv4.KEY` inside.
    pub(super) fn set(&self, key: &str, value: &str) {
        let line = format!("echo {value} > /proc/sys/net/ipv4/{key}");
        let output = self.command("sh").args(["-c", &line]).output();
        let output = output.unwrap_or_else(|error| panic!("sh: {error}"));
        assert!(output.status.success(), "{line}: {}", complaint(&output));
    }

    /// The counter `name` of the namespace's TCP or IP, from `/proc/net/{snmp,netstat}`.
    pub(super) fn counter(&self, name: &str) -> u64 {
        let mut command = self.command("cat");
        let output = command.args(["/proc/net/snmp", "/proc/net/netstat"]);
        let text = output.output().expect("cat runs").stdout;
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks_exact(2) {
            let mut values = pair[0].split(' ').zip(pair[1].split(' '));
            if let Some((_, value)) = values.find(|&(key, _)| key == name) {
                return value.parse().expect("counters are numbers");
            }
        }
        panic!("the kernel has no counter {name}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A failure leaves it to the next run, which looks for leftovers.
        drop(ip(&["netns", "delete", &self.name]));
    }
}

/// Removes namespaces of processes that are no more.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir("/run/netns").or_else(|_| fs::read_dir("/var/run/netns")) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            drop(ip(&["netns", "delete", &name]));
        }
    }
}

fn ip(words: &[&str]) -> Result<(), Unavailable> {
    let what = format!("ip {}", words.join(" "));
    let output: io::Result<Output> = Command::new("ip").args(words).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Unavailable::because(&what, complaint(&output))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Unavailable("`ip` (iproute2) is not installed".to_owned()))
        }
        Err(error) => Err(Unavailable::because(&what, error)),
    }
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// The kernel's addresses; ours are beside them.
pub(super) const KERNEL_V4: &str = "10.83.0.1";
/// The same for IPv6.
pub(super) const KERNEL_V6: &str = "fd54:83::1";

const SUBNET_V4: &str = "10.83.0.0/24";
const SUBNET_V6: &str = "fd54:83::/64";

const PREFIX: &str = "tautline-";
