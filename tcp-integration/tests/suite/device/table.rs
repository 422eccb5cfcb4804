//! The connections that a device tracks.

use smoltcp::iface::SocketHandle;
use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use smoltcp::wire::IpEndpoint;

use super::hosts::{CONNECTIONS, Cable, Family, Host, Nic, file};

const LIMIT: Duration = Duration::from_secs(60);

fn tracked(host: &Host) -> usize {
    let mut count = 0;
    host.device.for_each_status(|_, _| count += 1);
    count
}

/// Fills host 0's table; returns the handles of both ends.
fn fill(cable: &mut Cable) -> Vec<[SocketHandle; 2]> {
    (0..CONNECTIONS as u16)
        .map(|number| cable.open(4000 + number, 80 + number))
        .collect()
}

#[test]
fn a_full_table_refuses_connections_until_one_ends() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let open = fill(&mut cable);
    let late = cable.hosts[1].listen(99);
    let to = IpEndpoint::new(cable.hosts[1].address, 99);
    let client = cable.hosts[0].connect(4099, to);
    let start = cable.now;
    cable.run(LIMIT, |hosts, now| {
        assert_eq!(hosts[1].tcp(late).state(), tcp::State::Listen);
        now > start + Duration::from_secs(2)
    });
    let drops = cable.hosts[0].device.tally().drops;
    assert!(drops.departing_syn >= 1, "{drops:?}");
    assert_eq!(tracked(&cable.hosts[0]), CONNECTIONS);

    for (host, handle) in cable.hosts.iter_mut().zip(open[0]) {
        host.tcp(handle).close();
    }
    cable.run(LIMIT, |hosts, _| hosts[0].tcp(client).may_send());
    assert_eq!(tracked(&cable.hosts[0]), CONNECTIONS);
}

#[test]
fn a_full_table_does_not_let_a_peer_open_what_cannot_be_tracked() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let _open = fill(&mut cable);
    let server = cable.hosts[0].listen(99);
    let to = IpEndpoint::new(cable.hosts[0].address, 99);
    cable.hosts[1]
        .device
        .release(tuple_of_first(&cable.hosts[1]));
    let client = cable.hosts[1].connect(4099, to);
    let start = cable.now;
    cable.run(LIMIT, |_, now| now > start + Duration::from_secs(2));
    assert_eq!(cable.hosts[0].tcp(server).state(), tcp::State::Listen);
    assert_eq!(cable.hosts[1].tcp(client).state(), tcp::State::SynSent);
    let drops = cable.hosts[0].device.tally().drops;
    assert!(drops.arriving_syn >= 1, "{drops:?}");
}

fn tuple_of_first(host: &Host) -> tautline_tcp_integration::segment::Tuple {
    let mut first = None;
    host.device
        .for_each_status(|tuple, _| first = first.or(Some(tuple)));
    first.unwrap()
}

#[test]
fn an_open_connection_keeps_its_slot_however_idle_until_it_is_released() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let _open = fill(&mut cable);
    // Nothing happens: no host has anything to do.
    cable.now += Duration::from_secs(3600);
    let late = cable.hosts[1].listen(99);
    let to = IpEndpoint::new(cable.hosts[1].address, 99);
    let client = cable.hosts[0].connect(4099, to);
    let start = cable.now;
    cable.run(LIMIT, |hosts, now| {
        assert_eq!(hosts[1].tcp(late).state(), tcp::State::Listen);
        now > start + Duration::from_secs(2)
    });
    for host in &mut cable.hosts {
        let tally = host.device.tally();
        assert_eq!((tally.evicted, tracked(host)), (0, CONNECTIONS));
        let first = tuple_of_first(host);
        assert!(host.device.release(first));
    }
    cable.run(LIMIT, |hosts, _| hosts[0].tcp(client).may_send());
}

#[test]
fn a_pair_of_ports_that_is_used_again_is_a_new_connection() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let [client, server] = cable.open(4000, 80);
    // The program forgets both sockets; no RST tells anybody.
    cable.hosts[0].sockets.remove(client);
    cable.hosts[1].sockets.remove(server);
    let [client, server] = cable.open(4000, 80);
    for host in &cable.hosts {
        let tally = host.device.tally();
        assert_eq!((tally.replaced, tracked(host)), (1, 1), "{tally:?}");
    }
    let data = file(50_000);
    let (mut written, mut received) = (0, Vec::new());
    cable.run(LIMIT, |[from, to], _| {
        written += from.write(client, &data[written..]);
        received.extend(to.read(server));
        received.len() == data.len()
    });
    assert_eq!(received, data);
}

#[test]
fn a_reset_frees_the_slots_of_both_sides() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let [client, _] = cable.open(4000, 80);
    cable.hosts[0].tcp(client).abort();
    cable.run(LIMIT, |hosts, _| {
        hosts.iter().all(|host| tracked(host) == 0)
    });
}

#[test]
fn a_connection_that_was_released_is_tracked_anew_when_it_sends() {
    let mut cable = Cable::new(Medium::Ip, Family::V4);
    let [client, server] = cable.open(4000, 80);
    let tuple = cable.hosts[0].tuple(client);
    assert!(cable.hosts[0].device.release(tuple));
    assert!(!cable.hosts[0].device.release(tuple));
    let data = file(200_000);
    let (mut written, mut received) = (0, Vec::new());
    cable.run(LIMIT, |[from, to], _| {
        written += from.write(client, &data[written..]);
        received.extend(to.read(server));
        received.len() == data.len()
    });
    assert_eq!(received, data);
    assert_eq!(cable.hosts[0].device.tally().adopted, 1);
}

#[test]
fn a_device_too_small_for_its_frames_or_for_anything_is_refused() {
    use tautline_core::controller::NewReno;
    use tautline_core::units::Bytes;
    use tautline_tcp_integration::{DeviceError, GatedDevice, Settings};
    let source: fn(Bytes) -> NewReno = NewReno::new;
    let nic = || Nic::new(Medium::Ethernet);
    let small = GatedDevice::<_, _, 1, 16, 1513>::new(nic(), source, Settings::default());
    assert_eq!(
        small.err(),
        Some(DeviceError::Frame {
            frame_bytes: 1514,
            capacity_bytes: 1513
        })
    );
    let none = GatedDevice::<_, _, 0, 16>::new(nic(), source, Settings::default());
    assert_eq!(
        none.err(),
        Some(DeviceError::NoRoom {
            connections: 0,
            segments: 16
        })
    );
    assert!(GatedDevice::<_, _, 1, 16, 1514>::new(nic(), source, Settings::default()).is_ok());
}
