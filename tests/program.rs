//! The program as a shell and a service manager see it: exit codes and log lines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use support::{Dir, Server};

/// Nobody has this address (RFC 5737), so the program ends at once.
const CANNOT_LISTEN: [&str; 3] = ["--test", "--listen", "192.0.2.1:8000"];

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fmp4streamer"))
        .args(args)
        .env_remove("JOURNAL_STREAM")
        .output()
        .unwrap()
}

#[test]
fn exit_codes_tell_a_mistake_from_a_failure() {
    for (args, code) in [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["--test", "--check"], 0),
        (&["--probe"], 0),
        (&["--no-such-option"], 2),
        (&["/dev/video0", "/dev/video1"], 2),
        (&["--test", "/dev/video0"], 2),
        (&["--config", "/no/such/file"], 2),
        (&["--test", "--listen", "nowhere"], 2),
        (&CANNOT_LISTEN, 1),
    ] {
        let output = run(args);
        let said = String::from_utf8_lossy(if code == 0 { &output.stdout } else { &output.stderr });
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(!said.is_empty(), "{args:?}");
    }
}

/// The last line says where to read on: the command line and the config are explained in different places.
#[test]
fn a_mistake_points_to_its_page() {
    let dir = Dir::new();
    let config = dir.write("a.conf", "[server]\nport = x\n");
    let config = config.to_str().unwrap();
    for (args, last) in [
        (&["--port", "80"][..], "Try fmp4streamer --help\n"),
        (&["a.conf"], "Try fmp4streamer --help\n"),
        (&["-c", config], "See man fmp4streamer.conf\n"),
        (&["-c", config, "--check"], "See man fmp4streamer.conf\n"),
    ] {
        let said = String::from_utf8(run(args).stderr).unwrap();
        assert_eq!(said.split_once('\n').map(|(_, last)| last), Some(last), "{said}");
    }
}

/// Not through the log, as it may not have begun yet.
#[test]
fn a_mistake_plays_no_tricks_on_the_terminal() {
    let dir = Dir::new();
    let config = dir.write("a.conf", "[server]\nport = http://u:hunter2@h/\n");
    for args in [
        &["-c", config.to_str().unwrap()][..],
        &["--no\u{9b}2J\u{7f}"],
        &["--listen", "http://u:hunter2@h/\x1b[2J"],
    ] {
        let said = String::from_utf8(run(args).stderr).unwrap();
        let strange = said.replace('\n', "").contains(char::is_control);
        assert!(!strange && !said.contains("hunter2"), "{said:?}");
    }
}

/// As root in a folder such as /tmp, one would run the commands of whoever left a config there.
#[test]
fn a_config_of_somebody_else_is_not_taken_by_chance() {
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};
    let dir = Dir::new();
    let file = dir.write("fmp4streamer.conf", "[exec]\ncommand = exec cat\n");
    let check = |args: &[&str]| {
        let output = Command::new(Server::PROGRAM)
            .arg("--check")
            .args(args)
            .current_dir(file.parent().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let is_taken = |args: &[&str]| {
        let (code, said) = check(args);
        assert!(code == Some(0) && said.contains("exec cat"), "{said}");
    };
    let is_refused = |why: &str| {
        let (code, said) = check(&[]);
        let way_out = "name it: -c ./fmp4streamer.conf\n";
        assert!(
            code == Some(2) && said.contains(why) && said.contains(way_out),
            "{said}"
        );
        is_taken(&["-c", "./fmp4streamer.conf"]);
    };
    let set_mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    is_taken(&[]);
    set_mode(0o666);
    is_refused("every user can write to it");
    set_mode(0o664);
    is_taken(&[]);
    if lchown(&file, Some(12345), None).is_err() {
        return support::skip("only root can give files away");
    }
    is_refused("it belongs to another user (number 12345)");
    // Neither a link of theirs to a file of ours, nor the reverse.
    let target = file.with_extension("target");
    std::fs::rename(&file, &target).unwrap();
    symlink(&target, &file).unwrap();
    is_refused("it belongs to another user (number 12345)");
    lchown(&target, Some(0), None).unwrap();
    is_taken(&[]);
    lchown(&file, Some(12345), None).unwrap();
    is_refused("it belongs to another user (number 12345)");
}

#[test]
fn a_config_that_may_not_be_read_is_told_with_a_way_out() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let dir = Dir::new();
    let file = dir.write("a.conf", "[test]\n");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
    let mut check = Command::new(Server::PROGRAM);
    check.arg("--check").arg("-c").arg(&file);
    // Root may read anything.
    if file.metadata().unwrap().uid() == 0 {
        check.uid(12345);
    }
    let Ok(output) = check.output() else {
        return support::skip("no other user can be had here, or it may not run the program");
    };
    let said = String::from_utf8(output.stderr).unwrap();
    let wanted = format!(
        "{}: can't read the config: no permission; run it with sudo, or let this user read",
        file.display()
    );
    assert!(
        output.status.code() == Some(2) && said.contains(&wanted),
        "{said}"
    );
}

