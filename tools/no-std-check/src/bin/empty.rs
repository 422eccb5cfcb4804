//! What a program costs that does nothing.
#![no_std]
#![no_main]

use no_std_check as _;

#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    loop {}
}
