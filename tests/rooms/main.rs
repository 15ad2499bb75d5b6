//! The rooms law of DESIGN.md, held by reading the sources: who may use whom, where `unsafe` may stand, how long a file
//! may be, which crates may come in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every room and what it may use beside itself. `main` may use all; `lib` only lists the rooms.
const MAY_USE: &[(&str, &[&str])] = &[
    ("threads", &[]),
    ("error", &["threads"]),
    ("sys", &[]),
    ("format", &[]),
    ("config", &["error"]),
    ("ring", &["format"]),
    ("stream", &["ring", "format", "error"]),
    ("notify", &["sys", "error"]),
    (
        "reload",
        &[
            "config",
            "error",
            "pump",
            "ring",
            "serve",
            "source",
            "stream",
            "sys::process",
        ],
    ),
    ("sandbox", &["sys", "config", "error"]),
    ("source", &["sys", "format", "config", "error"]),
    (
        "pump",
        &[
            "sys::poll",
            "source",
            "format",
            "ring",
            "stream",
            "config",
            "error",
            "notify",
        ],
    ),
    (
        "serve",
        &[
            "sys::sock",
            "sys::clock",
            "sys::poll",
            "format",
            "ring",
            "stream",
            "config",
            "error",
            "threads",
        ],
    ),
];

/// `format` knows bytes only: no I/O, no threads, no clocks, no system.
const NOT_IN_FORMAT: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "libc",
    "nix",
];

/// What the macros that `#[macro_export]` puts at the crate's root belong to.
const ROOT_MACROS: &[(&str, &str)] = &[
    ("log_error", "error"),
    ("log_warning", "error"),
    ("log_info", "error"),
    ("log_verbose", "error"),
];

const MAX_LINES_WITHOUT_TESTS: usize = 650;

const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "assets",
    "benches",
    "clippy.toml",
    "dist",
    "docs",
    "fmp4streamer.conf.dist",
    "fuzz",
    "packaging",
    "rustfmt.toml",
    "src",
    "systemd",
    "target",
    "tests",
];

/// What the program may be built from (nix brings bitflags and cfg-if, and its build cfg_aliases).
const CRATES: &[&str] = &[
    "bitflags",
    "cfg-if",
    "fmp4streamer",
    "getopts",
    "httparse",
    "libc",
    "memchr",
    "nix",
    "sha1_smol",
];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Sign(char),
}

/// The tokens of a Rust source with their lines; comments, literals and lifetimes are left out.
fn tokens(source: &str) -> Vec<(usize, Token)> {
    let text: Vec<char> = source.chars().collect();
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut i, mut found, mut lines) = (0, Vec::new(), Lines::new(source));
    while i < text.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => i = (i..text.len()).find(|&i| at(i) == '\n').unwrap_or(text.len()),
            ('/', '*') => {
                let mut depth = 0;
                while i < text.len() {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            ('"', _) => {
                i += 1;
                while i < text.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            // A literal such as 'x', '\n' or '\u{7f}'; else a lifetime.
            ('\'', '\\') => i = (i + 3..text.len()).find(|&i| at(i) == '\'').unwrap_or(text.len()) + 1,
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            ('\'', _) => i += 1,
            (':', ':') => {
                found.push((lines.of(start), Token::Path));
                i += 2;
            }
            (c, _) if word(c) => {
                i = (i..text.len()).find(|&i| !word(at(i))).unwrap_or(text.len());
                let name: String = text[start..i].iter().collect();
                // r"…", r#"…"#, br#"…"#: no escapes, ends with as many # as it began with.
                let hashes = (i..text.len()).take_while(|&i| at(i) == '#').count();
                if matches!(name.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                    i += hashes + 1;
                    while i < text.len() && !(at(i) == '"' && (1..=hashes).all(|k| at(i + k) == '#')) {
                        i += 1;
                    }
                    i += hashes + 1;
                } else {
                    found.push((lines.of(start), Token::Word(name)));
                }
            }
            (c, _) => {
                if !c.is_whitespace() {
                    found.push((lines.of(start), Token::Sign(c)));
                }
                i += 1;
            }
        }
    }
    found
}

/// Line numbers (from 1) of character positions asked for in rising order.
struct Lines {
    ends: Vec<usize>,
    line: usize,
}

impl Lines {
    fn new(source: &str) -> Lines {
        Lines {
            ends: source
                .chars()
                .enumerate()
                .filter(|c| c.1 == '\n')
                .map(|c| c.0)
                .collect(),
            line: 0,
        }
    }

