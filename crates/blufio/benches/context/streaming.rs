// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the client of Anthropic's API adds to a stream, against a socket that is read raw: the same server, the same
//! bytes, by turns.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use blufio_core::model::{Block, ModelDelta, ModelProvider, ModelRequest, Role, Turn};
use blufio_core::secret::Secret;
use blufio_models::anthropic::{Anthropic, Options, request};
use tokio::runtime::Runtime;

use crate::{figure, info, median};

const ROUNDS: usize = 101;
const PACED_ROUNDS: usize = 5;
/// Pieces of a paced answer, and how many come in a second: ten times of what fast models write.
const PACED_PIECES: usize = 2_000;
const PIECES_PER_SECOND: u64 = 1_000;
/// Pieces of an answer that comes as fast as it can.
const UNPACED_PIECES: usize = 50_000;

/// How a server answers.
#[derive(Clone, Copy)]
struct Pace {
    pieces: usize,
    every: Option<Duration>,
}

fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn piece() -> String {
    event(
        "content_block_delta",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" another"}}"#,
    )
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Answers every request on its connection, one after the other.
fn serve(listener: TcpListener, pace: Pace) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        std::thread::spawn(move || connection(stream, pace));
    }
}

fn connection(mut stream: TcpStream, pace: Pace) {
    let _ = stream.set_nodelay(true);
    let start = event(
        "message_start",
        r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
    ) + &event(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    );
    let end = event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#)
        + &event(
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#,
        )
        + &event("message_stop", r#"{"type":"message_stop"}"#);
    let mut buffer = vec![0; 1 << 16];
    while read_request(&mut stream, &mut buffer) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut sent = stream.write_all(format!("{head}{}", chunk(&start)).as_bytes());
        let begun = Instant::now();
        match pace.every {
            Some(every) => {
                for number in 0..pace.pieces {
                    let due = begun + every * u32::try_from(number).unwrap();
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    sent = sent.and(stream.write_all(chunk(&piece()).as_bytes()));
                }
            }
            None => {
                let some = chunk(&piece()).repeat(100);
                for _ in 0..pace.pieces / 100 {
                    sent = sent.and(stream.write_all(some.as_bytes()));
                }
            }
        }
        if sent.and(stream.write_all(format!("{}0\r\n\r\n", chunk(&end)).as_bytes())).is_err() {
            return;
        }
    }
}

/// Reads one request to its end.
fn read_request(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    let mut request = Vec::new();
    loop {
        let Ok(count @ 1..) = stream.read(buffer) else { return false };
        request.extend_from_slice(&buffer[..count]);
        let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if request.len() >= end + 4 + length.map_or(0, |length| length.trim().parse().unwrap_or(0)) {
            return true;
        }
    }
}

fn asked() -> ModelRequest {
    let text = "How are you?".to_string();
    let turn = Turn { role: Role::User, blocks: vec![Block::Text { text }], raw: None };
    ModelRequest {
        model: "m".into(),
        system: vec!["Be brief.".into()],
        tools: Vec::new(),
        turns: vec![Arc::new(turn)],
        output_schema: None,
        output_tokens_max: 100,
        caches_static_for_an_hour: false,
    }
}

/// Time to the first piece and to the end, milliseconds.
type Times = (f64, f64);

struct Peers {
    provider: Anthropic,
    raw: TcpStream,
    address: String,
}

impl Peers {
    fn new(pace: Pace) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || serve(listener, pace));
        let provider =
            Anthropic::new(Options::new(&format!("http://{address}"), Secret::new("key"))).unwrap();
        let raw = TcpStream::connect(&address).unwrap();
        raw.set_nodelay(true).unwrap();
        Self { provider, raw, address }
    }

    /// The socket, read as it comes: the first piece, and the end of the last chunk.
    fn raw(&mut self) -> Times {
        let body = request::body(&asked(), true);
        let begun = Instant::now();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.raw.write_all(head.as_bytes()).unwrap();
        let mut buffer = vec![0; 1 << 16];
        let (mut first, mut tail) = (0.0, Vec::new());
        loop {
            let count = self.raw.read(&mut buffer).unwrap();
            tail.extend_from_slice(&buffer[..count]);
            if first == 0.0 && tail.windows(10).any(|w| w == b"text_delta") {
                first = begun.elapsed().as_secs_f64() * 1e3;
            }
            if tail.ends_with(b"0\r\n\r\n") {
                return (first, begun.elapsed().as_secs_f64() * 1e3);
            }
            if first > 0.0 {
                tail.drain(..tail.len().saturating_sub(16));
            }
        }
    }

    fn ours(&self, runtime: &Runtime) -> Times {
        let begun = Instant::now();
        let mut first = 0.0;
        let request = asked();
        let reply = runtime.block_on(self.provider.stream(&request, &mut |delta| {
            if first == 0.0 && matches!(delta, ModelDelta::Text(_)) {
                first = begun.elapsed().as_secs_f64() * 1e3;
            }
        }));
        assert!(reply.is_ok(), "{reply:?}");
        (first, begun.elapsed().as_secs_f64() * 1e3)
    }

    /// Medians of rounds by turns: raw and ours.
    fn race(&mut self, runtime: &Runtime, rounds: usize) -> (Times, Times) {
        self.raw();
        self.ours(runtime);
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            raw.push(self.raw());
            ours.push(self.ours(runtime));
        }
        let medians = |times: &[Times]| {
            (median(times.iter().map(|time| time.0)), median(times.iter().map(|time| time.1)))
        };
        (medians(&raw), medians(&ours))
    }
}

/// Prints the figures.
pub fn measure(runtime: &Runtime) {
    let (raw, ours) = Peers::new(Pace { pieces: 100, every: None }).race(runtime, ROUNDS);
    let added = ours.0 - raw.0;
    figure("added to the time to the first token", added, "ms", "<= 1", added <= 1.0);
    let every = Some(Duration::from_micros(1_000_000 / PIECES_PER_SECOND));
    let (raw, ours) = Peers::new(Pace { pieces: PACED_PIECES, every }).race(runtime, PACED_ROUNDS);
    let ratio = ours.1 / raw.1;
    figure("an answer at 1,000 tokens/s, time / reading it raw", ratio, "", "<= 1.05", ratio <= 1.05);
    let (raw, ours) = Peers::new(Pace { pieces: UNPACED_PIECES, every: None }).race(runtime, PACED_ROUNDS);
    info("as fast as it comes, tokens per second", UNPACED_PIECES as f64 / ours.1 * 1e3, "");
    info("as fast as it comes, time / reading it raw", ours.1 / raw.1, "");
}
