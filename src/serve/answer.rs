//! Finite answers: status line, header fields, body.

use crate::format::time::HttpDate;
use crate::sys::clock;
use std::borrow::Cow;
use std::fmt::Write;

const NO_CONTENT: &str = "204 No Content";
const NOT_MODIFIED: &str = "304 Not Modified";
const TEXT: &str = "text/plain; charset=utf-8";

/// Cache-Control of an answer that is true at one moment only.
pub const NO_STORE: &str = "no-store";
/// Cache-Control of a file that may be kept, but has to be asked for again: the next version of the program brings its own.
pub const NO_CACHE: &str = "no-cache";

/// A finite answer.
pub struct Answer {
    status: &'static str,
    content_type: &'static str,
    cache: Cow<'static, str>,
    /// More header lines, each with its end.
    more: String,
    /// There is a head alone, and the length of the body is not known.
    head_only: bool,
    pub body: Cow<'static, [u8]>,
}

/// The header line that says when an answer was made (RFC 9110, 6.6.1).
pub fn date() -> String {
    format!("Date: {}\r\n", HttpDate(clock::unix().as_secs()))
}

/// Why a client does not get what it asked for.
pub enum Rejection {
    /// It is sent this instead.
    Answer(Answer),
    /// It has left.
    Left,
}

impl From<Answer> for Rejection {
    fn from(answer: Answer) -> Rejection {
        Rejection::Answer(answer)
    }
}

impl Answer {
    /// A line of text that is true at this moment.
    pub fn text(status: &'static str, text: impl Into<String>) -> Answer {
        let mut body: String = text.into();
        body.push('\n');
        Answer {
            status,
            ..Answer::fresh(TEXT, body.into_bytes())
        }
    }

    /// An answer that a cache may keep as `cache` (Cache-Control) says.
    pub fn new(
        content_type: &'static str,
        cache: impl Into<Cow<'static, str>>,
        body: impl Into<Cow<'static, [u8]>>,
    ) -> Answer {
        Answer {
            status: "200 OK",
            content_type,
            cache: cache.into(),
            more: String::new(),
            head_only: false,
            body: body.into(),
        }
    }

    /// An answer that is true at this moment.
    pub fn fresh(content_type: &'static str, body: Vec<u8>) -> Answer {
        Answer::new(content_type, NO_STORE, body)
    }

    /// The answer to OPTIONS.
    pub fn no_content() -> Answer {
        Answer {
            status: NO_CONTENT,
            ..Answer::fresh(TEXT, Vec::new())
        }
    }

    /// The answer to a client that has what it asks for.
    pub fn not_modified(cache: &'static str) -> Answer {
        Answer {
            status: NOT_MODIFIED,
            ..Answer::new(TEXT, cache, Vec::new())
        }
    }

    /// The answer to HEAD for a body that is not there, and not worth waking a camera up for.
    pub fn head_only(content_type: &'static str) -> Answer {
        Answer {
            head_only: true,
            ..Answer::fresh(content_type, Vec::new())
        }
    }

    /// The same under another status.
    pub fn with_status(self, status: &'static str) -> Answer {
        Answer { status, ..self }
    }

    /// The same, which a cache may keep as `cache` (Cache-Control) says.
    pub fn kept(self, cache: String) -> Answer {
        Answer {
            cache: cache.into(),
            ..self
        }
    }

    /// Adds header lines, each with its end.
    pub fn with(mut self, header_lines: &str) -> Answer {
        debug_assert!(
            header_lines.replace("\r\n", "").find('\n').is_none() && header_lines.ends_with("\r\n")
        );
        self.more.push_str(header_lines);
        self
    }

    /// The head with these `security_headers`, up to the empty line that ends it.
    pub fn head(&self, security_headers: &str, keep_alive: bool) -> Vec<u8> {
        self.head_of(self.body.len() as u64, security_headers, keep_alive)
    }

    /// The head for a body of `length` bytes that comes from elsewhere.
    pub fn head_of(&self, length: u64, security_headers: &str, keep_alive: bool) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {}\r\n{}Cache-Control: {}\r\n{security_headers}{}",
            self.status,
            date(),
            self.cache,
            self.more
        );
        if length > 0 || self.head_only {
            // Writing to a String can't fail.
            _ = write!(head, "Content-Type: {}\r\n", self.content_type);
        }
        if ![NO_CONTENT, NOT_MODIFIED].contains(&self.status) && !self.head_only {
            _ = write!(head, "Content-Length: {length}\r\n");
        }
        head.push_str(if keep_alive {
            "Connection: keep-alive\r\n\r\n"
        } else {
            "Connection: close\r\n\r\n"
        });
        head.into_bytes()
    }

    /// The code of the status line.
    #[cfg(test)]
    pub fn code(&self) -> &'static str {
        self.status.split(' ').next().unwrap_or_default()
    }
}