    fn of(&mut self, position: usize) -> usize {
        while self.ends.get(self.line).is_some_and(|&end| end < position) {
            self.line += 1;
        }
        self.line + 1
    }
}

/// Every path that a source names, groups written out, as (line, path from the crate's root or another crate).
/// `module` is the file's own place: `["format", "h264"]`.
fn paths(module: &[String], source: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut inner: Vec<(String, usize)> = Vec::new(); // modules open at this place, each with its depth of braces
    let (mut depth, mut i) = (0, 0);
    while i < tokens.len() {
        let (before, here, after) = (
            i.checked_sub(1).map(|k| &tokens[k].1),
            &tokens[i].1,
            tokens.get(i + 1).map(|t| &t.1),
        );
        match (here, after) {
            (Token::Word(word), Some(Token::Word(name))) if word == "mod" => {
                if tokens.get(i + 2).map(|t| &t.1) == Some(&Token::Sign('{')) {
                    inner.push((name.clone(), depth));
                }
                i += 2;
                continue;
            }
            (Token::Sign('{'), _) => depth += 1,
            (Token::Sign('}'), _) => {
                depth -= 1;
                inner.retain(|open| open.1 < depth);
            }
            (Token::Word(_), _) if before != Some(&Token::Path) => {
                let in_use = matches!(before, Some(Token::Word(word)) if word == "use");
                if after == Some(&Token::Path) || in_use {
                    let here: Vec<String> = module
                        .iter()
                        .chain(inner.iter().map(|open| &open.0))
                        .cloned()
                        .collect();
                    i = tree(&tokens, i, &[], &mut |line, path| {
                        found.push((line, absolute(&here, path)))
                    });
                    continue;
                }
            }
            _ => {}
        }
        i += 1;
    }
    found
}

/// Reads a path from `tokens[i]`, with groups (`a::{b, c::d}`), and says every leaf; gives back where it ended.
fn tree(
    tokens: &[(usize, Token)],
    mut i: usize,
    prefix: &[String],
    say: &mut dyn FnMut(usize, Vec<String>),
) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(i).map_or(0, |t| t.0);
    loop {
        match tokens.get(i).map(|t| &t.1) {
            Some(Token::Word(word)) => path.push(word.clone()),
            Some(Token::Sign('*')) => path.push("*".into()),
            Some(Token::Sign('{')) => {
                i += 1;
                while let Some((_, token)) = tokens.get(i) {
                    match token {
                        Token::Sign('}') => return i + 1,
                        Token::Sign(',') => i += 1,
                        _ => {
                            let next = tree(tokens, i, &path, say);
                            i = next.max(i + 1);
                        }
                    }
                }
                return i;
            }
            _ => break, // `::<u32>` and the like
        }
        i += 1;
        if tokens.get(i).map(|t| &t.1) != Some(&Token::Path) {
            break;
        }
        i += 1;
    }
    say(line, path);
    i
}

/// `crate::`, `self::` and `super::` taken away.
fn absolute(module: &[String], path: Vec<String>) -> Vec<String> {
    let mut place = module.to_vec();
    let mut rest = path.as_slice();
    match rest.first().map(String::as_str) {
        Some("crate") => place.clear(),
        Some("self") => {}
        Some("super") => {
            while rest.get(1).map(String::as_str) == Some("super") {
                place.pop();
                rest = &rest[1..];
            }
            place.pop();
        }
        _ => return path,
    }
    place.insert(0, "crate".into());
    place.extend_from_slice(&rest[1..]);
    place
}

/// `src/format/h264/sps.rs` → `["format", "h264", "sps"]`.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .iter()
        .skip(1)
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// What is wrong with one source file, each as "file:line: rule".
fn offences(file: &str, source: &str) -> Vec<String> {
    let module = module_of(Path::new(file));
    let room = module.first().map_or("lib", String::as_str);
    let mut wrong = Vec::new();
    let mut say = |line: usize, rule: String| wrong.push(format!("{file}:{line}: {rule}"));
    let may_use = MAY_USE.iter().find(|rule| rule.0 == room);
    if may_use.is_none() && !matches!(room, "lib" | "main") {
        say(1, format!("`{room}` is not a room of DESIGN.md"));
    }
    for (line, path) in paths(&module, source) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let name = path.join("::");
        if room == "format"
            && NOT_IN_FORMAT
                .iter()
                .any(|no| name == *no || name.starts_with(&format!("{no}::")))
        {
            say(line, format!("`format` is bytes only and does not use {name}"));
        }
        let (used, rest) = match path.as_slice() {
            ["crate"] => ("*", &[][..]), // `use crate as …`
            ["crate", used, rest @ ..] => (*used, rest),
            _ => continue,
        };
        let used = ROOT_MACROS.iter().find(|m| m.0 == used).map_or(used, |m| m.1);
        if used == room || room == "main" {
            continue;
        }
        let with_part = format!("{used}::{}", rest.first().unwrap_or(&""));
        if !may_use.is_some_and(|rule| rule.1.iter().any(|may| *may == used || *may == with_part)) {
            say(
                line,
                format!("`{room}` may not use {}", name.trim_start_matches("crate::")),
            );
        }
    }
    for (line, token) in tokens(source) {
        let Token::Word(word) = token else { continue };
        if word == "unsafe" && room != "sys" {
            say(line, "`unsafe` outside src/sys".into());
        }
        if word == "unsafe_code" && room != "lib" {
            say(line, "only lib.rs says where unsafe code may be".into());
        }
    }
    let length = source.lines().count() - test_lines(source);
    if length > MAX_LINES_WITHOUT_TESTS && !file.ends_with("/tests.rs") {
        say(
            length,
            format!("{length} lines without its tests; {MAX_LINES_WITHOUT_TESTS} is the most"),
        );
    }
    wrong
}

