// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is posted to a real server over HTTP on loopback: the examples end to end, crashes behind the acknowledgement,
//! reloads, and events that a command hands over.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use blufio_testkit::anthropic::{Answer, Script};
use ring::hmac;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::world::{PATIENCE, Server, World, code, root, stderr, stdout, until};

const OWNER: i64 = 77;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An agent that tells the owner each event, counted per value.
const COUNTER: &str = r#"agent counter v1
goal "Count."
models { fast = "anthropic/claude-haiku-5-5" }
keep { seen: int = 0 }
start state idle { on Alert a { seen = seen + 1  send owner "{a.id} {seen}" } }
anywhere { on failed -> idle }
"#;
const SHARED: &str = "shared alerts\ntype Alert = { id: text max 80 }\n";
const ROUTES: &str = "routes\n\npeople { owner zone \"Europe/Berlin\" }\n\nhttp post \"/alerts\" signed by alerts_key as Alert a -> counter per a.id\notherwise drop\n";

fn configured(command: &mut Command) {
    command
        .env("BLUFIO_TELEGRAM__OWNER", OWNER.to_string())
        .env("BLUFIO_TELEGRAM__MESSAGES_PER_SECOND", "100000")
        .env("BLUFIO_TELEGRAM__CHAT_MESSAGES_PER_SECOND", "100000")
        .env("BLUFIO_GATEWAY__LISTEN", "127.0.0.1:0")
        .env("ALERTS_KEY", SECRET)
        .env("FORGE_KEY", SECRET);
}

fn example(world: &World, name: &str) -> Server {
    world.serve(|command| {
        configured(command);
        command.arg(root().join("examples").join(name));
    })
}

fn counter(world: &World) -> (PathBuf, Server) {
    let folder = world.path().join("counter");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [("counter", COUNTER), ("alerts", SHARED), ("routes", ROUTES)] {
        std::fs::write(folder.join(format!("{name}.agent")), text).unwrap();
    }
    let server = world.serve(|command| {
        configured(command);
        command.arg(&folder);
    });
    (folder, server)
}

/// Where the server listens.
fn address(world: &World) -> String {
    let report: Value = serde_json::from_str(&stdout(&world.run(&["status", "--json"]))).unwrap();
    report["webhooks"].as_str().unwrap().strip_prefix("http://").unwrap().to_string()
}

fn signature(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let code: String = hmac::sign(&key, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={code}")
}

/// Posts; `None` when no whole answer came.
fn try_post(address: &str, path: &str, id: &str, signature: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nX-GitHub-Delivery: {id}\r\n\
         X-Hub-Signature-256: {signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?))
}

fn post(address: &str, path: &str, id: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    try_post(address, path, id, &signature(body.as_bytes()), &body).expect("an answer")
}

fn chosen(choice: Value) -> Script {
    Script::Answer(Answer::json(&choice))
}

fn sessions(world: &World) -> Vec<(String, String)> {
    let lines: Value = serde_json::from_str(&stdout(&world.run(&["sessions", "--json"]))).unwrap();
    let pair = |line: &Value| {
        (line["key"].as_str().unwrap().to_string(), line["state"].as_str().unwrap().to_string())
    };
    lines.as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn the_oncall_example_wakes_somebody_and_hears_who_takes_it() {
    let world = World::new();
    let _server = example(&world, "oncall");
    world.anthropic.answer_with(|_| chosen(json!({ "choice": "page_now" })));
    let address = address(&world);
    let (status, told) = post(&address, "/alerts", "1", &json!({ "id": "a1", "title": "Disk full" }));
    assert_eq!((status, &told), (202, &json!({ "id": "1", "new": true })));
    world.seen(2222, |text| text.starts_with("Disk full. Reply to take it."));
    let second = post(&address, "/alerts", "2", &json!({ "id": "a2", "title": "Net down" }));
    assert_eq!(second.0, 202);
    world.seen(2222, |text| text.contains("Net down. Reply to take it."));
    world.telegram.say(2222, "1 mine");
    world.seen(OWNER, |text| text == "Taken: mine");
    until("the first is done, the second waits", || {
        let mut found = sessions(&world);
        found.sort();
        let wanted = [("oncall/value:a1", "idle"), ("oncall/value:a2", "page")];
        found.iter().map(|(k, s)| (k.as_str(), s.as_str())).eq(wanted).then_some(())
    });
    world.telegram.say(9999, "who are you?");
    world.seen(9999, |text| text == "I only take alerts.");
    assert_eq!((world.telegram.violations(), world.anthropic.violations()), (Vec::new(), Vec::new()));
}

#[test]
fn the_review_example_posts_what_the_owner_has_seen() {
    let world = World::new();
    let mut server = example(&world, "review");
    let remarks = json!({ "choice": "remarks", "remarks": { "text": "The thermostat is never read." } });
    world.anthropic.answer_with(move |_| chosen(remarks.clone()));
    // A forge sends much more than the type names.
    let opened =
        json!({ "id": "12", "title": "Faster boiling", "sender": { "login": "ada" }, "draft": false });
    assert_eq!(post(&address(&world), "/pulls", "d-1", &opened).0, 202);
    world.seen(OWNER, |text| {
        text.contains("Post this on 12?") && text.contains("The thermostat is never read.")
    });
    assert_eq!(sessions(&world), [("review/value:12".to_string(), "confirm".to_string())]);
    // The question outlives the process.
    server.signal(Signal::KILL);
    assert_eq!(server.exit_code(), None);
    let _server = example(&world, "review");
    world.telegram.say(OWNER, "yes");
    until("it is posted", || (sessions(&world)[0].1 == "idle").then_some(()));
    let journal: Value =
        serde_json::from_str(&stdout(&world.run(&["sessions", "show", "review/value:12", "--json"])))
            .unwrap();
    let calls: Vec<&str> = journal
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["kind"] == "intent")
        .filter_map(|line| line["body"]["arguments"].as_str())
        .collect();
    let comment = "{\"id\":\"12\",\"text\":\"The thermostat is never read.\"}";
    assert_eq!(calls, ["{\"id\":\"12\"}", comment], "the change was read, one comment was posted");
    assert_eq!(world.telegram.violations(), Vec::<String>::new());
}

