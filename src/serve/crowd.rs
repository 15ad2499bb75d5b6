//! Who of the clients that are here makes room for a newcomer.

use super::connection::Phase;
use super::places::GRACE;
use std::net::IpAddr;
use std::time::Duration;

/// What counts of a client that is here.
pub struct Present {
    /// The connection's number.
    pub number: u64,
    /// Where the client is.
    pub address: IpAddr,
    /// What the connection is doing, ...
    pub phase: Phase,
    /// ... and for how long.
    pub age: Duration,
}

/// The connection that makes room for a newcomer from this address, if it is known: the one that has been idle longest. Else
/// the oldest one of the address that has the most, so that no address keeps others out by its number. Else the one that has
/// taken longest to send its head, or to take its answer, unless its address has fewer than the newcomer's. A stream never.
pub fn who_leaves(present: &[Present], newcomer: Option<IpAddr>) -> Option<u64> {
    let busy = || {
        present
            .iter()
            .filter(|it| !matches!(it.phase, Phase::Stream | Phase::Idle))
    };
    let mut addresses: Vec<IpAddr> = busy().map(|it| it.address).collect();
    addresses.sort_unstable();
    let count = |address: IpAddr| {
        addresses.partition_point(|it| *it <= address) - addresses.partition_point(|it| *it < address)
    };
    let of_newcomer = newcomer.map(count);
    let idle = present.iter().filter(|it| it.phase == Phase::Idle);
    let idle = idle.max_by_key(|it| it.age);
    // Afterwards its address still has at least as many as the newcomer's.
    let crowding = busy().filter(|it| of_newcomer.is_some_and(|own| count(it.address) >= own + 2));
    let is_slow = |it: &&Present| it.age >= GRACE && of_newcomer.is_none_or(|own| count(it.address) >= own);
    let slow = busy().filter(is_slow);
    let leaves = idle
        .or_else(|| crowding.max_by_key(|it| (count(it.address), it.age)))
        .or_else(|| slow.max_by_key(|it| it.age));
    leaves.map(|it| it.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of who leaves; each of `present` has the next number, from 1 on.
    fn leaves(present: &[(u8, Phase, u64)], newcomer: Option<u8>) -> Option<u64> {
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let present = present
            .iter()
            .zip(1..)
            .map(|((last, phase, age_ms), number)| Present {
                number,
                address: address(*last),
                phase: *phase,
                age: Duration::from_millis(*age_ms),
            });
        who_leaves(&present.collect::<Vec<_>>(), newcomer.map(address))
    }

    #[test]
    fn the_idle_go_first_then_those_of_a_crowd_then_the_slow() {
        use Phase::{Answer, Head, Idle, Stream};
        for (present, newcomer, expected) in [
            (&[][..], Some(1), None),
            // The longest idle, whoever has more.
            (
                &[(1, Idle, 5), (2, Idle, 9), (3, Head, 9000), (3, Head, 9000)],
                Some(1),
                Some(2),
            ),
            // The oldest of the address with the most, in its first second too.
            (
                &[(2, Answer, 3000), (3, Head, 5), (3, Answer, 9), (3, Head, 2)],
                Some(1),
                Some(3),
            ),
            (
                &[(2, Answer, 3000), (3, Head, 5), (3, Answer, 9), (3, Head, 2)],
                None,
                Some(1),
            ),
            // Who is in the crowd ends one of its own, if it is slow.
            (
                &[(2, Answer, 3000), (3, Head, 5), (3, Answer, 9), (3, Head, 2)],
                Some(3),
                None,
            ),
            (
                &[(2, Answer, 3000), (3, Head, 1000), (3, Answer, 9), (3, Head, 2)],
                Some(3),
                Some(2),
            ),
            // Where nobody has more than one more than the newcomer: the slowest.
            (
                &[(2, Answer, 3000), (1, Head, 5), (2, Head, 999)],
                Some(1),
                Some(1),
            ),
            (&[(2, Answer, 999), (1, Head, 5), (2, Head, 999)], Some(1), None),
            (&[(1, Answer, 2000), (1, Head, 3000)], Some(1), Some(2)),
            // A stream is no part of a crowd, and stays.
            (
                &[(2, Stream, 9000), (2, Stream, 9000), (2, Stream, 9000)],
                Some(1),
                None,
            ),
            (
                &[(2, Stream, 9000), (2, Stream, 9000), (2, Head, 9)],
                Some(1),
                None,
            ),
        ] {
            let shown: Vec<_> = present
                .iter()
                .map(|(last, phase, age)| format!("{last} {phase:?} {age}"))
                .collect();
            assert_eq!(leaves(present, newcomer), expected, "{shown:?} for {newcomer:?}");
        }
    }
}
