//! The fuzz targets of `fuzz/` about segments and connections, fed by seeded bytes: everywhere for a
//! short time, and with `SLOW_TESTS=1` for longer.

use crate::segment::segment;
use crate::tracker::{Reached, tracker};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.next() % most;
        (0..length).map(|_| (self.next() >> 17) as u8).collect()
    }
}

fn rounds(quick: u64, slow: u64) -> u64 {
    if std::env::var_os("SLOW_TESTS").is_some() {
        slow
    } else {
        quick
    }
}

#[test]
fn frames_of_any_bytes_break_nothing() {
    let mut random = Random(1);
    let mut segments = 0;
    let rounds = rounds(20_000, 1_000_000);
    for _ in 0..rounds {
        let mut data = random.bytes(120);
        // Sane header lengths and control bits, half of the time.
        if random.next().is_multiple_of(2)
            && let Some(header) = data.get_mut(13..15)
        {
            header.copy_from_slice(&[0x50, 0x10]);
        }
        segments += u64::from(segment(&data));
    }
    assert!(
        segments > rounds / 50,
        "{segments} of {rounds} were segments"
    );
}

#[test]
fn connections_survive_whatever_happens_to_them() {
    let mut random = Random(2);
    let (mut established, mut delivered, mut forged) = (0, 0, 0);
    for round in 0..rounds(300, 100_000) {
        let mut data = random.bytes(200);
        if round % 3 == 0 {
            // Nothing forged: events that only lose, double and delay.
            for byte in data.iter_mut().skip(1) {
                *byte &= 0xf7;
            }
        }
        let data = data;
        let outcome = std::panic::catch_unwind(|| tracker(&data));
        let reached: Reached = outcome.unwrap_or_else(|_| panic!("round {round}: {data:?}"));
        established += usize::from(reached.established);
        delivered += reached.delivered;
        forged += reached.forged;
    }
    assert!(established > 50, "{established} established");
    assert!(delivered > 100_000, "{delivered} bytes delivered");
    assert!(forged > 500, "{forged} segments forged");
}

#[test]
fn what_broke_connections_once_does_no_more() {
    let found: [(&str, &[u8]); 3] = [
        (
            "polled for ever behind a shut gate",
            &[248, 0, 0, 0, 0, 0, 107],
        ),
        (
            "a made acknowledgement closed the window for good",
            &[222, 6, 0, 134, 166, 146, 40, 0, 96, 143, 1],
        ),
        (
            "both stacks went back, and ignored each other's acknowledgements for ever",
            &[
                0, 0, 0, 0, 0, 70, 122, 0, 81, 0, 0, 50, 29, 0, 120, 229, 97, 0, 0, 0, 0, 194, 19,
                0, 0, 0, 0, 0, 0, 133, 32, 0, 0, 0, 0, 0, 56, 34, 206, 0, 39, 197, 39, 102, 0, 145,
                101, 82, 11, 11, 190, 82, 18,
            ],
        ),
    ];
    for (what, data) in found {
        println!("{what}");
        assert!(tracker(data).established);
    }
}
