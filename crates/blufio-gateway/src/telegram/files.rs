// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that came with messages: from a handle to bytes.

use std::time::Duration;

use blufio_core::channel::SendError;
use serde::Serialize;

use super::Telegram;
use super::client::CallError;
use super::wire::File;

const FETCH: &str = "getFile";
const FETCH_DEADLINE: Duration = Duration::from_secs(60);
/// The Bot API gives no larger files, bytes.
const FILE_BYTES_MAX: u64 = 20 * 1024 * 1024;

#[derive(Serialize)]
struct GetFile<'a> {
    file_id: &'a str,
}

fn refused(reason: impl Into<String>) -> SendError {
    SendError::Permanent { method: FETCH, reason: reason.into() }
}

/// Fetching changes nothing, so every failure that is not for good may be tried again.
fn failed(error: CallError) -> SendError {
    match error {
        CallError::Refused { .. } => refused(error.words()),
        CallError::RateLimited { retry_after_ms } => SendError::RateLimited { method: FETCH, retry_after_ms },
        CallError::NotSent(reason) | CallError::NoAnswer { reason, .. } => {
            SendError::NotSent { method: FETCH, reason }
        }
    }
}

impl Telegram {
    /// The bytes of a file; whoever asks has checked that its sender is authorised.
    pub(crate) async fn fetch_file(&self, handle: &str, bytes_max: u64) -> Result<Vec<u8>, SendError> {
        let bytes_max = bytes_max.min(FILE_BYTES_MAX);
        // A path is good for an hour, so it is asked for each time.
        let result =
            self.sending.call(FETCH, &GetFile { file_id: handle }, FETCH_DEADLINE).await.map_err(failed)?;
        let unreadable = |_| SendError::NotSent { method: FETCH, reason: "the answer names no file".into() };
        let file: File = serde_json::from_str(result.get()).map_err(unreadable)?;
        if file.file_size.is_some_and(|bytes| bytes > bytes_max) {
            return Err(refused(format!("it is larger than {bytes_max} bytes")));
        }
        let path = file.file_path.ok_or_else(|| refused("it has no path to download"))?;
        if !is_harmless(&path) {
            return Err(refused("its path leads out of the bot's files"));
        }
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        self.sending.download(&path, bytes_max, FETCH_DEADLINE).await.map_err(failed)
    }
}

/// Paths as Telegram gives them: `photos/file_12.jpg`.
fn is_harmless(path: &str) -> bool {
    let is_name = |part: &str| {
        let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        plain && !part.is_empty() && part != "." && part != ".."
    };
    path.len() <= 256 && path.split('/').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t42_paths_stay_inside() {
        for good in ["photos/file_1.jpg", "documents/a-b/file.1.png", "file"] {
            assert!(is_harmless(good), "{good}");
        }
        for bad in [
            "../../x",
            "photos/../../etc/passwd",
            "/etc/passwd",
            "https://evil/x",
            "photos//x",
            "a\\b",
            "a%2e%2e/b",
            "a?b",
            "a#b",
            "",
            ".",
            "a/..",
            "a\0b",
        ] {
            assert!(!is_harmless(bad), "{bad}");
        }
    }
}
