//! The names by which others may know this machine, as its own files say.

use std::net::IpAddr;

/// The machine's name, that name in its search domains (`resolv_conf`, resolv.conf(5)), and what its list of hosts (`hosts`,
/// hosts(5)) calls its own `addresses`; all in lower case.
///
/// Of the list of hosts, only what a look for the address would find counts, and of a loopback address only lines that have the
/// machine's name: lists that block others' names have thousands of those there, which are foreigners' and may point to anywhere
/// (DNS rebinding).
pub fn own_names(host_name: &str, resolv_conf: &str, hosts: &str, addresses: &[IpAddr]) -> Vec<String> {
    let host_name = host_name.to_ascii_lowercase();
    let label = host_name.split('.').next().unwrap_or_default();
    let mut names = vec![host_name.clone()];
    for line in resolv_conf.lines() {
        let mut words = line.split_whitespace();
        if !matches!(words.next(), Some("search" | "domain")) || ["", "localhost"].contains(&label) {
            continue;
        }
        let domains = words.map(|word| word.trim_matches('.').to_ascii_lowercase());
        names.extend(
            domains
                .filter(|it| !it.is_empty())
                .map(|domain| format!("{label}.{domain}")),
        );
    }
    let mut found = Vec::new();
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
            continue;
        };
        let its_names: Vec<String> = words.map(str::to_ascii_lowercase).collect();
        let is_own = match address.is_loopback() {
            true => its_names.iter().any(|name| *name == host_name || name == label),
            false => addresses.contains(&address) && !found.contains(&address),
        };
        if is_own {
            found.push(address);
            names.extend(its_names);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::own_names;

    #[test]
    fn the_machine_s_files_say_what_it_is_called() {
        let addresses = ["192.0.2.5".parse().unwrap(), "2001:db8::5".parse().unwrap()];
        let names = |host_name, resolv_conf, hosts| {
            own_names(host_name, resolv_conf, hosts, &addresses)[1..].join(" ")
        };
        for (resolv_conf, expected) in [
            (
                "nameserver 192.0.2.1\nsearch fritz.box Example.NET.\n",
                "pi.fritz.box pi.example.net",
            ),
            ("domain lab.example", "pi.lab.example"),
            (
                "search .\n#search a.example\n; search b.example\nsearching c.example\noptions search d",
                "",
            ),
        ] {
            assert_eq!(names("Pi", resolv_conf, ""), expected, "{resolv_conf}");
        }
        assert_eq!(names("pi.example.org", "search fritz.box", ""), "pi.fritz.box");
        assert_eq!(names("localhost", "search fritz.box", ""), "");
        assert_eq!(
            names(
                "",
                "search fritz.box",
                "127.0.0.1 localhost\n127.0.0.1 evil.example"
            ),
            ""
        );
        for (hosts, expected) in [
            (
                "127.0.0.1 localhost\n127.0.1.1\tpi.example.net pi\n",
                "pi.example.net pi",
            ),
            (
                "127.0.0.1 localhost PI cam.example.net # evil.example",
                "localhost pi cam.example.net",
            ),
            ("::1 pi cam.example.net", "pi cam.example.net"),
            // A list of others' names, to block them.
            (
                "127.0.0.1 localhost\n127.0.0.1 evil.example\n0.0.0.0 evil.example\n::1 evil.example pi.evil.example",
                "",
            ),
            (
                "192.0.2.5 cam.example.net\n192.0.2.5 evil.example",
                "cam.example.net",
            ),
            ("2001:db8:0::5 Cam.example.net cam", "cam.example.net cam"),
            (
                "192.0.2.1 router.example\n192.0.2.55 other.example\n#192.0.2.5 a.example",
                "",
            ),
            ("nonsense\n192.0.2.5\n\n # 192.0.2.5 a.example", ""),
        ] {
            assert_eq!(names("pi", "", hosts), expected, "{hosts}");
        }
    }
}
