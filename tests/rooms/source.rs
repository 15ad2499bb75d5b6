//! A Rust source as far as these checks need it: its tokens, the paths that they name, and which of them are tests.

use std::path::Path;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Word(String),
    /// `::`
    Path,
    Sign(char),
}

/// The tokens of a Rust source with their lines; comments, literals and lifetimes are left out.
pub fn tokens(source: &str) -> Vec<(usize, Token)> {
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

/// Every path that a source names, groups written out, with its line. Paths within the crate begin with `crate`, others
/// stay as they stand. `module` is the file's own: `["format", "h264"]`.
pub fn paths(module: &[String], tokens: &[(usize, Token)]) -> Vec<(usize, Vec<String>)> {
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
                    i = tree(tokens, i, &[], &mut |line, path| {
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

/// The path from the crate's root, `crate::…`, where it begins with `crate`, `self` or `super`.
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
        // As main.rs calls the library.
        Some("fmp4streamer") => place.clear(),
        _ => return path,
    }
    place.insert(0, "crate".into());
    place.extend_from_slice(&rest[1..]);
    place
}

/// `src/format/h264/sps.rs` → `["format", "h264", "sps"]`.
pub fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .iter()
        .skip(1)
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// `src/format/h264/sps.rs` → `format`; `src/ring.rs` → `ring`.
pub fn room_of(file: &str) -> &str {
    let path = file.strip_prefix("src/").unwrap_or(file);
    path.split('/')
        .next()
        .map_or(path, |first| first.trim_end_matches(".rs"))
}

/// Whether the whole file is tests.
pub fn is_tests(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// The tokens without the items under `#[cfg(test)]`, and how many lines those take.
pub fn without_tests(tokens: &[(usize, Token)]) -> (Vec<(usize, Token)>, usize) {
    let (mut code, mut lines, mut i) = (Vec::new(), 0, 0);
    while i < tokens.len() {
        if is_cfg_test(&tokens[i..]) {
            let end = item_end(tokens, i);
            lines += tokens[end].0 + 1 - tokens[i].0;
            i = end + 1;
        } else {
            code.push(tokens[i].clone());
            i += 1;
        }
    }
    (code, lines)
}

fn is_cfg_test(tokens: &[(usize, Token)]) -> bool {
    let sign = |i: usize, c: char| tokens.get(i).is_some_and(|t| t.1 == Token::Sign(c));
    let word = |i: usize, word: &str| tokens.get(i).is_some_and(|t| t.1 == Token::Word(word.into()));
    sign(0, '#')
        && sign(1, '[')
        && word(2, "cfg")
        && sign(3, '(')
        && word(4, "test")
        && sign(5, ')')
        && sign(6, ']')
}

/// Where the item ends that begins at `tokens[i]`, with its attributes: at its `}` or `;`.
fn item_end(tokens: &[(usize, Token)], i: usize) -> usize {
    let mut depth = 0;
    for k in skip_attributes(tokens, i)..tokens.len() {
        match tokens[k].1 {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        let ended = match tokens[k].1 {
            Token::Sign(';') => true,
            // `use a::{b, c};` goes on.
            Token::Sign('}') => tokens.get(k + 1).map(|t| &t.1) != Some(&Token::Sign(';')),
            _ => false,
        };
        if ended && depth == 0 {
            return k;
        }
    }
    tokens.len() - 1
}

/// The first token behind the attributes (`#[…]`, `#![…]`) at `tokens[i]`.
pub fn skip_attributes(tokens: &[(usize, Token)], mut i: usize) -> usize {
    let sign = |i: usize, c: char| tokens.get(i).is_some_and(|t| t.1 == Token::Sign(c));
    while sign(i, '#') {
        i += if sign(i + 1, '!') { 2 } else { 1 };
        let mut depth = 0;
        while i < tokens.len() {
            depth += i32::from(sign(i, '[')) - i32::from(sign(i, ']'));
            i += 1;
            if depth == 0 {
                break;
            }
        }
    }
    i
}
