//! Who asks: reads what a request brings of a link, a password or a session, answers who may not, and keeps the login page.

use super::answer::{Answer, NO_STORE};
use super::exchange::{Ending, Exchange};
use super::head::{Head, Method};
use super::pages::HTML;
use super::shared::Shared;
use crate::config::Role;
use crate::format::form;
use crate::log_warning;
use crate::people::{Credentials, Denial, Grant, SESSION_LIFETIME};
use std::io;
use std::net::IpAddr;

const PAGE: &str = include_str!("../../assets/login.html");
/// Where the page says what was wrong.
const MESSAGE: &str = "<!-- message -->";
/// What the login page may load, and where its form goes.
const POLICY: &str = "Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'\r\n";
/// A form may have this many bytes.
const FORM_BYTES: usize = 4096;
/// What a browser's dialog calls this place (RFC 7617, 2).
pub const CHALLENGE: &str = "WWW-Authenticate: Basic realm=\"fmp4streamer\", charset=\"UTF-8\"\r\n";

/// What is allowed to who asks, also by a digest where the route takes one.
///
/// # Errors
/// The answer to somebody who may not do what needs this `role`, and whether it is for a digest that answers an old challenge.
pub fn admit(
    shared: &Shared,
    head: &Head,
    link: Option<&str>,
    from: IpAddr,
    role: Role,
    takes_digest: bool,
) -> Result<Grant, (Answer, bool)> {
    let cookie = shared.people.cookie_name();
    let credentials = Credentials {
        link,
        authorization: head.authorization.as_deref(),
        session: head.cookie(&cookie),
        method: takes_digest.then_some(head.method.word()),
        user_token: None,
    };
    let grant = shared.people.admit(&credentials, from).map_err(|denial| {
        note(&denial, from);
        let answer = denied(head, &denial, credentials.session.is_some());
        (answer, denial == Denial::Stale)
    })?;
    let is_user = match grant {
        Grant::User(_) => true,
        Grant::Anybody(_) => shared.people.are_all_welcome(),
        Grant::Link(..) => false,
    };
    if grant.rights().role >= role || role == Role::User && is_user {
        return Ok(grant);
    }
    // Somebody who has not said who it is may be asked.
    if matches!(grant, Grant::Anybody(_)) && !shared.people.are_all_welcome() {
        let answer = denied(head, &Denial::Unknown, credentials.session.is_some());
        return Err((answer, false));
    }
    Err((Answer::text("403 Forbidden", shared.why_not(&grant, role)), false))
}

/// Asks for a name, in place of saying that there is nothing here, where somebody who gives one may see more. Most programs
/// send name and password only when they are asked, and it is not told which cameras there are.
pub fn ask(exchange: &Exchange<'_>) -> Option<Answer> {
    let (head, people) = (exchange.head, &exchange.shared.people);
    let hides = match exchange.grant.as_deref()? {
        Grant::Anybody(rights) => !rights.cameras.is_empty() && !people.are_all_welcome(),
        _ => false,
    };
    let by_form = head.cookie(&people.cookie_name()).is_some();
    hides.then(|| denied(head, &Denial::Unknown, by_form))
}

/// The answer to somebody who may do nothing. `by_form`: a session was brought, so it is somebody who knows the login page.
fn denied(head: &Head, denial: &Denial, by_form: bool) -> Answer {
    let (status, words) = match denial {
        Denial::Unknown | Denial::Stale => ("401 Unauthorized", String::new()),
        Denial::Wrong(_) => ("401 Unauthorized", "The name or the password is wrong.".into()),
        Denial::Wait(left) => {
            let seconds = left.as_secs() + 1;
            let words = format!("Too many wrong passwords came from there; try again in {seconds} s.");
            return reply(head, "429 Too Many Requests", &words).with(&format!("Retry-After: {seconds}\r\n"));
        }
        Denial::Busy => {
            let words = "Too many are logging in; try again in a while.";
            return reply(head, "503 Service Unavailable", words).with("Retry-After: 2\r\n");
        }
        Denial::Link => {
            let text = "This link has ended, or is not whole; ask who gave it to you for another one";
            return Answer::text("403 Forbidden", text);
        }
    };
    let answer = reply(head, status, &words);
    // A browser that goes somewhere gets the page, and no dialog before it.
    match head.wants_page || by_form {
        true => answer,
        false => answer.with(CHALLENGE),
    }
}

/// The login page with these words for who wants a page, the words alone for others.
fn reply(head: &Head, status: &'static str, words: &str) -> Answer {
    if head.wants_page {
        return page(status, words);
    }
    let text = if words.is_empty() {
        "This camera asks for a name and a password"
    } else {
        words
    };
    Answer::text(status, text)
}

fn page(status: &'static str, words: &str) -> Answer {
    let message = match words {
        "" => String::new(),
        words => format!("<p role=\"alert\">{words}</p>"),
    };
    let page = PAGE.replace(MESSAGE, &message);
    Answer::new(HTML, NO_STORE, page.into_bytes())
        .with_status(status)
        .with(POLICY)
}

/// One line in the log for each wrong password, with all that it takes to lock an address out.
pub fn note(denial: &Denial, from: IpAddr) {
    if let Denial::Wrong(name) = denial {
        log_warning!("login failed from {from} as {name:?}");
    }
}

/// Sends the login page, or begins a session for who filled it in.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let (people, head) = (&exchange.shared.people, exchange.head);
    if people.are_all_welcome() {
        return exchange.send(&Answer::text("404 Not Found", "Nobody has to log in here"));
    }
    if head.method != Method::Post {
        return exchange.send(&page("200 OK", ""));
    }
    let body = match exchange.body(FORM_BYTES) {
        Ok(body) => body,
        Err(rejection) => return exchange.end(Err(rejection)),
    };
    let field = |name| form::field(&body, name).unwrap_or_default();
    let from = exchange.connection.address.ip();
    exchange.send(&match people.log_in(&field("user"), &field("password"), from) {
        Ok(session) => {
            let secure = if head.by_https { "; Secure" } else { "" };
            let cookie = format!(
                "Set-Cookie: {}={session}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}\r\n",
                people.cookie_name(),
                SESSION_LIFETIME.as_secs()
            );
            to_start(&cookie)
        }
        Err(denial) => {
            note(&denial, from);
            denied(head, &denial, true)
        }
    })
}

/// Ends the session in this browser.
///
/// # Errors
/// Those of [`serve`].
pub fn log_out(exchange: &Exchange<'_>) -> io::Result<Ending> {
    let name = exchange.shared.people.cookie_name();
    let cookie = format!("Set-Cookie: {name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax\r\n");
    exchange.send(&to_start(&cookie))
}

/// Sends the browser to the page, with this header line.
fn to_start(cookie: &str) -> Answer {
    // From where the form was: a proxy may have taken a path away.
    Answer::text("303 See Other", "The page is at ./").with(&format!("Location: ./\r\n{cookie}"))
}
