// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes with a message: images, PDFs and files of text are downloaded once, before the first step that can see the
//! message, and enter the transcript with it; everything else is named in a line. What is in the transcript is never
//! downloaded again.

mod pdf;
mod read;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use blufio_core::channel::{Channel, SendError};
use blufio_core::message::{Attachment, Inbound};
use blufio_core::model::Block;
use tokio::task::JoinSet;

use self::read::Kind;
use crate::hygiene::outside;
use crate::shared::Shared;

/// Images of one message that are downloaded; further ones are named.
const IMAGES_MAX: usize = 4;
/// Documents and files of text of one message that are downloaded; further ones are named.
const DOCUMENTS_MAX: usize = 5;
/// Downloads of one file that are tried.
const ATTEMPTS_MAX: u32 = 3;
/// First wait between two tries, milliseconds; it doubles.
const BACKOFF_MS: u64 = 500;

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
        self.read.contains_key(&row) || !message.attachments.iter().any(|file| Kind::of(file).is_some())
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

async fn read(shared: Arc<Shared>, message: Inbound) -> Vec<Block> {
    let deadline = shared.clock.sleep(Duration::from_millis(shared.limits.attachments_timeout_ms));
    let mut deadline = std::pin::pin!(deadline);
    let mut is_late = false;
    let (mut images, mut documents) = (0, 0);
    let mut blocks = Vec::with_capacity(message.attachments.len());
    for attachment in &message.attachments {
        let Some(kind) = Kind::of(attachment) else {
            blocks.push(line(attachment, "not read"));
            continue;
        };
        let (read, most, what) = match kind {
            Kind::Image => (&mut images, IMAGES_MAX, "images"),
            Kind::Pdf | Kind::Text => (&mut documents, DOCUMENTS_MAX, "documents"),
        };
        if *read >= most {
            blocks.push(line(attachment, &format!("not read, at most {most} {what} of a message are")));
            continue;
        }
        if is_late {
            blocks.push(line(attachment, "not read: no answer in time"));
            continue;
        }
        *read += 1;
        let Some(channel) = shared.channel(&message.address) else {
            blocks.push(line(attachment, "not read: its channel is gone"));
            continue;
        };
        blocks.push(tokio::select! {
            read = file(&shared, &*channel, attachment, kind) => {
                read.unwrap_or_else(|why| line(attachment, &format!("not read: {why}")))
            }
            () = &mut deadline => {
                is_late = true;
                line(attachment, "not read: no answer in time")
            }
        });
    }
    blocks
}

/// Downloads a file and reads it; otherwise why not.
async fn file(
    shared: &Shared,
    channel: &dyn Channel,
    attachment: &Attachment,
    kind: Kind,
) -> Result<Block, String> {
    let bytes_max = kind.bytes_max();
    if attachment.bytes.is_some_and(|bytes| bytes > bytes_max) {
        let tenths = bytes_max / 100_000;
        return Err(format!("larger than {}.{} MB", tenths / 10, tenths % 10));
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match channel.fetch(attachment, bytes_max).await {
            Ok(bytes) => return kind.read(attachment, &bytes),
            Err(error) => error,
        };
        tracing::warn!(%error, attempt, "an attachment was not downloaded");
        let wait_ms = match &error {
            SendError::Permanent { .. } | SendError::CannotEdit { .. } => return Err("refused".to_string()),
            _ if attempt >= ATTEMPTS_MAX => return Err("it could not be downloaded".to_string()),
            SendError::RateLimited { retry_after_ms, .. } => *retry_after_ms,
            SendError::NotSent { .. } | SendError::Ambiguous { .. } => BACKOFF_MS << (attempt - 1),
        };
        shared.clock.sleep(Duration::from_millis(wait_ms)).await;
    }
}

/// `[file: name.pdf, application/pdf, 12 KB: not read]`
fn line(attachment: &Attachment, fate: &str) -> Block {
    let name = read::shown_name(attachment, "image");
    let size = match attachment.bytes {
        Some(bytes) if bytes < 1_000 => format!(", {bytes} bytes"),
        Some(bytes) => format!(", {} KB", bytes.div_ceil(1_000)),
        None => String::new(),
    };
    let media_type = outside(&attachment.media_type);
    Block::Text { text: format!("[file: {name}, {media_type}{size}: {fate}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
