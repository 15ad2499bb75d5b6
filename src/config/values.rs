//! The forms of values: numbers, words, lists, hosts, origins, names.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

/// A value that its key does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// What the table says of the allowed values explains it.
    NotAllowed,
    /// This reason explains it better.
    Because(String),
    /// This reason explains it, and the value is not to be repeated.
    Secret(&'static str),
}

/// Refuses what could not be read.
pub(super) fn known<T>(value: Option<T>) -> Result<T, Refused> {
    value.ok_or(Refused::NotAllowed)
}

/// True if the text can be a pixel format's four letters.
pub(super) fn is_fourcc(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Reads a number in that range.
pub(super) fn within<T: TryFrom<i32>>(text: &str, range: RangeInclusive<i32>) -> Result<T, Refused> {
    known(number(text, *range.start(), *range.end()).and_then(|number| number.try_into().ok()))
}

/// Serves all types of numbers alike, so that its code is in the program once.
#[inline(never)]
fn number(text: &str, least: i32, most: i32) -> Option<i32> {
    let number = text.parse().ok()?;
    // Not even 0 has a sign where none is below it.
    let good = (least..=most).contains(&number) && (least < 0 || !text.starts_with('-'));
    good.then_some(number)
}

/// Reads an address to listen on; None is all of them.
pub fn address(text: &str) -> Result<Option<IpAddr>, Refused> {
    match text {
        "" => Ok(None),
        "localhost" => Ok(Some(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        _ => known(text.parse().ok()).map(Some),
    }
}

/// Reads yes or no, in the words of ConfigParser's `getboolean`.
pub fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Reads the items between commas and white space, in lower case; `check` refuses one.
pub(super) fn list(text: &str, check: fn(&str) -> Result<(), Refused>) -> Result<Vec<String>, Refused> {
    let items = text.split([',', ' ', '\t', '\n']).filter(|item| !item.is_empty());
    items
        .map(|item| {
            let item = item.to_ascii_lowercase();
            check(&item).map(|()| item)
        })
        .collect()
}

/// A command as one line: a newline would end it for the shell, and a backslash before that is a habit.
pub(super) fn one_line(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_end_matches('\\').trim_end());
    let lines = lines.filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// True if it is a host: the common characters of a registered name (RFC 3986, 3.2.2), or an IPv6 literal.
pub(super) fn is_host(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let literal = name.strip_prefix('[').and_then(|s| s.strip_suffix(']'));
    literal.map_or(!name.is_empty() && name.bytes().all(plain), |ip| {
        ip.parse::<std::net::Ipv6Addr>().is_ok()
    })
}

/// The schemes of the pages in apps, which have a host and no port (Capacitor, Ionic and Tauri).
const APP_SCHEMES: [&str; 3] = ["capacitor://", "ionic://", "tauri://"];

/// Accepts what browsers can send as an origin, or `*` for any: that of a web page, of an app's page, or `null`, which is
/// that of pages without one (HTML, "ASCII serialisation of an origin").
pub(super) fn sent_origin(text: &str) -> Result<(), Refused> {
    let app = APP_SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    match text {
        "null" => Ok(()),
        _ if app.is_some_and(is_host) => Ok(()),
        _ if text != "*" && text.contains('*') => Err(Refused::NotAllowed),
        _ => origin(text),
    }
}

/// Accepts an origin, or `*` for any; says what is missing where it has no scheme.
pub(super) fn origin(text: &str) -> Result<(), Refused> {
    if text == "*" || is_origin(text) {
        return Ok(());
    }
    // `null` is no host here: it is the origin of a page without one (HTML, "ASCII serialisation of an origin").
    let with_scheme = format!("http://{text}");
    Err(match text != "null" && is_origin(&with_scheme) {
        true => Refused::Because(format!(
            "{text} needs http:// or https:// in front: {with_scheme}"
        )),
        false => Refused::NotAllowed,
    })
}

/// True if it is a host-source of CSP Level 3, 2.3.1, with a scheme and without a path. Nothing in one can end
/// the directive.
fn is_origin(text: &str) -> bool {
    let Some(rest) = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    else {
        return false;
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (rest, "1"),
    };
    is_host(host.strip_prefix("*.").unwrap_or(host)) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// True if this can stand in an address as a camera's name.
pub(super) fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(good)
}