#[test]
fn a_kill_behind_the_acknowledgement_loses_nothing_and_doubles_nothing() {
    const LIVES: usize = 12;
    let world = World::new();
    let mut posted = Vec::new();
    for life in 0..LIVES {
        let (_, mut server) = counter(&world);
        let address = address(&world);
        for at in 0..3 {
            let id = format!("e{life}-{at}");
            let (status, told) = post(&address, "/alerts", &id, &json!({ "id": id }));
            assert_eq!((status, &told["new"]), (202, &Value::Bool(true)), "{told}");
            posted.push(id);
        }
        // One whose answer may be cut off: its sender posts again.
        let last = format!("c{life}");
        let body = json!({ "id": last }).to_string();
        let poster = std::thread::spawn({
            let (address, last) = (address.clone(), last.clone());
            move || try_post(&address, "/alerts", &last, &signature(body.as_bytes()), &body)
        });
        server.signal(Signal::KILL);
        assert_eq!(server.exit_code(), None);
        drop(poster.join());
        posted.push(last);
    }
    let (_, _server) = counter(&world);
    let address = address(&world);
    for id in &posted {
        let (status, told) = post(&address, "/alerts", id, &json!({ "id": id }));
        assert_eq!(status, 202);
        assert!(told["new"] == Value::Bool(false) || id.starts_with('c'), "{id} was lost");
    }
    let told = |world: &World| {
        let mut texts = world.telegram.texts(OWNER);
        texts.retain(|text| text != "…");
        texts.sort();
        texts
    };
    let mut wanted: Vec<String> = posted.iter().map(|id| format!("{id} 1")).collect();
    wanted.sort();
    until("each is told", || (told(&world).len() >= wanted.len()).then_some(()));
    assert_eq!(code(&world.run(&["stop"])), 0);
    assert_eq!(told(&world), wanted, "each happened once");
}

#[test]
fn a_reload_changes_what_is_posted_and_needs_its_keys() {
    let world = World::new();
    let (folder, mut server) = counter(&world);
    let address = address(&world);
    let routes = folder.join("routes.agent");
    std::fs::write(&routes, ROUTES.replace("alerts_key", "other_key")).unwrap();
    let refused = world.run(&["reload"]);
    assert_eq!(code(&refused), 1);
    let words = stderr(&refused);
    assert!(words.contains("OTHER_KEY is not set") && words.contains("old programs keep running"), "{words}");
    std::fs::write(&routes, ROUTES.replace("\"/alerts\"", "\"/alarms\"")).unwrap();
    assert_eq!(code(&world.run(&["reload"])), 0);
    assert_eq!(post(&address, "/alerts", "1", &json!({ "id": "a" })).0, 404);
    assert_eq!(post(&address, "/alarms", "1", &json!({ "id": "a" })).0, 202);
    world.seen(OWNER, |text| text == "a 1");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    assert!(TcpStream::connect(&address).is_err(), "nothing listens any more");
}

#[test]
fn bad_posts_change_nothing_and_the_server_lives() {
    let world = World::new();
    let _server = counter(&world);
    let address = address(&world);
    let signed = |body: &str| try_post(&address, "/alerts", "1", &signature(body.as_bytes()), body).unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, status, error) in [
        ("", 400, "not_json"),
        ("{\"id\":\"a\"", 400, "not_json"),
        (&deep, 400, "not_json"),
        ("{\"id\":\"\\ud800\"}", 400, "not_json"),
        ("{}", 422, "unfit"),
        ("[]", 422, "unfit"),
        ("{\"id\":5}", 422, "unfit"),
        ("{\"id\":\"\"}", 422, "unfit"),
    ] {
        let (found, told) = signed(body);
        assert_eq!((found, told["error"].as_str()), (status, Some(error)), "{told}");
    }
    assert_eq!(signed("{}").1["violations"], json!(["id: is missing"]));
    let body = "{\"id\":\"a\"}";
    let wrong = try_post(&address, "/alerts", "1", &signature(b"other"), body).unwrap();
    assert_eq!((wrong.0, wrong.1["error"].as_str()), (401, Some("signature")));
    assert_eq!(try_post(&address, "/nowhere", "1", &signature(body.as_bytes()), body).unwrap().0, 404);
    assert_eq!(sessions(&world), []);
    assert_eq!(signed(body), (202, json!({ "id": "1", "new": true })));
    assert_eq!(signed(body), (202, json!({ "id": "1", "new": false })), "a replayed delivery");
    world.seen(OWNER, |text| text == "a 1");
    assert_eq!(world.telegram.texts(OWNER), ["a 1"]);
}

