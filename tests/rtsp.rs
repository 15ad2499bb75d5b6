//! RTSP by its own client, which looks at each byte, and by real ones: ffmpeg and GStreamer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{Dir, PATIENCE, Server, children, film, have, numbers_in_gray, python, run, skip, until, x264};

const SERVER: &str = "[server]\nrtsp = yes\nrtsp_port = 0\nmax_age_ms = 60000\n";

/// With these further lines.
fn server(lines: &str) -> Server {
    Server::with_config(&format!("{SERVER}{lines}"))
}

fn test_picture() -> Server {
    server("[test]\nwidth = 320\nheight = 240\n")
}

fn udp_picture() -> Server {
    server("rtsp_udp = yes\n[test]\nwidth = 320\nheight = 240\n")
}

/// Where it serves RTSP: host and port.
fn place(server: &Server) -> String {
    let log = server.log();
    let (_, place) = log.split_once("rtsp://").expect("RTSP is served");
    place.split('/').next().unwrap().to_string()
}

/// What a client gets between two of its answers.
struct Frame {
    channel: u8,
    bytes: Vec<u8>,
}

/// A picture as a receiver puts it together.
struct Picture {
    timestamp: u32,
    nal_units: Vec<Vec<u8>>,
}

impl Picture {
    fn types(&self) -> Vec<u8> {
        self.nal_units.iter().map(|unit| unit[0] & 31).collect()
    }

    fn slices(&self) -> Vec<&[u8]> {
        let units = self.nal_units.iter().map(Vec::as_slice);
        units.filter(|unit| matches!(unit[0] & 31, 1 | 5)).collect()
    }
}

/// The wall clock of a report, in microseconds of Unix time, and the timestamp that it is for.
#[derive(Debug, Clone, Copy)]
struct Report {
    unix_us: i64,
    timestamp: u32,
}

struct Client {
    socket: TcpStream,
    received: VecDeque<u8>,
    frames: VecDeque<Frame>,
    url: String,
    /// Further lines of each request.
    fields: String,
    requests: u32,
    session: String,
    sequences: [Option<u16>; 2],
    /// The number and the timestamp of each track's first packet.
    firsts: [(u16, u32); 2],
    reports: [Vec<Report>; 2],
    sounds: Vec<Vec<u8>>,
}

impl Client {
    fn new(server: &Server, path: &str) -> Client {
        let place = place(server);
        let socket = TcpStream::connect(&place).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client {
            socket,
            received: VecDeque::new(),
            frames: VecDeque::new(),
            url: format!("rtsp://{place}{path}"),
            fields: String::new(),
            requests: 0,
            session: String::new(),
            sequences: [None; 2],
            firsts: [(0, 0); 2],
            reports: Default::default(),
            sounds: Vec::new(),
        }
    }

    /// One that plays so many tracks.
    fn playing(server: &Server, path: &str, tracks: usize) -> Client {
        let mut client = Client::new(server, path);
        client.play(tracks);
        client
    }

    /// Gives what each track is said to begin with: a number and a timestamp.
    fn play(&mut self, tracks: usize) -> Vec<(u16, u32)> {
        assert!(self.ask("DESCRIBE", "", "").starts_with("RTSP/1.0 200 OK\r\n"));
        for track in 0..tracks {
            self.set_up(track);
        }
        let answer = self.ask("PLAY", "/", "Range: npt=0.000-\r\n");
        assert!(answer.starts_with("RTSP/1.0 200 OK\r\n"), "{answer}");
        rtp_info(&answer, &self.url)
    }

    fn set_up(&mut self, track: usize) {
        let channels = format!("{}-{}", 2 * track, 2 * track + 1);
        let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels}\r\n");
        let answer = self.ask("SETUP", &format!("/trackID={track}"), &transport);
        assert!(
            answer.contains(&format!("interleaved={channels};ssrc=")),
            "{answer}"
        );
        let (_, session) = answer.split_once("Session: ").unwrap();
        self.session = session.split(';').next().unwrap().to_string();
        assert_eq!(self.session.len(), 16);
    }

    fn request(&mut self, method: &str, suffix: &str, fields: &str) -> String {
        self.requests += 1;
        let session = match &*self.session {
            "" => String::new(),
            id => format!("Session: {id}\r\n"),
        };
        format!(
            "{method} {}{suffix} RTSP/1.0\r\ncseq: {}\r\n{session}{}{fields}\r\n",
            self.url, self.requests, self.fields
        )
    }

    /// The answer, of which `CSeq` is the request's.
    fn ask(&mut self, method: &str, suffix: &str, fields: &str) -> String {
        let request = self.request(method, suffix, fields);
        self.socket.write_all(request.as_bytes()).unwrap();
        let answer = self.answer().expect("an answer");
        let cseq = format!("\r\nCSeq: {}\r\n", self.requests);
        assert!(answer.contains(&cseq), "{answer}");
        answer
    }

    fn status(&mut self, method: &str, suffix: &str, fields: &str) -> String {
        let answer = self.ask(method, suffix, fields);
        answer["RTSP/1.0 ".len()..][..3].to_string()
    }

    /// So many bytes more; false at the end.
    fn receive(&mut self, bytes: usize) -> bool {
        let mut buffer = [0; 4096];
        while self.received.len() < bytes {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => self.received.extend(&buffer[..read]),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return false,
                Err(e) => panic!("nothing came: {e}"),
            }
        }
        true
    }

    /// Passes over nothing: what does not begin with an answer begins with a whole frame.
    fn next_frame(&mut self) -> Option<Frame> {
        if !self.receive(4) {
            return None;
        }
        assert_eq!(self.received[0], b'$', "no frame begins here");
        let length = usize::from(u16::from_be_bytes([self.received[2], self.received[3]]));
        if !self.receive(4 + length) {
            return None;
        }
        let bytes: Vec<u8> = self.received.drain(..4 + length).collect();
        Some(Frame {
            channel: bytes[1],
            bytes: bytes[4..].to_vec(),
        })
    }

    fn answer(&mut self) -> Option<String> {
        while self.receive(1) && self.received[0] == b'$' {
            let frame = self.next_frame()?;
            self.frames.push_back(frame);
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if !self.receive(1) {
                return None;
            }
            head.extend(self.received.pop_front());
        }
        let mut answer = String::from_utf8(head).unwrap();
        assert!(answer.starts_with("RTSP/1.0 "), "{answer}");
        if let Some((_, length)) = answer.split_once("Content-Length: ") {
            let length: usize = length.split('\r').next().unwrap().parse().unwrap();
            assert!(self.receive(length));
            let body: Vec<u8> = self.received.drain(..length).collect();
            answer.push_str(&String::from_utf8(body).unwrap());
        }
        Some(answer)
    }

    /// Takes a frame: a report, sound, or a packet of the picture, which is given.
    fn packet(&mut self) -> Option<Vec<u8>> {
        loop {
            let frame = self.frames.pop_front().or_else(|| self.next_frame())?;
            let (track, bytes) = (usize::from(frame.channel / 2), frame.bytes);
            let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            if bytes.len() == 8 {
                // That the connection lives, where nothing was sent yet.
                assert_eq!((frame.channel % 2, word(0)), (1, 0x80c9_0001));
                continue;
            }
            if frame.channel % 2 == 1 {
                assert_eq!((bytes.len(), word(0), bytes[29]), (56, 0x80c8_0006, 202));
                self.reports[track].push(Report {
                    unix_us: (i64::from(word(8)) - 2_208_988_800) * 1_000_000
                        + ((i64::from(word(12)) * 1_000_000) >> 32),
                    timestamp: word(16),
                });
                continue;
            }
            assert!(bytes.len() <= 1452 && bytes[0] == 0x80);
            let sequence = u16::from_be_bytes([bytes[2], bytes[3]]);
            match self.sequences[track].replace(sequence) {
                Some(before) => assert_eq!(sequence, before.wrapping_add(1), "a packet is missing"),
                None => self.firsts[track] = (sequence, word(4)),
            }
            if track == 0 {
                assert!(matches!(bytes[1] & 0x7f, 96 | 26));
                return Some(bytes);
            }
            assert_eq!(bytes[1], 0x80 | 97);
            assert_eq!(
                usize::from(u16::from_be_bytes([bytes[14], bytes[15]]) >> 3),
                bytes.len() - 16
            );
            self.sounds.push(bytes[16..].to_vec());
        }
    }

    fn picture(&mut self) -> Option<Picture> {
        let mut picture = Picture {
            timestamp: 0,
            nal_units: Vec::new(),
        };
        loop {
            let packet = self.packet()?;
            let timestamp = u32::from_be_bytes(packet[4..8].try_into().unwrap());
            if picture.nal_units.is_empty() {
                picture.timestamp = timestamp;
            }
            assert_eq!(picture.timestamp, timestamp);
            match packet[12] & 31 {
                28 => {
                    if packet[13] & 0x80 != 0 {
                        let header = packet[12] & 0xe0 | packet[13] & 31;
                        picture.nal_units.push(vec![header]);
                    }
                    picture.nal_units.last_mut().unwrap().extend(&packet[14..]);
                }
                _ => picture.nal_units.push(packet[12..].to_vec()),
            }
            if packet[1] & 0x80 != 0 {
                return Some(picture);
            }
        }
    }

    /// The tables and the coded data of a JPEG picture (RFC 2435, 3.1), which is of type 1 and has tables of its own.
    fn jpeg(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (mut tables, mut coded) = (Vec::new(), Vec::new());
        loop {
            let packet = self.packet().expect("the stream goes on");
            let (head, mut rest) = packet[12..].split_at(8);
            let at = (coded.len() as u32).to_be_bytes();
            assert_eq!(head, [0, at[1], at[2], at[3], 1, 255, 80, 45]);
            if coded.is_empty() {
                assert_eq!(rest[..4], [0, 0, 0, 128]);
                tables = rest[4..132].to_vec();
                rest = &rest[132..];
            }
            coded.extend_from_slice(rest);
            if packet[1] & 0x80 != 0 {
                return (tables, coded);
            }
        }
    }

    fn pictures(&mut self, count: usize) -> Vec<Picture> {
        (0..count)
            .map(|_| self.picture().expect("the stream goes on"))
            .collect()
    }
}

