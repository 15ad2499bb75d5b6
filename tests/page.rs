//! The page's files: sent packed or not, asked for again, and no larger than they may be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use support::Server;

/// All that one camera's page loads, packed. The script has the page of recordings in it, too.
const MAX_TRANSFER_BYTES: usize = 33_000;
/// The same for who takes no gzip.
const MAX_PLAIN_BYTES: usize = 100_000;

/// An answer's head, in which field names are as we write them, and its body.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        &self.head[9..12]
    }

    fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(its, _)| *its == name).map(|(_, value)| value);
        let value = values.next();
        assert!(
            name == "Vary" || values.next().is_none(),
            "{name} twice: {}",
            self.head
        );
        value
    }

    /// The head without the time that it was made.
    fn undated(&self) -> Vec<&str> {
        let lines = self.head.lines();
        lines.filter(|line| !line.starts_with("Date: ")).collect()
    }

    fn is_packed(&self) -> bool {
        assert!(
            matches!(self.field("Content-Encoding"), None | Some("gzip")),
            "{}",
            self.head
        );
        self.field("Content-Encoding").is_some()
    }

    fn unpacked(&self) -> Vec<u8> {
        let mut content = Vec::new();
        GzDecoder::new(&self.body[..]).read_to_end(&mut content).unwrap();
        content
    }
}

/// Asks with these fields, each with its end.
fn ask(server: &Server, method: &str, path: &str, fields: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    let mut bytes = Vec::new();
    server.send(request.as_bytes()).read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    Answer {
        head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
        body: bytes.split_off(end),
    }
}

const GZIP: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

/// For browsers that can't run the modules.
const PLAIN: &str = "plain.js";
/// What all scripts say.
const WORDS: &str = "words.js";

/// What stands in quotes behind each `begin`.
fn quoted(text: &str, begin: &str, end: char) -> BTreeSet<String> {
    let parts = text.split(begin).skip(1);
    parts
        .map(|part| part.split(end).next().unwrap().to_string())
        .collect()
}

/// A file as build.rs has to make it: without indentation, what is a comment from a mark to the line's end, and types in a line.
fn spared(text: &str) -> Vec<u8> {
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    while let Some(begin) = lines.iter().position(|line| line.starts_with("/*")) {
        let length = lines[begin..]
            .iter()
            .position(|line| line.contains("*/"))
            .unwrap();
        let end = begin + length;
        assert!(
            lines[end].ends_with("*/"),
            "code behind a comment: {}",
            lines[end]
        );
        lines.drain(begin..=end);
    }
    lines.retain(|line| !line.is_empty() && !line.starts_with("//"));
    for line in &mut lines {
        let code = line.split(" // ").next().unwrap();
        let whole = code == *line || code.matches('\'').count() % 2 == 0;
        assert!(whole, "this is no comment: {line}");
        *line = code;
    }
    let mut text = lines.join("\n") + "\n";
    while let Some(begin) = text.find("/** @") {
        let length = text[begin..].find("*/ ").expect("a space behind a type") + 3;
        assert!(!text[begin..begin + length].contains('\n'));
        text.replace_range(begin..begin + length, "");
    }
    text.into_bytes()
}

/// True if a file is what build.rs makes of it: what [`spared`] gives; of a style sheet, without the spaces about its marks.
fn is_packed_from(content: &[u8], file: &str) -> bool {
    let spared = spared(&std::fs::read_to_string(assets().join(file)).unwrap());
    if !file.ends_with(".css") {
        return content == spared;
    }
    let marks = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        tight(&text).replace(";}", "}")
    };
    let text = String::from_utf8(content.to_vec()).unwrap();
    let open = ["\n", ": ", "; ", ", ", "{ ", "} ", " {", " }", ";}"];
    marks(content) == marks(&spared) && open.iter().all(|pair| !text.contains(pair))
}

/// What is left without spaces and line ends.
fn tight(text: &str) -> String {
    text.split_whitespace().collect()
}

fn page() -> String {
    std::fs::read_to_string(assets().join("index.html")).unwrap()
}

/// What takes part in showing the page: itself, its style and its scripts.
fn parts() -> Vec<String> {
    ["/", "/style.css", "/page.js", "/plain.js", "/words.js"]
        .map(String::from)
        .to_vec()
}

#[test]
fn the_page_names_its_parts() {
    let mut named = quoted(&page(), "<script src=\"", '"');
    named.extend(quoted(&page(), "rel=\"stylesheet\" href=\"", '"'));
    let parts: BTreeSet<String> = parts().iter().map(|path| path[1..].to_string()).collect();
    assert_eq!(&named | &BTreeSet::from([String::new()]), parts);
}

