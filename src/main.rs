//! The program: argv, then what it asks for, then the exit code.

use fmp4streamer::error::{Error, flush_log};
use fmp4streamer::sys::process::Signals;
use fmp4streamer::sys::sock;
use fmp4streamer::{app, cli, log_error, serve, source};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The exit code where the command line or the config is wrong: trying again is of no use.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = cli::options();
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let matches = match options.parse(&args) {
        Ok(matches) if matches.free.len() <= 1 => matches,
        Ok(_) => return usage_error("more than one device; name one, or use a config file"),
        Err(e) => return usage_error(&e.to_string()),
    };
    if matches.opt_present("help") {
        return show(&options.usage(&cli::brief()));
    }
    if matches.opt_present("version") {
        return show(&format!("fmp4streamer {}\n", env!("CARGO_PKG_VERSION")));
    }
    if matches.opt_present("probe") || matches.opt_present("list-devices") {
        return show(&source::probe::report());
    }
    let config = match cli::configure(&matches, None) {
        Ok(config) => config,
        Err(e) => {
            // Or the service manager starts it for them again at once, and soon gives its socket up.
            serve::refuse_all(&sock::inherited().unwrap_or_default());
            return usage_error(&e.to_string());
        }
    };
    if matches.opt_present("check") {
        return show(&cli::check(&config));
    }
    let result = if matches.opt_present("list-controls") {
        cli::list_controls(&config).map(|list| show(&list))
    } else {
        // Before the first thread, so that all of them leave the signals to this one.
        let signals = Signals::hold().map_err(|e| Error::new("fmp4streamer", "can't hold signals", e));
        signals
            .and_then(|signals| {
                let read_again = |file: Option<&str>| cli::configure(&matches, file);
                app::run(config, &signals, matches.opt_present("verbose"), &read_again)
            })
            .map(|()| ExitCode::SUCCESS)
    };
    let code = result.unwrap_or_else(|e| {
        log_error!("{e}");
        ExitCode::FAILURE
    });
    flush_log(Duration::from_millis(100));
    code
}

/// Prints what was asked for. Whoever closes the pipe (`| head`) has read enough.
fn show(text: &str) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("fmp4streamer: can't print it: {e}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn usage_error(why: &str) -> ExitCode {
    eprintln!("fmp4streamer: {why}\nTry fmp4streamer --help");
    ExitCode::from(EXIT_USAGE)
}
