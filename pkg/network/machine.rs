//! The machine that the process runs on, as others can name it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::host::host_is_well_formed;

/// Interfaces are read again after this: a laptop changes networks while the server runs.
const REFRESH: Duration = Duration::from_secs(10);
/// Interfaces of containers and virtual machines begin so. Their addresses come last: other devices cannot reach them.
const VIRTUAL: [&str; 6] = ["br-", "docker", "vboxnet", "veth", "virbr", "vmnet"];

/// Names and addresses of a machine.
#[derive(Debug)]
pub struct LocalMachine {
    names: Vec<String>,
    read_interfaces: fn() -> Vec<IpAddr>,
    interfaces: Mutex<Option<(Instant, Vec<IpAddr>)>>,
}

impl LocalMachine {
    /// The machine of this process.
    #[must_use]
    pub fn this() -> Self {
        Self::new(
            &rustix::system::uname().nodename().to_string_lossy(),
            read_interfaces,
        )
    }

    /// A machine with this host name. `read_interfaces` gives the addresses of its interfaces.
    #[must_use]
    pub fn new(host_name: &str, read_interfaces: fn() -> Vec<IpAddr>) -> Self {
        Self {
            names: names(host_name),
            read_interfaces,
            interfaces: Mutex::new(None),
        }
    }

    /// By which it can be reached in its own network, in lower case and without ports: the host name, its first label, and that label
    /// with `.local` (multicast DNS). Empty when the host name is none.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where other machines reach a listener that is bound to `listen`, the likeliest first: `listen` itself, or for an unspecified address
    /// those of the interfaces. Empty when only this machine reaches it.
    #[must_use]
    pub fn reachable(&self, listen: SocketAddr) -> Vec<SocketAddr> {
        if !listen.ip().is_unspecified() {
            return if listen.ip().to_canonical().is_loopback() {
                Vec::new()
            } else {
                vec![listen]
            };
        }
        // A listener of `0.0.0.0` takes IPv4 alone, one of `[::]` both.
        let mut reachable: Vec<_> = self
            .interfaces()
            .into_iter()
            .filter(|ip| is_reachable(*ip) && (listen.is_ipv6() || ip.is_ipv4()))
            .collect();
        reachable.sort_by_key(|address| !address.is_ipv4());
        reachable
            .into_iter()
            .map(|address| SocketAddr::new(address, listen.port()))
            .collect()
    }

    fn interfaces(&self) -> Vec<IpAddr> {
        let mut interfaces = self
            .interfaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*interfaces {
            Some((read, addresses)) if read.elapsed() < REFRESH => addresses.clone(),
            _ => interfaces
                .insert((Instant::now(), (self.read_interfaces)()))
                .1
                .clone(),
        }
    }
}

fn names(host_name: &str) -> Vec<String> {
    let name = host_name.to_ascii_lowercase();
    if !host_is_well_formed(&name) || name.contains([':', '[']) || name.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let label = name.split('.').next().unwrap_or_default().to_owned();
    let mut names = vec![format!("{label}.local"), label, name];
    names.dedup();
    names
}

/// Whether an address means the same machine to its neighbours. Link-local ones of IPv6 need a zone, which no link can name.
fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

/// Those of interfaces that are up; empty when the operating system does not tell.
fn read_interfaces() -> Vec<IpAddr> {
    let mut interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.retain(if_addrs::Interface::is_oper_up);
    interfaces.sort_by_key(|interface| {
        VIRTUAL
            .iter()
            .any(|prefix| interface.name.starts_with(prefix))
    });
    interfaces.iter().map(if_addrs::Interface::ip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> LocalMachine {
        let interfaces = || {
            [
                "127.0.0.1",
                "::1",
                "fe80::1",
                "fd00::7",
                "169.254.1.1",
                "192.168.1.7",
                "10.0.0.7",
            ]
            .map(|text| text.parse().expect("an address"))
            .to_vec()
        };
        LocalMachine::new("MyBox.lan", interfaces)
    }

    fn reachable(listen: &str) -> Vec<String> {
        let listen = listen.parse().expect("an address");
        machine()
            .reachable(listen)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_machine_is_named_by_its_host_name_its_label_and_that_label_in_multicast_dns() {
        assert_eq!(machine().names(), ["mybox.local", "mybox", "mybox.lan"]);
        assert_eq!(names("box"), ["box.local", "box"]);
        for none in ["", "a b", "(none)", "192.168.1.7", "::1", "box:80"] {
            assert!(names(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_listener_everywhere_is_reached_by_the_addresses_of_the_interfaces() {
        assert_eq!(
            reachable("0.0.0.0:8080"),
            ["192.168.1.7:8080", "10.0.0.7:8080"]
        );
        assert_eq!(
            reachable("[::]:8080"),
            ["192.168.1.7:8080", "10.0.0.7:8080", "[fd00::7]:8080"]
        );
    }

    #[test]
    fn a_listener_of_one_address_is_reached_there_unless_it_is_loopback() {
        assert_eq!(reachable("192.168.1.9:80"), ["192.168.1.9:80"]);
        for loopback in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(reachable(loopback).is_empty(), "{loopback}");
        }
    }

    #[test]
    fn the_machine_of_this_process_has_an_interface_of_its_own() {
        assert!(
            read_interfaces()
                .iter()
                .any(|address| address.is_loopback())
        );
        assert!(
            LocalMachine::this()
                .names()
                .iter()
                .all(|name| host_is_well_formed(name))
        );
    }
}
