//! A camera's controls over HTTP, as far as they can be had without a camera: who may, from where, and what is no request.
//! What cameras make of them is tested in the virtual machine (vm/controls.rs).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use support::{Dir, Server, until};

const JSON: &str = "Content-Type: application/json\r\n";
/// `anna:secret:a` and `ben:geheim`, as in people.rs.
const ANNA: (&str, &str) = (
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$tpvxVCv9hLiME3SNhpBDvUuQSqxOHrAk/yHi2W2h40A=",
    "Authorization: Basic YW5uYTpzZWNyZXQ6YQ==\r\n",
);
const BEN: (&str, &str) = (
    "password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$/jzpo4hvJ/wEDb3kcIX27ohyPXWqsn1ak6MhdU2pGg0=",
    "Authorization: Basic YmVuOmdlaGVpbQ==\r\n",
);

fn ask(server: &Server, method: &str, path: &str, fields: &str, body: &str) -> String {
    let length = match method {
        "POST" => format!("Content-Length: {}\r\n", body.len()),
        _ => String::new(),
    };
    server.ask(&format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}{length}\r\n{body}"
    ))
}

fn code(server: &Server, method: &str, path: &str, fields: &str, body: &str) -> String {
    ask(server, method, path, fields, body)[9..12].to_string()
}

/// One with the test picture, which has no controls, so that who gets through is answered by 409.
fn server(settings: &str) -> Server {
    let server = Server::with_config(&format!("[server]\n{settings}\n[test]\n"));
    until("it is live", || server.camera("state") == "live");
    server
}

#[test]
fn without_users_nobody_changes_anything_unless_the_config_says_so() {
    let locked = server("");
    let said = ask(&locked, "GET", "/controls", "", "");
    assert!(
        said.ends_with(
            "\r\n\r\n{\"controls\":[],\"writable\":false,\"why\":\"Everybody may watch this camera, but nobody may change it; who runs it \
             can allow that by controls = on, or by a [user NAME] with role = control, in its config\",\"can_keep\":false,\"restarts\":false}"
        ),
        "{said}"
    );
    assert_eq!(code(&locked, "HEAD", "/controls", "", ""), "200");
    let open = server("controls = on");
    let said = ask(&open, "GET", "/camera0/controls", "", "");
    assert!(
        said.contains("\"writable\":false,\"why\":\"this camera has no controls"),
        "{said}"
    );
    for (server, path, expected) in [
        (&locked, "/controls", "403"),
        (&locked, "/controls/keep", "403"),
        (&locked, "/controls/forget", "403"),
        (&open, "/controls", "409"),
        (&open, "/camera0/controls", "409"),
        // What is kept is the administrator's.
        (&open, "/controls/keep", "403"),
    ] {
        assert_eq!(
            code(server, "POST", path, JSON, "{\"brightness\":1}"),
            expected,
            "{path}"
        );
    }
    let said = ask(&open, "POST", "/controls/keep", JSON, "");
    assert!(said.contains("for users with role = admin"), "{said}");
    for path in ["/controls/keep", "/controls/forget"] {
        assert_eq!(code(&open, "GET", path, "", ""), "405", "{path}");
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(code(&open, method, "/controls", JSON, ""), "405", "{method}");
    }
}

#[test]
fn each_role_may_what_it_may() {
    let state = Dir::new();
    let mut program = Server::program();
    program.env("STATE_DIRECTORY", state.file(""));
    let (anna, ben) = (ANNA.0, BEN.0);
    let users =
        format!("[user anna]\n{anna}\nrole = admin\n[user ben]\n{ben}\nrole = control\n[anonymous]\n");
    // It does not count where there are users.
    let config = format!("[server]\ncontrols = on\n[test]\n{users}");
    let server = Server::with_config_as(program, &config);
    let posts = |path, who: &str| code(&server, "POST", path, &format!("{JSON}{who}"), "{}");
    for (who, [set, keep, forget]) in [
        ("", ["401"; 3]),
        (BEN.1, ["409", "403", "403"]),
        (ANNA.1, ["409", "200", "200"]),
    ] {
        until("it is live", || server.camera("state") == "live");
        assert_eq!(code(&server, "GET", "/controls", who, ""), "200", "{who}");
        assert_eq!(posts("/controls", who), set, "{who}");
        assert_eq!(posts("/controls/keep", who), keep, "{who}");
        assert_eq!(posts("/controls/forget", who), forget, "{who}");
    }
    let can_keep = |who| ask(&server, "GET", "/controls", who, "").contains("\"can_keep\":true");
    assert!(can_keep(ANNA.1) && !can_keep(BEN.1) && !can_keep(""));
    let said = ask(&server, "POST", "/controls/keep", &format!("{JSON}{}", BEN.1), "");
    assert!(said.contains("for users with role = admin"), "{said}");
    let said = ask(&server, "GET", "/controls", "", "");
    assert!(
        said.contains("\"why\":\"Log in to change this camera\""),
        "{said}"
    );

    // A folder in the way of the new file, as where the disk is full or read-only.
    std::fs::create_dir(state.file("controls.new")).unwrap();
    let said = ask(&server, "POST", "/controls/keep", ANNA.1, "");
    assert!(
        said.starts_with("HTTP/1.1 503 ") && said.contains("controls.conf: can't keep controls"),
        "{said}"
    );
    assert_eq!(server.camera("state"), "live");
}

