//! What README.md and docs/ tell people to paste: configs are accepted, and commands marked as run are run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // all of it is tests

mod support;

use fmp4streamer::serve;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Dir, Server, assert_accepted, film, have, run, skip};

/// README.md and what is in docs/, with their texts.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = root.join("docs").read_dir().unwrap();
    let mut files: Vec<PathBuf> = docs.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "md"));
    files.push(root.join("README.md"));
    let text = |file: PathBuf| fs::read_to_string(&file).map(|text| (file, text)).unwrap();
    files.into_iter().map(text).collect()
}

/// The blocks that begin with this line.
fn blocks<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let blocks = text.split(begin).skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_config_is_accepted() {
    let mut count = 0;
    for (page, text) in pages() {
        // Units of systemd are such files, too.
        let configs = blocks(&text, "```ini\n");
        for config in configs.into_iter().filter(|config| !config.contains("[Service]")) {
            assert_accepted(config, &page.display().to_string());
            count += 1;
        }
    }
    assert!(count > 10, "only {count} configs");
}

/// The text between a page's marks for the table of routes.
fn routes_of<'a>(page: &str, text: &'a str) -> &'a str {
    let behind = text.split_once("<!-- routes -->\n");
    let between = behind.and_then(|(_, rest)| rest.split_once("<!-- /routes -->"));
    between
        .unwrap_or_else(|| panic!("{page} has no marks for the routes"))
        .0
}

/// The pages have what the table of routes says.
#[test]
fn addresses_are_those_of_the_routes() {
    for (page, text, table) in [
        (
            "README.md",
            include_str!("../README.md"),
            serve::table_for_users(),
        ),
        (
            "docs/design.md",
            include_str!("../docs/design.md"),
            serve::table_for_developers(),
        ),
    ] {
        let found = routes_of(page, text).trim();
        assert_eq!(found, table.trim(), "{page} should have this table:\n{table}");
    }
}

/// Runs the commands of docs/recipes.md that are marked so, and sees that each makes files that can be decoded.
fn recipes(mark: &str, server: &Server) {
    if !have("ffmpeg") || !have("curl") {
        return skip("no ffmpeg or no curl");
    }
    let text = include_str!("../docs/recipes.md");
    let [block] = blocks(text, &format!("<!-- {mark} -->\n```sh\n"))[..] else {
        panic!("there is no block that is marked {mark}");
    };
    let (dir, mut count) = (Dir::new(), 0);
    let commands = block
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for command in commands {
        let dir = dir.file(&count.to_string());
        fs::create_dir(&dir).unwrap();
        let here = command.replace("http://pi.local:8000", &server.url(""));
        let mut shell = Command::new("sh");
        let done = shell.args(["-c", &here]).current_dir(&dir).output().unwrap();
        // 28: the time was over, as curl was told.
        let good = done.status.success() || command.contains(" -m ") && done.status.code() == Some(28);
        assert!(good, "{here}: {}", String::from_utf8_lossy(&done.stderr));
        let files: Vec<PathBuf> = dir.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "{here}: made nothing");
        for file in files {
            let args = ["-v", "error", "-i", file.to_str().unwrap(), "-f", "null", "-"];
            let decoded = run("ffmpeg", &args);
            let said = String::from_utf8_lossy(&decoded.stderr);
            assert!(decoded.status.success() && said.is_empty(), "{here}: {said}");
        }
        count += 1;
    }
    assert!(count > 1, "only {count} commands");
}

#[test]
fn recipes_for_h264_work() {
    recipes("run", &Server::test_picture(&[]));
}

#[test]
fn recipes_for_jpeg_pictures_work() {
    if !have("ffmpeg") || !have("python3") {
        return skip("no ffmpeg or no python3");
    }
    let dir = Dir::new();
    let picture = dir.file("picture.jpg");
    film("testsrc2=size=320x240", 1, &[], &picture);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/jpegs.py");
    let command = format!("exec python3 {script} 10 whole {}", picture.display());
    recipes(
        "run jpeg",
        &Server::with_config(&format!("[exec]\ncommand = {command}\n")),
    );
}
