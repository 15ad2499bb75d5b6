//! The dialect: that of Python's `configparser.ConfigParser()`, which the predecessor used
//! (docs.python.org/3/library/configparser.html, "Supported INI File Structure", "Interpolation of values").
//!
//! `key = value` or `key: value` in sections; `#` and `;` comments on lines of their own; a line indented
//! deeper than its key goes on with the value; keys without regard to case; `[DEFAULT]` inherited by every
//! section; `%%` for a percent sign, `%(key)s` for another key's value. Stricter than Python where that
//! silently reads something else than what was meant: a `[` without its `]`, text after the `]`, and control
//! characters are errors.

use crate::error::{Error, Result};

/// A config is a page or two of text; more is another file, named by mistake.
pub const MAX_BYTES: usize = 256 * 1024;
/// How far one `%(key)s` may lead on to others; ConfigParser's MAX_INTERPOLATION_DEPTH.
const MAX_DEPTH: usize = 10;
/// The most that interpolation and `[DEFAULT]` may make of a file in all: ten keys, each ten times the next, fill any
/// memory.
const MAX_EXPANDED_BYTES: usize = 1024 * 1024;

const DEFAULT: &str = "DEFAULT";

/// One key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// In lower case.
    pub key: String,
    /// Without the white space around it; lines are joined by `\n`.
    pub value: String,
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// It comes from `[DEFAULT]`.
    pub inherited: bool,
}

/// A section as it stands in the file.
#[derive(Debug, Default)]
pub struct Section {
    /// The text between the brackets.
    pub name: String,
    /// Where its `[` is, from 1.
    pub line: usize,
    /// In the order of the file, not yet interpolated.
    entries: Vec<Entry>,
}

impl Section {
    /// Without keys.
    pub fn new(name: &str, line: usize) -> Section {
        Section {
            name: name.to_owned(),
            line,
            ..Section::default()
        }
    }

    /// Its own keys and their lines.
    pub fn keys(&self) -> impl Iterator<Item = (&str, usize)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), entry.line))
    }

    fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// Reads a file's bytes into `[DEFAULT]` and the other sections; `file` is its name for errors.
///
/// # Errors
/// As `file:line: what: why`, for the first thing that is not of the dialect.
pub fn read(bytes: &[u8], file: &str) -> Result<(Section, Vec<Section>)> {
    let text = text(bytes, file)?;
    let mut default = Section::new(DEFAULT, 0);
    let mut sections: Vec<Section> = Vec::new();
    let mut in_default = false;
    // The indent of the key that a deeper line goes on with; none right after a section's header.
    let mut open_key: Option<usize> = None;

    for (number, line) in (1..).zip(text.split('\n')) {
        let fail = |tried: String, why: &str| Err(Error::new(format_args!("{file}:{number}"), tried, why));
        let content = line.trim();
        if content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(control) = content.chars().find(|c| c.is_control() && *c != '\t') {
            return fail(
                format!("character U+{:04X}", u32::from(control)),
                "a config is plain text",
            );
        }
        let section = if in_default {
            Some(&mut default)
        } else {
            sections.last_mut()
        };
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if let (Some(key_indent), Some(section)) = (open_key, section) {
            if content.is_empty() || indent > key_indent {
                if let Some(entry) = section.entries.last_mut() {
                    entry.value.push('\n');
                    entry.value.push_str(content);
                }
                continue;
            }
        }
        if content.is_empty() {
            continue;
        }
        if let Some(header) = content.strip_prefix('[') {
            open_key = None;
            let Some((name, after)) = header.split_once(']') else {
                return fail(shown(content), "a section's name needs a ] at its end");
            };
            if !after.is_empty() && !after.trim_start().starts_with(['#', ';']) {
                return fail(shown(content), "a section's name stands on a line of its own");
            }
            in_default = name == DEFAULT;
            if in_default {
                default.line = number;
            } else {
                if let Some(first) = sections.iter().find(|section| section.name == name) {
                    let first = first.line;
                    let why = format!("it stands at line {first} already; put its keys together there");
                    return fail(format!("[{}] for the second time", shown(name)), &why);
                }
                sections.push(Section::new(name, number));
            }
            continue;
        }
        let Some((key, value)) = content.split_once(['=', ':']) else {
            return fail(
                shown(content),
                "neither a [section] nor key = value (a line that goes on with a value is indented)",
            );
        };
        let key = key.trim().to_ascii_lowercase();
        if key.is_empty() {
            return fail(
                shown(content),
                "there is no key before the value; a line is key = value",
            );
        }
        let section = if in_default {
            Some(&mut default)
        } else {
            sections.last_mut()
        };
        let Some(section) = section else {
            return fail(
                shown(&key),
                "it is in no section; put [server] or a camera's section above it",
            );
        };
        if let Some(first) = section.get(&key) {
            let why = format!(
                "it has a value at line {} already; keep one of the two",
                first.line
            );
            return fail(
                format!(
                    "{} for the second time in [{}]",
                    shown(&key),
                    shown(&section.name)
                ),
                &why,
            );
        }
        section.entries.push(Entry {
            key,
            value: value.trim().to_owned(),
            line: number,
            inherited: in_default,
        });
        open_key = Some(indent);
    }
    for entry in sections
        .iter_mut()
        .chain([&mut default])
        .flat_map(|s| &mut s.entries)
    {
        entry.value.truncate(entry.value.trim_end().len());
    }
    Ok((default, sections))
}

