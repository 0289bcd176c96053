// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes with a message: what the model is shown of it, and that it is downloaded once.

use blufio_core::channel::SendError;
use blufio_core::message::{Attachment, ChatKind, Inbound};
use blufio_core::model::{Block, ModelRequest};

use crate::conversation::ASSISTANT;
use crate::world::{Answer, World, lines, message, says};

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0pixels";
const JPEG_BASE64: &str = "/9j/4HBpeGVscw==";

pub fn attachment(handle: &str, media_type: &str) -> Attachment {
    Attachment { media_type: media_type.into(), handle: handle.into(), bytes: Some(12_000), name: None }
}

pub fn with(number: usize, text: &str, attachments: Vec<Attachment>) -> Inbound {
    Inbound { attachments, ..message(number, "7", text) }
}

fn photo(number: usize, text: &str) -> Inbound {
    with(number, text, vec![attachment("p1", "image/jpeg")])
}

fn world() -> World {
    let world = World::new(ASSISTANT, |_, _| says("ok"));
    world.channel.files.lock().unwrap().insert("p1".into(), JPEG.to_vec());
    world
}

pub async fn deliver(handle: &blufio_agent::Handle, message: Inbound) {
    handle.sink().deliver("telegram", vec![message], None).await.unwrap();
}

pub fn texts(request: &ModelRequest) -> Vec<String> {
    let text = |block: &Block| match block {
        Block::Text { text } => Some(text.clone()),
        _ => None,
    };
    request.turns[0].blocks.iter().filter_map(text).collect()
}

fn images(request: &ModelRequest) -> Vec<(String, String)> {
    let image = |block: &Block| match block {
        Block::Image { media_type, data } => Some((media_type.clone(), data.clone())),
        _ => None,
    };
    request.turns.iter().flat_map(|turn| &turn.blocks).filter_map(image).collect()
}

#[tokio::test]
async fn a_photo_reaches_the_model_with_its_caption_and_is_downloaded_once() {
    let world = world();
    let handle = world.start().await;
    deliver(&handle, photo(1, "what is this?")).await;
    handle.quiet().await;
    deliver(&handle, message(2, "7", "and now?")).await;
    handle.quiet().await;
    let requests = world.requests();
    assert_eq!(images(&requests[0]), [("image/jpeg".to_string(), JPEG_BASE64.to_string())]);
    assert_eq!(texts(&requests[0]), ["what is this?"]);
    assert_eq!(requests[1].turns[0], requests[0].turns[0], "the same bytes again");
    assert_eq!(*world.channel.fetched.lock().unwrap(), ["p1"]);
}

#[tokio::test]
async fn a_crash_repeats_the_same_request_without_a_second_download() {
    let mut world =
        World::new(ASSISTANT, |_, number| if number == 0 { Answer::Hang(vec![]) } else { says("a cat") });
    world.channel.files.lock().unwrap().insert("p1".into(), JPEG.to_vec());
    world.limits.drain_ms = 0;
    let handle = world.start().await;
    deliver(&handle, photo(1, "")).await;
    world.until("asked", |w| w.requests().len() == 1).await;
    drop(handle);
    world.settle().await;
    // Even when the channel has forgotten the file.
    world.channel.files.lock().unwrap().clear();
    let handle = world.start().await;
    handle.quiet().await;
    let requests = world.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1], requests[0]);
    assert_eq!(images(&requests[1]).len(), 1);
    assert_eq!(*world.channel.fetched.lock().unwrap(), ["p1"]);
    assert_eq!(world.texts("7"), ["a cat"]);
}