/// Nothing but one line, and an exit status that containers know (2 is reserved there).
fn health(args: &[&str]) -> (bool, String) {
    let output = run(&[&["--health"], args].concat());
    assert!(output.stderr.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with('\n') && said.lines().count() == 1, "{said:?}");
    let code = output.status.code();
    assert!(code == Some(0) || code == Some(1), "{code:?}");
    (code == Some(0), said.trim_end().into())
}

#[test]
fn health_is_asked_of_the_program_that_runs() {
    let well =
        Server::with_config("[server]\nbase_path = /cams\n[test one]\nname = one\n[test two]\nname = two\n");
    support::until("both sleep or are live", || health(&[&well.url("/healthz")]).0);
    let (is_well, said) = health(&[&well.url("")]);
    assert!(
        is_well && said.starts_with("one: ") && said.contains("; two: "),
        "{said}"
    );
    let (is_well, said) = health(&[&well.url("/one/healthz")]);
    assert!(is_well && !said.contains("two"), "{said}");
    assert!(health(&[&well.url("/cams/healthz")]).0);
    // By the config and --listen, as the program itself.
    let port = well.address.port();
    let dir = Dir::new();
    let config = |text: &str| dir.write("a.conf", text).to_str().unwrap().to_owned();
    assert!(
        health(&[
            "-c",
            &config(&format!("[server]\nport = {port}\n[exec]\ncommand = exit 1\n"))
        ])
        .0
    );
    assert!(health(&["-c", &config("[test]\n"), "--listen", &format!(":{port}")]).0);
    assert!(health(&["--test", "--listen", &format!("127.0.0.1:{port}")]).0);
    let (is_well, said) = health(&["-c", &config("[server]\nport = x\n")]);
    assert!(!is_well && said.contains("a.conf:2: port = x: allowed"), "{said}");

    let lost =
        Server::with_config("[test one]\nname = one\n[/dev/no-such-video]\nname = two\nauto_sleep = no\n");
    support::until("it is missed", || !health(&[&lost.url("/healthz")]).0);
    let (_, said) = health(&[&lost.url("/healthz")]);
    assert!(
        said.contains("/healthz: 503 Service Unavailable: one: "),
        "{said}"
    );
    assert!(said.contains("; two: /dev/no-such-video: "), "{said}");
    assert!(health(&[&lost.url("/one/healthz")]).0);
    for (path, words) in [
        ("/nothing", "/nothing: 404 Not Found: "),
        ("/status", "the answer is not that of /healthz: 200 OK"),
        ("/stream.mp4", "/stream.mp4: "),
    ] {
        let (is_well, said) = health(&[&lost.url(path)]);
        assert!(!is_well && said.contains(words), "{said}");
    }
}

