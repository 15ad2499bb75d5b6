//! WS-Discovery (of April 2005): who looks for cameras on the local network is told of this one. It is known to be abused for floods
//! at others, so answers are few and short, and go to addresses of local networks alone.

use super::texts;
use crate::format::mac;
use crate::format::soap::{self, escape, local};
use crate::log_warning;
use crate::sys::clock;
use crate::sys::poll::{poll, readable};
use crate::sys::sock;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where probes are sent to (WS-Discovery, 2.4).
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const PORT: u16 = 3702;
/// After so long without a probe, a look for networks that have come.
const LOOK: Duration = Duration::from_secs(60);
/// Answers in a second, ...
const MOST_ANSWERS: usize = 20;
/// ... and to one address: some ask several times at once, as answers get lost.
const MOST_OF_ONE: usize = 5;
/// An answer is at most so many times as long as the probe.
const MOST_GAIN: usize = 3;
/// What ONVIF's devices call themselves (ONVIF Core, 7.3.2.1).
const TYPES: [&str; 2] = ["NetworkVideoTransmitter", "Device"];

/// What there is to be found.
pub struct Device {
    /// Its identity for ever.
    pub uuid: Arc<str>,
    /// Its scopes, with a space between them.
    pub scopes: String,
    /// The one address where HTTP is served; `None` is all.
    pub listen: Option<IpAddr>,
    /// The port of HTTP.
    pub port: u16,
}

/// The identity of the program at this port of a machine, by what the system keeps for that (machine-id(5)), which is not to be
/// told to others as it is.
pub fn uuid(machine_id: &str, port: u16) -> String {
    let code = mac::of(
        b"fmp4streamer ONVIF",
        &[machine_id.as_bytes(), &port.to_be_bytes()],
    );
    let mut text = String::new();
    for (at, byte) in code.iter().take(16).enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        // Writing to a String can't fail.
        _ = write!(text, "{byte:02x}");
    }
    text
}

/// What the machine of those names is called in its scopes.
pub fn host_name(own_names: &[String]) -> String {
    escape(own_names.first().map_or("", String::as_str))
}

/// The scopes of the machine of those names.
pub fn scopes(own_names: &[String]) -> String {
    texts::fill("{scopes}", &[("{host_name}", &host_name(own_names))])
}

/// The socket that probes come to, if the port can be had.
pub fn socket() -> Option<UdpSocket> {
    let warn = |e: &_| {
        log_warning!("onvif: recorders have to be told the address, as none can find it: port {PORT}: {e}")
    };
    sock::datagrams(PORT).inspect_err(warn).ok()
}

/// Answers those who look for the device, for ever.
pub fn answer(socket: &UdpSocket, device: &Device) {
    let mut buffer = [0; 4096];
    let (mut second, mut answered) = (0, Vec::new());
    let started = Instant::now();
    sock::join_everywhere(socket, GROUP);
    loop {
        if poll(&mut [readable(socket.as_fd())], Some(LOOK)) == Ok(0) {
            sock::join_everywhere(socket, GROUP);
            continue;
        }
        let Ok((received, from, own)) = sock::receive(socket, &mut buffer) else {
            continue;
        };
        let now = started.elapsed().as_secs();
        if now != second {
            // Also where there is always somebody who asks.
            if now / LOOK.as_secs() != second / LOOK.as_secs() {
                sock::join_everywhere(socket, GROUP);
            }
            second = now;
            answered.clear();
        }
        let ip = from.ip();
        let is_near = ip.is_private() || ip.is_link_local() || ip.is_loopback();
        let is_served = device.listen.is_none_or(|listen| listen == IpAddr::V4(own));
        let of_one = answered.iter().filter(|it| *it == ip).count();
        if !is_near || !is_served || answered.len() == MOST_ANSWERS || of_one == MOST_OF_ONE {
            continue;
        }
        if let Some(answer) = device.reply(&buffer[..received], own) {
            answered.push(*ip);
            // It is asked again where this one is lost.
            _ = socket.send_to(answer.as_bytes(), from);
        }
    }
}

impl Device {
    /// The answer to a message that came to this address of ours, if there is one.
    fn reply(&self, request: &[u8], own: Ipv4Addr) -> Option<String> {
        let message = soap::read(request)?;
        let is_wanted = match &*message.operation {
            "Probe" => self.is_one(&message.types, &message.scopes),
            "Resolve" => message.address.strip_prefix("urn:uuid:") == Some(&*self.uuid),
            _ => false,
        };
        if !is_wanted || message.id.is_empty() || message.id.contains(char::is_control) {
            return None;
        }
        let begin = self.uuid.get(..24)?;
        let id = format!(
            "urn:uuid:{begin}{:012x}",
            clock::monotonic_us() & 0xffff_ffff_ffff
        );
        let answer = texts::fill(
            "{match}",
            &[
                ("{kind}", &message.operation),
                ("{id}", &id),
                ("{uuid}", &self.uuid),
                ("{own_scopes}", &self.scopes),
                ("{own}", &format!("{own}:{}", self.port)),
                ("{request}", &escape(&message.id)),
            ],
        );
        (answer.len() <= MOST_GAIN * request.len()).then_some(answer)
    }

