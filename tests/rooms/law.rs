//! Who may use whom: the table of docs/design.md, and what in a source offends against it.

use crate::source::{Token, is_tests, module_of, paths, room_of, tokens, without_tests};
use std::path::Path;

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
];

/// What the macros that `#[macro_export]` puts at the crate's root belong to.
pub const ROOT_MACROS: &[(&str, &str)] = &[
    ("log_error", "error"),
    ("log_warning", "error"),
    ("log_info", "error"),
    ("log_verbose", "error"),
];

/// A row of the table.
pub struct Room {
    name: String,
    /// Rooms, or parts of them (`sys::clock`); None for all.
    uses: Option<Vec<String>>,
    /// Crates that are not ours, or parts of them.
    crates: Vec<String>,
}

/// The table.
pub struct Law {
    rooms: Vec<Room>,
}

impl Law {
    /// Reads the table that has the columns "room", "may use" and "crates"; names stand in backticks.
    pub fn read(page: &str) -> Law {
        let cells = |line: &str| -> Vec<String> {
            let cells = line.trim().trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        };
        let mut lines = page.lines().skip_while(|line| !line.starts_with("| room "));
        let heads = cells(lines.next().unwrap_or_default());
        let column = |name: &str| heads.iter().position(|head| head == name);
        let (Some(name), Some(uses), Some(crates)) = (column("room"), column("may use"), column("crates"))
        else {
            return Law { rooms: Vec::new() };
        };
        let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
        let rooms = rows.flat_map(|line| {
            let cells = cells(line);
            let cell = |i: usize| cells.get(i).map_or("", String::as_str);
            let quoted = |i: usize| -> Vec<String> {
                cell(i).split('`').skip(1).step_by(2).map(str::to_owned).collect()
            };
            let uses = (cell(uses) != "all").then(|| quoted(uses));
            let room = |name| Room {
                name,
                uses: uses.clone(),
                crates: quoted(crates),
            };
            quoted(name).into_iter().map(room).collect::<Vec<_>>()
        });
        Law {
            rooms: rooms.collect(),
        }
    }

    /// The names of the rooms.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.rooms.iter().map(|room| room.name.as_str())
    }

    /// The crates that some room may use.
    pub fn crates(&self) -> impl Iterator<Item = &str> {
        let parts = self.rooms.iter().flat_map(|room| &room.crates);
        parts.filter_map(|part| part.split("::").next())
    }

    /// What is wrong with one source file, each as "file:line: rule".
    pub fn offences(&self, file: &str, source: &str) -> Vec<String> {
        let (module, room) = (module_of(Path::new(file)), room_of(file));
        let all = tokens(source);
        let mut wrong = Vec::new();
        let mut say = |line: usize, rule: String| wrong.push(format!("{file}:{line}: {rule}"));
        let law = self.rooms.iter().find(|law| law.name == room);
        if law.is_none() {
            say(1, format!("`{room}` is not a room of docs/design.md"));
        }
        for (line, path) in paths(&module, &all) {
            let name = path.join("::");
            if room == "format" && NOT_IN_FORMAT.iter().any(|no| is_in(&name, no)) {
                say(line, format!("`format` is bytes only and does not use {name}"));
            }
            let Some(name) = name.strip_prefix("crate") else {
                continue;
            };
            let name = name.trim_start_matches("::");
            if !self.allows(law, room, name) {
                let name = if name.is_empty() { "crate" } else { name };
                say(line, format!("`{room}` may not use {name}"));
            }
        }
        let (code, _) = without_tests(&all);
        for (line, path) in paths(&module, &code) {
            let name = path.join("::");
            let is_crate = self.crates().any(|known| is_in(&name, known));
            let allowed = law.is_some_and(|law| law.crates.iter().any(|part| is_in(&name, part)));
            if is_crate && !allowed && !is_tests(file) {
                say(line, format!("`{room}` may not use {name}"));
            }
        }
        for (line, token) in all {
            let Token::Word(word) = token else { continue };
            if word == "unsafe" && room != "sys" {
                say(line, "`unsafe` outside src/sys".into());
            }
            if word == "unsafe_code" && room != "lib" {
                say(line, "only lib.rs says where unsafe code may be".into());
            }
        }
        wrong
    }

    /// Whether a file of that room may use that path from the crate's root.
    fn allows(&self, law: Option<&Room>, room: &str, path: &str) -> bool {
        let first = path.split("::").next().unwrap_or_default();
        let macros = ROOT_MACROS.iter().find(|known| known.0 == first);
        let (used, path) = macros.map_or((first, path), |known| (known.1, known.1));
        match law.map(|law| &law.uses) {
            _ if used == room => true,
            // What tests share is there for tests only.
            _ if used == "support" => true,
            // main.rs and lib.rs are for nobody.
            Some(None) => self.rooms().any(|room| room == used),
            Some(Some(uses)) => uses.iter().any(|may| is_in(path, may)),
            None => false,
        }
    }
}

/// Whether a path is `part`, or in it.
fn is_in(path: &str, part: &str) -> bool {
    path.strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    /// What one line put in a file of a room gives: the rules, without their places.
    fn rules(file: &str, source: &str) -> Vec<String> {
        crate::law()
            .offences(file, source)
            .into_iter()
            .map(|wrong| wrong.split_once(": ").unwrap().1.to_owned())
            .collect()
    }

    #[test]
    fn forbidden_paths_are_caught_where_they_stand() {
        let text =
            "//! crate::serve\n\nuse crate::{\n    format::{bits, fmp4::Init},\n    serve::head,\n};\n";
        assert_eq!(
            crate::law().offences("src/source/exec.rs", text),
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
                "`format` may not use libc::c_int",
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
            (
                "src/stream.rs",
                "use nix::poll::poll; #[cfg(test)] mod tests { use libc::c_int; }",
                "`stream` may not use nix::poll::poll",
            ),
            (
                "src/app.rs",
                "use crate::EXIT_CODE;",
                "`app` may not use EXIT_CODE",
            ),
            ("src/attic.rs", "", "`attic` is not a room of docs/design.md"),
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
            ("src/stream/tests.rs", "use nix::poll::poll;"),
            (
                "src/app.rs",
                "use crate::cli; use fmp4streamer::{log_info, serve};",
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
}