/// What the answer to PLAY says that each track of this address begins with.
fn rtp_info(answer: &str, url: &str) -> Vec<(u16, u32)> {
    let (_, tracks) = answer.split_once("\r\nRTP-Info: ").expect(answer);
    let tracks = tracks.lines().next().unwrap().split(',').enumerate();
    let read = |(number, track): (usize, &str)| {
        let rest = track
            .strip_prefix(&format!("url={url}/trackID={number};seq="))
            .expect(answer);
        let (sequence, timestamp) = rest.split_once(";rtptime=").expect(answer);
        (sequence.parse().unwrap(), timestamp.parse().unwrap())
    };
    tracks.map(read).collect()
}

fn assert_no_gap(numbers: &[u32]) {
    assert!(numbers.len() >= 50, "{} pictures", numbers.len());
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
}

/// By RTSP alone over its connection.
const TCP: &[&str] = &["-rtsp_transport", "tcp"];
/// By datagrams alone.
const UDP: &[&str] = &["-rtsp_transport", "udp"];

/// Has ffmpeg play what is at that address; `output` are its words for what becomes of it.
fn ffmpeg(transport: &[&str], url: &str, output: &str) -> Output {
    let output: Vec<&str> = output.split(' ').collect();
    run(
        "ffmpeg",
        &[&["-v", "error"], transport, &["-i", url], &output].concat(),
    )
}

#[test]
fn ffmpeg_gets_every_picture_and_takes_tcp_if_it_is_not_told_to() {
    if !have("ffmpeg") {
        return;
    }
    let (by_tcp, by_udp) = (test_picture(), udp_picture());
    for (server, transport) in [(&by_tcp, TCP), (&by_tcp, &[]), (&by_udp, UDP)] {
        let url = format!("rtsp://{}/camera0", place(server));
        let output = "-frames:v 60 -fps_mode passthrough -f rawvideo -pix_fmt gray -";
        let played = ffmpeg(transport, &url, output);
        let said = String::from_utf8_lossy(&played.stderr);
        let others = said
            .lines()
            .filter(|line| !line.contains("461 Unsupported Transport"));
        assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
        assert_no_gap(&numbers_in_gray(&played.stdout, 320, 240));
    }
}

/// True if GStreamer is there, with these elements.
fn has_gstreamer(elements: &[&str]) -> bool {
    let lacks = |element: &&&str| !run("gst-inspect-1.0", &[**element]).status.success();
    if !have("gst-launch-1.0") {
        return false;
    }
    let lacking = elements.iter().find(lacks);
    if let Some(element) = lacking {
        skip(&format!("GStreamer has no {element}"));
    }
    lacking.is_none()
}

#[test]
fn gstreamer_gets_every_picture() {
    if !has_gstreamer(&["rtspsrc", "rtph264depay", "avdec_h264"]) {
        return;
    }
    for (server, protocols) in [(test_picture(), "udp+tcp"), (udp_picture(), "udp")] {
        let file = server.dir.file("gray");
        let pipeline = format!(
            "rtspsrc location=rtsp://{}/ protocols={protocols} ! rtph264depay ! h264parse ! avdec_h264 ! videoconvert ! \
             video/x-raw,format=GRAY8 ! identity eos-after=61 ! filesink location={}",
            place(&server),
            file.display()
        );
        let played = run("gst-launch-1.0", &pipeline.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&played.stderr);
        assert!(played.status.success(), "{said}");
        assert_no_gap(&numbers_in_gray(&std::fs::read(file).unwrap(), 320, 240));
    }
}

#[test]
fn mpv_gets_every_picture() {
    if !have("mpv") {
        return;
    }
    let server = udp_picture();
    for transport in ["tcp", "udp"] {
        let file = server.dir.file("gray");
        let words = format!(
            "--no-config --really-quiet --no-audio --rtsp-transport={transport} --frames=60 --vf=format=gray --untimed \
             --framedrop=no --of=rawvideo --ovc=rawvideo --o={} rtsp://{}/",
            file.display(),
            place(&server)
        );
        let played = run("mpv", &words.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&played.stdout);
        assert!(played.status.success(), "{said}");
        assert_no_gap(&numbers_in_gray(&std::fs::read(file).unwrap(), 320, 240));
    }
}

