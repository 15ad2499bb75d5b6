//! Who may ask: by which name of this machine, from which pages, and what answers say to browsers about it.

use super::answer::Answer;
use super::head::{Head, authority, origin_host};
use crate::config;
use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

/// The pages that may use a route, beside those that `cors_origins` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origins {
    /// Pages of this host, of any port: a browser keeps the answer from others unless we say otherwise.
    SameHost,
    /// As `SameHost`, and what it gives is shown by tags (`<img>`, `<video>`) of pages of this machine, of listed pages, and of
    /// pages of which nothing is known: a browser lets no page read what its tag shows, unless we say otherwise.
    Tags,
    /// As `SameHost`, and any page may show it in tags and frames: who has a view link may watch, and can do nothing else.
    Linked,
    /// Pages of this very server: browsers let any page open a WebSocket to any place, and leave it to that place to ask
    /// where it is from (RFC 6455, 10.2). Who sends no Origin is no browser.
    SameOrigin,
    /// As `SameOrigin`, but for what changes something: pages that are listed may not, either.
    Own,
}

/// The fields of our answers that a page's script may read, beside those that it always may (Fetch, "CORS-safelisted
/// response-header name").
const EXPOSED: &str = "X-Timestamp, Content-Length, Retry-After, Date, ETag, Allow";

/// Domains in which nobody can have a name for the whole world: those of RFC 6762, 3, RFC 6761, 6.3, RFC 8375, that which
/// ICANN keeps for private use (resolution 2024.07.29.06; Docker's `host.docker.internal`), and those that routers
/// (OpenWrt, dnsmasq) and installers give to machines at home, which the root does not have.
const PRIVATE_DOMAINS: [&str; 6] = [
    ".local",
    ".localhost",
    ".home.arpa",
    ".internal",
    ".lan",
    ".localdomain",
];

/// The rules by which a request is let in.
pub struct Access {
    /// The machine's name, and others that its own files give it; in lower case.
    own_names: Vec<String>,
    hosts: Vec<String>,
    cors_origins: Vec<String>,
    frame_ancestors: Vec<String>,
    /// Those for every answer, but to listed pages of other sites.
    default_headers: String,
}

impl Access {
    /// The rules of these settings, on a machine of these names, of which the first is what it calls itself.
    pub fn new(own_names: &[String], settings: &config::Server) -> Access {
        let mut access = Access {
            own_names: own_names.to_vec(),
            hosts: settings.hosts.clone(),
            cors_origins: settings.cors_origins.clone(),
            frame_ancestors: settings.frame_ancestors.clone(),
            default_headers: String::new(),
        };
        access.default_headers = access.headers(None, Origins::SameHost, false);
        access
    }

    /// The machine's names.
    pub fn own_names(&self) -> &[String] {
        &self.own_names
    }

    /// Keeps off who comes by a name that is not ours, and the pages of other sites.
    ///
    /// # Errors
    /// The answer to who is kept off.
    pub fn check(&self, head: &Head, origins: Origins, own_address: Option<IpAddr>) -> Result<(), Answer> {
        if let Some(host) = head.host.as_deref().filter(|host| !self.is_our_name(host)) {
            let text = format!(
                "This camera does not answer to the name {host:?}. If that is its name, add it to `hosts =` in [server] of the config"
            );
            return Err(Answer::text("421 Misdirected Request", text));
        }
        let is_ours = |origin: &str| {
            let Some(host) = origin_host(origin) else {
                return false;
            };
            let of_host = head.host.as_ref() == Some(&host);
            match origins {
                // A proxy that puts its own Host there has taken the browser's away, with the port.
                Origins::SameOrigin | Origins::Own if of_host => is_same_origin(origin, head),
                _ => of_host || self.is_in_hosts(&host),
            }
        };
        // Not every browser says of a form which page it was sent from but by this.
        let by_form = head.referer.as_deref().filter(|_| origins == Origins::Own);
        let pages = [head.origin.as_deref(), by_form];
        let foreign = pages.into_iter().flatten().any(|page| !is_ours(page));
        // Where the browser thinks the connection safe, it says of a listed page's tag, too, that it is of another site.
        let foreign = foreign || head.cross_site && !self.may_show(head, origins, own_address);
        let welcome = self.is_open() || self.listed_origin(head).is_some();
        let (foreign, welcome) = match origins {
            Origins::Own => (foreign || head.of_other_origin, false),
            _ => (foreign, welcome),
        };
        // Who may frame the page is the browser's to enforce (frame-ancestors); where nobody may, nothing is sent at all.
        let framed = head.framed && self.frame_ancestors.is_empty() && origins != Origins::Linked;
        if foreign && !welcome || framed {
            return Err(Answer::text(
                "403 Forbidden",
                "This camera does not answer to pages of other sites, but those that `cors_origins =` in [server] of the config \
                 lists; behind a proxy, the name that the page has there belongs in `hosts =`",
            ));
        }
        Ok(())
    }

