// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the recorder, runs a task under it, and reads what it recorded.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::Task;

/// One of the recorded files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Main,
    Log,
}

/// What happened, in order.
#[derive(Debug, Clone)]
pub enum Event {
    Write {
        file: Which,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: Which,
        length: usize,
    },
    Sync {
        file: Which,
    },
    /// A line of the task.
    Said(String),
}

/// Compiles `tests/recorder.c` into a folder.
pub fn build(folder: &Path) -> PathBuf {
    let library = folder.join("recorder.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorder.c");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"]);
    let status = compiler.status().expect("a C compiler named `cc` is needed, as for building SQLite itself");
    assert!(status.success(), "{compiler:?}");
    library
}

/// Runs the task to its end under the recorder.
pub fn run(
    data: &Path,
    sessions: usize,
    steps: i64,
    is_normal_sync: bool,
    faults: &[(&'static str, i64)],
) -> Vec<Event> {
    let tools = tempfile::tempdir().unwrap();
    let library = build(tools.path());
    let (record, acknowledgements) = (tools.path().join("record"), tools.path().join("acknowledgements"));
    let mut variables = vec![("BLUFIO_RECORD", record.display().to_string())];
    variables.extend(faults.iter().map(|(name, value)| (*name, value.to_string())));
    let task = Task {
        folder: data,
        sessions,
        steps,
        is_normal_sync,
        acknowledgements: Some(&acknowledgements),
        preload: Some((&library, variables)),
    };
    let output = task.command().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse(&std::fs::read(record).unwrap())
}

fn parse(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(24);
        let small = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap());
        let large =
            |at: usize| usize::try_from(u64::from_ne_bytes(head[at..at + 8].try_into().unwrap())).unwrap();
        let (offset, length) = (large(8), large(16));
        let (payload, rest) = rest.split_at(length);
        bytes = rest;
        let file = if small(4) == 1 { Which::Main } else { Which::Log };
        events.push(match (small(0), small(4)) {
            (1, 3) => Event::Said(String::from_utf8(payload.to_vec()).unwrap()),
            (1, _) => Event::Write { file, offset, bytes: payload.to_vec() },
            (2, _) => Event::Truncate { file, length: offset },
            _ => Event::Sync { file },
        });
    }
    events
}