/// That a client of PyPI's gets every picture by these transports.
fn assert_plays(client: &str, transports: &[&str]) {
    let server = udp_picture();
    for transport in transports {
        let address = format!("rtsp://{}/", place(&server));
        let Some(played) = python(&[client, "av"], "rtsp.py", &[client, transport, &address, "60"]) else {
            return;
        };
        let said = String::from_utf8_lossy(&played.stderr);
        assert!(played.status.success(), "{client} {transport}: {said}");
        assert_no_gap(&numbers_in_gray(&played.stdout, 320, 8));
    }
}

/// The client of Home Assistant.
#[test]
fn pyav_gets_every_picture() {
    assert_plays("av", &["tcp", "udp"]);
}

#[test]
fn opencv_gets_every_picture() {
    assert_plays("cv2", &["tcp", "udp"]);
}

/// An ffmpeg newer than Debian's.
#[test]
fn a_newer_ffmpeg_gets_every_picture() {
    assert_plays("imageio_ffmpeg", &["tcp", "udp"]);
}

#[test]
fn aiortsp_gets_every_picture() {
    assert_plays("aiortsp", &["tcp", "udp"]);
}

/// At two ports in a row.
fn two_sockets() -> Vec<UdpSocket> {
    let sockets: Vec<UdpSocket> = (0..100)
        .map(|at| 30000 + 2 * at)
        .find_map(|port| {
            let pair = [port, port + 1].map(|port| UdpSocket::bind(("127.0.0.1", port)));
            pair.into_iter().collect::<Result<_, _>>().ok()
        })
        .expect("two ports in a row");
    for socket in &sockets {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        setsockopt(socket, sockopt::RcvBuf, &(4 << 20)).unwrap();
    }
    sockets
}

/// The test picture has a key frame each second, and when it is asked for one.
#[test]
fn who_reports_a_loss_gets_a_key_frame() {
    let server = udp_picture();
    let mut client = Client::new(&server, "/");
    let sockets = two_sockets();
    let port = sockets[0].local_addr().unwrap().port();
    assert_eq!(client.status("DESCRIBE", "", ""), "200");
    let transport = format!("Transport: RTP/AVP;unicast;client_port={port}-{}\r\n", port + 1);
    let answer = client.ask("SETUP", "/trackID=0", &transport);
    let after = |name| {
        answer
            .split_once(name)
            .expect(&answer)
            .1
            .split([';', '\r', '-'])
            .next()
            .unwrap()
    };
    client.session = after("Session: ").into();
    let own: u16 = after("server_port=").parse().unwrap();
    assert_eq!(client.status("PLAY", "", ""), "200");
    let mut buffer = [0; 2048];
    // How many pictures there are until the next that begins with parameter sets.
    let mut until_key = || {
        for pictures in 0.. {
            loop {
                sockets[0].recv(&mut buffer).unwrap();
                if buffer[12] & 31 == 7 {
                    return pictures;
                }
                if buffer[1] & 0x80 != 0 {
                    break;
                }
            }
        }
        0
    };
    let report = |lost: u8| {
        let report = [0x81, 201, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, lost, 0, 0, 9];
        let report = [&report[..], &[0; 16]].concat();
        sockets[1].send_to(&report, ("127.0.0.1", own + 1)).unwrap();
    };
    // With a request it is looked at what came.
    report(0);
    assert_eq!(client.status("GET_PARAMETER", "", ""), "200");
    let usual = (0..4).map(|_| until_key()).max().unwrap();
    report(9);
    assert_eq!(client.status("GET_PARAMETER", "", ""), "200");
    assert!((0..3).any(|_| until_key() < usual));
}

/// Who finds no room for datagrams is sent to the connection.
#[test]
fn sockets_for_datagrams_have_a_limit() {
    let mut program = Command::new("sh");
    program.args(["-c", "ulimit -n 148; exec \"$0\" \"$@\"", Server::PROGRAM]);
    let server = Server::with_config_as(program, &format!("{SERVER}rtsp_udp = yes\n[test]\n"));
    let transport = "Transport: RTP/AVP;unicast;client_port=30200-30201\r\n";
    let mut clients: Vec<Client> = (0..14).map(|_| Client::new(&server, "/")).collect();
    let statuses: Vec<String> = (clients.iter_mut())
        .map(|client| client.status("SETUP", "/trackID=0", transport))
        .collect();
    // 67 files are for clients, and 32 of them kept for pages: each has one, and two more for its datagrams.
    let (good, none) = statuses.split_at(10);
    assert!(
        good.iter().all(|it| it == "200") && none.iter().all(|it| it == "461"),
        "{statuses:?}"
    );
    clients.remove(0);
    until("there is room again", || {
        clients[10].status("SETUP", "/trackID=0", transport) == "200"
    });
    let tcp = "Transport: RTP/AVP/TCP;interleaved=0-1\r\n";
    assert_eq!(clients[11].status("SETUP", "/trackID=0", tcp), "200");
}

/// Large pictures go in several bursts. Nothing is sent to whom the client names, and nothing of a stranger's is heard.
#[test]
fn datagrams_go_to_the_client_alone_and_none_is_missing() {
    if !have("ffmpeg") || !have("python3") {
        return;
    }
    let dir = Dir::new();
    let file = dir.file("in.h264");
    let noise = "testsrc2=size=640x480:rate=10,noise=alls=90:allf=t";
    x264(noise, 60, "keyint=10:min-keyint=10:scenecut=0:qp=12", &file);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    let server = server(&format!(
        "rtsp_udp = yes\n[exec]\ncommand = exec python3 {script} {} 10 units\n",
        file.display()
    ));
    let mut client = Client::new(&server, "/");
    let sockets = two_sockets();
    let port = sockets[0].local_addr().unwrap().port();
    assert_eq!(client.status("DESCRIBE", "", ""), "200");
    let transport = format!(
        "Transport: RTP/AVP;unicast;destination=192.0.2.1;client_port={port}-{}\r\n",
        port + 1
    );
    let answer = client.ask("SETUP", "/trackID=0", &transport);
    let (_, session) = answer.split_once("Session: ").expect(&answer);
    client.session = session.split(';').next().unwrap().to_string();
    let (_, own) = answer
        .split_once(&format!(
            "RTP/AVP;unicast;client_port={port}-{};server_port=",
            port + 1
        ))
        .expect(&answer);
    let own = own.split(';').next().unwrap().split_once('-').unwrap();
    let own: (u16, u16) = (own.0.parse().unwrap(), own.1.parse().unwrap());
    assert!(own.0 % 2 == 0 && own.1 == own.0 + 1, "{own:?}");
    let tcp = "Transport: RTP/AVP/TCP;interleaved=2-3\r\n";
    assert_eq!(client.status("SETUP", "/trackID=0", tcp), "400");
    assert_eq!(client.status("PLAY", "", ""), "200");
    let mut buffer = [0; 2048];
    let (mut last, mut pictures, mut most, mut packets) = (None, 0, 0, 0);
    while pictures < 20 {
        let (bytes, from) = sockets[0].recv_from(&mut buffer).unwrap();
        assert_eq!((from.port(), buffer[0]), (own.0, 0x80));
        assert!(bytes <= 1452, "{bytes}");
        let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
        if let Some(before) = last.replace(sequence) {
            assert_eq!(sequence, u16::wrapping_add(before, 1), "a packet is missing");
        }
        packets += 1;
        if buffer[1] & 0x80 != 0 {
            (pictures, most, packets) = (pictures + 1, most.max(packets), 0);
        }
    }
    assert!(most > 100, "{most} packets in the largest picture");
    let (bytes, from) = sockets[1].recv_from(&mut buffer).unwrap();
    assert_eq!((bytes, from.port(), buffer[1]), (56, own.1, 200));
    // The connection is for requests alone.
    assert_eq!(client.status("GET_PARAMETER", "", ""), "200");
    assert!(client.frames.is_empty());
    assert_eq!(client.status("TEARDOWN", "", ""), "200");
}

