// SPDX-License-Identifier: MIT OR Apache-2.0
//! Logs go to standard error: text for people, JSON lines for collectors. Colour only on a terminal; `RUST_LOG` has no
//! effect, `log.level` decides.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::output;

/// Starts logging. A second call in one process changes nothing.
pub fn start(config: &Config) {
    // Libraries speak up only when something is wrong.
    let filter = EnvFilter::new(format!(
        "warn,blufio={0},blufio_agent={0},blufio_persist={0},blufio_models={0},blufio_gateway={0}",
        config.log_level
    ));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // An error means that logging runs already.
    let _ = if config.log_json {
        builder.json().try_init()
    } else {
        builder.with_ansi(output::colour(&io::stderr())).try_init()
    };
}
