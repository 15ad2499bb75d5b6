//! What recorders make of the stream, in each of the ways that it is sent.

use super::websocket::{BINARY, Client, PING, pong};
use super::{Dir, Server, run};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// So many seconds, or the MINUTES that are asked for (make sync).
pub fn length(seconds: u64) -> Duration {
    let minutes = std::env::var("MINUTES").map(|minutes| minutes.parse::<u64>().unwrap());
    Duration::from_secs(minutes.map_or(seconds, |minutes| minutes * 60))
}

/// Records the stream in all ways at once, into files that end with whole fragments. Each holds pictures for so long: a busy
/// machine takes its time.
pub fn record(server: &Server, length: Duration, dir: &Dir) -> [PathBuf; 3] {
    let files = ["stream.mp4", "hls.mp4", "ws.mp4"].map(|name| dir.file(name));
    thread::scope(|scope| {
        for (way, file) in [by_http, by_hls, by_ws].into_iter().zip(&files) {
            scope.spawn(move || way(server, length, BufWriter::new(File::create(file).unwrap())));
        }
    });
    files
}

/// How long the pictures of a recording last.
#[derive(Default)]
struct Length {
    begin_90k: Option<u64>,
    length: Duration,
}

impl Length {
    /// By the times of a fragment. Those of the sound count otherwise.
    fn count(&mut self, moof: &[u8]) {
        if moof[44..48] != [0, 0, 0, 1] {
            return;
        }
        let time_90k = u64::from_be_bytes(moof[60..68].try_into().unwrap());
        let begin_90k = *self.begin_90k.get_or_insert(time_90k);
        self.length = Duration::from_millis((time_90k - begin_90k) / 90);
    }
}

fn by_http(server: &Server, length: Duration, mut file: BufWriter<File>) {
    let mut stream = server.follow("");
    let mut recorded = Length::default();
    loop {
        let next = stream.next_box().expect("the stream goes on");
        file.write_all(&next.bytes).unwrap();
        match &next.kind {
            b"moof" => recorded.count(&next.bytes),
            b"mdat" if recorded.length >= length => return file.flush().unwrap(),
            _ => {}
        }
    }
}

fn by_hls(server: &Server, length: Duration, mut file: BufWriter<File>) {
    let mut taken = Vec::new();
    let mut recorded_s = 0.0;
    while recorded_s < length.as_secs_f64() {
        let playlist = server.get("/streaminf.m3u8");
        let mut duration_s = 0.0;
        for line in playlist.lines() {
            if let Some(duration) = line.strip_prefix("#EXTINF:") {
                duration_s = duration.trim_end_matches(',').parse::<f64>().unwrap();
            }
            let map = line.strip_prefix("#EXT-X-MAP:URI=\"");
            let url = map.map_or(line, |map| map.split('"').next().unwrap());
            if !url.starts_with("hls/") || taken.iter().any(|taken| taken == url) {
                continue;
            }
            file.write_all(&body(server, url)).unwrap();
            taken.push(url.to_string());
            recorded_s += duration_s;
        }
        thread::sleep(Duration::from_millis(300));
    }
    file.flush().unwrap();
}

fn body(server: &Server, url: &str) -> Vec<u8> {
    let request = format!("GET /{url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    server.send(request.as_bytes()).read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{url}");
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.split_off(head + 4)
}

fn by_ws(server: &Server, length: Duration, mut file: BufWriter<File>) {
    let mut client = Client::new(server, "/ws");
    let mut recorded = Length::default();
    while recorded.length < length {
        let frame = client.next().expect("the stream goes on");
        match frame.first {
            BINARY => {
                file.write_all(&frame.payload).unwrap();
                if !frame.is_init() {
                    recorded.count(&frame.payload);
                }
            }
            PING => client.send(&pong(&frame.payload)),
            _ => {}
        }
    }
    file.flush().unwrap();
}

/// Decodes both tracks, about which ffmpeg has nothing to say. Gives the sound, in samples of one channel: from the time zero
/// on, with silence where there is none.
pub fn decode(file: &Path) -> Vec<i16> {
    // Pictures not in frames of a rate that it guesses.
    let exact = "-map 0:v -fps_mode passthrough -enc_time_base:v 1:90000 -f null -";
    let sound = "-map 0:a -af aresample=async=1:first_pts=0 -f s16le -ac 1 -";
    let file = file.to_str().unwrap();
    // What begins later is not to begin at zero.
    let arguments = ["-v", "warning", "-xerror", "-copyts", "-i", file].into_iter();
    let arguments = arguments.chain(exact.split(' ')).chain(sound.split(' '));
    let decoded = run("ffmpeg", &arguments.collect::<Vec<_>>());
    assert_eq!(String::from_utf8_lossy(&decoded.stderr), "", "{file}");
    assert!(decoded.status.success());
    let samples = decoded.stdout.chunks_exact(2);
    samples
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}