/// Both tracks in one file, in step: ffmpeg puts them together by the reports.
#[test]
fn sound_goes_with_the_picture() {
    let server = server("[test]\nmic = test\nwidth = 320\nheight = 240\n");
    let mut client = Client::new(&server, "");
    let told = client.play(2);
    let pictures = client.pictures(60);
    assert!(client.sounds.len() > 60, "{} AAC frames", client.sounds.len());
    // From the first packet on: both tracks start at one moment, that of the first picture.
    let (video, sound) = (client.reports[0][0], client.reports[1][0]);
    assert_eq!(video.unix_us, sound.unix_us);
    assert_eq!([video.timestamp, sound.timestamp], [told[0].1, told[1].1]);
    assert_eq!(told[0], (client.firsts[0].0, pictures[0].timestamp));
    let (sequence, timestamp) = client.firsts[1];
    assert_eq!(told[1].0, sequence);
    // By their captures, which a busy machine may see late.
    let later = timestamp.wrapping_sub(told[1].1) as i32;
    assert!(later.abs() < 48_000, "{later}");
    if !have("ffmpeg") {
        return;
    }
    let file = server.dir.file("both.mp4");
    let url = format!("rtsp://{}/", place(&server));
    let recorded = ffmpeg(TCP, &url, &format!("-t 2 -c copy {}", file.display()));
    assert!(
        recorded.status.success(),
        "{}",
        String::from_utf8_lossy(&recorded.stderr)
    );
    let show = [
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name,start_time",
        "-of",
        "csv=p=0",
    ];
    let shown = run("ffprobe", &[&show[..], &[file.to_str().unwrap()]].concat());
    let shown = String::from_utf8(shown.stdout).unwrap();
    let starts: Vec<(&str, f64)> = shown
        .lines()
        .map(|line| line.split_once(',').unwrap())
        .map(|(codec, start)| (codec, start.parse().unwrap()))
        .collect();
    assert_eq!(
        (starts.len(), starts[0].0, starts[1].0),
        (2, "h264", "aac"),
        "{shown}"
    );
    assert!((starts[0].1 - starts[1].1).abs() < 0.2, "{shown}");
}

/// JPEG pictures that a command shows again and again, all of them different; `None` where there are no tools.
fn jpegs(dir: &Dir, options: &str) -> Option<(Server, Vec<PathBuf>)> {
    if !have("ffmpeg") || !have("python3") {
        return None;
    }
    let options: Vec<&str> = options.split(' ').collect();
    film(
        "testsrc2=size=640x360:rate=30",
        30,
        &options,
        &dir.file("%02d.jpg"),
    );
    let files: Vec<PathBuf> = (1..=30).map(|n| dir.file(&format!("{n:02}.jpg"))).collect();
    Some((feed(20, &files), files))
}

/// So many a second.
fn feed(rate: u32, files: &[PathBuf]) -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/jpegs.py");
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    server(&format!(
        "rtsp_udp = yes\n[exec]\ncommand = exec python3 {script} {rate} whole {}\n",
        names.join(" ")
    ))
}