    /// True if a browser may be here under this name. A name of the outside world that was made to point here is DNS
    /// rebinding, by which a foreign page would read a private camera; a name that can't be one, or that the config lists,
    /// is none.
    fn is_our_name(&self, host: &str) -> bool {
        // A link-local address may have its interface with it (RFC 6874).
        let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let address = literal.map_or(host, |it| it.split('%').next().unwrap_or_default());
        address.parse::<IpAddr>().is_ok()
            || !host.contains('.')
            || PRIVATE_DOMAINS.iter().any(|domain| host.ends_with(domain))
            || self.own_names.iter().any(|own| own == host)
            || self.hosts.iter().any(|it| it == "*")
            || self.is_in_hosts(host)
    }

    fn is_in_hosts(&self, host: &str) -> bool {
        self.hosts.iter().any(|it| it.eq_ignore_ascii_case(host))
    }

    /// The header lines for the answer to `head`, which came to this address of ours.
    pub fn security_headers(
        &self,
        head: &Head,
        origins: Origins,
        own_address: Option<IpAddr>,
    ) -> Cow<'_, str> {
        let origin = self.listed_origin(head);
        let shows = self.may_show(head, origins, own_address);
        if shows || origin.is_some() {
            Cow::Owned(self.headers(origin, origins, shows))
        } else {
            Cow::Borrowed(&self.default_headers)
        }
    }

    /// The header lines for an answer where there is no good head.
    pub fn default_headers(&self) -> &str {
        &self.default_headers
    }

    /// The origin of the page that asks, if the config lists it.
    pub fn listed_origin<'a>(&self, head: &'a Head) -> Option<&'a str> {
        let origin = head.origin.as_deref();
        origin.filter(|origin| self.is_open() || self.is_listed(origin))
    }

    /// Header lines: no guessing of types, no use by pages of other sites but of a listed `origin` (CORS: Fetch, 3.3), and
    /// no frame around it but on pages that may (Content Security Policy, frame-ancestors). On plain http a browser does
    /// not tell who asks, so that this is what keeps the stream out of others' frames. `shows`: the page's tag may show it.
    fn headers(&self, origin: Option<&str>, origins: Origins, shows: bool) -> String {
        let by_link = origins == Origins::Linked;
        let listed = self.frame_ancestors.iter().map(|origin| format!(" {origin}"));
        let ancestors = if by_link {
            " *".into()
        } else {
            listed.collect::<String>()
        };
        // The same line for all, where all may: a cache needs no copy for each of them.
        let open = self.is_open();
        let origin = if open { Some("*") } else { origin };
        let mut lines = format!(
            "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: frame-ancestors 'self'{ancestors}\r\n\
             Cross-Origin-Resource-Policy: {}\r\n",
            if shows || origin.is_some() {
                "cross-origin"
            } else {
                "same-site"
            }
        );
        if let Some(origin) = origin {
            // Writing to a String can't fail.
            _ = write!(
                lines,
                "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Expose-Headers: {EXPOSED}\r\n"
            );
        }
        if by_link {
            // The token stands in the page's address.
            lines.push_str("Referrer-Policy: no-referrer\r\n");
        }
        if !(open || self.cors_origins.is_empty()) {
            lines.push_str("Vary: Origin\r\n");
        }
        lines
    }

    /// True if it is for a tag of a page that may show it, for all that is known. Chromium takes an address for another site
    /// when the page has another port or a name (Firefox only with a name), and the page of a printer (OctoPrint, Mainsail) and
    /// its camera are most often so. A tag does not send its page's origin, and on plain http nothing but the Referer tells of
    /// the page at all. A page can't put another one there, but it can hold it back, as OctoPrint and Home Assistant do:
    /// then it is shown, as to keep it from strangers who do the same would keep it from these. Where the browser says that
    /// the page is of another site, that is so only if pages of others are listed.
    fn may_show(&self, head: &Head, origins: Origins, own_address: Option<IpAddr>) -> bool {
        let may = match head.referer.as_deref() {
            Some(page) => self.is_listed(page) || self.is_on_this_machine(page, head, own_address),
            None => !head.cross_site || !self.cors_origins.is_empty(),
        };
        origins == Origins::Linked || origins == Origins::Tags && may
    }

    /// True if the page is one of this machine's: by the name or address that it is asked by here, or by another one.
    fn is_on_this_machine(&self, page: &str, head: &Head, own_address: Option<IpAddr>) -> bool {
        let Some(host) = origin_host(page) else {
            return false;
        };
        let literal = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let address: Option<IpAddr> = literal.unwrap_or(&host).parse().ok();
        let by_mdns = host.strip_suffix(".local");
        head.host.as_ref() == Some(&host)
            || self.is_in_hosts(&host)
            || self.own_names.contains(&host)
            || by_mdns.is_some_and(|name| self.own_names.first().is_some_and(|own| own == name))
            || address.is_some() && address == own_address
            || host == "localhost" && own_address.is_some_and(|it| it.is_loopback())
    }

    /// Pages of any site may use it.
    fn is_open(&self) -> bool {
        self.cors_origins.iter().any(|origin| origin == "*")
    }

    fn is_listed(&self, origin: &str) -> bool {
        let mut origins = self.cors_origins.iter();
        origins.any(|it| it.eq_ignore_ascii_case(origin))
    }
}