/// Each is in it once, with its lines in their order and its texts, but for what build.rs puts in place of imports and exports.
#[test]
fn the_script_has_all_modules() {
    let server = Server::test_picture(&[]);
    let script = String::from_utf8(ask(&server, "GET", "/page.js", "").body).unwrap();
    let files = assets().join("player").read_dir().unwrap();
    let files = files.map(|file| file.unwrap().path());
    for path in files.chain([assets().join("recordings.js")]) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        // What is types alone is for tests.
        let is_types = text.contains("\nexport {};\n");
        let begin = format!("const ${name}=(");
        let begins: Vec<usize> = script.match_indices(&begin).map(|(at, _)| at).collect();
        assert_eq!(begins.len(), usize::from(!is_types), "{name}");
        let Some(&begin) = begins.first() else { continue };
        let body = tight(&script[begin..]);
        let spared = String::from_utf8(spared(&text)).unwrap();
        let mut at = 0;
        for line in spared.lines().filter(|line| !line.starts_with("import ")) {
            let code = tight(line.strip_prefix("export ").unwrap_or(line));
            let found = body[at..].find(&code);
            at += found.unwrap_or_else(|| panic!("{name}: {line}"));
            for text in line.split('\'').skip(1).step_by(2) {
                assert!(script[begin..].contains(text), "{name}: {text:?}");
            }
        }
    }
}

#[test]
fn who_takes_gzip_gets_the_same_packed() {
    let server = Server::test_picture(&[]);
    let others = [
        "/index.html",
        "/manifest.json",
        "/overview.css",
        "/overview.js",
        "/recordings.css",
    ]
    .map(String::from);
    let files = parts().into_iter().filter(|path| path != "/page.js");
    for path in files.chain(others) {
        let file = if path == "/" { "/index.html" } else { &path };
        let plain = ask(&server, "GET", &path, "");
        assert_eq!(plain.status(), "200", "{path}");
        assert!(
            !plain.is_packed() && is_packed_from(&plain.body, &file[1..]),
            "{path}: {}",
            plain.head
        );
        let content = &plain.body;
        let packed = ask(&server, "GET", &path, GZIP);
        assert_eq!(packed.status(), "200", "{path}");
        assert!(packed.is_packed(), "{path}: {}", packed.head);
        assert!(
            packed.unpacked() == *content && packed.body.len() < content.len(),
            "{path}"
        );
        for answer in [&plain, &packed] {
            assert_eq!(answer.field("Vary"), Some("Accept-Encoding"), "{path}");
            assert_eq!(answer.field("Cache-Control"), Some("no-cache"), "{path}");
            assert_eq!(
                answer.field("Content-Length"),
                Some(answer.body.len().to_string().as_str())
            );
        }
        assert_eq!(plain.field("Content-Type"), packed.field("Content-Type"));
        for (fields, get) in [("", &plain), (GZIP, &packed)] {
            let head = ask(&server, "HEAD", &path, fields);
            assert!(
                head.undated() == get.undated() && head.body.is_empty(),
                "{path}: {}",
                head.head
            );
        }
    }
    // A picture is packed already.
    let logo = ask(&server, "GET", "/logo.png", GZIP);
    assert!(!logo.is_packed() && logo.body == std::fs::read(assets().join("logo.png")).unwrap());
    // So is a page of this moment not worth it.
    assert!(!ask(&server, "GET", "/status", GZIP).is_packed());
}

