//! By UDP.

use super::client::Client;
use super::support::{Dir, PATIENCE, Server, have, until, x264};
use super::{SERVER, server, udp_picture};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::UdpSocket;
use std::process::Command;

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
