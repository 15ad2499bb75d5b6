//! The config is read again (SIGHUP): what is another there changes while the streams run on, where that can be, and the
//! log says what a restart is needed for.

use crate::config::{self, Config};
use crate::error::Result;
use crate::pump::PendingConfig;
use crate::ring::Limits;
use crate::serve::Server;
use crate::stream::Stream;
use crate::sys::process;
use crate::{log_info, log_warning, source};
use std::sync::Arc;

/// The program as it runs.
pub struct Running {
    /// By what it runs.
    pub config: Config,
    /// The clients' side.
    pub server: Server,
    /// The cameras, in the order of the config, each with the way to its pump.
    pub cameras: Vec<(Arc<Stream>, Arc<PendingConfig>)>,
    /// It has given up to run commands.
    pub no_commands: bool,
}

/// What the config says of rings.
pub fn limits(settings: &config::Server) -> Limits {
    Limits {
        max_age: settings.max_age,
        join_max: settings.join_max,
        join_max_bytes: settings.join_max_bytes,
        max_senders: process::processors(),
    }
}

impl Running {
    /// Takes over what was read. Nothing changes if that is no good.
    ///
    /// # Errors
    /// What is wrong in the file.
    pub fn reload(&mut self, read: Result<Config>) -> Result<()> {
        let new = read.inspect_err(|e| log_warning!("the config is not taken over: {e}"))?;
        for notice in &new.notices {
            log_warning!("{notice}");
        }
        let mut restart = Vec::new();
        self.change_server(new.server, &mut restart);
        self.change_cameras(&new.cameras, &mut restart);
        match &*restart {
            [] => log_info!("the config is taken over"),
            _ => log_warning!("the config needs a restart for: {}", restart.join(", ")),
        }
        Ok(())
    }

    fn change_server(&mut self, new: config::Server, restart: &mut Vec<String>) {
        let old = &self.config.server;
        for (same, key) in [
            (old.listen == new.listen, "listen"),
            (old.port == new.port, "port"),
            (old.priority == new.priority, "priority"),
            (old.sandbox == new.sandbox, "sandbox"),
        ] {
            if !same {
                restart.push(key.into());
            }
        }
        let new = config::Server {
            listen: old.listen,
            port: old.port,
            priority: old.priority,
            sandbox: old.sandbox,
            ..new
        };
        if *old != new {
            for (stream, _) in &self.cameras {
                stream.ring.set_limits(limits(&new));
            }
            self.server.change(new.clone());
            self.config.server = new;
        }
    }

    fn change_cameras(&mut self, new: &[config::Camera], restart: &mut Vec<String>) {
        let old = &mut self.config.cameras;
        let same = old
            .iter()
            .map(|camera| &camera.name)
            .eq(new.iter().map(|camera| &camera.name));
        if !same {
            restart.push("other cameras".into());
        }
        for (old, (stream, orders)) in old.iter_mut().zip(&self.cameras) {
            // Where there are others, a name such as camera1 may have come to another section.
            let is_it = |new: &&config::Camera| new.name == old.name && (same || new.section == old.section);
            let Some(new) = new.iter().find(is_it).filter(|new| old != *new) else {
                continue;
            };
            if self.no_commands && source::runs_commands(&new.source) {
                restart.push(format!("[{}]", new.section));
                continue;
            }
            orders.submit(new.clone(), stream);
            old.clone_from(new);
        }
    }
}
