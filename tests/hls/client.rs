//! An HTTP client that keeps its connection, over TCP or a socket in the file system.

use super::support::{PATIENCE, until};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

pub trait Socket: Read + Write + Send {}
impl<T: Read + Write + Send> Socket for T {}

pub struct Client {
    socket: BufReader<Box<dyn Socket>>,
    /// The name that it calls the server by.
    pub host: &'static str,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The value of a header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Client {
    pub fn tcp(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).unwrap())
    }

    /// From this address of our own.
    pub fn from(ip: Ipv4Addr, to: SocketAddr) -> Client {
        let socket = socket(
            AddressFamily::Inet,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        let SocketAddr::V4(to) = to else {
            panic!("{to} is none of IPv4");
        };
        bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(ip, 0))).unwrap();
        connect(socket.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
        Client::over(TcpStream::from(socket))
    }

    fn over(socket: TcpStream) -> Client {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client {
            socket: BufReader::new(Box::new(socket)),
            host: "localhost",
        }
    }

    pub fn unix(path: &Path) -> Client {
        let socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client {
            socket: BufReader::new(Box::new(socket)),
            host: "localhost",
        }
    }

    /// Sends a request and does not wait for the answer.
    pub fn ask(&mut self, method: &str, path: &str) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.socket.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// The answer to what was asked.
    pub fn answer(&mut self, method: &str) -> Response {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                self.socket.read_line(&mut head).unwrap() > 0,
                "ended within its head: {head}"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Response {
            status,
            head,
            body: Vec::new(),
        };
        if method != "HEAD" {
            let length = response.field("Content-Length").unwrap().parse().unwrap();
            response.body.resize(length, 0);
            self.socket.read_exact(&mut response.body).unwrap();
        }
        response
    }

    pub fn request(&mut self, method: &str, path: &str) -> Response {
        self.ask(method, path);
        self.answer(method)
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.request("GET", path)
    }

    /// The answer, which has to be good; where nothing came in time, as on a busy machine, it is asked for again.
    pub fn fetch(&mut self, path: &str) -> Response {
        let mut response = self.get(path);
        until("there is an answer", || {
            if response.status == 503 {
                response = self.get(path);
            }
            response.status != 503
        });
        assert_eq!(response.status, 200, "{path}: {}", response.head);
        response
    }
}
