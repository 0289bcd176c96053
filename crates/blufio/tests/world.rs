// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting the executable with an environment of its own, and servers that never outlive their test.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use blufio_testkit::{anthropic, telegram};
use tempfile::TempDir;

/// How long anything may take before a test gives up; generous, since other load shares the machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The executable, with nothing inherited from the environment of the test.
pub fn blufio(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blufio"));
    command.env_clear().env("HOME", home).current_dir(home);
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Looks again and again; the processes under test have no other way to tell.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// A folder with the starter agents, and the outside world on loopback.
pub struct World {
    pub folder: TempDir,
    pub telegram: telegram::Emulator,
    pub anthropic: anthropic::Emulator,
    /// Drives the emulators.
    pub runtime: tokio::runtime::Runtime,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let init = blufio(folder.path()).arg("init").output().unwrap();
        assert_eq!(code(&init), 0, "{}", stderr(&init));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (telegram, anthropic) = runtime.block_on(async {
            (telegram::Emulator::start().await.unwrap(), anthropic::Emulator::start().await.unwrap())
        });
        Self { folder, telegram, anthropic, runtime }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// A command that reaches this world.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = blufio(self.path());
        command
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .env("BLUFIO_TELEGRAM__API_URL", self.telegram.url())
            .env("BLUFIO_MODELS__ANTHROPIC__BASE_URL", self.anthropic.url())
            .env("TELEGRAM_BOT_TOKEN", self.telegram.token())
            .env("ANTHROPIC_API_KEY", "key");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that has no use for a data folder.
    pub fn run_alone(&self, arguments: &[&str]) -> Output {
        blufio(self.path()).args(arguments).output().unwrap()
    }

    /// A server that is ready.
    pub fn serve(&self, change: impl FnOnce(&mut Command)) -> Server {
        let mut command = self.command(&["serve"]);
        change(&mut command);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let log = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let server = Server { child, lines };
        until("the server is ready", || (code(&self.run(&["status"])) == 0).then_some(()));
        server
    }

    /// Runs `shell` with these lines on its standard input.
    pub fn shell(&self, lines: &str) -> Output {
        let mut child = self
            .command(&["shell"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Waits until a chat shows a text.
    pub fn seen(&self, chat: i64, fits: impl Fn(&str) -> bool) -> String {
        let look = self
            .telegram
            .wait_for(PATIENCE, |telegram| telegram.texts(chat).into_iter().find(|text| fits(text)));
        self.runtime
            .block_on(look)
            .unwrap_or_else(|| panic!("not seen; there is {:?}", self.telegram.texts(chat)))
    }
}

pub struct Server {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    /// The first line of its log from here on that fits.
    pub fn line(&self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the line comes");
            if fits(&line) {
                return line;
            }
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end.
    pub fn exit_code(&mut self) -> Option<i32> {
        until("the server ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
