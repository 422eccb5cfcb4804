//! Runs drawn from a seed: two hosts, a path with everything that goes wrong, and transfers.

use std::sync::{Arc, PoisonError};

use smoltcp::iface::{Interface, PollResult, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::time::{Duration, Instant};
use tautline_core::units::Bytes;
use tautline_tcp_integration::{ControllerSource, GatedDevice, Settings};

use super::app::Task;
use super::chance::Chance;
use super::path::{Path, Way};
use super::port::{Port, Tap};
use super::recorder::{Choice, Feeds, Recorder};
use super::sniffer::{Reference, Sniffer, Verdict};
use super::world::{End, Family, Host, SocketPlan, World};

/// Builds recorded controllers.
#[derive(Debug)]
pub(crate) struct Source {
    /// Which controllers, in the order of the connections; the last one for all that follow.
    pub(crate) choices: Vec<Choice>,
    /// Where their randomness starts.
    pub(crate) seed: u64,
    /// Where the judge hears of them.
    pub(crate) feeds: Feeds,
}

impl ControllerSource for Source {
    type Controller = Recorder;

    fn controller(&self, max_segment: Bytes) -> Recorder {
        let index = {
            let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
            feeds.len() as u64
        };
        let last = self.choices.len() - 1;
        let choice = self.choices[last.min(index as usize)];
        let inner = choice.build(max_segment, self.seed ^ (index << 40));
        let divisor = if choice == Choice::Boasting { 2 } else { 1 };
        Recorder::new(inner, divisor, &self.feeds)
    }
}

/// The device under test.
pub(crate) type Gated = GatedDevice<Port, Source>;

impl Tap for Gated {
    fn poll(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) -> PollResult {
        tautline_tcp_integration::poll(now, interface, self, sockets)
    }

    fn port(&mut self) -> &mut Port {
        self.inner_mut()
    }

    fn due(&self) -> Option<Instant> {
        self.poll_at()
    }
}

/// One transfer between the hosts, and its sockets.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    /// Bytes from side 0 to side 1.
    pub(crate) there: u64,
    /// Bytes from side 1 to side 0.
    pub(crate) back: u64,
    /// When side 1 does not read.
    pub(crate) pauses: Vec<(i64, i64)>,
    /// The socket of side 0.
    pub(crate) near: SocketPlan,
    /// The socket of side 1.
    pub(crate) far: SocketPlan,
}

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where it was drawn from; the path's and the hosts' randomness.
    pub(crate) seed: u64,
    /// Addresses.
    pub(crate) family: Family,
    /// Link layer.
    pub(crate) medium: Medium,
    /// Longest frame.
    pub(crate) mtu: usize,
    /// Frames that a device takes at once.
    pub(crate) ring: usize,
    /// The driver polls at multiples of this (µs).
    pub(crate) granularity: i64,
    /// The path.
    pub(crate) ways: [Way; 2],
    /// Controllers of side 0.
    pub(crate) choice: Choice,
    /// Connections.
    pub(crate) transfers: Vec<Transfer>,
    /// Settings of the devices.
    pub(crate) settings: Settings,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Why it ended.
    pub(crate) end: End,
    /// When (µs).
    pub(crate) now: i64,
    /// What the judges saw at both sides.
    pub(crate) verdicts: [Verdict; 2],
    /// Digests of all frames at both sides.
    pub(crate) digests: [u64; 2],
    /// When sockets gave up.
    pub(crate) failures: Vec<i64>,
    /// Sockets that nobody connected to.
    pub(crate) waiting: usize,
    /// Where contents were wrong.
    pub(crate) wrong: Vec<u64>,
    /// When the last application was done.
    pub(crate) done_at: i64,
    /// Times a device asked for "now" in vain.
    pub(crate) blocked: u64,
    /// States of the gated connections at the end, in words.
    pub(crate) state: String,
}

