//! Packs the files of the pages with gzip, so that the program holds them as it sends them: `src/serve/pages.rs`. Indentation
//! and comments stay here: a quarter of what is packed. The pages' modules become one script, as one text packs better than
//! twenty do, and comes in one answer. The texts of ONVIF are packed, too: `src/serve/onvif/texts.rs`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

const ASSETS: &str = "assets";
const ONVIF: &str = "src/serve/onvif/texts.txt";
/// The first module of each page, and the class of that page's body.
const PAGES: [(&str, &str); 2] = [("player/main.js", ""), ("recordings.js", "recordings")];
/// What these and all that they import become.
const SCRIPT: &str = "page.js";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={ASSETS}");
    println!("cargo:rerun-if-changed={ONVIF}");
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let out = Path::new(&out);
    for entry in fs::read_dir(ASSETS)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        // Pictures are packed already.
        let is_text = path.is_file() && path.extension() != Some(OsStr::new("png"));
        if is_text && PAGES.iter().all(|(first, _)| name != *first) {
            let mut text = spare(&fs::read_to_string(&path)?);
            if path.extension() == Some(OsStr::new("css")) {
                text = close(&text);
            }
            pack(&text, &out.join(name))?;
        }
    }
    let mut bundle = Bundle::default();
    for (first, class) in PAGES {
        let first = Path::new(ASSETS).join(first);
        bundle.add(&first)?;
        bundle.script += &format!(
            "if (document.body.className === '{class}') {}();\n",
            name_of(&first)
        );
    }
    pack(&tight(&spare(&bundle.script)), &out.join(SCRIPT))?;
    let texts = joined(&spare(&fs::read_to_string(ONVIF)?));
    pack(&texts, &out.join("texts.txt"))
}

/// Packs a text into `PLACE.gz`.
fn pack(text: &str, place: &Path) -> io::Result<()> {
    let mut packed = Vec::new();
    zopfli::compress(
        zopfli::Options::default(),
        zopfli::Format::Gzip,
        text.as_bytes(),
        &mut packed,
    )?;
    let mut place = place.to_path_buf();
    place.as_mut_os_string().push(".gz");
    fs::write(place, packed)
}

/// Modules as one script: each is a function, behind those that it imports, which is called at once and returns what the module
/// exports; so each keeps its own names. A page's first module, which exports nothing, is called on that page alone.
/// The exports are functions, classes and constants; an import is a line.
#[derive(Default)]
struct Bundle {
    script: String,
    added: Vec<PathBuf>,
}

impl Bundle {
    fn add(&mut self, module: &Path) -> io::Result<()> {
        if self.added.iter().any(|added| added == module) {
            return Ok(());
        }
        self.added.push(module.to_path_buf());
        let (mut body, mut exports) = (String::new(), Vec::new());
        for line in fs::read_to_string(module)?.lines() {
            if let Some(import) = line.strip_prefix("import ") {
                let parts = import.trim_end_matches(['\'', ';']).split_once(" from './");
                let (names, from) = parts.ok_or_else(|| refused(module, line))?;
                let from = module.with_file_name(from);
                self.add(&from)?;
                body += &format!("const {names} = {};\n", name_of(&from));
                continue;
            }
            let export = line.strip_prefix("export ");
            if let Some(declared) = export {
                let kinds = ["async function ", "function* ", "function ", "class ", "const "];
                let name = kinds.iter().find_map(|kind| declared.strip_prefix(kind));
                let name = name.ok_or_else(|| refused(module, line))?;
                exports.push(name.split([' ', '(']).next().unwrap_or_default().to_string());
            }
            body += export.unwrap_or(line);
            body.push('\n');
        }
        let (name, exports) = (name_of(module), exports.join(", "));
        self.script += &match &*exports {
            "" => format!("const {name} = () => {{\n{body}}};\n"),
            _ => format!("const {name} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"),
        };
        Ok(())
    }
}

/// What a script calls a module; no module uses such a name.
fn name_of(module: &Path) -> String {
    format!("${}", module.file_stem().unwrap_or_default().to_string_lossy())
}

fn refused(module: &Path, line: &str) -> io::Error {
    io::Error::other(format!(
        "{}: build.rs does not know such a line: {line}",
        module.display()
    ))
}

/// A text without indentation, blank lines, comments that end with their lines, and types. Lines stay lines, as they mean
/// something in JavaScript.
fn spare(text: &str) -> String {
    let mut spared = String::new();
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        if in_comment || line.starts_with("/*") {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            let mut code = line.split(" // ").next().unwrap_or_default();
            // A type in the midst of a line.
            while let Some((before, behind)) = code.split_once("/** @") {
                spared += before;
                code = behind.split_once("*/ ").map_or("", |(_, code)| code);
            }
            spared += code;
            spared.push('\n');
        }
    }
    spared
}

/// A script without the spaces that only part words from marks, and without line ends where a line can't be over. What is
/// quoted stays as it is; no quotation goes over a line. A division has spaces about it, other than a regular expression.
fn tight(script: &str) -> String {
    let mut tight = String::new();
    let is_word = |mark: char| mark.is_alphanumeric() || mark == '_' || mark == '$';
    let parts = |last, next| is_word(last) && is_word(next) || last == next && "+-".contains(next);
    for line in script.lines() {
        let mut quote = None;
        let mut in_class = false; // of a regular expression
        let mut marks = line.chars().peekable();
        while let Some(mark) = marks.next() {
            let (last, next) = (
                tight.chars().next_back().unwrap_or('\n'),
                marks.peek().copied().unwrap_or('\n'),
            );
            match quote {
                None if mark == ' ' && !parts(last, next) => continue,
                None if "'\"`".contains(mark) || mark == '/' && next != ' ' => quote = Some(mark),
                Some(_) if mark == '\\' => {
                    tight.push(mark);
                    tight.extend(marks.next());
                    continue;
                }
                Some('/') if mark == '[' || mark == ']' => in_class = mark == '[',
                Some(begun) if mark == begun && !in_class => quote = None,
                _ => {}
            }
            tight.push(mark);
        }
        if !tight.ends_with([';', ',', '{']) {
            tight.push('\n');
        }
    }
    tight
}

/// A style sheet without the spaces and line ends beside its marks, of which none stands in quotes.
fn close(sheet: &str) -> String {
    let mut closed = sheet.replace('\n', " ");
    for mark in ["{", "}", ":", ";", ","] {
        closed = closed.replace(&format!("{mark} "), mark);
    }
    closed.replace(" {", "{").replace(" }", "}").replace(";}", "}")
}

/// The texts of ONVIF, each as a line with its name and a line of what stands below that.
fn joined(texts: &str) -> String {
    let mut joined = String::new();
    for line in texts.lines() {
        if let Some(name) = line.strip_prefix("= ") {
            let end = if joined.is_empty() { "" } else { "\n" };
            joined += &format!("{end}{name}\n");
        } else {
            // What begins no tag is a word or an attribute.
            if !line.starts_with('<') && !joined.ends_with('\n') {
                joined.push(' ');
            }
            joined += line;
        }
    }
    joined + "\n"
}
