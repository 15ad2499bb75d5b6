//! Many viewers behind a cache, and what the cache may pass on of their requests.

use super::client::Client;
use super::support::{PATIENCE, Server};
use super::validator::Playlist;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The name by which viewers know the camera.
pub const HOST: &str = "cam.example.org";

/// A request that a cache passed on: the whole second, the answer's status, and the address.
pub type PassedOn = (u64, String, String);

/// A connection to the cache.
type Connect<'a> = &'a (dyn Fn() -> Client + Sync);

pub fn camera() -> Server {
    Server::with_config(&format!(
        "[server]\nhosts = {HOST}\n[test a]\nwidth = 320\nheight = 240\n"
    ))
}

/// What all viewers were given, by name: it has to be the same.
#[derive(Default)]
struct Given(Mutex<HashMap<String, Vec<u8>>>);

impl Given {
    fn take(&self, client: &mut Client, uri: &str) {
        let body = client.fetch(&format!("/{uri}")).body;
        let mut given = self.0.lock().unwrap();
        let first = given.entry(uri.into()).or_insert_with(|| body.clone());
        assert!(*first == body, "{uri} is another one");
    }
}

fn playlist(client: &mut Client, query: &str) -> Playlist {
    Playlist::parse(client.fetch(&format!("/streaminf.m3u8{query}")).text())
}

/// Asks for the playlist again and again, and for each segment.
fn watch_plainly(client: &mut Client, segments: u64, given: &Given) {
    client.fetch("/stream.m3u8");
    let (mut first, mut newest) = (None, 0);
    let begun = Instant::now();
    while newest < first.unwrap_or(u64::MAX - segments) + segments {
        assert!(begun.elapsed() < PATIENCE, "no new segments");
        for segment in playlist(client, "")
            .whole()
            .filter(|segment| segment.sequence > newest)
        {
            given.take(client, segment.map.as_ref().unwrap());
            given.take(client, segment.uri.as_ref().unwrap());
        }
        newest = playlist(client, "").whole().last().unwrap().sequence;
        first = first.or(Some(newest));
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Waits for each part, with the playlist or, as `hasty`, before it.
fn watch_closely(client: &mut Client, segments: u64, given: &Given, hasty: bool) {
    let mut newest = playlist(client, "");
    let first = newest.next().0;
    given.take(client, newest.segments[0].map.as_ref().unwrap());
    while newest.next().0 < first + segments {
        if let Some(hint) = newest.hint.as_ref().filter(|_| hasty) {
            given.take(client, hint);
        }
        let (sequence, part) = newest.next();
        let query = format!("?_HLS_msn={sequence}&_HLS_part={part}&_HLS_skip=YES");
        newest = playlist(client, &query);
        for part in newest
            .segments
            .iter()
            .rev()
            .take(2)
            .flat_map(|segment| &segment.parts)
        {
            given.take(client, &part.uri);
        }
    }
}

/// So many viewers, half of them with low latency, see so many segments come.
pub fn watches(viewers: usize, segments: u64, connect: Connect<'_>) {
    let given = Given::default();
    std::thread::scope(|scope| {
        for viewer in 0..viewers {
            let given = &given;
            scope.spawn(move || match viewer % 4 {
                0 | 1 => watch_plainly(&mut connect(), segments, given),
                way => watch_closely(&mut connect(), segments, given, way == 3),
            });
        }
    });
}

/// All of them ask for what was in the playlists before the program was started anew, and for what is no question.
pub fn asks_in_vain(viewers: usize, connect: Connect<'_>) {
    std::thread::scope(|scope| {
        for _ in 0..viewers {
            scope.spawn(move || {
                let mut client = connect();
                assert_eq!(client.get("/hls/00000000-s1.m4s").status, 404);
                assert_eq!(client.get("/streaminf.m3u8?_HLS_part=1").status, 400);
            });
        }
    });
}

/// No cache asks twice for what it may keep.
pub fn cost_one_request_for_each_thing(passed_on: &[PassedOn]) {
    let mut seconds: HashMap<(&str, &str), Vec<u64>> = HashMap::new();
    for (second, status, uri) in passed_on {
        seconds.entry((uri, status)).or_default().push(*second);
    }
    for ((uri, status), seconds) in seconds {
        if status == "200" && (uri.starts_with("/hls/") || uri.contains("_HLS_msn")) {
            assert_eq!(seconds.len(), 1, "{uri}");
        } else {
            // It is another thing each second. The log has the time of the answer's end, on a busy machine late.
            let took = seconds.iter().max().unwrap() - seconds.iter().min().unwrap();
            assert!(seconds.len() as u64 <= took + 1, "{uri}, {status}: {seconds:?}");
        }
    }
}