impl Plan {
    /// The plan of `seed`.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 0x91A);
        let medium = chance.pick(&[Medium::Ip, Medium::Ethernet]);
        let link = if medium == Medium::Ethernet { 14 } else { 0 };
        let mtu = chance.pick(&[1500, 1500, 1280, 576]) + link;
        let family = if mtu < 1280 {
            Family::V4
        } else {
            chance.pick(&[Family::V4, Family::V6])
        };
        let ways = draw_ways(&mut chance, mtu as u64);
        let choice = draw_choice(&mut chance);
        let count = chance.pick(&[1, 1, 1, 2, 3]);
        let segments = chance.between(1500, 6000) / count;
        let bytes = segments * (mtu as u64 - 60 - link as u64);
        let both = chance.happens(300_000);
        let transfers = (0..count).map(|_| draw_transfer(&mut chance, bytes, both));
        let transfers = transfers.collect();
        Self {
            seed,
            family,
            medium,
            mtu,
            ring: chance.pick(&[1 << 20, 1 << 20, 4, 1]),
            granularity: chance.pick(&[1, 1, 1, 1000, 10_000]),
            ways,
            choice,
            transfers,
            settings: Settings::default(),
        }
    }

    /// One transfer of `bytes` over `ways` with buffers of 500 kB and nothing unusual.
    pub(crate) fn simple(seed: u64, choice: Choice, ways: [Way; 2], bytes: u64) -> Self {
        let plan = SocketPlan::with_buffers(500_000);
        Self {
            seed,
            family: Family::V4,
            medium: Medium::Ip,
            mtu: 1500,
            ring: 1 << 20,
            granularity: 1,
            ways,
            choice,
            transfers: vec![Transfer {
                there: bytes,
                back: 0,
                pauses: Vec::new(),
                near: plan,
                far: plan,
            }],
            settings: Settings::default(),
        }
    }

    /// A plain device for this plan, judged by `reference`.
    pub(crate) fn plain(&self, reference: Reference) -> Port {
        let sniffer = Sniffer::new(self.medium, reference);
        Port::new(self.medium, self.mtu, self.ring, sniffer)
    }

    /// A gated device for this plan.
    pub(crate) fn gated(&self, choices: Vec<Choice>) -> Gated {
        let feeds = Feeds::default();
        let port = self.plain(Reference::Controllers(Arc::clone(&feeds)));
        let source = Source {
            choices,
            seed: self.seed,
            feeds: Arc::clone(&feeds),
        };
        let device = Gated::new(port, source, self.settings).unwrap();
        // The device asked for one to see where they start; no connection has it.
        feeds.lock().unwrap_or_else(PoisonError::into_inner).clear();
        device
    }

    /// A world of this plan with `near` and `far` as devices.
    pub(crate) fn world<A: Tap, B: Tap>(&self, near: A, far: B) -> World<A, B> {
        let mut a = Host::new(0, self.family, self.seed, near);
        let mut b = Host::new(1, self.family, self.seed, far);
        for (index, transfer) in self.transfers.iter().enumerate() {
            let port = 100 + index as u16;
            let streams = (2 * index as u64 + 1, 2 * index as u64 + 2);
            let near = Task {
                send: transfer.there,
                receive: transfer.back,
                streams,
                pauses: Vec::new(),
            };
            let far = Task {
                send: transfer.back,
                receive: transfer.there,
                streams: (streams.1, streams.0),
                pauses: transfer.pauses.clone(),
            };
            b.listen(port, &transfer.far, far);
            a.connect(port, &transfer.near, near);
        }
        let path = Path::new(self.medium, self.ways.clone(), self.seed);
        let mut world = World::new(a, b, path);
        world.granularity = self.granularity;
        world
    }

    /// Runs with side 0 gated, and side 1 as well where it has something to send.
    pub(crate) fn run(&self, until: i64) -> Report {
        let near = self.gated(vec![self.choice]);
        if self.transfers.iter().any(|transfer| transfer.back > 0) {
            let world = self.world(near, self.gated(vec![Choice::NewReno]));
            report(world, until, |world| {
                format!("{}{}", state(&world.a.device), state(&world.b.device))
            })
        } else {
            let world = self.world(near, self.plain(Reference::Nothing));
            report(world, until, |world| state(&world.a.device))
        }
    }
}

