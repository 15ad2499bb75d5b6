//! Asks a program that runs whether all is well (`/healthz`): for containers and monitors, which may have nothing else that
//! speaks HTTP.

use crate::error::{Error, Result};
use crate::format::url::Url;
use crate::request;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The answer has to be there this long after the question.
const TIME: Duration = Duration::from_secs(5);
/// More of an answer is not read.
const MOST_BYTES: usize = 64 * 1024;
/// What is asked for where a URL names no path.
const PATH: &str = "/healthz";

/// Where to ask.
pub struct Place {
    /// In messages.
    url: String,
    /// In the request.
    host: String,
    path: String,
    /// The first that can be reached is asked.
    addresses: Vec<SocketAddr>,
}

impl Place {
    /// The program on this machine that listens there; at all addresses if that is None.
    pub fn of_server(listen: Option<IpAddr>, port: u16) -> Place {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let one = listen.filter(|ip| !ip.is_unspecified());
        let ips = one.map_or(loopback.to_vec(), |ip| vec![ip]);
        let host = match one {
            Some(ip) => SocketAddr::new(ip, port).to_string(),
            None => format!("localhost:{port}"),
        };
        Place {
            url: format!("http://{host}{PATH}"),
            host,
            path: PATH.into(),
            addresses: ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
        }
    }

    /// The program at this URL.
    ///
    /// # Errors
    /// It is no URL that can be asked, or nobody knows its host.
    pub fn of_url(url: &str) -> Result<Place> {
        let cannot = |why: &dyn std::fmt::Display| Error::new(url, "can't ask there", why);
        let parts = Url::parse(url).filter(|parts| parts.authorization.is_none());
        let parts = parts.ok_or_else(|| cannot(&"the address has the form http://HOST:PORT/healthz"))?;
        let addresses = request::look_up(&parts.host, parts.port).map_err(|e| cannot(&e))?;
        Ok(Place {
            url: url.into(),
            host: parts.authority,
            path: if parts.path.len() > 1 {
                parts.path
            } else {
                PATH.into()
            },
            addresses,
        })
    }

    /// Asks there, and gives the answer in a line if all is well.
    ///
    /// # Errors
    /// Something is not well; or there is no answer, or not that of such a program.
    pub fn ask(&self) -> Result<String> {
        let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", self.path, self.host);
        let answer = request::ask(&self.addresses, request.as_bytes(), MOST_BYTES, TIME)
            .map_err(|e| Error::new(&self.url, "can't ask", request::why(&e, TIME)))?;
        let answer = String::from_utf8_lossy(&answer);
        let strange =
            |what: &dyn std::fmt::Display| Error::new(&self.url, "the answer is not that of /healthz", what);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| strange(&"it is no HTTP"))?;
        let status = head
            .strip_prefix("HTTP/1.")
            .and_then(|head| head.lines().next()?.split_once(' '));
        let (_, status) = status.ok_or_else(|| strange(&"it is no HTTP"))?;
        if !head.to_ascii_lowercase().contains("\r\ncontent-type: text/plain") {
            return Err(strange(&status));
        }
        let words = body.trim_end().replace('\n', "; ");
        match status.starts_with("200 ") {
            true => Ok(words),
            false => Err(Error::new(&self.url, status, words)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, address, path) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", "/healthz"),
            ("http://127.0.0.1/", "127.0.0.1:80", "/healthz"),
            ("http://[::1]:81/yard/healthz", "[::1]:81", "/yard/healthz"),
            ("http://[2001:db8::1]", "[2001:db8::1]:80", "/healthz"),
            ("http://127.0.0.1/a?b=c:d", "127.0.0.1:80", "/a?b=c:d"),
        ] {
            let place = Place::of_url(url).unwrap();
            assert_eq!(place.addresses, [address.parse().unwrap()], "{url}");
            assert_eq!(place.path, path, "{url}");
        }
        for url in [
            "",
            "localhost:8000",
            "https://localhost/",
            "http://",
            "http:///healthz",
            "http://:80/",
            "http://localhost:x/",
            "http://localhost:99999/",
            "http://u:p@localhost/",
            "http://127.0.0.1/ HTTP/1.1\r\nX: y",
        ] {
            let why = Place::of_url(url).err().unwrap().to_string();
            assert!(why.ends_with("the form http://HOST:PORT/healthz"), "{url}: {why}");
        }
    }

    #[test]
    fn a_server_is_asked_where_it_listens() {
        for (listen, url, addresses) in [
            (
                None,
                "http://localhost:80/healthz",
                vec!["127.0.0.1:80", "[::1]:80"],
            ),
            (
                Some("0.0.0.0"),
                "http://localhost:80/healthz",
                vec!["127.0.0.1:80", "[::1]:80"],
            ),
            (Some("::1"), "http://[::1]:80/healthz", vec!["[::1]:80"]),
            (
                Some("192.0.2.1"),
                "http://192.0.2.1:80/healthz",
                vec!["192.0.2.1:80"],
            ),
        ] {
            let place = Place::of_server(listen.map(|ip| ip.parse().unwrap()), 80);
            assert_eq!(place.url, url);
            let addresses: Vec<_> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            assert_eq!(place.addresses, addresses);
        }
    }
}
