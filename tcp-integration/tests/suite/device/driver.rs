//! What the program around the device relies on: times, room, and that nobody waits for another.

use smoltcp::phy::Medium;
use smoltcp::socket::udp;
use smoltcp::time::Duration;
use smoltcp::wire::IpEndpoint;

use super::hosts::{Cable, Family, file};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn datagrams_leave_at_once_while_streams_recover_from_loss() {
    // Over Ethernet a datagram may wait for an address, after a minute once more.
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    // An outage of 1.3 seconds makes the stack's timers expire, which is when the gate shuts.
    cable.lose = Box::new(|now, _, frame| {
        let stream = frame.len() > 600;
        stream && (700..2000).contains(&now.total_millis())
    });
    let streams = [cable.open(4000, 80), cable.open(4001, 81)];
    let sender = cable.hosts[0].datagrams(7000);
    let receiver = cable.hosts[1].datagrams(7000);
    let to = IpEndpoint::new(cable.hosts[1].address, 7000);
    let data = file(1_500_000);
    let (mut written, mut received) = ([0; 2], [0; 2]);
    let (mut datagrams, mut due) = (0_u32, cable.now);
    cable.run(LIMIT, |[from, host], now| {
        let socket = from.sockets.get_mut::<udp::Socket<'_>>(sender);
        // The device was polled before this: what was given to the socket then has left.
        let shut = from.device.is_shut();
        assert_eq!(
            socket.send_queue(),
            0,
            "a datagram waits at {now}, gate shut: {shut}"
        );
        if now >= due {
            socket.send_slice(b"tick", to).unwrap();
            datagrams += 1;
            due = now + Duration::from_millis(5);
        }
        for (stream, [client, server]) in streams.iter().enumerate() {
            written[stream] += from.write(*client, &data[written[stream]..]);
            received[stream] += host.read(*server).len();
        }
        let socket = host.sockets.get_mut::<udp::Socket<'_>>(receiver);
        while socket.can_recv() {
            socket.recv().unwrap();
        }
        received == [data.len(); 2]
    });
    assert!(datagrams > 100, "{datagrams}");
    let mut timeouts = 0;
    cable.hosts[0]
        .device
        .for_each_status(|_, status| timeouts += status.timeouts);
    let shut = cable.hosts[0].device.tally().gate_shut;
    assert!(
        timeouts > 0 && shut > 0,
        "{timeouts} timeouts, gate shut {shut} times"
    );
}

#[test]
fn the_queue_never_exceeds_what_the_controller_wants_buffered() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let [client, server] = cable.open(4000, 80);
    let data = file(150_000);
    let (mut written, mut received) = (0, 0);
    let mut largest = 0;
    cable.run(LIMIT, |[from, to], _| {
        let before = from.tcp(client).send_queue();
        let socket = from.sockets.get::<smoltcp::socket::tcp::Socket<'_>>(client);
        let room = from.device.backlog_room(socket);
        let wrote = from.write(client, &data[written..]);
        assert_eq!(wrote, room.min(data.len() - written));
        written += wrote;
        largest = largest.max(before + wrote);
        received += to.read(server).len();
        received == data.len()
    });
    assert!(
        largest < 256 << 10,
        "the socket's buffer and not the controller limited it"
    );
}

#[test]
fn a_socket_without_a_connection_has_the_room_of_a_new_controller() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let [host, _] = &mut cable.hosts;
    let to = IpEndpoint::new(smoltcp::wire::IpAddress::v4(10, 0, 0, 9), 80);
    let client = host.connect(4000, to);
    let socket = host.sockets.get::<smoltcp::socket::tcp::Socket<'_>>(client);
    // Ten segments of 1460 bytes, capped at 14 720 by RFC 9002 §7.2, and as much again.
    assert_eq!(host.device.backlog_room(socket), 2 * 14_600);
}

/// Time that a transfer of 100 kB takes with polls at least every `poll_every`.
fn time_of_transfer(poll_every: Duration, seed: u64, loss_percent: u64) -> Duration {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let mut state = seed;
    cable.lose = Box::new(move |_, from, _| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        from == 0 && (state >> 33) % 100 < loss_percent
    });
    let [client, server] = cable.open(4000, 80);
    cable.poll_every = poll_every;
    // All at once, so that nothing depends on when the application is asked.
    let data = file(100_000);
    let socket = cable.hosts[0].tcp(client);
    assert_eq!(socket.send_slice(&data).unwrap(), data.len());
    let (start, mut received) = (cable.now, 0);
    cable.run(LIMIT, |[_, to], _| {
        received += to.read(server).len();
        received == data.len()
    });
    cable.now - start
}

#[test]
fn polls_at_the_times_that_the_device_names_are_enough() {
    // Other losses follow from the smallest difference in time, so only sums can be compared.
    for loss_percent in [0, 2, 5] {
        let time = |poll_every: Duration| -> u64 {
            let times = (0..50).map(|seed| time_of_transfer(poll_every, seed, loss_percent));
            times.map(|time| time.total_micros()).sum()
        };
        let sparse = time(Duration::from_secs(3600));
        let dense = time(Duration::from_micros(500));
        assert!(
            sparse <= dense + dense / 10,
            "loss {loss_percent} %: {sparse} us when told to, {dense} us all the time"
        );
    }
}

#[test]
fn an_idle_device_asks_for_nothing() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    assert_eq!(cable.hosts[0].device.poll_at(), None);
    let [client, server] = cable.open(4000, 80);
    let data = file(20_000);
    let (mut written, mut received) = (0, 0);
    cable.run(LIMIT, |[from, to], _| {
        written += from.write(client, &data[written..]);
        received += to.read(server).len();
        received == data.len() && from.tcp(client).send_queue() == 0
    });
    assert_eq!(cable.hosts[0].device.poll_at(), None);
    assert!(!cable.hosts[0].device.is_shut());
}
