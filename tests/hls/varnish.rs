//! Varnish in front, with the config of docs/scale.md. `make scale` has thousands of viewers behind two tiers.

use super::crowd::{self, PassedOn, camera};
use super::proxy::Proxy;
use super::support::{Dir, Server, have, run, until};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// Not everybody has that in the PATH.
const VARNISH: &str = "/usr/sbin/varnishd";
const VIEWERS: usize = 60;
const SEGMENTS: u64 = 2;

/// A running Varnish.
struct Varnish(Proxy);

impl Varnish {
    fn start(server: &Server) -> Varnish {
        let text = include_str!("../../docs/scale.md");
        let [_, block] = text.split("```vcl\n").collect::<Vec<_>>()[..] else {
            panic!("docs/scale.md has not one config for Varnish");
        };
        let replaced = |text: String, from: &str, to: String| {
            assert_eq!(text.matches(from).count(), 1, "{from} in docs/scale.md");
            text.replace(from, &to)
        };
        let config = block.split("```").next().unwrap().to_string();
        let config = replaced(config, "192.0.2.1", server.address.ip().to_string());
        let config = replaced(config, "\"8000\"", format!("\"{}\"", server.address.port()));
        let dir = Dir::new();
        dir.write("default.vcl", config);
        let path = |name: &str| dir.file(name).display().to_string();
        let log = std::fs::File::create(dir.file("log")).unwrap();
        // It stays the user that it is, and opens no port for commands.
        let process = Command::new(VARNISH)
            .args(["-F", "-j", "none", "-T", "none", "-s", "malloc,32m"])
            .args(["-n", &path("instance"), "-f", &path("default.vcl")])
            .args(["-a", &path("socket")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let log = "log";
        let mut varnish = Varnish(Proxy { process, dir, log });
        until("Varnish listens", || {
            assert!(varnish.0.process.try_wait().unwrap().is_none(), "it ended");
            UnixStream::connect(varnish.0.dir.file("socket")).is_ok()
        });
        varnish
    }

    /// What went on to the camera, from the log that it keeps in memory.
    fn passed_on(&self) -> Vec<PassedOn> {
        let instance = self.0.dir.file("instance");
        let format = "%{%s}t %s %U%q";
        let args = ["-d", "-b", "-n", instance.to_str().unwrap(), "-F", format];
        let log = String::from_utf8(run("varnishncsa", &args).stdout).unwrap();
        let passed_on = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields[0].parse().unwrap(), fields[1].into(), fields[2].into())
        };
        log.lines().map(passed_on).collect()
    }
}

#[test]
fn a_crowd_behind_varnish_costs_one_request_for_each_thing() {
    if !have(VARNISH) || !have("varnishncsa") {
        return;
    }
    let server = camera();
    let varnish = Varnish::start(&server);
    crowd::watches(VIEWERS, SEGMENTS, &|| varnish.0.client());
    crowd::asks_in_vain(VIEWERS, &|| varnish.0.client());
    // All but HLS is not for a crowd.
    for path in ["/", "/status", "/stream.mp4", "/ws"] {
        assert_eq!(varnish.0.client().get(path).status, 404, "{path}");
    }
    let mut passed_on = Vec::new();
    // The log of a request is whole a moment after its answer; one more is this question.
    until("the log has as many requests as the camera's machine", || {
        passed_on = varnish.passed_on();
        passed_on.len() as u64 + 1 >= server.number("requests")
    });
    crowd::cost_one_request_for_each_thing(&passed_on);
}
