//! The laws of the fuzz targets on stable Rust: over their seeds, and over 10^5 mutations of them each.

#![allow(clippy::unwrap_used)] // all of it is tests

#[path = "support/random.rs"]
mod random;

use fmp4streamer::{config, format, people, serve};
use random::Random;
use std::panic;
use std::path::Path;

const MUTATIONS: u32 = 100_000;

/// `data` with a few things done to it that a line, a disk or an enemy may do.
fn mutated(chance: &mut Random, mut data: Vec<u8>, seeds: &[Vec<u8>]) -> Vec<u8> {
    for _ in 0..=chance.below(4) {
        let from = chance.below(data.len() + 1);
        let to = from + chance.below((data.len() - from).min(64) + 1);
        match chance.below(8) {
            0 if from < data.len() => data[from] ^= 1 << chance.below(8),
            1 if from < data.len() => data[from] = chance.next() as u8,
            2 => data.truncate(from),
            3 => drop(data.drain(from..to)),
            4 => data.extend_from_within(from..to),
            // What means something to one parser or another.
            5 => {
                let words: [&[u8]; 12] = [
                    b"\xff\xd8\xff",
                    b"\xff\xd9",
                    b"\xff\xda",
                    b"\0\0\x01",
                    b"\0\0\0\x01",
                    b"\0\0\x03",
                    b"\xff\xff\xff\xff",
                    b"\r\n",
                    b"\r\n\r\n",
                    b"\n[",
                    b"=",
                    b"%(",
                ];
                data.splice(from..from, words[chance.below(words.len())].iter().copied());
            }
            6 => {
                let other = &seeds[chance.below(seeds.len())];
                let start = chance.below(other.len());
                let end = start + chance.below((other.len() - start).min(64) + 1);
                data.splice(from..to, other[start..end].iter().copied());
            }
            _ => data[from..to].fill([0, 0xff][chance.below(2)]),
        }
    }
    data
}

/// Holds a law over a target's seeds and their mutations; the bytes that break it are kept in target/laws.
fn hold(target: &str, law: fn(&[u8])) {
    hold_for(target, MUTATIONS, law);
}

/// The same over so many mutations.
fn hold_for(target: &str, mutations: u32, law: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = root
        .join("fuzz/seeds")
        .join(target)
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort(); // the same mutations on every machine
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "no seeds for {target}");
    let check = |data: &[u8]| {
        let Err(broken) = panic::catch_unwind(|| law(data)) else {
            return;
        };
        let kept = root.join("target/laws").join(target);
        std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
        std::fs::write(&kept, data).unwrap();
        println!("the bytes that break the law: {}", kept.display());
        panic::resume_unwind(broken);
    };
    seeds.iter().for_each(|seed| check(seed));
    let mut chance = Random::new(1);
    for _ in 0..mutations {
        let seed = seeds[chance.below(seeds.len())].clone();
        check(&mutated(&mut chance, seed, &seeds));
    }
}

#[test]
fn h264_split() {
    hold("h264_split", format::h264::laws::split);
}

#[test]
fn sps() {
    hold("sps", format::h264::laws::sps);
}

#[test]
fn assembler() {
    hold("assembler", format::h264::laws::assembler);
    hold("assembler", format::h264::laws::quiet);
}

#[test]
fn fmp4_walk() {
    hold("fmp4_walk", format::fmp4::laws::walk);
}

#[test]
fn recording() {
    hold("recording", format::fmp4::laws::repair);
}

#[test]
fn gzip() {
    hold("gzip", format::gzip::laws::gzip);
}

#[test]
fn jpeg() {
    hold("jpeg", format::jpeg::laws::jpeg);
}

/// An encoder takes its time.
#[test]
fn aac() {
    hold_for("aac", MUTATIONS / 100, format::aac::laws::aac);
}

#[test]
fn raw() {
    hold("raw", format::raw::laws::raw);
}

#[test]
fn request_head() {
    hold("request_head", serve::head::laws::request_head);
}

#[test]
fn hls_request() {
    hold("hls_request", format::hls::laws::hls_request);
}

#[test]
fn config_file() {
    hold("config", config::laws::config);
}

#[test]
fn rtsp() {
    hold("rtsp", format::rtsp::laws::rtsp);
}

#[test]
fn rtp() {
    hold("rtp", format::rtp::laws::rtp);
}

#[test]
fn soap() {
    hold("soap", format::soap::laws::soap);
}

#[test]
fn websocket() {
    hold("websocket", format::ws::laws::websocket);
}

#[test]
fn json() {
    hold("json", format::json::laws::json);
}

#[test]
fn app4() {
    hold("app4", format::app4::laws::app4);
}

#[test]
fn descriptors() {
    hold("descriptors", format::usb::laws::descriptors);
}

#[test]
fn token() {
    hold("token", people::laws::token);
}

#[test]
fn basic() {
    hold("basic", format::basic::laws::basic);
}

#[test]
fn digest() {
    hold("digest", format::digest::laws::digest);
}

#[test]
fn form() {
    hold("form", format::form::laws::form);
}

/// A law that does not hold is found, and a target without a law here as well.
#[test]
fn a_broken_law_is_found() {
    let broken = panic::catch_unwind(|| hold("request_head", |data| assert!(!data.ends_with(b"\r"))));
    assert!(broken.is_err());
    let source = include_str!("laws.rs");
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for target in targets.read_dir().unwrap() {
        let target = target.unwrap().path();
        let name = target.file_stem().unwrap().to_str().unwrap();
        assert!(
            source.contains(&format!("hold(\"{name}\","))
                || source.contains(&format!("hold_for(\"{name}\",")),
            "{name} is fuzzed but not tested here"
        );
    }
}
