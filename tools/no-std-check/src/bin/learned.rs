//! Policy, controller and guard, with the model in read-only memory and the state in static memory.
#![no_std]
#![no_main]

use core::hint::black_box;

use no_std_check::{drive, room};

#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    if let Some(controller) = room::controller() {
        loop {
            black_box(drive::event(controller, black_box(0)));
        }
    }
    loop {}
}
