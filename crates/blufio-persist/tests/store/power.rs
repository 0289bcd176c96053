// SPDX-License-Identifier: MIT OR Apache-2.0
//! Power cuts. A real run is recorded below SQLite; for many points of it the files are rebuilt as a lost page cache
//! could leave them: all that was synced, and of what came later any part, torn at sectors. Every acknowledged step
//! must be there. The same method on `synchronous=NORMAL` finds losses, so it can fail.

use std::path::Path;

use crate::child::{parse, verify};
use crate::recorder::{self, Event, Which};

const CUTS: usize = 500;
const SECTOR_BYTES: usize = 512;

/// Deterministic chance (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// A file on a disk with a volatile cache.
#[derive(Default)]
struct Disk {
    synced: Vec<u8>,
    pending: Vec<Event>,
}

fn apply(content: &mut Vec<u8>, event: &Event, keep: impl Fn(usize) -> bool) {
    match event {
        Event::Truncate { length, .. } => content.resize(*length, 0),
        Event::Write { offset, bytes, .. } => {
            for (at, sector) in bytes.chunks(SECTOR_BYTES).enumerate().filter(|(at, _)| keep(*at)) {
                let start = offset + at * SECTOR_BYTES;
                content.resize(content.len().max(start + sector.len()), 0);
                content[start..start + sector.len()].copy_from_slice(sector);
            }
        }
        Event::Sync { .. } | Event::Said(_) => {}
    }
}

impl Disk {
    fn happens(&mut self, event: &Event) {
        if let Event::Sync { .. } = event {
            for pending in std::mem::take(&mut self.pending) {
                apply(&mut self.synced, &pending, |_| true);
            }
        } else {
            self.pending.push(event.clone());
        }
    }

    /// One of the contents that may be found after a cut now.
    fn after_cut(&self, chance: &mut Chance) -> Vec<u8> {
        let mut content = self.synced.clone();
        // Some cuts lose everything that was not synced, some nothing, the others any part.
        let kept_of_four = chance.below(5);
        for event in &self.pending {
            if chance.below(4) < kept_of_four {
                let torn_at = if chance.below(4) == 0 { chance.below(8) } else { usize::MAX };
                let keeps_head = chance.below(2) == 0;
                apply(&mut content, event, |at| torn_at == usize::MAX || (at < torn_at) == keeps_head);
            }
        }
        content
    }
}

/// What cutting at many points of a recorded run left behind.
#[derive(Default)]
struct Outcome {
    cuts: usize,
    cuts_that_lost: usize,
}

fn lost_steps(folder: &Path, acknowledged: &[i64]) -> i64 {
    let stored = verify(folder);
    let lost = |(at, steps): (usize, &i64)| (steps - stored.get(at).copied().unwrap_or(0)).max(0);
    acknowledged.iter().enumerate().map(lost).sum()
}

fn cut(events: &[Event], cuts: usize) -> Outcome {
    let first = events
        .iter()
        .position(|event| matches!(event, Event::Said(line) if line.starts_with("opened")))
        .unwrap();
    let mut chance = Chance(0x00B1_0F10);
    let mut points: Vec<_> = (0..cuts).map(|_| first + 1 + chance.below(events.len() - first - 1)).collect();
    points.sort_unstable();
    let (mut main, mut log) = (Disk::default(), Disk::default());
    let (mut acknowledged, mut outcome, mut points) =
        (vec![0; 4], Outcome::default(), points.into_iter().peekable());
    for (at, event) in events.iter().enumerate() {
        while points.next_if_eq(&at).is_some() {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("blufio.db"), main.after_cut(&mut chance)).unwrap();
            std::fs::write(folder.path().join("blufio.db-wal"), log.after_cut(&mut chance)).unwrap();
            outcome.cuts += 1;
            outcome.cuts_that_lost += usize::from(lost_steps(folder.path(), &acknowledged) > 0);
        }
        match event {
            Event::Said(line) => {
                if let Some((session, step)) = parse(line) {
                    acknowledged[session] = step;
                }
            }
            Event::Write { file: Which::Main, .. }
            | Event::Truncate { file: Which::Main, .. }
            | Event::Sync { file: Which::Main } => {
                main.happens(event);
            }
            _ => log.happens(event),
        }
    }
    outcome
}

fn count(events: &[Event], is_wanted: impl Fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| is_wanted(event)).count()
}

#[test]
fn a_power_cut_loses_nothing_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let events = recorder::run(data.path(), 4, 60, false, &[]);
    assert_eq!(count(&events, |e| matches!(e, Event::Said(line) if parse(line).is_some())), 240);
    let checkpoints = count(&events, |e| matches!(e, Event::Sync { file: Which::Main }));
    assert!(checkpoints > 3, "the run passes checkpoints: {checkpoints}");
    let outcome = cut(&events, CUTS);
    assert_eq!((outcome.cuts, outcome.cuts_that_lost), (CUTS, 0));
}

#[test]
fn without_full_sync_the_method_finds_losses() {
    let data = tempfile::tempdir().unwrap();
    let events = recorder::run(data.path(), 4, 60, true, &[]);
    let outcome = cut(&events, 60);
    assert!(outcome.cuts_that_lost > 10, "{} of {}", outcome.cuts_that_lost, outcome.cuts);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let events = recorder::run(data.path(), 4, 30, false, &[("BLUFIO_FAIL_SYNC", 12)]);
    let said: Vec<_> = events
        .iter()
        .filter_map(|e| if let Event::Said(line) = e { Some(line.as_str()) } else { None })
        .collect();
    let first = said.iter().position(|line| line.starts_with("fatal")).expect("the sync failed");
    assert!(first > 4, "some steps were acknowledged before");
    assert!(said[first..].iter().all(|line| line.starts_with("fatal")), "none after");
    let mut acknowledged = vec![0; 4];
    for (session, step) in said.iter().filter_map(|line| parse(line)) {
        acknowledged[session] = step;
    }
    assert_eq!(lost_steps(data.path(), &acknowledged), 0);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let data = tempfile::tempdir().unwrap();
    let faults = [("BLUFIO_FAIL_WRITES_FROM", 300), ("BLUFIO_FAIL_WRITES", 6)];
    let events = recorder::run(data.path(), 4, 30, false, &faults);
    let said: Vec<_> = events
        .iter()
        .filter_map(|e| if let Event::Said(line) = e { Some(line.as_str()) } else { None })
        .collect();
    assert!(said.iter().any(|line| line.starts_with("full")), "the disk was full");
    assert!(!said.iter().any(|line| line.starts_with("fatal")));
    let last_full = said.iter().rposition(|line| line.starts_with("full")).unwrap();
    assert!(
        said[last_full..].iter().filter(|line| parse(line).is_some()).count() > 4,
        "it recovered by itself"
    );
    let mut acknowledged = vec![0; 4];
    for (session, step) in said.iter().filter_map(|line| parse(line)) {
        acknowledged[session] = step;
    }
    assert_eq!(verify(data.path()), acknowledged, "what was refused left no trace");
}
