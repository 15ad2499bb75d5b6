//! How the house is kept, held by reading the sources: who may use whom (the table of docs/design.md), no circles between
//! files, one style of modules, where `unsafe` may stand, how long a file may be, which crates may come in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod circles;
mod law;
mod page;
mod source;
mod style;

use law::Law;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files and folders that may stand at the top.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "assets",
    "benches",
    "build.rs",
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

/// What the crates of the table bring with them (nix: bitflags, cfg-if and memoffset).
const BROUGHT_IN: &[&str] = &["bitflags", "cfg-if", "memoffset"];

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

/// The sources of the program: (name such as "src/ring.rs", text), in order.
fn program() -> Vec<(String, String)> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.sort();
    assert!(files.len() > 10, "found only {files:?}");
    let read = |file: &PathBuf| {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap();
        (name.to_owned(), std::fs::read_to_string(file).unwrap())
    };
    files.iter().map(read).collect()
}

fn law() -> Law {
    let law = Law::read(&std::fs::read_to_string(root().join("docs/design.md")).unwrap());
    assert!(
        law.rooms().next().is_some(),
        "docs/design.md has no table of rooms"
    );
    law
}

#[test]
fn the_sources_keep_to_their_rooms() {
    let law = law();
    let wrong: Vec<String> = program()
        .iter()
        .flat_map(|(name, text)| law.offences(name, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_file_is_in_a_circle() {
    let files = program();
    let circles = circles::circles(&files);
    let lines: Vec<String> = circles.iter().map(|circle| circle.join(" → ")).collect();
    assert!(circles.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn the_sources_have_one_layout() {
    let files = program();
    let names: BTreeSet<&str> = files.iter().map(|file| file.0.as_str()).collect();
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|(name, text)| style::offences(name, text, &names))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_pages_name_what_is_there() {
    let files = program();
    let routes = fmp4streamer::serve::table_for_developers();
    for page in ["docs/design.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let src = root().join("src");
        let exists = |name: &str| match name.starts_with('/') {
            true => routes.contains(&format!("`{name}`")),
            false => root().join(name).exists() || src.join(name).exists() || name == "lib",
        };
        let stale = page::stale_names(&text, &files, &exists);
        assert!(stale.is_empty(), "{page} names what is not there: {stale:?}");
    }
}

#[test]
fn nothing_strange_stands_at_the_top() {
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
    assert!(strange.is_empty(), "not in TOP_LEVEL: {strange:?}");
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
    let strange = strange_crates(&law(), &tree);
    assert!(strange.is_empty(), "not in docs/design.md: {strange:?}\n{tree}");
}

fn strange_crates<'a>(law: &Law, tree: &'a str) -> Vec<&'a str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "fmp4streamer" && !BROUGHT_IN.contains(name))
        .filter(|name| law.crates().all(|known| known != *name))
        .collect()
}

/// Says that a check can't run; tests/run counts it.
fn skip(why: &str) {
    println!("skipped: {why}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_crate_is_caught() {
        assert_eq!(
            strange_crates(&law(), "fmp4streamer v4.0.0 (/x)\nlibc v0.2.1\ntokio v1.0.0\n"),
            ["tokio"]
        );
    }
}