    /// True if the device is of one of these types, if there are some, and has all of these scopes, or what is below them.
    fn is_one(&self, types: &str, scopes: &str) -> bool {
        let is_type = |name: &str| TYPES.contains(&local(name));
        let own = self.scopes.split(' ');
        let mut wanted = scopes.split_ascii_whitespace();
        (types.is_empty() || types.split_ascii_whitespace().any(is_type))
            && wanted.all(|wanted| own.clone().any(|scope| scope.starts_with(wanted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device {
            uuid: uuid("0123456789abcdef0123456789abcdef", 8000).into(),
            scopes: "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/pi".into(),
            listen: None,
            port: 8000,
        }
    }

    /// The answer to a probe for these types and scopes.
    fn probe(types: &str, scopes: &str) -> Option<String> {
        let probe = format!(
            "<s:Envelope><s:Header><a:MessageID>uuid:a&amp;b</a:MessageID></s:Header><s:Body><d:Probe><d:Types>{types}</d:Types>\
             <d:Scopes>{scopes}</d:Scopes></d:Probe></s:Body></s:Envelope>{}",
            " ".repeat(500)
        );
        device().reply(probe.as_bytes(), Ipv4Addr::new(192, 0, 2, 7))
    }

    #[test]
    fn an_identity_stays_and_is_of_one_program() {
        let one = uuid("0123456789abcdef0123456789abcdef", 8000);
        assert_eq!(one.len(), 36);
        assert!(one.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{one}");
        assert_eq!(one, &*device().uuid);
        assert_ne!(one, uuid("0123456789abcdef0123456789abcdef", 8001));
        assert!(!one.contains("01234567"));
    }

    #[test]
    fn who_looks_for_a_camera_finds_it() {
        let wanted = "onvif://www.onvif.org/type";
        for (types, scopes, is_found) in [
            ("", "", true),
            ("dn:NetworkVideoTransmitter", "", true),
            ("a:Printer\ntds:Device", wanted, true),
            ("dn:NetworkVideoDisplay", "", false),
            (
                "",
                "onvif://www.onvif.org/name/pi onvif://www.onvif.org/type/video_encoder",
                true,
            ),
            (
                "",
                "onvif://www.onvif.org/name/pi onvif://www.onvif.org/location",
                false,
            ),
        ] {
            let answer = probe(types, scopes);
            assert_eq!(answer.is_some(), is_found, "{types} {scopes}");
            let Some(answer) = answer else { continue };
            // It is whole, and nothing was left open.
            assert_eq!(soap::read(answer.as_bytes()).unwrap().operation, "ProbeMatches");
            assert!(!answer.contains('{'), "{answer}");
            for part in [
                "<a:RelatesTo>uuid:a&amp;b</a:RelatesTo>",
                "<d:XAddrs>http://192.0.2.7:8000/onvif/device_service</d:XAddrs>",
                &format!("<a:Address>urn:uuid:{}</a:Address>", device().uuid),
            ] {
                assert!(answer.contains(part), "{part} {answer}");
            }
        }
    }

    #[test]
    fn an_answer_is_at_most_three_times_as_long_as_the_probe() {
        let bytes = |probe: &str| {
            device()
                .reply(probe.as_bytes(), Ipv4Addr::LOCALHOST)
                .map(|it| it.len())
        };
        let mut probe = "<E><MessageID>1</MessageID><Body><Probe/></Body></E>".to_string();
        let whole = bytes(&(probe.clone() + &" ".repeat(2000))).unwrap();
        while bytes(&probe).is_none() {
            probe.push(' ');
        }
        assert_eq!((bytes(&probe), probe.len()), (Some(whole), whole.div_ceil(3)));
    }

    #[test]
    fn a_device_is_resolved_by_its_identity_alone() {
        let resolve = |address: &str| {
            let text = format!(
                "<E><H><MessageID>1</MessageID></H><Body><Resolve><EndpointReference><Address>{address}</Address></EndpointReference>\
                 </Resolve></Body></E>{}",
                " ".repeat(500)
            );
            device().reply(text.as_bytes(), Ipv4Addr::LOCALHOST)
        };
        let address = format!("urn:uuid:{}", device().uuid);
        assert!(resolve(&address).unwrap().contains("<d:ResolveMatch>"));
        assert_eq!(resolve("urn:uuid:0"), None);
        assert_eq!(resolve(""), None);
    }

    #[test]
    fn nothing_else_is_answered() {
        let space = " ".repeat(1000);
        for text in [
            "<Body><Hello/></Body>",
            "<E><MessageID>1</MessageID><Body><ProbeMatches/></Body></E>",
            "<E><Body><Probe/></Body></E>",
            "<E><MessageID>a&#10;b</MessageID><Body><Probe/></Body></E>",
            "<E><MessageID>1</MessageID><Body><Probe/></E>",
        ] {
            assert_eq!(
                device().reply(format!("{text}{space}").as_bytes(), Ipv4Addr::LOCALHOST),
                None,
                "{text}"
            );
        }
    }
}
