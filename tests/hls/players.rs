//! As many players as there are places, each with all of its connections.

use super::client::Client;
use super::support::{Server, until};
use super::validator::Playlist;
use super::{SMALL, path};
use std::net::Ipv4Addr;
use std::thread;

/// So many that a third of their connections is more than the reserve.
const MOST: u8 = 24;

/// A player as Apple's is: it asks for the next playlist and for the part after the newest one before they are there, and
/// meanwhile for what is.
fn play(connect: impl Fn() -> Client, rounds: usize) {
    let [mut playlists, mut hints, mut files] = [connect(), connect(), connect()];
    let mut playlist = Playlist::parse(playlists.fetch("/streaminf.m3u8").text());
    for _ in 0..rounds {
        let (sequence, part) = playlist.next();
        playlists.ask(
            "GET",
            &format!("/streaminf.m3u8?_HLS_msn={sequence}&_HLS_part={part}"),
        );
        // There is none where this machine made a frame late.
        if let Some(hint) = &playlist.hint {
            hints.ask("GET", &path(hint));
        }
        let newest = playlist.whole().last().unwrap().uri.clone().unwrap();
        assert_eq!(files.get(&path(&newest)).status, 200);
        // On a machine with too much to do, it can be that nothing comes in time; a place there is.
        let hint = playlist.hint.is_some().then(|| hints.answer("GET"));
        for answer in hint.into_iter().chain([playlists.answer("GET")]) {
            assert_ne!(answer.field("Retry-After"), Some("5"), "{:?}", answer.head);
        }
        playlist = Playlist::parse(playlists.fetch("/streaminf.m3u8").text());
    }
}

/// All at once, each from its own address or all from one, and nobody is turned away or cut off.
#[test]
fn as_many_players_as_places_all_play() {
    for own_address in [true, false] {
        let config = SMALL.replace("[server]", &format!("[server]\nmax_clients = {MOST}"));
        let server = Server::with_config(&config);
        let address = server.address;
        let players: Vec<_> = (1..=MOST)
            .map(|number| {
                let ip = Ipv4Addr::new(127, 0, 0, if own_address { number } else { 1 });
                thread::spawn(move || play(|| Client::from(ip, address), 20))
            })
            .collect();
        for player in players {
            player.join().unwrap();
        }
        assert_eq!(server.number("refused"), 0);
        until("no place is taken", || server.number("clients") == 0);
    }
}
