// SPDX-License-Identifier: MIT OR Apache-2.0
//! Photos: from a handle to bytes, and only if they are what they claim to be.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use super::Telegram;
use super::client::CallError;
use super::inbound::PHOTO_BYTES_MAX;
use super::wire::File;

const FETCH_DEADLINE: Duration = Duration::from_secs(60);

/// Why a photo could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// It may work later.
    #[error("the photo could not be fetched: {0}")]
    Unavailable(String),
    /// It will never work.
    #[error("the photo is refused: {0}")]
    Refused(String),
}

impl From<CallError> for FetchError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { .. } => Self::Refused(error.words()),
            _ => Self::Unavailable(error.words()),
        }
    }
}

#[derive(Serialize)]
struct GetFile<'a> {
    file_id: &'a str,
}

impl Telegram {
    /// The bytes of a photo that came as an attachment: JPEG, PNG, GIF or WebP, at most 5 MiB. Call it only for
    /// senders that are authorised.
    ///
    /// # Errors
    /// When Telegram does not give it, or gives something else.
    pub async fn fetch(&self, handle: &str) -> Result<Vec<u8>, FetchError> {
        // A path is good for an hour, so it is asked for each time.
        let result = self.sending.call("getFile", &GetFile { file_id: handle }, FETCH_DEADLINE).await?;
        let file: File = serde_json::from_str(result.get())
            .map_err(|_| FetchError::Unavailable("the answer names no file".to_string()))?;
        if file.file_size.is_some_and(|bytes| bytes > PHOTO_BYTES_MAX) {
            return Err(FetchError::Refused("it is larger than 5 MiB".to_string()));
        }
        let path =
            file.file_path.ok_or_else(|| FetchError::Refused("it has no path to download".to_string()))?;
        if !is_harmless(&path) {
            return Err(FetchError::Refused("its path leads out of the bot's files".to_string()));
        }
        let bytes_max = usize::try_from(PHOTO_BYTES_MAX).unwrap_or(usize::MAX);
        let bytes = self.sending.download(&path, bytes_max, FETCH_DEADLINE).await?;
        if is_picture(&bytes) {
            Ok(bytes)
        } else {
            Err(FetchError::Refused("it is no JPEG, PNG, GIF or WebP".to_string()))
        }
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

fn is_picture(bytes: &[u8]) -> bool {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    is_webp
        || [&b"\xFF\xD8\xFF"[..], b"\x89PNG\r\n\x1A\n", b"GIF87a", b"GIF89a"]
            .iter()
            .any(|start| bytes.starts_with(start))
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

    #[test]
    fn t42_only_pictures_pass() {
        assert!(is_picture(b"\xFF\xD8\xFF\xE0rest") && is_picture(b"RIFF\0\0\0\0WEBPVP8 "));
        for bad in
            [&b""[..], b"<svg xmlns=", b"<!doctype html>", b"\xFF\xD8", b"RIFF\0\0\0\0WAVE", b"PK\x03\x04"]
        {
            assert!(!is_picture(bad));
        }
    }
}
