//! Two hosts over a path that is hard on one of smoltcp's habits.

use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use smoltcp::wire::IpEndpoint;

use super::hosts::{Cable, Family, file};

/// Sends a file of `bytes` to a socket whose receive buffer holds `buffer`, over a path that loses
/// frames as `seed` has it; returns what arrived.
fn transfer(seed: u64, buffer: usize, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    cable.lose = Box::new(move |_, _, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % 1000 < 30
    });
    let memory = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
    let mut small = tcp::Socket::new(memory(buffer), memory(2000));
    small.set_congestion_control(tcp::CongestionControl::None);
    small.listen(80).unwrap();
    let server = cable.hosts[1].sockets.add(small);
    let endpoint = IpEndpoint::new(cable.hosts[1].address, 80);
    let client = cable.hosts[0].connect(50_000, endpoint);
    let sent = file(bytes);
    let (mut written, mut read) = (0, Vec::new());
    cable.run(Duration::from_secs(600), |hosts, _| {
        if hosts[0].tcp(client).may_send() {
            written += hosts[0].write(client, &sent[written..]);
            if written == sent.len() {
                hosts[0].tcp(client).close();
            }
        }
        read.extend(hosts[1].read(server));
        read.len() >= sent.len() || hosts[1].tcp(server).state() == tcp::State::CloseWait
    });
    (sent, read)
}

/// smoltcp's fast retransmission sends a full segment and the FIN whatever the window, and its
/// receiver takes the FIN though it cuts the data off.
#[test]
fn a_receive_buffer_smaller_than_a_segment_loses_no_byte() {
    for (buffer, bytes) in [(1000, 15_000), (536, 8000), (100, 2000), (40, 600)] {
        for seed in 1..=12 {
            let (sent, read) = transfer(seed, buffer, bytes);
            assert!(sent == read, "buffer {buffer}, seed {seed}");
        }
    }
}
