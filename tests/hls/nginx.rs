//! nginx in front, with the config of docs/proxy.md: a crowd costs the camera's machine one request for each thing.

use super::crowd::{self, HOST, PassedOn, camera};
use super::proxy::Proxy;
use super::support::{Dir, PATIENCE, Server, film, have, run, until};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Not everybody has that in the PATH.
const NGINX: &str = "/usr/sbin/nginx";
const VIEWERS: usize = 200;
/// Whole segments that each viewer wants to see come.
const SEGMENTS: u64 = 6;

/// The examples of docs/proxy.md for nginx: the whole file, then what else may stand in it.
fn examples() -> Vec<&'static str> {
    let text = include_str!("../../docs/proxy.md");
    let blocks = text.split("```nginx\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// A running nginx.
struct Nginx(Proxy);

impl Nginx {
    /// The whole of a config; `camera` is that of the example.
    fn config(dir: &Dir, camera: &str, server: &Server) -> PathBuf {
        let path = |name: &str| dir.file(name).display().to_string();
        let replaced = |text: String, from: &str, to: &str| {
            assert_eq!(text.matches(from).count(), 1, "{from} in docs/proxy.md");
            text.replace(from, to)
        };
        let camera = replaced(camera.into(), "/var/cache/nginx/camera", &path("cache"));
        let camera = replaced(camera, "127.0.0.1:8000", &server.address.to_string());
        let camera = replaced(camera, "listen 80;", &format!("listen unix:{};", path("socket")));
        dir.write("nginx.conf", format!("{}{camera}\n}}\n", Nginx::main_lines(dir)))
    }

    /// All that is not about the camera, up to the beginning of the servers.
    fn main_lines(dir: &Dir) -> String {
        let path = |name: &str| dir.file(name).display().to_string();
        let root = std::fs::metadata(dir.file(".")).unwrap().uid() == 0;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};\n", path(what)))
            .concat();
        format!(
            "{}daemon off;\nworker_processes 1;\npid {};\nerror_log {} warn;\nevents {{ worker_connections 2000; }}\n\
             http {{\n{temporary}log_format counted '$msec $upstream_status $status $request_uri';\n\
             access_log {} counted;\n",
            if root { "user root;\n" } else { "" },
            path("pid"),
            path("error"),
            path("access"),
        )
    }

    fn start(server: &Server) -> Nginx {
        let dir = Dir::new();
        let config = Nginx::config(&dir, examples()[0], server);
        Nginx::run(dir, &config)
    }

    /// With what it does by itself, and no more than a WebSocket needs.
    fn start_plain(server: &Server) -> Nginx {
        let (dir, address) = (Dir::new(), server.address);
        let (main, socket) = (Nginx::main_lines(&dir), dir.file("socket"));
        let text = format!(
            "{main}server {{ listen unix:{}; location / {{ proxy_pass http://{address}; }}\n\
             location /ws {{ proxy_pass http://{address}; proxy_http_version 1.1;\n\
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }}\n}}\n",
            socket.display()
        );
        let config = dir.write("nginx.conf", text);
        Nginx::run(dir, &config)
    }

    fn run(dir: Dir, config: &Path) -> Nginx {
        let process = Command::new(NGINX)
            .args([
                "-e",
                dir.file("error").to_str().unwrap(),
                "-c",
                config.to_str().unwrap(),
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        until("nginx listens", || dir.file("socket").exists());
        let log = "error";
        Nginx(Proxy { process, dir, log })
    }

    /// Sends a request, and reads until `end` has come.
    fn read_until(&self, request: &str, end: &[u8]) -> String {
        let mut socket = UnixStream::connect(self.0.dir.file("socket")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut got = Vec::new();
        while !got.windows(end.len()).any(|window| window == end) {
            let mut bytes = [0; 4096];
            let read = socket.read(&mut bytes).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&got));
            got.extend_from_slice(&bytes[..read]);
        }
        String::from_utf8_lossy(&got).into_owned()
    }

    /// What went on to the camera.
    fn passed_on(&self) -> Vec<PassedOn> {
        let log = std::fs::read_to_string(self.0.dir.file("access")).unwrap();
        let passed_on = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            let second = fields[0].split('.').next().unwrap().parse().unwrap();
            (fields[1] != "-").then(|| (second, fields[1].to_string(), fields[3].to_string()))
        };
        log.lines().filter_map(passed_on).collect()
    }
}