/// How many lines `#[cfg(test)] mod … { … }` takes.
fn test_lines(source: &str) -> usize {
    let tokens = tokens(source);
    let is = |i: usize, word: &str| tokens.get(i).is_some_and(|t| t.1 == Token::Word(word.into()));
    let sign = |i: usize, c: char| tokens.get(i).is_some_and(|t| t.1 == Token::Sign(c));
    let mut lines = 0;
    for i in 0..tokens.len() {
        // # [ cfg ( test ) ] mod name {, or pub(crate) mod
        let name = if is(i + 5, "pub") { i + 10 } else { i + 6 };
        if !(is(i, "cfg") && is(i + 2, "test") && is(name - 1, "mod") && sign(name + 1, '{')) {
            continue;
        }
        let mut depth = 0;
        let end = (name + 1..tokens.len()).find(|&k| {
            depth += i32::from(sign(k, '{')) - i32::from(sign(k, '}'));
            depth == 0
        });
        lines += end.map_or(0, |end| tokens[end].0 + 1 - tokens[i].0);
    }
    lines
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_sources_keep_to_their_rooms() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 10, "found only {files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        wrong.extend(offences(&name, &std::fs::read_to_string(&file).unwrap()));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_top_level_is_the_designs() {
    // Only what git would take: an editor's or a person's own files are their business.
    let git = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard"])
        .current_dir(root())
        .output();
    let Ok(git) = git else {
        return skip("the top level: no git here");
    };
    if !git.status.success() {
        return skip("the top level: not a git checkout");
    }
    let listed = String::from_utf8(git.stdout).unwrap();
    let top: BTreeSet<&str> = listed
        .lines()
        .map(|path| path.split('/').next().unwrap())
        .collect();
    let strange: Vec<_> = top.iter().filter(|name| !TOP_LEVEL.contains(name)).collect();
    assert!(strange.is_empty(), "not in DESIGN.md: {strange:?}");
}

#[test]
fn only_the_allowed_crates_come_in() {
    let cargo = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        cargo.status.success(),
        "{}",
        String::from_utf8_lossy(&cargo.stderr)
    );
    let tree = String::from_utf8(cargo.stdout).unwrap();
    let strange = strange_crates(&tree);
    assert!(strange.is_empty(), "not in DESIGN.md: {strange:?}\n{tree}");
}

fn strange_crates(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| !CRATES.contains(name)).collect()
}

/// Says that a check can't run; tests/run counts it.
fn skip(why: &str) {
    println!("skipped: {why}");
}

#[cfg(test)]
mod the_test_itself {
    use super::*;

    /// What one line put in a file of a room gives: the rules, without their places.
    fn rules(file: &str, source: &str) -> Vec<String> {
        offences(file, source)
            .into_iter()
            .map(|wrong| wrong.split_once(": ").unwrap().1.to_owned())
            .collect()
    }