/// Reads another file of the same form: `each` is given each section's name with each of its keys and values.
///
/// # Errors
/// Those of a config.
pub fn read_entries(bytes: &[u8], file: &str, each: &mut dyn FnMut(&str, String, String)) -> Result<()> {
    let (default, sections) = read(bytes, file)?;
    let mut expander = Expander::new(file, &default);
    for section in &sections {
        for entry in expander.expand(section)? {
            each(&section.name, entry.key, entry.value);
        }
    }
    Ok(())
}

/// The bytes as text with `\n` line ends, without a byte order mark.
fn text(bytes: &[u8], file: &str) -> Result<String> {
    if bytes.len() > MAX_BYTES {
        let why = format!("more than {} KiB; this is no config", MAX_BYTES / 1024);
        return Err(Error::new(format_args!("{file}:1"), "the file is too large", why));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
        }
        Err(e) => {
            let good = String::from_utf8_lossy(bytes.get(..e.valid_up_to()).unwrap_or_default());
            let line = 1 + good.replace("\r\n", "\n").matches(['\n', '\r']).count();
            let why = "save the file as UTF-8 (plain text)";
            Err(Error::new(
                format_args!("{file}:{line}"),
                "bytes that are not text",
                why,
            ))
        }
    }
}

/// Gives sections their final values, and remembers what that took.
#[derive(Debug)]
pub struct Expander<'a> {
    file: &'a str,
    default: &'a Section,
    bytes_left: usize,
    /// The keys that some value has named in a `%(key)s` so far.
    pub referenced: Vec<String>,
}

impl<'a> Expander<'a> {
    /// For the sections of one file.
    pub fn new(file: &'a str, default: &'a Section) -> Expander<'a> {
        Expander {
            file,
            default,
            bytes_left: MAX_EXPANDED_BYTES,
            referenced: Vec::new(),
        }
    }

    /// A section's own keys, then those that it inherits, all interpolated.
    ///
    /// # Errors
    /// As `file:line: what: why`, when a `%` means nothing or leads nowhere.
    pub fn expand(&mut self, section: &Section) -> Result<Vec<Entry>> {
        let default = self.default;
        let inherited = default.entries.iter().filter(|e| section.get(&e.key).is_none());
        let mut entries = Vec::new();
        for entry in section.entries.iter().chain(inherited) {
            let mut value = String::new();
            self.append(section, entry, 1, &mut value)?;
            entries.push(Entry {
                value,
                ..entry.clone()
            });
        }
        Ok(entries)
    }

    /// Appends an entry's value to `out`, interpolated; `depth` counts the keys on the way to it.
    fn append(&mut self, section: &Section, entry: &Entry, depth: usize, out: &mut String) -> Result<()> {
        let place = format!("{}:{}", self.file, entry.line);
        let fail = |tried: String, why: &str| Err(Error::new(&place, tried, why));
        let shown = |text: &str| match &*entry.key {
            "password" => "(password)".into(),
            _ => shown(text),
        };
        // One more than its length, so that empty values cost something too.
        let Some(left) = self.bytes_left.checked_sub(entry.value.len() + 1) else {
            return fail(
                shown(&entry.key),
                "with %(...)s and [DEFAULT] filled in, the config is over 1 MiB",
            );
        };
        self.bytes_left = left;
        if depth > MAX_DEPTH {
            return fail(
                shown(&entry.value),
                "its %(...)s lead on to others more than 10 deep, or in a circle",
            );
        }
        let mut rest = entry.value.as_str();
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let reference = after.strip_prefix('(').and_then(|s| s.split_once(')'));
            let Some((key, after)) = reference.and_then(|(key, s)| Some((key, s.strip_prefix('s')?))) else {
                let what = format!("a lone % in {} = {}", shown(&entry.key), shown(&entry.value));
                return fail(
                    what,
                    "write %% for a percent sign, or %(key)s for the value of another key",
                );
            };
            let key = key.to_ascii_lowercase();
            let Some(target) = section.get(&key).or_else(|| self.default.get(&key)) else {
                let why = format!("there is no key {} in this section or in [DEFAULT]", shown(&key));
                return fail(shown(&entry.value), &why);
            };
            self.append(section, target, depth + 1, out)?;
            if !self.referenced.contains(&key) {
                self.referenced.push(key);
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(())
    }
}

