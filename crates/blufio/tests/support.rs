// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running the executable.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use blufio_testkit::{anthropic, telegram};

/// The executable, in an environment of its own.
pub fn blufio(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blufio"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    blufio(folder).args(arguments).output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// A running `serve` against both emulators; killed when dropped.
pub struct Server(pub Child);

impl Server {
    pub fn start(folder: &Path, telegram: &telegram::Emulator, model: &anthropic::Emulator) -> Self {
        let child = blufio(folder)
            .args(["serve", "agents", "--data", "data"])
            .env("BLUFIO_TELEGRAM__API_URL", telegram.url())
            .env("BLUFIO_TELEGRAM__OWNER", "1")
            .env("BLUFIO_TELEGRAM__MESSAGES_PER_SECOND", "100000")
            .env("BLUFIO_TELEGRAM__CHAT_MESSAGES_PER_SECOND", "100000")
            .env("BLUFIO_MODELS__ANTHROPIC__BASE_URL", model.url())
            .env("TELEGRAM_BOT_TOKEN", telegram::TOKEN)
            .env("ANTHROPIC_API_KEY", "test-key")
            .env("BLUFIO_LOG__LEVEL", "error")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn wait_ready(folder: &Path) {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(120) {
            if run(folder, &["status", "--data", "data"]).status.code() == Some(0) {
                return;
            }
        }
        panic!("the server is not ready after 20 s");
    }

    pub fn wait_exit(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An agent that answers every message with one written text.
const ECHO: &str = r#"agent echo v1
goal "Answer."
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 1 calls }
start state idle { on message m { asked = m -> work } }
state work { write t using fast from asked "Answer it." reply t -> idle }
keep { asked: message? }
anywhere { on message hold  on failed { reply "failed" -> idle } }
"#;

pub fn echo_agent() -> String {
    ECHO.to_string()
}

pub const ROUTES: &str = "routes\n\ntelegram from anyone -> echo per person\nshell -> echo\notherwise drop\n";
