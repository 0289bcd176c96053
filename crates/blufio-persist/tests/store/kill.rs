// SPDX-License-Identifier: MIT OR Apache-2.0
//! `kill -9`, again and again, on one database.

use std::io::{BufRead, BufReader};

use crate::child::{Task, parse, verify};

const SESSIONS: usize = 8;
const KILLS: usize = 25;

#[test]
fn kill_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; SESSIONS];
    for round in 0..KILLS {
        let task = Task {
            folder: folder.path(),
            sessions: SESSIONS,
            steps: i64::MAX,
            is_normal_sync: false,
            acknowledgements: None,
            preload: None,
        };
        let mut child = task.command().spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Later rounds die later, so that both the start and a long run are hit.
        let mut left = 1 + round * 7;
        for line in lines {
            if let Some((session, step)) = parse(&line.unwrap()) {
                acknowledged[session] = step;
            }
            left = left.saturating_sub(1);
            if left == 0 {
                // The lines that are still in the pipe were acknowledged too: the loop reads them to the end.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let stored = verify(folder.path());
        for (session, step) in stored.iter().enumerate() {
            assert!(*step >= acknowledged[session], "round {round}: s{session} lost steps");
            assert!(*step <= acknowledged[session] + 1, "at most one step of a session is under way");
            acknowledged[session] = *step;
        }
    }
    assert!(acknowledged.iter().all(|steps| *steps > 10), "{acknowledged:?}");
}