#[tokio::test]
async fn what_is_no_image_is_named_and_at_most_four_images_are_read() {
    let world = world();
    let handle = world.start().await;
    let mut files = vec![attachment("p1", "image/jpeg"); 5];
    files.push(Attachment { name: Some("all.zip".into()), ..attachment("d", "application/zip") });
    deliver(&handle, with(1, "see", files)).await;
    handle.quiet().await;
    let request = &world.requests()[0];
    assert_eq!(images(request).len(), 4);
    let named = [
        "see",
        "[file: image, image/jpeg, 12 KB: not read, at most 4 images of a message are]",
        "[file: all.zip, application/zip, 12 KB: not read]",
    ];
    assert_eq!(texts(request), named);
    assert_eq!(world.channel.fetched.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn t13_a_refused_download_becomes_a_line_and_a_fake_picture_too() {
    let world = world();
    world.channel.files.lock().unwrap().insert("html".into(), b"<html>".to_vec());
    let handle = world.start().await;
    let large = Attachment { bytes: Some(6_000_000), ..attachment("large", "image/png") };
    let files = vec![attachment("gone", "image/jpeg"), attachment("html", "image/png"), large];
    deliver(&handle, with(1, "see", files)).await;
    handle.quiet().await;
    let request = &world.requests()[0];
    let named = [
        "see",
        "[file: image, image/jpeg, 12 KB: not read: refused]",
        "[file: image, image/png, 12 KB: not read: no JPEG, PNG, GIF or WebP]",
        "[file: image, image/png, 6000 KB: not read: larger than 3.9 MB]",
    ];
    assert_eq!(texts(request), named);
    assert_eq!(*world.channel.fetched.lock().unwrap(), ["gone", "html"]);
}

#[tokio::test]
async fn a_download_that_may_work_later_is_tried_three_times() {
    for (failures, read) in [(2, 1), (3, 0)] {
        let world = world();
        let error = SendError::NotSent { method: "getFile", reason: "scripted".into() };
        world.channel.fetch_errors.lock().unwrap().extend(vec![error; failures]);
        let handle = world.start().await;
        deliver(&handle, photo(1, "see")).await;
        world.until("first try", |w| w.channel.fetched.lock().unwrap().len() == 1).await;
        world.settle().await;
        world.clock.advance(500);
        world.until("second try", |w| w.channel.fetched.lock().unwrap().len() == 2).await;
        world.settle().await;
        world.clock.advance(1_000);
        handle.quiet().await;
        assert_eq!(world.channel.fetched.lock().unwrap().len(), 3);
        assert_eq!(images(&world.requests()[0]).len(), read);
    }
}

#[tokio::test]
async fn the_sink_does_not_wait_for_a_download_and_the_order_is_kept() {
    let world = world();
    let wait = SendError::RateLimited { method: "getFile", retry_after_ms: 5_000 };
    world.channel.fetch_errors.lock().unwrap().push_back(wait);
    let handle = world.start().await;
    deliver(&handle, photo(1, "first")).await;
    deliver(&handle, message(2, "7", "second")).await;
    deliver(&handle, message(3, "8", "another chat")).await;
    world.until("the other chat's answer", |w| w.texts("8") == ["ok"]).await;
    assert!(world.texts("7").is_empty());
    world.settle().await;
    world.clock.advance(5_000);
    handle.quiet().await;
    let last = world.requests().pop().unwrap();
    assert_eq!(images(&last).len(), 1);
    assert!(lines(&last)[0].ends_with("|first"), "{:?}", lines(&last));
}

#[tokio::test]
async fn t29_a_reply_in_a_group_names_the_message_that_it_answers() {
    for edits in [true, false] {
        let mut world = World::new(ASSISTANT, |_, _| says("ok"));
        if !edits {
            world = world.plain_channel();
        }
        let handle = world.start().await;
        deliver(&handle, message(1, "7", "in private")).await;
        handle.quiet().await;
        deliver(&handle, Inbound { chat: ChatKind::Group("Tea".into()), ..message(2, "8", "in a group") })
            .await;
        handle.quiet().await;
        assert_eq!((world.texts("7"), world.texts("8")), (vec!["ok".to_string()], vec!["ok".to_string()]));
        let sent = if edits { "…" } else { "ok" };
        assert_eq!(*world.channel.quotes.lock().unwrap(), [(sent.to_string(), "2".to_string())]);
    }
}

#[tokio::test]
async fn t30_who_answers_faster_than_people_do_is_not_heard_until_quiet() {
    let mut world = World::new(ASSISTANT, |_, _| says("ok"));
    world.limits.group_messages_per_minute_max = 3;
    let handle = world.start().await;
    let grouped = |number: usize, from: &str| Inbound {
        chat: ChatKind::Group("Tea".into()),
        ..message(number, from, "again")
    };
    for number in 1..=6 {
        deliver(&handle, grouped(number, "8")).await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("8").len(), 3);
    deliver(&handle, grouped(7, "9")).await;
    handle.quiet().await;
    assert_eq!(world.texts("9").len(), 1, "others are heard");
    let notices = handle.status().await.unwrap().notices;
    assert_eq!(notices.iter().filter(|notice| notice.contains("more than 3 messages a minute")).count(), 1);
    // Still talking is not quiet.
    world.clock.advance(40_000);
    deliver(&handle, grouped(8, "8")).await;
    world.clock.advance(40_000);
    deliver(&handle, grouped(9, "8")).await;
    handle.quiet().await;
    assert_eq!(world.texts("8").len(), 3);
    world.clock.advance(60_000);
    deliver(&handle, grouped(10, "8")).await;
    handle.quiet().await;
    assert_eq!(world.texts("8").len(), 4);
}
