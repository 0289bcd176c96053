// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process that commits numbered steps and says which are acknowledged: the tests kill it, or cut its power.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use blufio_core::store::{Committed, Store, StoreError};
use blufio_persist::{Options, SqliteStore};
use rusqlite::Connection;

/// What the process does.
pub struct Task<'a> {
    pub folder: &'a Path,
    /// Sessions that step concurrently: `s0`, `s1`, …
    pub sessions: usize,
    /// Steps of each; it stops without closing.
    pub steps: i64,
    pub is_normal_sync: bool,
    /// File for the acknowledgements; standard output otherwise.
    pub acknowledgements: Option<&'a Path>,
    /// Library to preload, and variables for it.
    pub preload: Option<(&'a Path, Vec<(&'a str, String)>)>,
}

impl Task<'_> {
    /// The process, not started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::numbered_steps_survive", "--nocapture", "--test-threads=1"]);
        command.env("BLUFIO_CHILD_FOLDER", self.folder);
        command.env("BLUFIO_CHILD_SESSIONS", self.sessions.to_string());
        command.env("BLUFIO_CHILD_STEPS", self.steps.to_string());
        command.env("BLUFIO_CHILD_SYNC", if self.is_normal_sync { "normal" } else { "full" });
        if let Some(path) = self.acknowledgements {
            command.env("BLUFIO_CHILD_ACKNOWLEDGEMENTS", path);
        }
        if let Some((library, variables)) = &self.preload {
            command.env("LD_PRELOAD", library);
            command.envs(variables.iter().map(|(name, value)| (name, value)));
        }
        command.stdout(Stdio::piped());
        command
    }
}

/// Small, so that a few hundred steps pass many checkpoints and restarts of the log.
const CHECKPOINT_PAGES: u32 = 100;

async fn run_session(store: &SqliteStore, key: &str, steps: i64, say: &Mutex<Box<dyn Write + Send>>) {
    let mut last = store.session(key).await.unwrap().map(|row| Committed {
        session: row.id,
        step: row.step,
        outbox: vec![],
        questions: vec![],
        touched: vec![],
        given_up: vec![],
    });
    for _ in 0..steps {
        let step = crate::step(key, last.as_ref());
        let number = step.expected_step + 1;
        let line = match store.commit(step).await {
            Ok(committed) => {
                last = Some(committed);
                format!("acknowledged {key} {number}\n")
            }
            Err(StoreError::Full(_)) => format!("full {key} {number}\n"),
            Err(StoreError::Fatal(_)) => format!("fatal {key} {number}\n"),
            Err(error) => panic!("{error}"),
        };
        let mut say = say.lock().unwrap();
        say.write_all(line.as_bytes()).and_then(|()| say.flush()).unwrap();
    }
}

fn run(
    folder: &Path,
    sessions: usize,
    steps: i64,
    options: &Options,
    say: Box<dyn Write + Send>,
) -> SqliteStore {
    let store = SqliteStore::open(folder, options).unwrap();
    let say = std::sync::Arc::new(Mutex::new(say));
    say.lock().unwrap().write_all(b"opened - 0\n").unwrap();
    crate::runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..sessions {
            let (store, say) = (store.clone(), say.clone());
            tasks.spawn(async move { run_session(&store, &format!("s{at}"), steps, &say).await });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome.unwrap();
        }
    });
    store
}

/// As the child of another test it runs its task and dies; on its own it checks what the others rely on.
#[test]
fn numbered_steps_survive() {
    let variable = |name: &str| std::env::var(format!("BLUFIO_CHILD_{name}"));
    if let Ok(folder) = variable("FOLDER") {
        let options = Options {
            unsafe_normal_sync: variable("SYNC").unwrap() == "normal",
            checkpoint_pages: Some(CHECKPOINT_PAGES),
            ..Options::default()
        };
        let say: Box<dyn Write + Send> = match variable("ACKNOWLEDGEMENTS") {
            Ok(path) => Box::new(File::create(path).unwrap()),
            Err(_) => Box::new(std::io::stdout()),
        };
        let number = |name| variable(name).unwrap().parse().unwrap();
        let store = run(Path::new(&folder), number("SESSIONS") as usize, number("STEPS"), &options, say);
        std::mem::forget(store);
        std::process::exit(0);
    }
    let folder = tempfile::tempdir().unwrap();
    drop(run(folder.path(), 3, 20, &Options::default(), Box::new(std::io::sink())));
    assert_eq!(verify(folder.path()), [20, 20, 20]);
}

/// Opens what is left, and returns the steps of each session, after everything was found to agree.
pub fn verify(folder: &Path) -> Vec<i64> {
    let store = SqliteStore::open(folder, &Options::default()).unwrap_or_else(|error| panic!("{error}"));
    let steps = crate::runtime().block_on(async {
        let mut rows = store.sessions(true, 1_000).await.unwrap();
        rows.sort_by_key(|row| row.key.clone());
        for row in &rows {
            assert_eq!(row.state, row.step.to_be_bytes().repeat(30), "state of the last step");
            assert_eq!(row.pending, row.step % 2 == 0);
            let journal = store.journal(row.id, 0, u32::MAX).await.unwrap();
            assert_eq!(journal.len() as i64, row.step * 2, "journal and state agree");
            for (at, record) in (0..).zip(&journal) {
                assert_eq!(record.sequence, at);
                assert!(record.record.body.starts_with(&format!("{{\"step\":{}}}", at / 2 + 1)));
            }
            assert_eq!(store.transcript(row.id, 0).await.unwrap().len() as i64, row.step);
        }
        let totals = store.totals().await.unwrap();
        assert_eq!(totals.outbox_waiting, rows.iter().map(|row| row.step).sum::<i64>());
        assert_eq!(totals.timers, rows.len() as i64);
        rows.into_iter().map(|row| row.step).collect()
    });
    drop(store);
    let raw = Connection::open(folder.join("blufio.db")).unwrap();
    let integrity: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    steps
}

/// Splits `acknowledged s3 17` into session number and step.
pub fn parse(line: &str) -> Option<(usize, i64)> {
    let (key, step) = line.strip_prefix("acknowledged s")?.split_once(' ')?;
    Some((key.parse().ok()?, step.trim().parse().ok()?))
}