#[test]
fn without_a_place_for_it_nothing_is_kept_and_that_is_said() {
    let broken = Dir::new();
    broken.write("controls.conf", "no section");
    let users = format!("[user anna]\n{}\nrole = admin\n", ANNA.0);
    for state in [None, Some(broken.file(""))] {
        let mut program = Server::program();
        program.env_remove("STATE_DIRECTORY");
        program.envs(state.as_ref().map(|folder| ("STATE_DIRECTORY", folder)));
        let server = Server::with_config_as(program, &format!("[server]\n[test]\n{users}"));
        let said = ask(&server, "GET", "/controls", ANNA.1, "");
        assert!(said.contains("\"can_keep\":false"), "{said}");
        let said = ask(&server, "POST", "/controls/keep", ANNA.1, "");
        assert!(
            said.starts_with("HTTP/1.1 503 ") && said.contains("no state folder"),
            "{said}"
        );
        // What is there stays.
        assert_eq!(server.log().contains("none are kept"), state.is_some());
    }
    assert_eq!(
        std::fs::read_to_string(broken.file("controls.conf")).unwrap(),
        "no section"
    );
}

#[test]
fn what_is_no_request_is_told_what_is_wrong() {
    let server = server("controls = on");
    let long = format!("{{\"brightness\":\"{}\"}}", "1".repeat(4096));
    for (fields, body, expected) in [
        (JSON, &*long, "413"),
        ("", "{}", "415"),
        ("Content-Type: text/plain\r\n", "{}", "415"),
        (
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "brightness=1",
            "415",
        ),
        (JSON, "", "400"),
        (JSON, "{", "400"),
        (JSON, "[]", "400"),
        (JSON, "1", "400"),
        (JSON, "{\"brightness\":1,\"brightness\":2}", "400"),
        (JSON, "{\"brightness\":1}", "409"),
        (
            "Content-Type: application/json; charset=utf-8\r\n",
            "{\"a\":1}",
            "409",
        ),
    ] {
        assert_eq!(
            code(&server, "POST", "/controls", fields, body),
            expected,
            "{fields} {body}"
        );
    }
    assert_eq!(server.camera("state"), "live");
}

/// A page of another site, whatever its browser says of it.
#[test]
fn no_other_site_changes_anything() {
    let server = server("controls = on\ncors_origins = http://listed.example");
    let site = |site: &str| format!("Sec-Fetch-Site: {site}\r\n");
    let origin = |origin: &str| format!("Origin: {origin}\r\n");
    let sites = ["", "same-origin", "same-site", "cross-site", "none"];
    let own = format!("http://{}", server.address);
    let origins = [
        "",
        "null",
        "http://evil.example",
        "http://listed.example",
        "http://localhost:1",
        "http://localhost",
        &own,
    ];
    let modes = ["", "Sec-Fetch-Mode: navigate\r\n", "Sec-Fetch-Mode: no-cors\r\n"];
    let types = [JSON, "Content-Type: text/plain\r\n", ""];
    for from in sites {
        for page in origins {
            for mode in modes {
                for kind in types {
                    let mut fields = format!("{mode}{kind}");
                    for (value, line) in [(from, site(from)), (page, origin(page))] {
                        fields += if value.is_empty() { "" } else { &line };
                    }
                    // By the name in Host: localhost, port 80.
                    let ours = ["", "same-origin", "none"].contains(&from)
                        && ["", "http://localhost"].contains(&page);
                    let expected = match (ours, kind == JSON) {
                        (false, _) => "403",
                        (true, false) => "415",
                        (true, true) => "409",
                    };
                    let got = code(&server, "POST", "/controls", &fields, "{\"brightness\":1}");
                    assert_eq!(got, expected, "{fields}");
                    let kept = code(&server, "POST", "/controls/keep", &fields, "");
                    assert_eq!(kept, "403", "{fields}");
                }
            }
        }
    }
    // Nor does an address that a browser was made to take for ours.
    let request = "POST /controls HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Type: application/json\r\n\
                   Content-Length: 2\r\n\r\n{}";
    assert!(server.ask(request).starts_with("HTTP/1.1 421 "));
}

