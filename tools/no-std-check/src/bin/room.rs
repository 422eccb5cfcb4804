//! Statics whose sizes are read: what a gate needs per connection and per segment.
#![no_std]
#![no_main]

use core::hint::black_box;

use no_std_check::room::{FlashPolicy, Room};
use no_std_check::tcp::Wire;
use tautline_core::guard::UncheckedEnvelope;
use tautline_tcp_integration::{GatedDevice, GuardedSource};

type Gate<const CONNECTIONS: usize, const SEGMENTS: usize> =
    GatedDevice<Wire, GuardedSource<FlashPolicy, UncheckedEnvelope>, CONNECTIONS, SEGMENTS, 1536>;

static ONE_CONNECTION: Room<Gate<1, 64>> = Room::new();
static TWO_CONNECTIONS: Room<Gate<2, 64>> = Room::new();
static TWICE_THE_SEGMENTS: Room<Gate<1, 128>> = Room::new();

#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    black_box((&ONE_CONNECTION, &TWO_CONNECTIONS, &TWICE_THE_SEGMENTS));
    loop {}
}