#[test]
fn a_client_says_what_it_takes() {
    let server = Server::test_picture(&[]);
    for (fields, packed) in [
        ("", false),
        ("Accept-Encoding: gzip\r\n", true),
        ("accept-encoding: GZip\r\n", true),
        ("Accept-Encoding: br;q=1.0, gzip;q=0.8, *;q=0.1\r\n", true),
        ("Accept-Encoding: gzip ; Q=0.001\r\n", true),
        ("Accept-Encoding: *\r\n", true),
        ("Accept-Encoding: deflate, *;q=0.5\r\n", true),
        ("Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", true),
        ("Accept-Encoding:\r\n", false),
        ("Accept-Encoding: identity\r\n", false),
        ("Accept-Encoding: deflate, br\r\n", false),
        ("Accept-Encoding: gzip;q=0\r\n", false),
        ("Accept-Encoding: gzip;q=0.000, *\r\n", false),
        ("Accept-Encoding: *, gzip;q=0\r\n", false),
        ("Accept-Encoding: *;q=0\r\n", false),
        ("Accept-Encoding: *;q=0\r\nAccept-Encoding: gzip\r\n", true),
        ("Accept-Encoding: gzipped, xgzip\r\n", false),
        ("Accept-Encoding: gzip;level=9\r\n", false),
    ] {
        let answer = ask(&server, "GET", "/style.css", fields);
        assert_eq!(answer.status(), "200", "{fields}");
        assert_eq!(answer.is_packed(), packed, "{fields}");
    }
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let server = Server::test_picture(&[]);
    let mut tags = BTreeSet::new();
    for path in parts() {
        let tag = ask(&server, "GET", &path, GZIP)
            .field("ETag")
            .unwrap()
            .to_string();
        assert_eq!(
            ask(&server, "GET", &path, "").field("ETag"),
            Some(tag.as_str()),
            "{path}"
        );
        // One that is the same for both forms of a file has to be weak (RFC 9110, 8.8.1).
        let strong = tag.strip_prefix("W/").expect("a weak tag");
        assert!(
            strong.len() > 2 && strong.starts_with('"') && strong.ends_with('"'),
            "{tag}"
        );
        for method in ["GET", "HEAD"] {
            for known in [
                &tag,
                strong,
                "*",
                &format!("\"other\", {tag}"),
                &format!("W/\"x\",{strong}"),
            ] {
                for coding in ["", GZIP] {
                    let answer = ask(
                        &server,
                        method,
                        &path,
                        &format!("{coding}If-None-Match: {known}\r\n"),
                    );
                    assert_eq!(answer.status(), "304", "{path}, {known}");
                    assert!(answer.body.is_empty(), "{path}, {known}");
                    // RFC 9110, 15.4.5
                    assert_eq!(answer.field("ETag"), Some(tag.as_str()));
                    assert_eq!(answer.field("Vary"), Some("Accept-Encoding"));
                    assert_eq!(answer.field("Cache-Control"), Some("no-cache"));
                    assert_eq!(answer.field("Content-Length"), None);
                    assert_eq!(answer.field("Content-Encoding"), None);
                }
            }
        }
        for known in ["\"other\"", "W/\"\"", "", strong.trim_matches('"')] {
            let answer = ask(&server, "GET", &path, &format!("If-None-Match: {known}\r\n"));
            assert_eq!(answer.status(), "200", "{path}, {known}");
        }
        tags.insert(tag);
    }
    assert_eq!(tags.len(), parts().len(), "two files have one tag");
    // The connection goes on behind an answer without a body.
    let again = "GET /style.css HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\n";
    let answer = server.ask(&format!("{again}\r\n{again}Connection: close\r\n\r\n"));
    assert_eq!(
        answer.matches("HTTP/1.1 304 Not Modified\r\n").count(),
        2,
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"));
}

/// Relative addresses lead to the parts wherever the page is.
#[test]
fn the_parts_are_where_the_page_looks_for_them() {
    let server = Server::with_config(
        "[server]\nbase_path = /house\n[test a]\nname = front\n[test b]\nname = back\nwidth = 160\nheight = 120\n",
    );
    for page in ["/", "/front/", "/back/", "/house/", "/house/back/"] {
        for script in ["page.js", PLAIN, WORDS] {
            let answer = ask(&server, "GET", &format!("{page}{script}"), GZIP);
            assert_eq!(answer.status(), "200", "{page}{script}");
            assert_eq!(
                answer.field("Content-Type"),
                Some("text/javascript; charset=utf-8")
            );
        }
    }
    for path in ["/player", "/player/main.js", "/recordings.js"] {
        assert_eq!(ask(&server, "GET", path, "").status(), "404", "{path}");
    }
}

/// As far as words and marks tell: an engine of 2012 has to read them.
#[test]
fn what_old_browsers_run_is_es5() {
    for name in [PLAIN, WORDS, "overview.js"] {
        let text = std::fs::read_to_string(assets().join(name)).unwrap();
        let code: String = text
            .lines()
            .filter_map(|line| line.split("//").next())
            .filter(|line| !line.trim_start().starts_with("/*"))
            // Not what stands in quotes.
            .flat_map(|line| line.split('\'').step_by(2))
            .collect();
        for new in ["=>", "`", "?.", "??", "...", " ** "] {
            assert!(!code.contains(new), "{new} in {name}");
        }
        let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let new = [
            "let", "const", "class", "import", "export", "async", "await", "of",
        ];
        let found: Vec<_> = words.filter(|word| new.contains(word)).collect();
        assert!(found.is_empty(), "{found:?} in {name}");
    }
}

#[test]
fn the_page_is_small() {
    let server = Server::test_picture(&[]);
    let sizes = |fields: &str| -> usize {
        let parts = parts();
        parts
            .iter()
            .map(|path| ask(&server, "GET", path, fields).body.len())
            .sum()
    };
    let (transfer, plain) = (sizes(GZIP), sizes(""));
    println!("page, style and scripts: {transfer} bytes packed, {plain} plain");
    assert!(transfer <= MAX_TRANSFER_BYTES, "{transfer} bytes packed");
    assert!(plain <= MAX_PLAIN_BYTES, "{plain} bytes plain");
}