#[test]
fn a_crowd_behind_nginx_costs_one_request_for_each_thing() {
    if !have(NGINX) {
        return;
    }
    let server = camera();
    let nginx = Nginx::start(&server);
    crowd::watches(VIEWERS, SEGMENTS, &|| nginx.0.client());
    crowd::asks_in_vain(VIEWERS, &|| nginx.0.client());
    let passed_on = nginx.passed_on();
    crowd::cost_one_request_for_each_thing(&passed_on);
    // The camera's machine counts the same; one more is this question.
    assert_eq!(server.number("requests"), passed_on.len() as u64 + 1);
    let log = std::fs::read_to_string(nginx.0.dir.file("access")).unwrap();
    println!(
        "{} requests of {VIEWERS} viewers, {} to the camera",
        log.lines().count(),
        passed_on.len()
    );
}

#[test]
fn the_rest_goes_through_nginx_at_once() {
    if !have(NGINX) {
        return;
    }
    let server = camera();
    let nginx = Nginx::start(&server);
    let mut client = nginx.0.client();
    assert!(client.get("/").text().contains("<video"));
    assert!(client.get("/status").text().contains("\"cameras\""));
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n");
    nginx.read_until(&get("/stream.mp4", ""), b"moof");
    let upgrade = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{HOST}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for path in ["/ws", "/camera0/ws?format=h264"] {
        let end: &[u8] = if path == "/ws" { b"moof" } else { b"\0\0\0\x01" };
        let socket = nginx.read_until(&get(path, &upgrade), end);
        assert!(socket.starts_with("HTTP/1.1 101 ") && socket.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
    assert!(client.get("/camera0/streaminf.m3u8").text().contains("#EXTM3U"));
}

/// A camera that the test has in hand: what is written to the file is what the command writes.
fn held_camera(dir: &Dir) -> (Server, PathBuf) {
    let pipe = dir.file("pipe");
    assert!(run("mkfifo", &[pipe.to_str().unwrap()]).status.success());
    let config = format!(
        "[server]\nhosts = {HOST}\n[exec]\ncommand = exec cat {}\n",
        pipe.display()
    );
    (Server::with_config(&config), pipe)
}

/// Each picture is at the viewer before there is another one that could push it out of nginx's buffers.
fn comes_picture_by_picture(path: &str, pictures: &[Vec<u8>], behind: &[u8]) {
    let dir = Dir::new();
    let (server, pipe) = held_camera(&dir);
    let nginx = Nginx::start_plain(&server);
    let mut viewer = UnixStream::connect(nginx.0.dir.file("socket")).unwrap();
    viewer.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n");
    viewer.write_all(request.as_bytes()).unwrap();
    // It opens once the command reads.
    let mut camera = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
    let mut got = Vec::new();
    for (number, picture) in pictures.iter().enumerate() {
        camera.write_all(&[picture, behind].concat()).unwrap();
        let end = &picture[picture.len() - 20..];
        while !got.windows(end.len()).any(|window| window == end) {
            let mut bytes = [0; 4096];
            let read = viewer.read(&mut bytes);
            let read = read.unwrap_or_else(|e| panic!("{path}, picture {number} does not come: {e}"));
            assert!(read > 0, "{path} ended before picture {number}");
            got.extend_from_slice(&bytes[..read]);
        }
        got.clear();
    }
}

#[test]
fn nginx_as_it_is_installed_holds_no_picture_back() {
    if !have(NGINX) || !have("ffmpeg") {
        return;
    }
    let dir = Dir::new();
    let film = |name: &str, options: &[&str]| {
        let file = dir.file(name);
        film(
            "testsrc2=size=64x48:rate=25,noise=alls=30:allf=t",
            20,
            options,
            &file,
        );
        std::fs::read(file).unwrap()
    };
    let cut = |bytes: &[u8], begin: &[u8]| -> Vec<Vec<u8>> {
        let is_begin = |at: &usize| bytes[*at..].starts_with(begin);
        let mut at: Vec<usize> = (0..bytes.len()).filter(is_begin).collect();
        at.push(bytes.len());
        at.windows(2)
            .map(|ends| bytes[ends[0]..ends[1]].to_vec())
            .collect()
    };
    let delimiter = b"\0\0\0\x01\x09";
    let h264 = film(
        "film.h264",
        &[
            "-c:v",
            "libx264",
            "-tune",
            "zerolatency",
            "-x264-params",
            "aud=1:keyint=5",
        ],
    );
    let pictures = cut(&h264, delimiter);
    assert_eq!(pictures.len(), 20);
    // A delimiter behind a picture says that it is whole; the next picture begins with another one.
    comes_picture_by_picture("/stream.mp4", &pictures, b"\0\0\0\x01\x09\xf0");
    let jpeg = film("film.mjpeg", &["-c:v", "mjpeg", "-f", "mjpeg"]);
    let pictures = cut(&jpeg, b"\xff\xd8\xff");
    assert_eq!(pictures.len(), 20);
    comes_picture_by_picture("/stream.mjpeg", &pictures, b"");
}

/// nginx puts its own Host there, and leaves the page's name to be known by `hosts`.
#[test]
fn a_websocket_goes_through_nginx_with_its_own_host() {
    if !have(NGINX) {
        return;
    }
    let server = camera();
    let nginx = Nginx::start_plain(&server);
    let ask = |origin: &str, end: &[u8]| {
        nginx.read_until(
            &format!(
                "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
            end,
        )
    };
    for origin in [format!("https://{HOST}"), format!("http://{HOST}:8443")] {
        assert!(ask(&origin, b"moof").starts_with("HTTP/1.1 101 "), "{origin}");
    }
    assert!(ask("https://evil.example", b"\r\n\r\n").starts_with("HTTP/1.1 403 "));
}

/// The lines for TLS and for a password fit where docs/proxy.md says.
#[test]
fn the_other_lines_for_nginx_are_good() {
    if !have(NGINX) || !have("openssl") {
        return;
    }
    let examples = examples();
    assert_eq!(examples.len(), 3);
    let (server, dir) = (camera(), Dir::new());
    let (key, certificate) = (dir.file("key"), dir.file("certificate"));
    let made = run(
        "openssl",
        &[
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=cam.example.org",
            ][..],
            &[
                "-keyout",
                key.to_str().unwrap(),
                "-out",
                certificate.to_str().unwrap(),
            ],
        ]
        .concat(),
    );
    assert!(made.status.success());
    let live = "/etc/letsencrypt/live/cam.example.org";
    let lines = examples[1]
        .replace(&format!("{live}/fullchain.pem"), certificate.to_str().unwrap())
        .replace(&format!("{live}/privkey.pem"), key.to_str().unwrap());
    let listens = "listen 443 ssl http2;";
    assert!(lines.contains(listens));
    let lines = lines.replace(listens, "listen 80; # over TLS");
    let camera = examples[0].replace("    listen 80;\n", &(lines + examples[2]));
    let config = Nginx::config(&dir, &camera, &server);
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("; # over TLS", " ssl http2;")).unwrap();
    let error = dir.file("error");
    let tested = run(
        NGINX,
        &[
            "-t",
            "-e",
            error.to_str().unwrap(),
            "-c",
            config.to_str().unwrap(),
        ],
    );
    assert!(
        tested.status.success(),
        "{}",
        String::from_utf8_lossy(&tested.stderr)
    );
}