/// Sums of the decoded pictures.
fn sums(input: &[&str]) -> Vec<String> {
    let output = [
        "-pix_fmt",
        "yuvj420p",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ];
    let decoded = run("ffmpeg", &[&["-v", "error"], input, &output].concat());
    let said = String::from_utf8_lossy(&decoded.stderr);
    let others = said
        .lines()
        .filter(|line| !line.contains("deprecated pixel format"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    let sums = String::from_utf8(decoded.stdout).unwrap();
    let sums = sums.lines().filter(|line| !line.starts_with('#'));
    sums.map(|line| line.rsplit(' ').next().unwrap().to_string())
        .collect()
}

/// What was shown are pictures that were fed.
fn assert_shown(got: &[String], fed: &[String]) {
    assert!(got.len() >= 40, "{} pictures", got.len());
    let numbers = got.iter().map(|sum| {
        fed.iter()
            .position(|it| it == sum)
            .expect("a picture that was fed")
    });
    let numbers: Vec<usize> = numbers.collect();
    // Who is slow gets the newest, and none twice.
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
}

#[test]
fn jpeg_pictures_are_shown_as_they_were_fed() {
    let dir = Dir::new();
    let options = "-pix_fmt yuvj420p -q:v 4 -huffman default";
    let Some((server, files)) = jpegs(&dir, options) else {
        return;
    };
    let fed = dir.file("%02d.jpg");
    let fed = sums(&["-i", fed.to_str().unwrap()]);
    let url = format!("rtsp://{}/", place(&server));
    for transport in [TCP, UDP] {
        let input = [transport, &["-i", &url, "-frames:v", "50"]].concat();
        assert_shown(&sums(&input), &fed);
    }
    for protocols in ["tcp", "udp"] {
        if !has_gstreamer(&["rtspsrc", "rtpjpegdepay"]) {
            continue;
        }
        let file = dir.file("pictures.mjpeg");
        let pipeline = format!(
            "-q rtspsrc location={url} protocols={protocols} ! rtpjpegdepay ! identity eos-after=51 ! filesink location={}",
            file.display()
        );
        // Its status tells nothing: where its TEARDOWN overtakes its PAUSE, it calls that an error.
        run("gst-launch-1.0", &pipeline.split(' ').collect::<Vec<_>>());
        assert_shown(&sums(&["-f", "mjpeg", "-i", file.to_str().unwrap()]), &fed);
    }

    // Byte by byte, with the tables that the file has; and a pause.
    let mut client = Client::new(&server, "/");
    let sdp = client.ask("DESCRIBE", "", "");
    assert!(
        sdp.contains("m=video 0 RTP/AVP 26\r\na=control:trackID=0\r\n"),
        "{sdp}"
    );
    assert_eq!(
        client.status("SETUP", "/trackID=1", "Transport: RTP/AVP/TCP\r\n"),
        "404"
    );
    let told = client.play(1);
    let fed: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for number in 0..40 {
        let (tables, coded) = client.jpeg();
        let same = |file: &&Vec<u8>| file.ends_with(&[&coded[..], &[0xff, 0xd9]].concat());
        let file = fed.iter().find(same).expect("a picture that was fed");
        assert!(
            file.windows(64).any(|table| table == &tables[..64]),
            "{tables:x?}"
        );
        if number == 0 {
            assert_eq!(
                (client.firsts[0], client.reports[0][0].timestamp),
                (told[0], told[0].1)
            );
        }
        if number == 20 {
            assert_eq!(client.status("PAUSE", "", ""), "200");
            while client.frames.iter().any(|frame| frame.channel == 0) {
                client.jpeg();
            }
            thread::sleep(Duration::from_millis(300));
            assert_eq!(client.status("PLAY", "", ""), "200");
        }
    }
    assert_eq!(server.camera("protocol"), "rtsp");
    assert_eq!(client.status("TEARDOWN", "", ""), "200");
}

#[test]
fn jpeg_pictures_that_rtp_can_not_carry_are_refused_with_a_reason() {
    let dir = Dir::new();
    let Some((server, _)) = jpegs(&dir, "-pix_fmt yuvj444p -huffman default") else {
        return;
    };
    let answer = Client::new(&server, "/").ask("DESCRIBE", "", "");
    let status = "RTSP/1.0 501 RTP takes baseline JPEG pictures of 4:2:0 or 4:2:2 alone\r\n";
    assert!(
        answer.starts_with(status) && answer.contains("/stream.mjpeg"),
        "{answer}"
    );
    until("it is in the log", || {
        server.log().contains("rtsp: RTP takes baseline JPEG")
    });
}

/// One among others that RTP can't carry is left out, and the log says so once; one of another size ends the connection.
#[test]
fn jpeg_pictures_are_not_all_alike() {
    if !have("ffmpeg") || !have("python3") {
        return;
    }
    let dir = Dir::new();
    let kinds = [
        ("good", "640x360", "420"),
        ("bad", "640x360", "444"),
        ("small", "320x240", "420"),
    ];
    let [good, bad, small] = kinds.map(|(name, size, sampling)| {
        let file = dir.file(&format!("{name}.jpg"));
        let format = format!("yuvj{sampling}p");
        let options = ["-pix_fmt", &format, "-huffman", "default"];
        film(&format!("testsrc2=size={size}"), 1, &options, &file);
        file
    });
    let server = feed(17, &[good.clone(), bad]);
    let mut client = Client::new(&server, "/");
    for status in ["501", "200", "501", "200"] {
        until(status, || client.status("DESCRIBE", "", "") == status);
    }
    client.set_up(0);
    assert_eq!(client.status("PLAY", "", ""), "200");
    for _ in 0..5 {
        client.jpeg();
    }
    assert_ne!(server.camera("frames_skipped"), "0");
    assert_eq!(server.log().matches("rtsp: RTP takes").count(), 1);

    let server = feed(4, &[good, small]);
    let mut client = Client::playing(&server, "/", 1);
    let mut sizes: Vec<_> = std::iter::from_fn(|| client.packet())
        .map(|packet| [packet[18], packet[19]])
        .collect();
    sizes.dedup();
    assert!(matches!(sizes[..], [[80, 45] | [40, 30]]), "{sizes:?}");
}

/// The same bytes as MP4 has them, and by the reports the very time of their capture.
#[test]
fn slices_are_those_of_mp4_and_reports_say_when_they_were_captured() {
    let server = test_picture();
    let mut mp4 = server.follow("?times=camera");
    let mut client = Client::playing(&server, "/", 1);
    // Before the first one the status knows of none.
    let mut pictures = client.pictures(1);
    let place = server.address;
    let asked = thread::spawn(move || {
        let known = |_| {
            let mut socket = TcpStream::connect(place).unwrap();
            socket.write_all(b"GET /status HTTP/1.0\r\n\r\n").unwrap();
            let mut status = String::new();
            socket.read_to_string(&mut status).unwrap();
            let number = |name: &str| {
                let (_, rest) = status.split_once(&format!("\"{name}\":")).expect(name);
                let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit());
                digits.into_iter().next().unwrap().parse::<i64>().unwrap()
            };
            thread::sleep(Duration::from_millis(20));
            (number("media_90k"), number("captured_us"))
        };
        (0..50).map(known).collect::<Vec<(i64, i64)>>()
    });
    pictures.extend(client.pictures(89));
    let known = asked.join().unwrap();
    assert_eq!(pictures[0].types(), [7, 8, 5], "it begins with a key frame");
    let report = client.reports[0][0];
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let offset_us = unix.as_micros() as i64 - (monotonic.tv_sec() * 1_000_000 + monotonic.tv_nsec() / 1000);

    let mut compared = 0;
    let mut at = 0;
    while at < pictures.len() {
        let fragment = mp4.next_fragment().unwrap();
        let units = fragment.nal_units();
        let slices: Vec<&[u8]> = units
            .into_iter()
            .filter(|unit| matches!(unit[0] & 31, 1 | 5))
            .collect();
        let picture = &pictures[at];
        if at == 0 && slices != picture.slices() {
            continue; // before the RTSP client began
        }
        assert!(slices == picture.slices(), "picture {at} differs");
        at += 1;
        for (_, captured_us) in known
            .iter()
            .filter(|(media_90k, _)| *media_90k == fragment.time() as i64)
        {
            let since = i64::from(picture.timestamp.wrapping_sub(report.timestamp) as i32);
            let by_report_us = report.unix_us + since * 100 / 9;
            let off_us = by_report_us - (captured_us + offset_us);
            assert!(off_us.abs() < 1000, "{off_us} µs off");
            compared += 1;
        }
    }
    assert!(compared > 5, "{compared} pictures are known by their capture");
}

/// A byte at a time; then all at once, among other things.
#[test]
fn requests_may_be_cut_anywhere() {
    let server = test_picture();
    let mut client = Client::new(&server, "/camera0");
    let mut all = Vec::new();
    for (method, suffix, fields) in [
        ("OPTIONS", "", ""),
        (
            "DESCRIBE",
            "",
            "Accept: application/sdp\r\nRequire: www.onvif.org/ver20/backchannel\r\n",
        ),
        (
            "SETUP",
            "/trackID=0",
            "Transport: RTP/AVP;unicast;client_port=1-2,RTP/AVP/TCP;interleaved=0-1\r\n",
        ),
        ("GET_PARAMETER", "", "Content-Length: 3\r\n"),
    ] {
        all.extend(client.request(method, suffix, fields).bytes());
    }
    all.extend(b"a:b$\x01\0\x05ab$cd\r\n\r\n");
    for byte in &all {
        client.socket.write_all(&[*byte]).unwrap();
    }
    let statuses = |client: &mut Client| {
        (0..4)
            .map(|_| {
                let answer = client.answer().unwrap();
                let fields = answer
                    .lines()
                    .filter(|line| line.starts_with("Public") || line.starts_with("m="));
                format!("{} {}", &answer[9..12], fields.collect::<String>())
            })
            .collect::<Vec<_>>()
    };
    let expected = [
        "200 Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER",
        "200 m=video 0 RTP/AVP 96",
        "200 ",
        "200 ",
    ];
    assert_eq!(statuses(&mut client), expected);
    assert_eq!(client.status("TEARDOWN", "", ""), "200");
    assert!(client.answer().is_none(), "the connection ends");

    let mut client = Client::new(&server, "/camera0");
    client.socket.write_all(&all).unwrap();
    assert_eq!(statuses(&mut client), expected);
}

/// The order of each client's requests, and what is odd about them.
#[test]
fn each_client_is_served_as_it_asks() {
    const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    const UDP: &str = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
    let server = test_picture();
    for (client, path, fields, steps) in [
        (
            "ffmpeg",
            "/camera0",
            "User-Agent: Lavf\r\n",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "Accept: application/sdp\r\n", "200"),
                ("SETUP", "/trackID=0", UDP, "461"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "/", "Range: npt=0.000-\r\n", "200"),
                ("GET_PARAMETER", "/", "", "200"),
            ][..],
        ),
        (
            "GStreamer",
            "/",
            "User-Agent: GStreamer\r\nClientChallenge: 9e26d33f\r\nUser-Agent: GStreamer\r\nCompanyID: nVq\r\n\
             PlayerStarttime: [11/03/00:22:24 00:00]\r\n",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "Accept: application/sdp\r\n", "200"),
                ("SETUP", "trackID=0", UDP, "461"),
                ("SETUP", "trackID=0", "Transport: RTP/AVP;multicast\r\n", "461"),
                ("SETUP", "trackID=0", TCP, "200"),
                ("PLAY", "", "Range: npt=0-\r\n", "200"),
                ("PAUSE", "", "", "200"),
                ("PLAY", "", "Range: npt=0-\r\n", "200"),
            ],
        ),
        (
            "go2rtc",
            "/camera0?backchannel=0",
            "",
            &[
                (
                    "DESCRIBE",
                    "",
                    "Require: www.onvif.org/ver20/backchannel\r\n",
                    "200",
                ),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "", "", "200"),
                ("OPTIONS", "", "", "200"),
            ],
        ),
        (
            "retina",
            "/camera0",
            "",
            &[
                ("DESCRIBE", "", "Accept: application/sdp\r\n", "200"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "/", "Range: npt=0.000-\r\n", "200"),
                ("SET_PARAMETER", "/", "", "200"),
            ],
        ),
        (
            "ExoPlayer",
            "/camera0",
            "",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "", "200"),
                ("SETUP", "/trackID=0", UDP, "461"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "", "range: npt=0.000-\r\n", "200"),
                ("OPTIONS", "", "", "200"),
            ],
        ),
        (
            "aiortsp",
            "/camera0",
            "",
            &[
                ("OPTIONS", "", "", "200"),
                ("DESCRIBE", "", "", "200"),
                ("SETUP", "/trackID=0", TCP, "200"),
                ("PLAY", "", "Scale: 1\r\nRange: npt=now-\r\n", "200"),
            ],
        ),
        (
            "rtp2httpd",
            "/camera0",
            "",
            &[
                ("DESCRIBE", "", "", "200"),
                (
                    "SETUP",
                    "/trackID=0",
                    "Transport: MP2T/RTP/TCP;unicast;interleaved=0-1,MP2T/TCP;unicast;interleaved=0-1,\
                     RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
                    "200",
                ),
                (
                    "PLAY",
                    "",
                    "x-playNow:\r\nBlocksize: 1000\r\nSpeed: 1.000\r\n",
                    "200",
                ),
            ],
        ),
        (
            "a recorder that keeps no path, nor a query, nor the number of the track",
            "",
            "",
            &[
                ("DESCRIBE", "", "", "200"),
                ("SETUP", "", "transport:RTP/AVP/TCP\r\n", "200"),
                ("PLAY", "", "", "200"),
            ],
        ),
        (
            "VLC without live555",
            "/camera0",
            "",
            &[
                ("SETUP", "", UDP, "461"),
                ("SETUP", "", TCP, "404"),
                ("OPTIONS", "", "", "200"),
            ],
        ),
    ] {
        let mut asking = Client::new(&server, path);
        asking.fields = fields.into();
        let mut told = None;
        for (method, suffix, fields, status) in steps {
            let answer = asking.ask(method, suffix, fields);
            assert_eq!(
                &answer["RTSP/1.0 ".len()..][..3],
                *status,
                "{client}: {method}: {answer}"
            );
            if let Some((_, session)) = answer.split_once("Session: ") {
                asking.session = session.split([';', '\r']).next().unwrap().to_string();
            }
            if *method == "PLAY" && told.is_none() {
                let (_, info) = answer.split_once(";seq=").expect(&answer);
                let (sequence, info) = info.split_once(";rtptime=").unwrap();
                let timestamp = info.lines().next().unwrap().parse::<u32>().unwrap();
                told = Some((sequence.parse::<u16>().unwrap(), timestamp));
            }
        }
        let Some(told) = told else { continue };
        let picture = asking.picture().expect(client);
        assert_eq!(
            (picture.types(), asking.firsts[0]),
            (vec![7, 8, 5], told),
            "{client}"
        );
        asking.pictures(2);
        assert_eq!(asking.status("TEARDOWN", "", ""), "200", "{client}");
        while asking.next_frame().is_some() {}
    }
}