#[test]
fn a_command_hands_events_over() {
    let world = World::new();
    let event = ["event", "counter", "Alert", "{\"id\":\"a\"}"];
    let nobody = world.run(&event);
    assert_eq!(code(&nobody), 2);
    assert!(stderr(&nobody).contains("no server runs"), "{}", stderr(&nobody));
    let _server = counter(&world);
    let json_of = |arguments: &[&str]| -> (i32, Value) {
        let output = world.run(&[arguments, &["--json"]].concat());
        (code(&output), serde_json::from_str(&stdout(&output)).unwrap_or_default())
    };
    let (status, taken) = json_of(&[&event[..], &["--id", "one"]].concat());
    assert_eq!((status, &taken), (0, &json!({ "id": "one", "session": "counter/value:a", "new": true })));
    assert_eq!(json_of(&[&event[..], &["--id", "one"]].concat()).1["new"], false);
    assert_eq!(json_of(&event).1["new"], true, "without an id each one is its own");
    assert_eq!(json_of(&[&event[..], &["--session", "counter/own"]].concat()).1["session"], "counter/own");
    for (arguments, error) in [
        (["event", "countr", "Alert", "{\"id\":\"a\"}"], "unknown_agent"),
        (["event", "counter", "Alrt", "{\"id\":\"a\"}"], "not_awaited"),
        (["event", "counter", "Alert", "{\"id\":\"a\",\"more\":1}"], "unfit"),
        (["event", "counter", "Alert", "[]"], "unfit"),
    ] {
        let (status, refusal) = json_of(&arguments);
        assert_eq!((status, refusal["error"].as_str()), (1, Some(error)), "{refusal}");
    }
    assert_eq!(json_of(&[&event[..], &["--session", "other/own"]].concat()).1["error"], "session");
    let garbage = world.run(&["event", "counter", "Alert", "{"]);
    assert_eq!(code(&garbage), 1);
    assert!(stderr(&garbage).contains("not JSON"), "{}", stderr(&garbage));
    world.seen(OWNER, |text| text == "a 2");
}

#[test]
fn serve_names_missing_and_short_keys_and_an_address_that_is_taken() {
    let world = World::new();
    let serve = |change: &dyn Fn(&mut Command)| {
        let mut command = world.command(&["serve"]);
        configured(&mut command);
        change(&mut command);
        command.arg(root().join("examples/oncall")).output().unwrap()
    };
    let missing = serve(&|command| {
        command.env_remove("ALERTS_KEY");
    });
    assert_eq!(code(&missing), 2);
    assert!(stderr(&missing).contains("ALERTS_KEY is not set"), "{}", stderr(&missing));
    let short = serve(&|command| {
        command.env("ALERTS_KEY", "tooshortforakey");
    });
    assert!(stderr(&short).contains("ALERTS_KEY is shorter than 16"), "{}", stderr(&short));
    assert!(!stderr(&short).contains("tooshort"), "no secret is shown");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = serve(&|command| {
        command.env("BLUFIO_GATEWAY__LISTEN", &address);
    });
    assert_eq!(code(&busy), 2);
    let words = stderr(&busy);
    assert!(words.contains(&address) && words.contains("gateway.listen"), "{words}");
    let open = serve(&|command| {
        command.env("BLUFIO_GATEWAY__LISTEN", "0.0.0.0:7117");
    });
    assert_eq!(code(&open), 2);
    assert!(stderr(&open).contains("TLS"), "{}", stderr(&open));
}

#[test]
fn people_that_a_tool_names_need_a_tool_that_may_say_so() {
    let world = World::new();
    let folder = world.path().join("counter");
    std::fs::create_dir_all(folder.join("tools")).unwrap();
    let routes = ROUTES.replace("people {", "people { standby = from rota.current ");
    for (name, text) in [("counter", COUNTER), ("alerts", SHARED), ("routes", &routes)] {
        std::fs::write(folder.join(format!("{name}.agent")), text).unwrap();
    }
    for (label, expected) in [("", 0), ("label = \"web\"\n", 1)] {
        let rota = format!(
            "[current]\nabout = \"Who is on call.\"\ngives = \"text\"\neffect = \"read\"\n{label}answers = [{{ gives = \"owner\" }}]\n"
        );
        std::fs::write(folder.join("tools/rota.toml"), rota).unwrap();
        let checked = crate::world::blufio(world.path()).args(["check", "counter"]).output().unwrap();
        assert_eq!(code(&checked), expected, "{}{}", stdout(&checked), stderr(&checked));
    }
}
