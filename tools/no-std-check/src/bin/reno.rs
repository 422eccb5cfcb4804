//! NewReno alone, to compare with.
#![no_std]
#![no_main]

use core::hint::black_box;

use no_std_check::drive;
use tautline_core::controller::NewReno;
use tautline_core::units::Bytes;

#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    let mut controller = NewReno::new(Bytes::new(black_box(1200)));
    loop {
        black_box(drive::event(&mut controller, black_box(0)));
    }
}
