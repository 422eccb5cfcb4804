//! smoltcp behind the gate, with a certified policy per connection.
#![no_std]
#![no_main]

use core::hint::black_box;

use no_std_check::tcp;

#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    black_box(tcp::gated());
    loop {}
}
