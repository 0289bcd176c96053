// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes with a message: images are downloaded once, before the first step that can see the message, and enter
//! the transcript with it; everything else is named in a line. What is in the transcript is never downloaded again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use blufio_core::channel::{Channel, SendError};
use blufio_core::message::{Attachment, Inbound};
use blufio_core::model::Block;
use tokio::task::JoinSet;

use crate::shared::Shared;

/// Images of one message that are downloaded; further ones are named.
const IMAGES_MAX: usize = 4;
/// Largest image, bytes: models take no larger ones.
const IMAGE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// Downloads of one image that are tried.
const ATTEMPTS_MAX: u32 = 3;
/// First wait between two tries, milliseconds; it doubles.
const BACKOFF_MS: u64 = 500;
/// Media types that models read.
const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Downloads of a session's messages. Dropping it ends the one under way.
#[derive(Default)]
pub(crate) struct Attachments {
    /// By inbox row: one block for each attachment, in order.
    read: HashMap<i64, Vec<Block>>,
    under_way: Option<(i64, JoinSet<Vec<Block>>)>,
}

impl Attachments {
    /// Whether a message may be shown to a model as it is now.
    pub fn is_ready(&self, row: i64, message: &Inbound) -> bool {
        self.read.contains_key(&row) || !message.attachments.iter().any(is_image)
    }

    /// Starts to download; one message at a time.
    pub fn begin(&mut self, shared: &Arc<Shared>, row: i64, message: &Inbound) {
        if self.under_way.is_some() {
            return;
        }
        let mut task = JoinSet::new();
        task.spawn(read(Arc::clone(shared), message.clone()));
        self.under_way = Some((row, task));
    }

    /// What came with a message is not what was read.
    pub fn forget(&mut self, row: i64) {
        self.read.remove(&row);
        if self.under_way.as_ref().is_some_and(|(known, _)| *known == row) {
            self.under_way = None;
        }
    }

    /// Whether a download is under way.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Completes when the download under way ends; never when there is none.
    pub async fn ready(&mut self) {
        let Some((row, task)) = &mut self.under_way else { return std::future::pending().await };
        // A task that died read nothing: the message goes on with its attachments named.
        let blocks = task.join_next().await.and_then(Result::ok).unwrap_or_default();
        self.read.insert(*row, blocks);
        self.under_way = None;
    }

    /// The blocks of a message's attachments; they are the transcript's from here on.
    pub fn take(&mut self, row: i64, message: &Inbound) -> Vec<Block> {
        let mut read = self.read.remove(&row).unwrap_or_default();
        for attachment in message.attachments.iter().skip(read.len()) {
            read.push(line(attachment, "not read"));
        }
        read
    }
}

fn is_image(attachment: &Attachment) -> bool {
    IMAGE_TYPES.contains(&attachment.media_type.as_str())
}

async fn read(shared: Arc<Shared>, message: Inbound) -> Vec<Block> {
    let deadline = shared.clock.sleep(Duration::from_millis(shared.limits.attachments_timeout_ms));
    let mut deadline = std::pin::pin!(deadline);
    let mut is_late = false;
    let mut images = 0;
    let mut blocks = Vec::with_capacity(message.attachments.len());
    for attachment in &message.attachments {
        if !is_image(attachment) {
            blocks.push(line(attachment, "not read"));
        } else if images >= IMAGES_MAX {
            blocks.push(line(attachment, &format!("not read, at most {IMAGES_MAX} images of a message are")));
        } else if is_late {
            blocks.push(line(attachment, "not read: no answer in time"));
        } else {
            images += 1;
            let Some(channel) = shared.channel(&message.address) else {
                blocks.push(line(attachment, "not read: its channel is gone"));
                continue;
            };
            blocks.push(tokio::select! {
                block = image(&shared, &*channel, attachment) => block,
                () = &mut deadline => {
                    is_late = true;
                    line(attachment, "not read: no answer in time")
                }
            });
        }
    }
    blocks
}

async fn image(shared: &Shared, channel: &dyn Channel, attachment: &Attachment) -> Block {
    let unread = |why: &str| line(attachment, &format!("not read: {why}"));
    if attachment.bytes.is_some_and(|bytes| bytes > IMAGE_BYTES_MAX) {
        return unread("larger than 5 MB");
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match channel.fetch(attachment, IMAGE_BYTES_MAX).await {
            Ok(bytes) => {
                // The name that a sender gives proves nothing, and a provider refuses what is not what it says.
                let Some(media_type) = picture(&bytes) else { return unread("no JPEG, PNG, GIF or WebP") };
                return Block::Image { media_type: media_type.to_string(), data: base64(&bytes) };
            }
            Err(error) => error,
        };
        tracing::warn!(%error, attempt, "an attachment was not downloaded");
        let wait_ms = match &error {
            SendError::Permanent { .. } | SendError::CannotEdit { .. } => return unread("refused"),
            _ if attempt >= ATTEMPTS_MAX => return unread("it could not be downloaded"),
            SendError::RateLimited { retry_after_ms, .. } => *retry_after_ms,
            SendError::NotSent { .. } | SendError::Ambiguous { .. } => BACKOFF_MS << (attempt - 1),
        };
        shared.clock.sleep(Duration::from_millis(wait_ms)).await;
    }
}

/// `[file: name.pdf, application/pdf, 12 KB: not read]`
fn line(attachment: &Attachment, fate: &str) -> Block {
    let name = attachment.name.as_deref().unwrap_or("image");
    // The sender chose the name: it must not end the line.
    let name: String =
        name.chars().filter(|c| !c.is_control() && !matches!(c, '[' | ']')).take(100).collect();
    let size = match attachment.bytes {
        Some(bytes) if bytes < 1_000 => format!(", {bytes} bytes"),
        Some(bytes) => format!(", {} KB", bytes.div_ceil(1_000)),
        None => String::new(),
    };
    Block::Text { text: format!("[file: {name}, {}{size}: {fate}]", attachment.media_type) }
}

/// What the first bytes say that it is.
fn picture(bytes: &[u8]) -> Option<&'static str> {
    let starts = |start: &[u8]| bytes.starts_with(start);
    if starts(b"\xFF\xD8\xFF") {
        Some("image/jpeg")
    } else if starts(b"\x89PNG\r\n\x1A\n") {
        Some("image/png")
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Some("image/gif")
    } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4_usize {
            let six = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            let digit = ALPHABET.get(six).map_or('=', |digit| char::from(*digit));
            text.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xBF]), "+/+/");
    }

    #[test]
    fn t42_only_pictures_pass() {
        assert_eq!(picture(b"\xFF\xD8\xFF\xE0rest"), Some("image/jpeg"));
        assert_eq!(picture(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        for bad in
            [&b""[..], b"<svg xmlns=", b"<!doctype html>", b"\xFF\xD8", b"RIFF\0\0\0\0WAVE", b"PK\x03\x04"]
        {
            assert_eq!(picture(bad), None);
        }
    }

    #[test]
    fn a_name_cannot_end_its_line() {
        let name = Some("a]\n[b".to_string());
        let file = Attachment {
            media_type: "application/pdf".into(),
            handle: "h".into(),
            bytes: Some(11_500),
            name,
        };
        let text = "[file: ab, application/pdf, 12 KB: not read]".to_string();
        assert_eq!(line(&file, "not read"), Block::Text { text });
    }
}