/// True if an Origin field is that of this server's own pages, as far as `head` shows. A proxy may speak https where
/// we don't, so the scheme matters for the port alone, where one is not named.
fn is_same_origin(origin: &str, head: &Head) -> bool {
    let (default, named) = match origin.split_once("://") {
        Some(("http", named)) => (80, named),
        Some(("https", named)) => (443, named),
        _ => return false,
    };
    let port = |port: Option<u16>| port.unwrap_or(default);
    authority(named)
        .is_some_and(|(host, of_page)| Some(host) == head.host && port(of_page) == port(head.port))
}

#[cfg(test)]
mod tests {
    use super::{Access, Origins};
    use crate::config::Config;
    use crate::serve::head::{self, Head};

    fn access(settings: &str) -> Access {
        let config = format!("[server]\n{settings}\n[test]\n");
        let config = Config::parse(config.as_bytes(), "test", &[]).unwrap();
        Access::new(
            &["own.example.net".into(), "own.fritz.box".into()],
            &config.server,
        )
    }

    fn head(fields: &str) -> Head {
        let bytes = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
        head::parse(bytes.as_bytes()).unwrap().unwrap().0
    }

    /// The answer's code to a request with these fields; or nothing, for one that is let in.
    fn code(settings: &str, origins: Origins, fields: &str) -> &'static str {
        let (access, head) = (access(settings), head(fields));
        access
            .check(&head, origins, None)
            .map_or_else(|answer| answer.code(), |()| "")
    }

    #[test]
    fn only_our_names_are_answered() {
        for (host, expected) in [
            ("localhost", ""),
            ("pi", ""),
            ("pi.local:8000", ""),
            ("cam.localhost", ""),
            ("pi.lan:8000", ""),
            ("Pi.Home.Arpa", ""),
            ("host.docker.internal:8000", ""),
            ("localhost.localdomain", ""),
            ("[fe80::1%25eth0]:8000", ""),
            ("[fe80::1%eth0]", ""),
            ("[pi%.example.org]", "421"),
            ("192.0.2.1%.example.org", "421"),
            ("pi.lan.example.org", "421"),
            ("pilan.org", "421"),
            ("192.0.2.1", ""),
            ("[2001:db8::1]:80", ""),
            ("own.example.net", ""),
            ("OWN.Fritz.Box.:8000", ""),
            ("other.fritz.box", "421"),
            ("fritz.box", "421"),
            ("own.fritz.box.example.org", "421"),
            ("own.example.net.", ""),
            ("pi.lan..", "421"),
            ("lan.", ""),
            ("evil.lan.example.com", "421"),
            ("pi.internal.example.com:8000", "421"),
            ("pi.localdomain.", ""),
            ("xhome.arpa", "421"),
            ("2130706433", ""),
            ("0x7f.1", "421"),
            ("[::ffff:192.0.2.1]", ""),
            ("[fe80::1%25eth0.example.org]:80", ""),
            ("cam.example.org", ""),
            ("evil.example.org", "421"),
            ("pi.local.example.org", "421"),
        ] {
            let fields = format!("Host: {host}");
            let settings = "hosts = cam.example.org";
            assert_eq!(code(settings, Origins::SameHost, &fields), expected, "{host}");
        }
        assert_eq!(code("hosts = *", Origins::SameHost, "Host: any.example.org"), "");
    }

    #[test]
    fn only_our_pages_and_listed_ones_are_answered() {
        use Origins::{Linked, Own, SameHost, SameOrigin, Tags};
        let listed = "cors_origins = http://home.example";
        for (settings, origins, fields, expected) in [
            ("", SameHost, "Origin: http://pi", ""),
            ("", SameHost, "Origin: https://pi:8443", ""),
            ("", SameHost, "Origin: null", "403"),
            ("", SameHost, "Origin: http://evil.example", "403"),
            ("", SameHost, "Sec-Fetch-Site: cross-site", "403"),
            (
                "",
                SameHost,
                "Sec-Fetch-Site: cross-site\r\nReferer: http://pi:81/x",
                "403",
            ),
            (
                "",
                Tags,
                "Sec-Fetch-Site: cross-site\r\nReferer: http://pi:81/x",
                "",
            ),
            ("", Tags, "Sec-Fetch-Site: cross-site", "403"),
            (listed, Tags, "Sec-Fetch-Site: cross-site", ""),
            (
                listed,
                Tags,
                "Sec-Fetch-Site: cross-site\r\nReferer: http://evil.example/",
                "403",
            ),
            (listed, Tags, "Origin: http://evil.example", "403"),
            (listed, SameHost, "Sec-Fetch-Site: cross-site", "403"),
            ("", SameOrigin, "Accept: */*", ""),
            ("", SameOrigin, "Origin: http://pi", ""),
            ("", SameOrigin, "Origin: https://pi", "403"),
            ("", SameOrigin, "Origin: http://pi:8443", "403"),
            ("", Own, "", ""),
            ("", Own, "Origin: http://pi", ""),
            ("", Own, "Origin: http://pi\r\nSec-Fetch-Site: same-origin", ""),
            ("", Own, "Sec-Fetch-Site: none", ""),
            ("", Own, "Sec-Fetch-Site: same-site", "403"),
            ("", Own, "Sec-Fetch-Site: cross-site", "403"),
            (
                "",
                Own,
                "Origin: http://pi\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate",
                "403",
            ),
            ("", Own, "Origin: http://pi:8443", "403"),
            ("", Own, "Origin: null", "403"),
            ("", Own, "Referer: http://pi/door/", ""),
            ("", Own, "Referer: http://pi:8443/", "403"),
            ("", Own, "Referer: http://evil.example/http://pi/", "403"),
            (
                "",
                Own,
                "Origin: http://pi\r\nReferer: http://evil.example/",
                "403",
            ),
            ("hosts = pi2", Own, "Referer: https://pi2/cam/", ""),
            ("", SameHost, "Referer: http://evil.example/", ""),
            (
                "",
                Linked,
                "Sec-Fetch-Site: cross-site\r\nReferer: http://evil.example/",
                "",
            ),
            ("", Linked, "Origin: http://evil.example", "403"),
            (
                "",
                Linked,
                "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe",
                "",
            ),
            (listed, Own, "Origin: http://home.example", "403"),
            ("cors_origins = *", Own, "Origin: http://any.example", "403"),
            ("hosts = pi2", Own, "Origin: https://pi2", ""),
            ("hosts = pi2", SameHost, "Origin: http://pi2", ""),
            // A proxy put its own Host there.
            ("hosts = pi2", SameOrigin, "Origin: https://Pi2:8443", ""),
            ("hosts = pi2", SameOrigin, "Origin: http://pi3", "403"),
            ("hosts = *", SameOrigin, "Origin: http://evil.example", "403"),
            ("hosts = pi", SameOrigin, "Origin: http://pi:8443", "403"),
            (listed, SameHost, "Origin: http://home.example", ""),
            (listed, SameOrigin, "Origin: HTTP://home.example", ""),
            (listed, SameHost, "Origin: http://home.example:81", "403"),
            ("cors_origins = *", SameOrigin, "Origin: http://any.example", ""),
            ("cors_origins = null", SameOrigin, "Origin: null", ""),
            (
                "cors_origins = tauri://localhost",
                SameOrigin,
                "Origin: tauri://localhost",
                "",
            ),
            (
                "cors_origins = tauri://localhost",
                SameOrigin,
                "Origin: capacitor://localhost",
                "403",
            ),
            (
                "",
                SameHost,
                "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe",
                "403",
            ),
        ] {
            let fields = format!("Host: pi:80\r\n{fields}");
            assert_eq!(
                code(settings, origins, &fields),
                expected,
                "{settings} {origins:?} {fields}"
            );
        }
    }

    #[test]
    fn tags_show_what_no_known_stranger_asks_for() {
        let (listed, proxied) = ("cors_origins = http://home.example", "hosts = cam.example");
        for (settings, fields, shows) in [
            ("", "", true),
            ("", "Referer:", true),
            ("", "Referer: http://pi:81/a/b?c#d", true),
            ("", "Referer: http://192.0.2.7/", true),
            ("", "Referer: http://192.0.2.8/", false),
            ("", "Referer: http://own.example.net/", true),
            ("", "Referer: http://own.example.net.local:81/", true),
            ("", "Referer: http://localhost/", false),
            ("", "Referer: http://evil.example/", false),
            ("", "Referer: http://evil.example/http://pi/", false),
            ("", "Referer: http://pi@evil.example/", false),
            ("", "Referer: http://cam.example/", false),
            ("", "Referer: pi", false),
            ("", "Sec-Fetch-Site: cross-site", false),
            ("", "Sec-Fetch-Site: same-site", true),
            (proxied, "Referer: https://CAM.example:8443/", true),
            (proxied, "Sec-Fetch-Site: cross-site", false),
            (listed, "Referer: http://home.example/", true),
            (listed, "Referer: http://home.example:81/", false),
            (listed, "Sec-Fetch-Site: cross-site", true),
            (
                listed,
                "Sec-Fetch-Site: cross-site\r\nReferer: http://evil.example/",
                false,
            ),
        ] {
            let head = head(&format!("Host: pi:8000\r\n{fields}"));
            let access = access(settings);
            let own_address = "192.0.2.7".parse().ok();
            let headers = |origins| access.security_headers(&head, origins, own_address).into_owned();
            let policy = |of| format!("Cross-Origin-Resource-Policy: {of}\r\n");
            let expected = policy(if shows { "cross-origin" } else { "same-site" });
            let got = headers(Origins::Tags);
            assert!(got.contains(&expected), "{settings} {fields} {got}");
            // To show is not to read.
            assert!(!got.contains("Access-Control"), "{settings} {fields} {got}");
            assert!(headers(Origins::SameHost).contains(&policy("same-site")));
            let got = headers(Origins::Linked);
            assert!(got.contains(&policy("cross-origin")), "{got}");
            assert!(got.contains("frame-ancestors 'self' *\r\n"), "{got}");
        }
        let head = head("Host: 127.0.0.1:8000\r\nReferer: http://localhost/");
        let headers = access("")
            .security_headers(&head, Origins::Tags, "127.0.0.1".parse().ok())
            .into_owned();
        assert!(headers.contains("Policy: cross-origin"), "{headers}");
    }
}
