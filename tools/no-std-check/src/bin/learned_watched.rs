//! Policy, controller and guard under closed-loop claims, with the watch over what they assume.
#![no_std]
#![no_main]

use core::hint::black_box;

use no_std_check::{drive, room};

#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    if let Some(controller) = room::watched() {
        loop {
            black_box(drive::event(controller, black_box(0)));
        }
    }
    loop {}
}