/// A control that is the program's own, so that cameras without any have it.
#[test]
fn the_threshold_of_motion_is_set_and_kept_until_the_config_says_something_else() {
    let state = Dir::new();
    let (anna, ben) = (ANNA.0, BEN.0);
    let users =
        format!("[user anna]\n{anna}\nrole = admin\n[user ben]\n{ben}\nrole = control\n[anonymous]\n");
    let server = |motion: &str| {
        let mut program = Server::program();
        program.env("STATE_DIRECTORY", state.file(""));
        let config = format!("[server]\n[test]\nname = yard\n{motion}\n{users}");
        let server = Server::with_config_as(program, &config);
        until("it is live", || server.camera("state") == "live");
        server
    };
    let holds = |server: &Server| {
        let said = ask(server, "GET", "/controls", "", "");
        let value = said.split("\"value\":").nth(1).unwrap().split(',').next();
        let (value, kept) = (
            value.unwrap().to_string(),
            said.split("\"kept\":").nth(1).unwrap(),
        );
        // The detector has the same.
        assert_eq!(server.status_after("\"motion\":", "threshold"), value, "{said}");
        (value, kept.split('}').next().unwrap().to_string())
    };
    let now = |value: &str, kept: &str| (value.to_string(), kept.to_string());
    let one = server("motion = yes\nmotion_threshold = 9");
    assert_eq!(holds(&one), now("9", "null"));
    let said = ask(&one, "GET", "/controls", BEN.1, "");
    for part in [
        "\"controls\":[{\"name\":\"motion_threshold\",",
        "\"min\":2,\"max\":1000,",
        "\"writable\":true,\"why\":\"\",",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let set = |who: &str, body: &str| ask(&one, "POST", "/controls", &format!("{JSON}{who}"), body);
    for (who, body, code, part, value) in [
        ("", "{\"motion_threshold\":20}", "401", "", "9"),
        (BEN.1, "{\"motion_threshold\":20}", "200", "\"refused\":{}", "20"),
        (
            BEN.1,
            "{\"motion_threshold\":\"1000\"}",
            "200",
            "\"refused\":{}",
            "1000",
        ),
        (
            BEN.1,
            "{\"motion_threshold\":1}",
            "200",
            "\"refused\":{\"motion_threshold\":\"takes a whole number from 2 to 1000\"}",
            "1000",
        ),
        (
            BEN.1,
            "{\"motion_threshold\":99999}",
            "200",
            "takes a whole number",
            "1000",
        ),
        (BEN.1, "{\"motion_threshold\":1.5}", "400", "", "1000"),
        (
            BEN.1,
            "{\"motion_threshold\":\"many\"}",
            "200",
            "takes a whole number",
            "1000",
        ),
        (BEN.1, "{\"motion_threshold\":null}", "200", "\"refused\":{}", "9"),
        (BEN.1, "{\"brightness\":1}", "409", "has no controls", "9"),
        (BEN.1, "{\"motion_threshold\":12}", "200", "\"refused\":{}", "12"),
    ] {
        let said = set(who, body);
        assert!(&said[9..12] == code && said.contains(part), "{body}: {said}");
        assert_eq!(holds(&one).0, value, "{body}");
    }
    assert_eq!(
        code(&one, "POST", "/controls/keep", &format!("{JSON}{}", ANNA.1), ""),
        "200"
    );
    assert_eq!(holds(&one), now("12", "12"));
    drop(one);
    let again = server("motion = yes\nmotion_threshold = 9");
    assert_eq!(holds(&again), now("12", "12"));
    // What is no longer kept goes on until the next start.
    for (word, kept) in [("forget", "null"), ("keep", "12")] {
        let fields = format!("{JSON}{}", ANNA.1);
        let path = format!("/controls/{word}");
        assert_eq!(code(&again, "POST", &path, &fields, ""), "200");
        assert_eq!(holds(&again), now("12", kept));
    }
    drop(again);
    // Somebody has edited the config.
    let edited = server("motion = yes\nmotion_threshold = 7");
    assert_eq!(holds(&edited), now("7", "null"));
    assert!(
        edited
            .log()
            .contains("motion_threshold = 12, which was kept, gives way to the config"),
        "{}",
        edited.log()
    );
    drop(edited);
    let none = server("motion = no");
    let said = ask(&none, "GET", "/controls", BEN.1, "");
    assert!(
        said.contains("\"controls\":[]") && said.contains("has no controls"),
        "{said}"
    );
}