/// Runs `world` and sums up.
pub(crate) fn report<A: Tap, B: Tap>(
    mut world: World<A, B>,
    until: i64,
    state: impl Fn(&World<A, B>) -> String,
) -> Report {
    let end = world.run(until);
    let state = state(&world);
    let apps = || world.a.apps.iter().chain(&world.b.apps);
    let failures = apps().filter_map(|app| app.failed_at).collect();
    let waiting = apps().filter(|app| app.is_waiting()).count();
    let wrong = apps().filter_map(|app| app.wrong_at).collect();
    let done_at = apps().filter_map(|app| app.done_at).max().unwrap_or(0);
    let (near, far) = (&mut world.a.device, &mut world.b.device);
    let (near, far) = (near.port().sniffer(), far.port().sniffer());
    Report {
        end,
        now: world.now,
        verdicts: [near.verdict(), far.verdict()],
        digests: [near.digest(), far.digest()],
        failures,
        waiting,
        wrong,
        done_at,
        blocked: world.blocked,
        state,
    }
}

fn state(device: &Gated) -> String {
    use core::fmt::Write as _;
    let mut text = String::new();
    device.for_each_status(|tuple, status| {
        writeln!(text, "{tuple:?} {status:?}").unwrap();
    });
    writeln!(text, "{:?}", device.tally()).unwrap();
    text
}

fn draw_choice(chance: &mut Chance) -> Choice {
    let fixed = Choice::Fixed(chance.magnitude(3000, 500_000));
    chance.pick(&[
        fixed,
        Choice::NewReno,
        Choice::Learned,
        Choice::Cubic,
        Choice::Copa,
        Choice::Bbr,
        Choice::Adversary,
        Choice::Adversary,
        Choice::LawlessAdversary,
        Choice::LawlessAdversary,
    ])
}

fn draw_ways(chance: &mut Chance, mtu: u64) -> [Way; 2] {
    let delay = chance.magnitude(200, 100_000) as i64;
    let rate = chance.magnitude(100_000, 12_500_000);
    let product = rate * 2 * delay as u64 / 1_000_000;
    let queue = (product * chance.magnitude(20, 400) / 100).max(4 * mtu);
    let mut there = Way::clean(delay, Some(rate), queue);
    impair(chance, &mut there);
    let mut back = Way::clean(delay, None, 0);
    if chance.happens(500_000) {
        impair(chance, &mut back);
    }
    [there, back]
}

fn impair(chance: &mut Chance, way: &mut Way) {
    let maybe = |chance: &mut Chance, low, high| {
        let value = chance.magnitude(low, high);
        if chance.happens(400_000) { value } else { 0 }
    };
    way.loss = maybe(chance, 100, 30_000);
    way.bursts = (
        maybe(chance, 50, 2000),
        chance.magnitude(1000, 200_000) as i64,
    );
    way.reorder = (
        maybe(chance, 1000, 100_000),
        chance.magnitude(1000, 50_000) as i64,
    );
    way.duplicate = maybe(chance, 1000, 50_000);
    way.corrupt = maybe(chance, 100, 10_000);
    if chance.happens(400_000) {
        for _ in 0..chance.between(1, 3) {
            let from = chance.magnitude(100_000, 20_000_000) as i64;
            let length = chance.magnitude(100_000, 5_000_000) as i64;
            way.blackouts.push((from, from + length));
        }
    }
}

fn draw_transfer(chance: &mut Chance, bytes: u64, both: bool) -> Transfer {
    let mut pauses = Vec::new();
    if chance.happens(400_000) {
        for _ in 0..chance.between(1, 3) {
            let from = chance.magnitude(50_000, 10_000_000) as i64;
            pauses.push((from, from + chance.magnitude(50_000, 8_000_000) as i64));
        }
    }
    let socket = |chance: &mut Chance| SocketPlan {
        receive_buffer: chance.magnitude(4000, 1_000_000) as usize,
        transmit_buffer: chance.magnitude(8000, 1_000_000) as usize,
        timeout: chance.happens(500_000).then_some(Duration::from_secs(300)),
        keep_alive: chance.happens(300_000).then(|| Duration::from_millis(500)),
        ack_delay: chance.pick(&[
            Some(Duration::from_millis(10)),
            Some(Duration::from_millis(100)),
            None,
        ]),
        nagle: chance.happens(700_000),
    };
    Transfer {
        there: bytes,
        back: if both { bytes / 3 } else { 0 },
        pauses,
        near: socket(chance),
        far: socket(chance),
    }
}
