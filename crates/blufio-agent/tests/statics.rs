// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of the static zone: versions in the store, and one notice for a file that is no longer what was loaded.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use blufio_core::BoxFuture;
use blufio_core::files::{FileProblem, Files};

use crate::world::{World, agent, say, says};

const KETTLE: &str = r#"agent kettle v1
goal "Help."
models { fast = "fake/small" }
budget { message = 1 calls }
context { static "persona.md" max 2000 tokens }
start state idle { on message m { t = write using fast from m "Answer."  reply t -> idle } }
anywhere { on failed why { reply "failed" -> idle } }
"#;

/// A disk of which every look is counted.
#[derive(Default)]
struct Disk {
    files: Mutex<HashMap<String, Result<String, FileProblem>>>,
    looks: Mutex<usize>,
}

impl Files for Disk {
    fn read<'a>(&'a self, folder: &'a Path, name: &'a str) -> BoxFuture<'a, Result<String, FileProblem>> {
        assert_eq!(folder, Path::new("/agents"));
        *self.looks.lock().unwrap() += 1;
        let found = self.files.lock().unwrap().get(name).cloned();
        Box::pin(async { found.unwrap_or(Err(FileProblem::Missing)) })
    }
}

impl Disk {
    fn put(&self, file: Result<&str, FileProblem>) {
        self.files.lock().unwrap().insert("persona.md".into(), file.map(str::to_string));
    }
}

fn world() -> (World, Arc<Disk>) {
    let disk = Arc::new(Disk::default());
    disk.put(Ok("You are Kettle."));
    let mut world = World::new(KETTLE, |_, _| says("hi"));
    world.files = Some(disk.clone());
    (world, disk)
}

#[tokio::test]
async fn every_version_that_is_loaded_is_kept_and_a_session_reads_the_loaded_one() {
    let (world, _) = world();
    let handle = world.start().await;
    let with = |text: &str| {
        let mut program = agent(KETTLE);
        program.static_files[0].1 = text.into();
        program
    };
    for text in ["You are Kettle.", "You are Pot.", "You are Kettle.", "You are Kettle."] {
        handle.reload(vec![with(text)], world.routes()).await.unwrap();
    }
    let versions = world.store.file_versions(Some("kettle"), Some("persona.md"), 10).await.unwrap();
    let texts: Vec<&str> = versions.iter().map(|version| version.text.as_str()).collect();
    assert_eq!(texts, ["You are Kettle.", "You are Pot.", "You are Kettle."], "one row per change");
    assert_eq!(versions[0].hash, versions[2].hash);
    assert_eq!(
        (versions[0].folder.as_path(), versions[0].at_ms),
        (Path::new("/agents"), crate::world::START_MS)
    );
    handle.stop().await;
    let handle = world.start().await;
    assert_eq!(
        world.store.file_versions(None, None, 10).await.unwrap().len(),
        3,
        "a start keeps nothing twice"
    );
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert!(world.requests()[0].system.contains(&"You are Kettle.".to_string()));
}

#[tokio::test]
async fn a_file_that_changed_under_a_running_daemon_is_told_once_and_until_it_is_taken() {
    let (world, disk) = world();
    let handle = world.start().await;
    let notices = async || handle.status().await.unwrap().notices;
    assert_eq!(notices().await, Vec::<String>::new());
    disk.put(Ok("You are Pot."));
    for _ in 0..10 {
        world.clock.advance(60_000);
        world.settle().await;
    }
    let changed = "kettle: persona.md changed since it was loaded; `blufio reload` takes it";
    assert_eq!(notices().await, [changed]);
    assert_eq!(world.texts("1"), Vec::<String>::new(), "the owner's chat is not for it");
    let looks = *disk.looks.lock().unwrap();
    assert!((10..=12).contains(&looks), "once a minute: {looks}");
    for _ in 0..100 {
        notices().await;
    }
    assert_eq!(*disk.looks.lock().unwrap(), looks, "whoever asks often does not read often");
    // What is there now is what was loaded again, without a word to anybody.
    world.clock.advance(2_000);
    disk.put(Ok("You are Kettle."));
    assert_eq!(notices().await, Vec::<String>::new());
    disk.put(Ok("You are Pot."));
    world.clock.advance(2_000);
    assert_eq!(notices().await, [changed]);
    let mut program = agent(KETTLE);
    program.static_files[0].1 = "You are Pot.".into();
    handle.reload(vec![program], world.routes()).await.unwrap();
    world.clock.advance(2_000);
    assert_eq!(notices().await, Vec::<String>::new(), "taken");
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_is_told_and_what_was_loaded_stays() {
    let (world, disk) = world();
    let handle = world.start().await;
    for problem in [
        FileProblem::Missing,
        FileProblem::Empty,
        FileProblem::TooLarge,
        FileProblem::NotText(3),
        FileProblem::Unreadable("the disk is gone".into()),
    ] {
        disk.put(Err(problem.clone()));
        world.clock.advance(2_000);
        let notices = handle.status().await.unwrap().notices;
        let words = format!("kettle: persona.md cannot be taken: {problem}; what was loaded stays");
        assert_eq!(notices, [words], "one notice for one file");
    }
    disk.put(Err(FileProblem::Changing));
    world.clock.advance(2_000);
    assert_eq!(handle.status().await.unwrap().notices.len(), 1, "half a file says nothing");
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert!(world.requests()[0].system.contains(&"You are Kettle.".to_string()));
}

#[tokio::test]
async fn a_file_without_a_cap_takes_two_thousand_tokens_of_a_prompt() {
    let text = KETTLE.replace(" max 2000 tokens", "");
    let mut world = World::new(&text, |_, _| says("hi"));
    world.programs = vec![agent(&text)];
    world.programs[0].static_files[0].1 = "word ".repeat(50_000);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    let file = &world.requests()[0].system[1];
    let tokens = blufio_core::tokens::estimate_text(file);
    assert!(file.ends_with(" […]") && (1_500..=2_010).contains(&tokens), "{tokens}");
    let kept = world.store.file_versions(None, None, 1).await.unwrap();
    assert_eq!(kept[0].text.len(), 250_000, "the version is whole");
}

#[tokio::test]
async fn an_agent_cannot_write_what_its_prompts_begin_with() {
    let text = |folder: &str| {
        format!(
            r#"agent scribe v1
goal "Write."
models {{ fast = "fake/small" }}
budget {{ message = 1 calls }}
can use files.write in "{folder}"
context {{ static "house/persona.md" max 2000 tokens }}
start state idle {{
  on message m {{
    call files.write(path: "persona.md") {{ done(x) {{ reply x -> idle }}  failed(w) {{ reply "{{w.kind}}: {{w.detail}}" -> idle }} }}
  }}
}}
anywhere {{ on failed -> idle }}
"#
        )
    };
    for (folder, answer) in [
        ("house/", "not allowed: `files.write` may not write in `house/`: house/persona.md lies there"),
        ("notes/", "written"),
    ] {
        let world = World::new(&text(folder), |_, _| says("?"));
        let handle = world.start().await;
        say(&handle, 1, "7", "go").await;
        handle.quiet().await;
        assert!(world.texts("7")[0].contains(answer), "{:?}", world.texts("7"));
        assert_eq!(world.tools.calls.lock().unwrap().len(), usize::from(folder == "notes/"));
    }
}
