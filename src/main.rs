//! The program: argv, then what it asks for, then the exit code.

use fmp4streamer::cli::{Args, Task};
use fmp4streamer::config::Config;
use fmp4streamer::error::{Error, Result, fit_for_log, flush_log};
use fmp4streamer::sys::process::Signals;
use fmp4streamer::sys::sock;
use fmp4streamer::{app, cli, log_error, people, serve};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The exit code where the command line or the config is wrong: trying again is of no use.
const EXIT_USAGE: u8 = 2;
/// Where the command line is explained.
const SEE_HELP: &str = "Try fmp4streamer --help";
/// Where the config is explained.
const SEE_MANUAL: &str = "See man fmp4streamer.conf";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let args = match Args::read(&args) {
        Ok(args) => args,
        Err(why) => return usage_error(&why, SEE_HELP),
    };
    match args.task {
        Task::Help => return show(&cli::help()),
        Task::Version => return show(&format!("fmp4streamer {}\n", env!("CARGO_PKG_VERSION"))),
        Task::Probe => return cli::probe(&args).map_or_else(failure, |text| show(&text)),
        Task::Health => return health(&args),
        Task::Password => {
            return people::ask_for_password().map_or_else(failure, |line| show(&(line + "\n")));
        }
        Task::Check | Task::ListControls | Task::Serve => {}
    }
    let config = match args.config(None) {
        Ok(config) => config,
        Err(e) => {
            return usage_error(
                &e.to_string(),
                if args.uses_file() { SEE_MANUAL } else { SEE_HELP },
            );
        }
    };
    let result = match args.task {
        Task::Check => return show(&cli::check(&config)),
        Task::ListControls => cli::list_controls(&config).map(|list| show(&list)),
        _ => run(config, &args).map(|()| ExitCode::SUCCESS),
    };
    let code = result.unwrap_or_else(failure);
    flush_log(Duration::from_millis(100));
    code
}

/// One line for a monitor, which reads standard output and the exit code.
fn health(args: &Args) -> ExitCode {
    let (line, code) = match cli::health(args) {
        Ok(line) => (line, ExitCode::SUCCESS),
        Err(e) => (e.to_string(), ExitCode::FAILURE),
    };
    show(&format!("{}\n", fit_for_log(&line)));
    code
}

fn failure(e: Error) -> ExitCode {
    log_error!("{e}");
    ExitCode::FAILURE
}

fn run(config: Config, args: &Args) -> Result<()> {
    // Before the first thread, so that all of them leave the signals to this one.
    let signals = Signals::hold().map_err(|e| Error::new("fmp4streamer", "can't hold signals", e))?;
    app::run(config, &signals, args.verbose, &|file| args.config(file))
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

/// Reports a mistake in the command line or the config, and where to read on.
fn usage_error(why: &str, see: &str) -> ExitCode {
    // Clients that wait at the service manager's socket are answered; or it would start the program for them again at
    // once, and soon give its socket up.
    serve::refuse_all(&sock::inherited().unwrap_or_default());
    eprintln!("fmp4streamer: {}\n{see}", fit_for_log(why));
    ExitCode::from(EXIT_USAGE)
}