#[test]
fn what_is_not_served_is_said_so() {
    let server = server("[test a]\nname = a\n[test b]\nname = b\n");
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    let mut client = Client::new(&server, "/a");
    for (method, suffix, fields, status) in [
        ("SETUP", "", tcp, "404"),
        ("DESCRIBE", "x", "", "404"),
        ("PLAY", "", "", "455"),
        ("PAUSE", "", "", "455"),
        ("ANNOUNCE", "", "", "405"),
        ("RECORD", "", "", "405"),
        ("REDIRECT", "", "", "501"),
        ("DESCRIBE", "", "Require: play.scale\r\n", "551"),
        (
            "DESCRIBE",
            "",
            "Require: www.onvif.org/ver20/backchannel\r\n",
            "200",
        ),
        (
            "SETUP",
            "/trackID=0",
            "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n",
            "461",
        ),
        ("SETUP", "/trackID=0", "Transport: RTP/AVP;multicast\r\n", "461"),
        ("SETUP", "/trackID=0", "", "461"),
        (
            "SETUP",
            "/trackID=0",
            "Transport: RTP/AVP/TCP;interleaved=3-3\r\n",
            "400",
        ),
        ("SETUP", "/trackID=1", tcp, "404"),
        ("SETUP", "/trackID=0", tcp, "200"),
        ("SETUP", "/trackID=0", tcp, "400"),
        ("PLAY", "", "", "454"),
        ("PLAY", "", "Session: 0000000000000000\r\n", "454"),
        ("DESCRIBE", "", "", "455"),
        ("OPTIONS", "", "", "200"),
        ("SET_PARAMETER", "", "", "200"),
        ("TEARDOWN", "", "Session: 0000000000000000\r\n", "454"),
        ("TEARDOWN", "", "", "200"),
    ] {
        assert_eq!(
            client.status(method, suffix, fields),
            status,
            "{method} {suffix} {fields}"
        );
    }
    // Who knows the name of another one's session has nothing of it.
    let mut owner = Client::playing(&server, "/a", 1);
    let mut thief = Client::new(&server, "/a");
    thief.session.clone_from(&owner.session);
    for method in ["PLAY", "PAUSE", "TEARDOWN"] {
        assert_eq!(thief.status(method, "", ""), "454", "{method}");
    }
    owner.pictures(2);
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "RTSP/1.0 400"),
        ("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 505"),
    ] {
        let mut client = Client::new(&server, "");
        client.socket.write_all(bytes.as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        assert!(answer.starts_with(status), "{answer}");
        assert_eq!(
            answer.contains("\r\nCSeq: 1\r\n"),
            bytes.contains("CSeq"),
            "{answer}"
        );
        assert!(client.answer().is_none(), "the connection ends");
    }
    // Of several cameras none is meant without a name.
    assert_eq!(Client::new(&server, "/").status("DESCRIBE", "", ""), "404");
    for path in ["/b", "/b/", "/b/trackID=0", "/b?x=1", "/b/more"] {
        let mut client = Client::new(&server, path);
        let sdp = client.ask("DESCRIBE", "", "");
        let base = format!("Content-Base: {}/\r\n", client.url.trim_end_matches('/'));
        assert!(sdp.contains("s=b\r\n") && sdp.contains(&base), "{sdp}");
    }
}