#[test]
fn who_gives_no_good_answer_is_not_well() {
    let (is_well, said) = health(&["http://u:hunter2@h/"]);
    assert!(!is_well && !said.contains("hunter2"), "{said}");
    let (is_well, said) = health(&["/dev/video0"]);
    assert!(
        !is_well && said.ends_with("the form http://HOST:PORT/healthz"),
        "{said}"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ask = || {
        std::thread::spawn({
            let url = url.clone();
            move || health(&[&url])
        })
    };
    for (answer, words) in [
        ("", "it is no HTTP"),
        ("SSH-2.0-OpenSSH\r\n", "it is no HTTP"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "it is no HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nwell", "200 OK"),
        (
            "HTTP/1.1 302 Found\r\nContent-Type: text/plain\r\nLocation: /\r\n\r\n",
            "302 Found",
        ),
        (
            "HTTP/1.1 503 X\r\nContent-Type: text/plain\r\n\r\na\x1b[2J\u{9b}\r\nb\n",
            "503 X: a\\u{1b}[2J\\u{9b}",
        ),
    ] {
        let asking = ask();
        let (mut socket, _) = listener.accept().unwrap();
        _ = socket.read(&mut [0; 1000]);
        socket.write_all(answer.as_bytes()).unwrap();
        drop(socket);
        let (is_well, said) = asking.join().unwrap();
        assert!(!is_well && said.contains(words), "{said}");
    }
    // One that says nothing, and one that goes on for ever.
    for dripping in [false, true] {
        let asking = ask();
        let (mut socket, _) = listener.accept().unwrap();
        if dripping {
            while socket.write_all(b"HTTP/1.1 200 OK ").is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
        let (is_well, said) = asking.join().unwrap();
        assert!(!is_well && said.contains("no answer within "), "{said}");
    }
    drop(listener);
    let (is_well, said) = health(&[&url]);
    assert!(!is_well && said.ends_with("nothing listens there"), "{said}");
}

#[test]
fn what_probe_finds_is_saved_and_nothing_is_overwritten() {
    let dir = Dir::new();
    let file = dir.file("cameras.txt").display().to_string();
    let said = |args: &[&str], code: i32| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let words = said(&["--probe", "--save", &file], 0);
    assert!(
        words.starts_with(&file) && words.contains("docs/cameras.md"),
        "{words}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let version = format!("\nfmp4streamer {}, ", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");

    let words = said(&["--probe", "--save", &file], 1);
    assert!(
        words.contains(&file) && words.contains("choose another name"),
        "{words}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let nowhere = dir.file("no-such-folder/cameras.txt").display().to_string();
    let words = said(&["--probe", "--save", &nowhere], 1);
    assert!(words.contains(&nowhere) && !words.contains("os error"), "{words}");
    // Of a camera that can't be had, nothing is left.
    let other = dir.file("other.txt");
    let words = said(
        &["--probe", "--save", other.to_str().unwrap(), "/dev/no-such-video"],
        1,
    );
    assert!(words.contains("/dev/no-such-video: "), "{words}");
    assert!(!other.exists());
    let words = said(&["--save", &file], 2);
    assert!(words.contains("goes with --probe"), "{words}");
}

/// A shell in a desktop's terminal inherits JOURNAL_STREAM, though its stderr is the terminal.
#[test]
fn lines_have_priorities_where_stderr_is_the_journal() {
    for (journal, begins) in [(true, "<3>"), (false, "error: ")] {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let socket = std::fs::metadata(format!("/proc/self/fd/{}", writer.as_raw_fd())).unwrap();
        let inode = socket.ino() + u64::from(!journal);
        let status = Command::new(env!("CARGO_BIN_EXE_fmp4streamer"))
            .args(CANNOT_LISTEN)
            .env("JOURNAL_STREAM", format!("{}:{inode}", socket.dev()))
            .stderr(OwnedFd::from(writer))
            .status()
            .unwrap();
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert!(said.starts_with(begins) && !status.success(), "{said}");
    }
}

#[test]
fn who_has_read_enough_may_close_the_pipe() {
    for option in ["--help", "--list-devices"] {
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_fmp4streamer"))
            .arg(option)
            .stdout(OwnedFd::from(writer))
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

/// As the threads of it that pass on frames run, so does a command.
#[test]
fn the_priority_is_that_of_the_config() {
    let server =
        Server::with_config("[server]\npriority = 7\n[exec a]\ncommand = exec sleep 1000\nauto_sleep = no\n");
    let nice = |process: u32, thread: &str| -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/task/{thread}/stat")).ok()?;
        // The name in brackets may have spaces; behind it comes field 3, and the nice value is field 19 (proc(5)).
        stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
    };
    let process = server.process.id();
    support::until("the command runs", || !support::children(process).is_empty());
    let mut seen = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let path = task.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        // It writes the log while nothing else is to do.
        if name.trim() != "log" {
            assert_eq!(
                nice(process, path.file_name().unwrap().to_str().unwrap()),
                Some(7),
                "{name}"
            );
            seen += 1;
        }
    }
    assert!(seen > 1, "only {seen} threads");
    let command = support::children(process)[0];
    assert_eq!(nice(command, &command.to_string()), Some(7));
}

/// `--help` and fmp4streamer(1) list the same options, in the same words.
#[test]
fn the_manual_has_every_option() {
    let output = run(&["--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, options) = help.split_once("Options:\n").unwrap();
    let mut expected = String::from(".SH OPTIONS");
    for line in options.lines() {
        // Four blanks before an option, more before what goes on from the line above.
        let column = line.len() - line.trim_start().len();
        let (names, text) = match column {
            4 | 8 => line.trim().split_once("  ").unwrap_or((line.trim(), "")),
            _ => ("", line.trim()),
        };
        if !names.is_empty() {
            expected += "\n.TP\n";
            for (i, word) in names.split_whitespace().enumerate() {
                let word = word.replace('-', "\\-");
                let (name, comma) = word.strip_suffix(',').map_or((&*word, ""), |name| (name, ","));
                let font = if name.starts_with('\\') { 'B' } else { 'I' };
                expected += &format!("{}\\f{font}{name}\\fR{comma}", if i > 0 { " " } else { "" });
            }
            expected.push('\n');
        } else if !expected.ends_with('\n') {
            expected.push(' ');
        }
        expected += &text.trim().replace('-', "\\-");
    }
    expected.push('\n');
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fmp4streamer.1")).unwrap();
    assert!(
        page.contains(&expected),
        "docs/fmp4streamer.1 must have this:\n{expected}"
    );
}

/// Where the system's default is IPv6 alone (net.ipv6.bindv6only), both families are served all the same.
#[test]
fn both_families_are_served() {
    support::in_own_network("both_families_are_served", || {
        let up = support::run("ip", &["link", "set", "lo", "up"]);
        assert!(up.status.success());
        let setting = "/proc/sys/net/ipv6/bindv6only";
        if let Err(e) = std::fs::write(setting, "1") {
            return support::skip(&format!("{setting}: {e}"));
        }
        let mut process = Server::program()
            .args(["--test", "--listen", ":8123"])
            .spawn()
            .unwrap();
        let connects = |address: &str| {
            let address: std::net::SocketAddr = address.parse().unwrap();
            std::net::TcpStream::connect(address).is_ok()
        };
        support::until("it listens", || connects("[::1]:8123"));
        let both = connects("127.0.0.1:8123");
        support::until("it is asked by IPv6", || health(&["http://[::1]:8123/"]).0);
        assert!(health(&["--test", "--listen", ":8123"]).0);
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(both, "IPv4 is not served");
    });
}