/// A piece of the file, short and on one line, for an error.
pub fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut out: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The meaning of a file: `section.key=value` lines, or its error.
    fn read_all(text: &str) -> String {
        let all = || -> Result<String> {
            let (default, sections) = read(text.as_bytes(), "f")?;
            let mut expander = Expander::new("f", &default);
            let mut out = String::new();
            for section in &sections {
                for e in expander.expand(section)? {
                    out += &format!("{}.{}={:?}@{} ", section.name, e.key, e.value, e.line);
                }
            }
            Ok(out.trim_end().to_owned())
        };
        all().unwrap_or_else(|e| e.to_string())
    }

    /// Each expectation is what CPython 3.11's ConfigParser makes of the same text (lines added).
    #[test]
    fn reads_what_configparser_reads() {
        for (text, expected) in [
            ("", ""),
            (
                "[a]\nk = v\n  more\n  ; c\n\n  x\n# c\n y\nz=1",
                "a.k=\"v\\nmore\\n\\nx\\ny\"@2 a.z=\"1\"@9",
            ),
            (
                "[a]\n  k = v\n    cont\n  l = 2\nm = 3",
                "a.k=\"v\\ncont\"@2 a.l=\"2\"@4 a.m=\"3\"@5",
            ),
            ("[a]\nk =\n  v\n", "a.k=\"\\nv\"@2"),
            ("[a]\nk =\n", "a.k=\"\"@2"),
            ("[a]\nk = v # x\n", "a.k=\"v # x\"@2"),
            ("[a]\nk : 1 = 2\n j=a:b\n", "a.k=\"1 = 2\\nj=a:b\"@2"),
            ("[a]\n  k=1\n j=2", "a.k=\"1\"@2 a.j=\"2\"@3"),
            ("[a]\nk=v\n\n  x\n\n\n", "a.k=\"v\\n\\nx\"@2"),
            ("[a]\nK k=v\n[A]\n", "a.k k=\"v\"@2"),
            ("  [a]\n   k=1\n", "a.k=\"1\"@2"),
            ("[a]\nk=1\n  [b]\nc=2", "a.k=\"1\\n[b]\"@2 a.c=\"2\"@4"),
            ("[a]\nk=1\n\n\n[ b ]\nk=2", "a.k=\"1\"@2  b .k=\"2\"@6"),
            ("[/dev/a%b] # c\nk=1\n", "/dev/a%b.k=\"1\"@2"),
            (
                "[DEFAULT]\nw=1\nh=2\n[a]\nH=3\n[DEFAULT]\nz=2\n",
                "a.h=\"3\"@5 a.w=\"1\"@2 a.z=\"2\"@7",
            ),
            ("[a]\nk=%(X)s-%(x)s\nx=%%1\n", "a.k=\"%1-%1\"@2 a.x=\"%1\"@3"),
            ("[DEFAULT]\nw=%(h)s\n[a]\nh=3", "a.h=\"3\"@4 a.w=\"3\"@2"),
            ("\u{feff}[a]\r\nk=1\r\n  2\r\n", "a.k=\"1\\n2\"@2"),
            ("[a]\rk=1\r", "a.k=\"1\"@2"),
        ] {
            assert_eq!(read_all(text), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_line_and_the_way_out() {
        for (text, expected) in [
            ("k=v\n", "f:1: k: it is in no section"),
            ("[a]\n\nk\n", "f:3: k: neither a [section] nor key = value"),
            ("[a]\n = v\n", "f:2: = v: there is no key before the value"),
            ("[a\nk=1\n", "f:1: [a: a section's name needs a ]"),
            (
                "[a] b\nk=1\n",
                "f:1: [a] b: a section's name stands on a line of its own",
            ),
            (
                "[a]\n[b]\n[a]\n",
                "f:3: [a] for the second time: it stands at line 1 already",
            ),
            (
                "[a]\nk=1\nK:2\n",
                "f:3: k for the second time in [a]: it has a value at line 2 already",
            ),
            (
                "[DEFAULT]\nw=1\n[DEFAULT]\nw=2\n",
                "f:4: w for the second time in [DEFAULT]",
            ),
            (
                "[a]\nk=50%\n",
                "f:2: a lone % in k = 50%: write %% for a percent sign",
            ),
            ("[a]\nk=%x\n", "f:2: a lone % in k = %x"),
            ("[a]\nk=%(q\n", "f:2: a lone % in k = %(q"),
            ("[DEFAULT]\nw=5%\n[a]\nk=%(w)s\n", "f:2: a lone % in w = 5%"),
            ("[a]\nk=%(q)s\n", "f:2: %(q)s: there is no key q in this section"),
            (
                "[a]\nk=%(k)s\n",
                "f:2: %(k)s: its %(...)s lead on to others more than 10 deep",
            ),
            (
                "[a]\nk=\u{1b}[2J\n",
                "f:2: character U+001B: a config is plain text",
            ),
        ] {
            let got = read_all(text);
            assert!(got.starts_with(expected), "{text:?}: {got}");
        }
        let not_text = read(b"[a]\r\nk=1\rl=\xff\n", "f").unwrap_err().to_string();
        assert!(not_text.starts_with("f:3: bytes that are not text"), "{not_text}");
        let large = read(&vec![b'\n'; MAX_BYTES + 1], "f").unwrap_err().to_string();
        assert!(large.starts_with("f:1: the file is too large"), "{large}");
        assert!(read(&vec![b'\n'; MAX_BYTES], "f").is_ok());
    }

    #[test]
    fn ten_keys_deep_is_allowed_and_eleven_are_not() {
        let chain = |keys: usize| {
            let mut text = String::from("[a]\n");
            for key in 1..keys {
                text += &format!("k{key}=%(k{})s\n", key + 1);
            }
            text + &format!("k{keys}=end\n")
        };
        assert!(read_all(&chain(10)).starts_with("a.k1=\"end\""));
        assert!(read_all(&chain(11)).contains("more than 10 deep"));
    }

    #[test]
    fn a_small_file_cannot_grow_without_bound() {
        let twenty = |key: usize| format!("k{key}={}\n", format!("%(k{})s", key + 1).repeat(20));
        let text: String = (1..10).map(twenty).collect();
        for end in ["k10=\n", "k10=lol\n"] {
            assert!(read_all(&format!("[a]\n{text}{end}")).contains("over 1 MiB"));
        }
        let sections: String = (0..2000).map(|n| format!("[{n}]\n")).collect();
        assert!(read_all(&format!("[DEFAULT]\nk={}\n{sections}", "x".repeat(1000))).contains("over 1 MiB"));
    }

    #[test]
    fn what_was_referenced_is_known() {
        let (default, sections) = read(b"[DEFAULT]\ndir=/x\nother=1\n[a]\nk=%(DIR)s\n", "f").unwrap();
        let mut expander = Expander::new("f", &default);
        expander.expand(&sections[0]).unwrap();
        assert_eq!(expander.referenced, ["dir"]);
    }
}
