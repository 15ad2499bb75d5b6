//! Every route and method by everybody: who may, and who may not; and what pages of other sites bring about, which is nothing.

use super::support::Server;
use super::{ANNA, ANNA_BASIC, BEN, BEN_BASIC, code, link, log_in};
use fmp4streamer::serve;

/// `cora:control`.
const CORA: &str =
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$0czBmoAsxe47AY+Sx1Y+jgKZzgEWqxjXA7zWPkHyagE=";
const CORA_BASIC: &str = "Authorization: Basic Y29yYTpjb250cm9s";

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
/// From the one who may do least to the one who may do most.
const ROLES: [&str; 5] = ["–", "view", "user", "control", "admin"];

/// One method of one address, as the program's own table has it.
#[derive(Debug)]
struct Door {
    path: String,
    /// What follows the method in the table; `None` if it is not one of this address.
    role: Option<usize>,
    method: &'static str,
}

/// All of them, those that are not there as well. It reads the table of docs/design.md as the program makes it, so that a new
/// route needs no line here.
fn doors() -> Vec<Door> {
    let mut doors = Vec::new();
    let table = serve::table_for_developers();
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, paths, methods, roles, _, _] = cells[..] else {
            panic!("{row}");
        };
        let (first, others) = roles.split_once(", ").unwrap_or((roles, ""));
        let of = |method: &str| {
            let own = others.split(", ").find_map(|it| it.strip_prefix(method));
            let word = own.map_or(first, str::trim);
            ROLES.iter().position(|role| *role == word).unwrap()
        };
        for path in paths.split(", ") {
            let path = match path.trim_matches('`') {
                "nothing" => String::new(),
                path => path.replace('*', "1/init.mp4"),
            };
            for method in METHODS {
                let is_there = methods.split(", ").any(|it| it == method);
                doors.push(Door {
                    path: path.clone(),
                    role: is_there.then(|| if method == "OPTIONS" { 0 } else { of(method) }),
                    method,
                });
            }
        }
    }
    assert!(doors.len() > 100, "{}", doors.len());
    doors
}

fn config() -> String {
    format!(
        "[server]\nmax_clients = 8\nhistorical_orient = yes\n[test]\nname = yard\n[test b]\nname = door\n[user anna]\n{ANNA}\nrole = admin\n\
         [user ben]\n{BEN}\n[user cora]\n{CORA}\nrole = control\n"
    )
}

#[test]
fn every_method_of_every_route_is_refused_without_its_role() {
    let server = Server::with_config(&config());
    for Door { path, role, method } in doors() {
        // Who does that ends all links: each gets a new one.
        let token = link(&server, "/yard/links", "{}");
        let front = token.trim_end_matches("/yard/");
        for (who, rank, front, fields) in [
            ("nobody", 0, "", ""),
            ("a link", 1, front, ""),
            ("ben", 2, "", BEN_BASIC),
            ("cora", 3, "", CORA_BASIC),
            ("anna", 4, "", ANNA_BASIC),
        ] {
            for camera in ["/yard", "/door", ""] {
                if camera.is_empty() && path.is_empty() {
                    continue;
                }
                let path = format!("{front}{camera}{path}");
                let got = code(&server, method, &path, fields);
                let case = format!("{method} {path} by {who}: {got}, {role:?}");
                let hidden = who == "a link" && camera == "/door";
                let refused = match who {
                    "nobody" => got == "401",
                    _ => got == "403",
                };
                match role {
                    _ if hidden && method == "OPTIONS" => assert_eq!(got, "204", "{case}"),
                    // Pages to log in by and files are the same for all cameras, be they seen or not.
                    Some(0) if hidden => {}
                    Some(needed) if needed > rank => assert!(refused, "{case}"),
                    _ if hidden => assert!(got == "404" || got == "405", "{case}"),
                    // A login without a name is a wrong one, by whomever.
                    Some(_) if path.ends_with("/login") && method == "POST" => {}
                    Some(_) => assert!(got != "401" && got != "403", "{case}"),
                    None if rank == 0 => assert_eq!(got, "401", "{case}"),
                    None => assert_eq!(got, "405", "{case}"),
                }
            }
        }
    }
}

/// Whichever of these fields a browser sends: only what is our own page's, or no page's, is done.
#[test]
fn no_page_of_another_site_changes_anything() {
    // A place is free a moment after its connection has ended, on a busy machine later than the next one comes.
    let server = Server::with_config(&config().replace("max_clients = 8", "max_clients = 100"));
    let cookie = log_in(&server, "user=anna&password=secret%3Aa");
    let kept = link(&server, "/yard/links", "{}");
    let host = server.address.to_string();
    let (own, port) = (
        format!("http://{host}"),
        format!("http://{}:1", server.address.ip()),
    );
    // One historical GET moves the camera, too.
    let user = ROLES.iter().position(|role| *role == "user");
    let changes: Vec<Door> = doors()
        .into_iter()
        .filter(|door| door.role.is_some() && (door.method == "POST" || door.role > user))
        .collect();
    assert!(changes.len() >= 6, "{changes:?}");
    let (mut refused, mut done) = (0, 0);
    for sent_to in [
        host.as_str(),
        "localhost",
        "rebound.example.com",
        "127.0.0.1.example.com",
    ] {
        for site in ["", "none", "same-origin", "same-site", "cross-site", "new-word"] {
            for origin in [
                "",
                &own,
                "null",
                &port,
                "http://evil.example",
                "https://evil.example:8000",
            ] {
                for referer in ["", &own, "http://evil.example/x"] {
                    for kind in [
                        "",
                        "application/json",
                        "text/plain",
                        "application/x-www-form-urlencoded",
                    ] {
                        let mut fields = format!("Host: {sent_to}\r\n{cookie}\r\n{ANNA_BASIC}\r\n");
                        for (name, value) in [
                            ("Sec-Fetch-Site", site),
                            ("Origin", origin),
                            ("Referer", referer),
                            ("Content-Type", kind),
                        ] {
                            if !value.is_empty() {
                                fields += &format!("{name}: {value}\r\n");
                            }
                        }
                        let ours = |page: &str| page.is_empty() || page == own && sent_to == host;
                        let may = !sent_to.contains("example")
                            && ["", "none", "same-origin"].contains(&site)
                            && ours(origin)
                            && ours(referer);
                        // What is done once is done: the link has to hold to the end.
                        if may {
                            done += 1;
                            continue;
                        }
                        for Door { path, method, .. } in &changes {
                            let request = format!(
                                "{method} {path} HTTP/1.1\r\n{fields}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
                            );
                            let said = server.ask(&request);
                            let expected = if sent_to.contains("example") { "421" } else { "403" };
                            assert_eq!(said.get(9..12), Some(expected), "{request}\n{said}");
                            assert!(!said.contains("Set-Cookie"), "{request}\n{said}");
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 1000 && done > 10, "{refused} {done}");
    assert_eq!(code(&server, "GET", &kept, ""), "200");
    assert_eq!(code(&server, "GET", "/status", &cookie), "200");
    // Our own page's are done.
    let fields = format!(
        "Origin: http://localhost\r\nReferer: http://localhost/yard/\r\nSec-Fetch-Site: same-origin\r\n{cookie}"
    );
    assert_eq!(code(&server, "POST", "/links/end", &fields), "204");
    assert_eq!(code(&server, "GET", &kept, ""), "403");
}