    #[test]
    fn forbidden_paths_are_caught_where_they_stand() {
        let text =
            "//! crate::serve\n\nuse crate::{\n    format::{bits, fmp4::Init},\n    serve::head,\n};\n";
        assert_eq!(
            offences("src/source/exec.rs", text),
            ["src/source/exec.rs:5: `source` may not use serve::head"]
        );
        for (file, source, rule) in [
            (
                "src/serve/mod.rs",
                "use crate::source::Frame;",
                "`serve` may not use source::Frame",
            ),
            (
                "src/serve/mp4.rs",
                "use crate::sys::v4l2;",
                "`serve` may not use sys::v4l2",
            ),
            ("src/serve/mp4.rs", "use crate::sys;", "`serve` may not use sys"),
            ("src/serve/mp4.rs", "use crate::*;", "`serve` may not use *"),
            (
                "src/serve/mp4.rs",
                "use crate as all;",
                "`serve` may not use crate",
            ),
            (
                "src/format/fmp4.rs",
                "fn f() -> crate::error::Result<()> {}",
                "`format` may not use error::Result",
            ),
            (
                "src/format/fmp4.rs",
                "fn f() { crate::log_info!(\"\") }",
                "`format` may not use log_info",
            ),
            (
                "src/format/bits.rs",
                "use super::super::ring::Ring;",
                "`format` may not use ring::Ring",
            ),
            (
                "src/ring.rs",
                "mod a { mod b {} use super::super::stream; }",
                "`ring` may not use stream",
            ),
            (
                "src/ring.rs",
                "mod a {} use super::stream as s;",
                "`ring` may not use stream",
            ),
            (
                "src/ring.rs",
                "fn f() { let c = '\"'; super::config::X }",
                "`ring` may not use config::X",
            ),
            (
                "src/ring.rs",
                "use crate::stream::Stream; // \"",
                "`ring` may not use stream::Stream",
            ),
            (
                "src/ring.rs",
                "const R: &str = r#\" \" \"#; use crate::pump::*;",
                "`ring` may not use pump::*",
            ),
            (
                "src/lib.rs",
                "use crate::pump::run;",
                "`lib` may not use pump::run",
            ),
            (
                "src/format/mod.rs",
                "use std::{fmt, io::Read};",
                "`format` is bytes only and does not use std::io::Read",
            ),
            (
                "src/format/mod.rs",
                "fn f() { std::time::Instant::now() }",
                "`format` is bytes only and does not use std::time::Instant::now",
            ),
            (
                "src/format/mod.rs",
                "fn f(fd: libc::c_int) {}",
                "`format` is bytes only and does not use libc::c_int",
            ),
            (
                "src/ring.rs",
                "fn f() { unsafe { g() } }",
                "`unsafe` outside src/sys",
            ),
            (
                "src/ring.rs",
                "#[allow(unsafe_code)] fn f() {}",
                "only lib.rs says where unsafe code may be",
            ),
            ("src/attic.rs", "", "`attic` is not a room of DESIGN.md"),
        ] {
            assert_eq!(rules(file, source), [rule], "{file}: {source}");
        }
    }

    #[test]
    fn allowed_paths_pass() {
        for (file, source) in [
            (
                "src/serve/mp4.rs",
                "use crate::{ring::Ring, sys::sock};\nuse super::head::Head;\nuse crate::serve::x;",
            ),
            (
                "src/source/exec.rs",
                "use super::*; use crate::config::Camera; /* use crate::serve; */ // crate::serve",
            ),
            (
                "src/source/exec.rs",
                "const X: &str = \"crate::serve\"; const Y: &str = r#\"\"crate::serve\"#;",
            ),
            (
                "src/format/h264/sps.rs",
                "use super::super::bits; use super::nal; use std::time::Duration;",
            ),
            (
                "src/format/h264/mod.rs",
                "mod tests { use super::super::bits::BitReader; mod deep { use super::super::Sps; } }",
            ),
            (
                "src/error.rs",
                "macro_rules! log { () => { $crate::error::log_line() } }",
            ),
            ("src/sys/v4l2.rs", "fn f<'a>(x: &'a u8) { unsafe { g::<u8>() } }"),
            (
                "src/main.rs",
                "use fmp4streamer::{source, serve}; use crate::serve;",
            ),
        ] {
            assert_eq!(rules(file, source), [""; 0], "{file}: {source}");
        }
    }

    #[test]
    fn a_long_file_is_caught_but_its_tests_are_not_counted() {
        let code = "fn f() {}\n".repeat(MAX_LINES_WITHOUT_TESTS);
        let tests = format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "fn g() { h(\"}\") }\n".repeat(500)
        );
        assert_eq!(rules("src/ring.rs", &code), [""; 0]);
        assert_eq!(rules("src/ring.rs", &format!("{code}{tests}")), [""; 0]);
        assert_eq!(rules("src/ring.rs", &format!("{code}\n{tests}")).len(), 1);
    }

    #[test]
    fn a_strange_crate_is_caught() {
        assert_eq!(
            strange_crates("fmp4streamer v4.0.0 (/x)\nlibc v0.2.1\ntokio v1.0.0\n"),
            ["tokio"]
        );
    }
}
