//! What values may look like.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// Whether it may be a pixel format's four letters.
pub(super) fn is_fourcc(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_graphic())
}

pub(super) fn within<T: FromStr + PartialOrd>(text: &str, range: RangeInclusive<T>) -> Option<T> {
    text.parse().ok().filter(|number| range.contains(number))
}

/// The words of ConfigParser's `getboolean`.
pub fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The items between commas and white space, in lower case; None if one is not good.
pub(super) fn list(text: &str, good: fn(&str) -> bool) -> Option<Vec<String>> {
    let items = text.split([',', ' ', '\t', '\n']).filter(|item| !item.is_empty());
    items
        .map(|item| Some(item.to_ascii_lowercase()).filter(|item| good(item)))
        .collect()
}

/// The characters of a registered name that anybody uses (RFC 3986, 3.2.2), or an IPv6 literal.
pub(super) fn is_host(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let literal = name.strip_prefix('[').and_then(|s| s.strip_suffix(']'));
    literal.map_or(!name.is_empty() && name.bytes().all(plain), |ip| {
        ip.parse::<std::net::Ipv6Addr>().is_ok()
    })
}

/// A host-source of CSP Level 3, 2.3.1, with a scheme and without a path. Nothing here can end the directive.
pub(super) fn is_origin(text: &str) -> bool {
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

/// The names of a program's own that a camera can't have: the first parts of its addresses, but for those with a dot.
const ADDRESSES: [&str; 6] = ["healthz", "hls", "snapshot", "status", "stream", "ws"];

/// Whether a camera may be called so: the name stands in addresses, at the place of the program's own.
pub(super) fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(good) && !ADDRESSES.contains(&text)
}