#[test]
fn a_pause_ends_with_a_key_frame_and_no_packet_is_missing() {
    let server = test_picture();
    let mut client = Client::playing(&server, "/", 1);
    let before = client.pictures(3).pop().unwrap();
    assert_eq!(client.status("GET_PARAMETER", "", ""), "200");
    assert_eq!(client.status("SETUP", "/trackID=0", ""), "455");
    assert_eq!(client.status("PAUSE", "", ""), "200");
    while client.frames.iter().any(|frame| frame.channel == 0) {
        client.packet();
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(client.status("PLAY", "", ""), "200");
    let after = client.picture().unwrap();
    assert_eq!(after.types(), [7, 8, 5]);
    assert!(after.timestamp.wrapping_sub(before.timestamp) < 10 * 90_000);
    client.pictures(5);
    assert_eq!(client.status("TEARDOWN", "", ""), "200");
}

/// Who does not read for a while is sent whole pictures only, from a key frame on.
#[test]
fn a_stalled_reader_goes_on_with_a_key_frame() {
    let server = Server::with_config(
        "[server]\nrtsp = yes\nrtsp_port = 0\nmax_age_ms = 300\n[test]\nwidth = 1280\nheight = 720\n",
    );
    let mut client = Client::new(&server, "/");
    setsockopt(&client.socket, sockopt::RcvBuf, &4096).unwrap();
    client.play(1);
    let mut last = client.pictures(3).pop().unwrap();
    thread::sleep(Duration::from_secs(3));
    let skips = (0..600).find(|_| {
        let next = client.picture().expect("the stream goes on");
        let step = next.timestamp.wrapping_sub(last.timestamp);
        last = next;
        step > 45_000 && last.types()[0] == 7
    });
    assert!(skips.is_some(), "no jump to a key frame");
    client.pictures(5);
}

/// The reports go on for a while, so that nobody takes the connection for dead; then it ends, so that recorders notice.
#[test]
fn a_lost_camera_s_clients_are_told_in_the_end() {
    let dir = Dir::new();
    if !have("ffmpeg") || !have("python3") {
        return;
    }
    let (file, gone) = (dir.file("in.h264"), dir.file("gone"));
    x264(
        "testsrc2=size=320x240:rate=30",
        90,
        "keyint=15:min-keyint=15:scenecut=0",
        &file,
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/replay.py");
    let server = server(&format!(
        "[exec]\ncommand = test -e {gone} && exit 1; touch {gone}; exec python3 {script} {file} 30 units\n",
        gone = gone.display(),
        file = file.display(),
    ));
    let mut client = Client::playing(&server, "/", 1);
    client.pictures(20);
    let command = children(server.process.id()).pop().unwrap().to_string();
    assert!(run("kill", &["-9", &command]).status.success());
    let lost = Instant::now();
    client.reports[0].clear();
    // Not one with each request.
    thread::sleep(Duration::from_secs(2));
    for _ in 0..20 {
        assert_eq!(client.status("GET_PARAMETER", "", ""), "200");
        thread::sleep(Duration::from_millis(20));
    }
    while client.picture().is_some() {}
    let after = lost.elapsed();
    assert!(after >= Duration::from_secs(12), "{after:?}");
    let reports = &client.reports[0];
    assert!((5..10).contains(&reports.len()), "{reports:?}");
    // Its time has gone on with the clock's.
    let (first, last) = (reports[0], reports[reports.len() - 1]);
    let by_wall_us = last.unix_us - first.unix_us;
    let by_rtp_us = i64::from(last.timestamp.wrapping_sub(first.timestamp)) * 100 / 9;
    assert!((by_wall_us - by_rtp_us).abs() < 1000, "{first:?} {last:?}");
    assert_eq!(Client::new(&server, "/").status("DESCRIBE", "", ""), "503");
}

#[test]
fn another_size_ends_the_connection_and_is_told_to_who_comes_again() {
    let server = test_picture();
    let mut client = Client::playing(&server, "/", 1);
    let told = |client: &mut Client| {
        let sdp = client.ask("DESCRIBE", "", "");
        sdp.split("sprop-parameter-sets=")
            .nth(1)
            .expect("sprop")
            .lines()
            .next()
            .unwrap()
            .to_string()
    };
    let before = told(&mut Client::new(&server, "/"));
    client.pictures(3);
    server.dir.write(
        "test.conf",
        format!("{SERVER}[test]\nwidth = 640\nheight = 480\n"),
    );
    server.signal("-HUP");
    while client.picture().is_some() {}
    assert_ne!(told(&mut Client::new(&server, "/")), before);
    Client::playing(&server, "/", 1).pictures(3);
}

/// The places are those of HTTP, and so is who may take them.
#[test]
fn who_finds_no_place_is_told_so() {
    let server = server("[test]\n");
    server
        .dir
        .write("test.conf", format!("{SERVER}max_clients = 1\n[test]\n"));
    server.signal("-HUP");
    until("it is taken over", || {
        server.log().contains("the config is taken over")
    });
    let mut client = Client::playing(&server, "/", 1);
    client.pictures(1);
    let mut second = Client::new(&server, "/");
    second.ask("DESCRIBE", "", "");
    second.set_up(0);
    assert_eq!(second.status("PLAY", "", ""), "503");
    assert!(server.get("/stream.mp4").starts_with("HTTP/1.1 503"));
    assert!(server.get("/status").contains("\"rtsp\""));
    drop(client);
    until("the place is free", || second.status("PLAY", "", "") == "200");
    second.pictures(1);
}

/// `ben`, whose password is `geheim`.
const BEN: &str =
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$/jzpo4hvJ/wEDb3kcIX27ohyPXWqsn1ak6MhdU2pGg0=";
const BEN_BASIC: &str = "Authorization: Basic YmVuOmdlaGVpbQ==\r\n";

#[test]
fn people_and_links_are_those_of_http() {
    let config = format!(
        "{SERVER}[test]\nname = yard\nwidth = 320\nheight = 240\n[test b]\nname = door\n[user ben]\n{BEN}\nrole = admin\n\
         [user anna]\n{BEN}\ncameras = yard\n"
    );
    let server = Server::with_config(&config);
    let mut client = Client::new(&server, "/yard");
    assert_eq!(client.status("OPTIONS", "", ""), "200");
    let challenge = client.ask("DESCRIBE", "", "");
    assert!(challenge.starts_with("RTSP/1.0 401 "));
    assert!(
        challenge.contains("\r\nWWW-Authenticate: Basic realm=\"fmp4streamer\"\r\n"),
        "{challenge}"
    );
    let tcp = "Transport: RTP/AVP/TCP;interleaved=0-1\r\n";
    assert_eq!(client.status("SETUP", "/trackID=0", tcp), "401");
    assert_eq!(
        client.status("DESCRIBE", "", "Authorization: Basic YmVuOmZhbHNjaA==\r\n"),
        "401"
    );
    until("it is in the log", || {
        server.log().contains("login failed from 127.0.0.1 as \"ben\"")
    });
    assert_eq!(client.status("DESCRIBE", "", BEN_BASIC), "200");
    // What was allowed to the connection is enough for the rest.
    client.set_up(0);
    assert_eq!(client.status("PLAY", "", ""), "200");
    client.pictures(1);

    // A camera that one may not see is not there.
    let anna = "Authorization: Basic YW5uYTpnZWhlaW0=\r\n";
    assert_eq!(Client::new(&server, "/yard").status("DESCRIBE", "", anna), "200");
    assert_eq!(Client::new(&server, "/door").status("DESCRIBE", "", anna), "404");
    let only = Client::new(&server, "/").ask("DESCRIBE", "", anna);
    assert!(
        only.contains("s=yard\r\n"),
        "the only one that there is for her: {only}"
    );

    let body = "{}";
    let made = server.ask(&format!(
        "POST /yard/links HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{BEN_BASIC}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let token = made.split("/t/").nth(1).expect(&made).split('/').next().unwrap();
    let mut linked = Client::playing(&server, &format!("/yard?token={token}"), 1);
    linked.pictures(1);
    let bad = format!("/yard?token={}x", &token[..token.len() - 2]);
    assert_eq!(Client::new(&server, &bad).status("DESCRIBE", "", ""), "403");

    if have("ffmpeg") {
        for (user, good) in [("ben:geheim@", true), ("ben:wrong@", false)] {
            let url = format!("rtsp://{user}{}/yard", place(&server));
            let played = ffmpeg(TCP, &url, "-frames:v 1 -f null -");
            assert_eq!(
                played.status.success(),
                good,
                "{}",
                String::from_utf8_lossy(&played.stderr)
            );
        }
    }
    // Who may no longer have it is sent nothing more.
    server.dir.write(
        "test.conf",
        config.split("[user ben]").next().unwrap().to_string() + "[user anna]\n" + BEN,
    );
    server.signal("-HUP");
    while client.picture().is_some() {}
}

/// Players choose the digest where it is offered: so who has no plain password does not get in there by them.
#[test]
fn players_log_in_by_a_digest() {
    let server = server(&format!(
        "[test]\nwidth = 320\nheight = 240\n[user anna]\npassword = plain:ge heim\n[user ben]\n{BEN}\n"
    ));
    let mut client = Client::new(&server, "/");
    assert_eq!(client.status("OPTIONS", "", ""), "200");
    let challenge = client.ask("DESCRIBE", "", "");
    let (digest, basic) = challenge
        .split_once("WWW-Authenticate: Basic realm=")
        .expect(&challenge);
    assert!(
        digest.contains("\r\nWWW-Authenticate: Digest realm=\"fmp4streamer\", nonce=\"")
            && !basic.contains("nonce"),
        "{challenge}"
    );
    assert!(!challenge.contains("stale"), "{challenge}");
    assert_eq!(client.status("DESCRIBE", "", BEN_BASIC), "200");
    let address = place(&server);
    for (user, password, good) in [
        ("anna", "ge heim", true),
        ("anna", "geheim", false),
        ("ben", "geheim", false),
    ] {
        if have("ffmpeg") {
            let url = format!("rtsp://{user}:{}@{address}/", password.replace(' ', "%20"));
            let played = ffmpeg(TCP, &url, "-frames:v 1 -f null -");
            let said = String::from_utf8_lossy(&played.stderr);
            assert_eq!(played.status.success(), good, "{user}: {said}");
        }
        if has_gstreamer(&["rtspsrc", "rtph264depay"]) {
            let (user, password) = (format!("user-id={user}"), format!("user-pw={password}"));
            let pipeline = "protocols=tcp ! rtph264depay ! identity eos-after=2 ! fakesink".split(' ');
            let source = [
                "-q",
                "rtspsrc",
                &format!("location=rtsp://{address}/"),
                &user,
                &password,
            ];
            let played = run(
                "gst-launch-1.0",
                &source.into_iter().chain(pipeline).collect::<Vec<_>>(),
            );
            let said = String::from_utf8_lossy(&played.stderr);
            assert_eq!(played.status.success(), good, "{user}: {said}");
        }
    }
    until("it is in the log", || {
        server.log().contains("login failed from 127.0.0.1 as \"anna\"")
    });
    assert!(!server.log().contains("heim"), "{}", server.log());
}

/// Players give a password once they are asked for it; so where some cameras are for anybody, they are asked at the others.
#[test]
fn who_is_nobody_yet_is_asked_where_there_is_more_to_see() {
    let server = server(&format!(
        "[test]\nname = yard\n[test b]\nname = door\n[user ben]\n{BEN}\n[anonymous]\ncameras = yard\n"
    ));
    let describe = |path: &str, fields: &str| Client::new(&server, path).ask("DESCRIBE", "", fields);
    for path in ["/yard", "/"] {
        assert!(describe(path, "").contains("s=yard\r\n"));
    }
    assert!(describe("/door", "").starts_with("RTSP/1.0 401 "));
    assert!(describe("/door", BEN_BASIC).contains("s=door\r\n"));
}

#[test]
fn http_and_rtsp_need_a_port_each() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let dir = Dir::new();
    let server =
        format!("[server]\nlisten = 127.0.0.1\nport = {port}\nrtsp = yes\nrtsp_port = {port}\n[test]\n");
    let file = dir.write("test.conf", server);
    let said = run(Server::PROGRAM, &["-c", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.contains(&format!("rtsp_port = {port}: HTTP has this port")),
        "{said}"
    );
}

/// A client that vanishes in the middle of anything costs nothing.
#[test]
fn clients_that_leave_are_forgotten() {
    let server = test_picture();
    for _ in 0..20 {
        let mut client = Client::playing(&server, "/", 1);
        client.pictures(1);
        let half = client.request("PAUSE", "", "");
        client.socket.write_all(&half.as_bytes()[..20]).unwrap();
    }
    until("all are gone", || server.number("clients") == 0);
}
