//! Who guesses passwords without end: those who watch go on watching, and who knows one gets in.

use super::support::{Server, Stream, until};
use super::{ANNA_BASIC, code, config, link, log_in};
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// The code of a login by this form, from this address.
fn log_in_from(server: &Server, from: [u8; 4], form: &str) -> String {
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut answer = String::new();
    _ = server
        .send_from(from, request.as_bytes())
        .read_to_string(&mut answer);
    answer.get(9..12).unwrap_or_default().to_string()
}

/// While passwords are guessed from these addresses: a stream goes on, a session, a link and a password that is known are
/// answered, and a right one from elsewhere opens.
fn flooded(server: &Server, guess_from: fn(u64) -> [u8; 4]) {
    let cookie = log_in(server, "user=anna&password=secret%3Aa");
    let front = link(server, "/yard/links", "{}");
    let watch = format!("GET {front}stream.mp4 HTTP/1.0\r\n\r\n");
    let mut stream = Stream::new(server.send(watch.as_bytes()));
    assert!(stream.next_fragment().is_some());
    let (guessed, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let counts = thread::scope(|scope| {
        let guess = || {
            let mut counts = [0; 3];
            while !stop.load(Ordering::Relaxed) {
                let number = guessed.fetch_add(1, Ordering::Relaxed);
                let form = format!("user=ben&password={number}");
                let got = log_in_from(server, guess_from(number), &form);
                // A place that has too many connections may be turned away before it is heard.
                let at = ["401", "429", "503", ""].iter().position(|code| *code == got);
                counts[at.unwrap_or_else(|| panic!("{got}")).min(2)] += 1;
            }
            counts
        };
        let guessers: Vec<_> = (0..4).map(|_| scope.spawn(guess)).collect();
        until("many were guessed", || guessed.load(Ordering::Relaxed) > 400);
        for _ in 0..30 {
            assert!(stream.next_fragment().is_some());
        }
        assert_eq!(code(server, "GET", "/status", &cookie), "200");
        assert_eq!(code(server, "GET", &front, ""), "200");
        assert_eq!(code(server, "GET", "/status", ANNA_BASIC), "200");
        until("who knows a password gets in", || {
            log_in_from(server, [127, 0, 77, 7], "user=ben&password=geheim") == "303"
        });
        stop.store(true, Ordering::Relaxed);
        let counts = guessers.into_iter().map(|guesser| guesser.join().unwrap());
        counts.fold([0; 3], |all, one| {
            [all[0] + one[0], all[1] + one[1], all[2] + one[2]]
        })
    });
    let failed = server.log().matches("login failed").count() as u64;
    assert!(failed <= counts[0], "{counts:?} {failed}");
    assert!(stream.next_fragment().is_some());
}

#[test]
fn one_who_guesses_keeps_nobody_out() {
    let server = Server::with_config(&config());
    flooded(&server, |_| [127, 0, 0, 9]);
    let tried = server.log().matches("login failed from 127.0.0.9").count();
    // Five for free, one after a second, one after two more, ...; and the test takes less than the next minutes.
    assert!((5..14).contains(&tried), "{tried}");
}

#[test]
fn many_who_guess_keep_nobody_out() {
    let server = Server::with_config(&config());
    flooded(&server, |number| [127, 1, (number >> 8) as u8, number as u8]);
}
