//! Who guesses passwords waits: a pure table of addresses that failed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So many failures are somebody who mistypes.
const FREE: u32 = 5;
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// An address is forgotten this long after its last failure.
const MEMORY: Duration = Duration::from_secs(600);
/// Addresses that are remembered; beyond that the one that failed longest ago is forgotten.
const ADDRESSES: usize = 256;

/// The addresses that failed, in the order of their last failures.
#[derive(Default)]
pub struct Guesses {
    failed: Vec<Failed>,
}

struct Failed {
    from: IpAddr,
    times: u32,
    last: Instant,
}

impl Guesses {
    /// How long an address still has to wait before its next try is looked at.
    pub fn pause(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let failed = self.failed.iter().find(|failed| failed.from == network(from))?;
        let beyond = failed.times.checked_sub(FREE)?;
        let pause = Duration::from_secs(1u64.checked_shl(beyond).unwrap_or(u64::MAX)).min(LONGEST);
        let left = pause.saturating_sub(now.saturating_duration_since(failed.last));
        (!left.is_zero()).then_some(left)
    }

    /// Notes a wrong password.
    pub fn failed(&mut self, from: IpAddr, now: Instant) {
        self.failed
            .retain(|failed| now.saturating_duration_since(failed.last) < MEMORY);
        let from = network(from);
        let known = self.failed.iter().position(|failed| failed.from == from);
        let times = known.map_or(0, |known| self.failed.remove(known).times);
        if self.failed.len() >= ADDRESSES {
            self.failed.remove(0);
        }
        let times = times.saturating_add(1);
        self.failed.push(Failed {
            from,
            times,
            last: now,
        });
    }

    /// Notes a right one.
    pub fn succeeded(&mut self, from: IpAddr) {
        self.failed.retain(|failed| failed.from != network(from));
    }
}

/// The part of an address that is one place's: all of IPv4's, the first half of IPv6's (RFC 4291, 2.5.4).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::Guesses;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let from = address("192.0.2.1");
        let mut pauses = Vec::new();
        for _ in 0..14 {
            guesses.failed(from, now);
            pauses.push(guesses.pause(from, now).map_or(0, |pause| pause.as_secs()));
        }
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(guesses.pause(from, now + Duration::from_secs(60)), None);
        assert!(guesses.pause(from, now + Duration::from_secs(59)).is_some());
        for _ in 0..1000 {
            guesses.failed(from, now);
        }
        assert_eq!(guesses.pause(from, now), Some(Duration::from_secs(60)));
        guesses.succeeded(from);
        assert_eq!(guesses.pause(from, now), None);
    }

    #[test]
    fn places_are_told_apart() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..9 {
            guesses.failed(address("2001:db8::1"), now);
            guesses.failed(address("::ffff:192.0.2.1"), now);
        }
        for (from, waits) in [
            ("2001:db8::2", true),
            ("2001:db8:0:1::1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
        ] {
            assert_eq!(guesses.pause(address(from), now).is_some(), waits, "{from}");
        }
    }

    #[test]
    fn the_table_stays_small_and_forgets() {
        let (mut guesses, start) = (Guesses::default(), Instant::now());
        for number in 0..1000 {
            let from = IpAddr::V4(Ipv4Addr::from_bits(number));
            guesses.failed(from, start + Duration::from_millis(number.into()));
        }
        assert_eq!(guesses.failed.len(), super::ADDRESSES);
        let newest = guesses.failed.last().map(|failed| failed.from);
        assert_eq!(newest, Some(IpAddr::V4(Ipv4Addr::from_bits(999))));
        guesses.failed(address("192.0.2.1"), start + Duration::from_secs(700));
        assert_eq!(guesses.failed.len(), 1);
    }
}
