// SPDX-License-Identifier: MIT OR Apache-2.0
//! How large a picture is, from its header alone: what a model is charged for it follows from its width and height.

use crate::base64::byte_at;

/// Segments before a JPEG's size that are looked at: profiles and thumbnails come in pieces of 64 KB.
const SEGMENTS_MAX: usize = 512;

/// Width and height in pixels of a PNG, JPEG, GIF or WebP in base64; `None` where its header does not say.
pub fn size(data: &str) -> Option<(u32, u32)> {
    let file = File(data);
    let size = if file.has(0, b"\x89PNG\r\n\x1A\n") && file.has(12, b"IHDR") {
        (file.big(16, 4)?, file.big(20, 4)?)
    } else if file.has(0, b"GIF8") {
        (file.little(6, 2)?, file.little(8, 2)?)
    } else if file.has(0, b"RIFF") && file.has(8, b"WEBP") {
        webp(file)?
    } else if file.has(0, b"\xFF\xD8\xFF") {
        jpeg(file)?
    } else {
        return None;
    };
    (size.0 > 0 && size.1 > 0).then_some(size)
}

fn webp(file: File) -> Option<(u32, u32)> {
    const FOURTEEN_BITS: u32 = 0x3FFF;
    if file.has(12, b"VP8 ") && file.has(23, b"\x9D\x01\x2A") {
        Some((file.little(26, 2)? & FOURTEEN_BITS, file.little(28, 2)? & FOURTEEN_BITS))
    } else if file.has(12, b"VP8L") && file.has(20, b"\x2F") {
        let bits = file.little(21, 4)?;
        Some(((bits & FOURTEEN_BITS) + 1, (bits >> 14 & FOURTEEN_BITS) + 1))
    } else if file.has(12, b"VP8X") {
        Some((file.little(24, 3)? + 1, file.little(27, 3)? + 1))
    } else {
        None
    }
}

/// From segment to segment up to the one that begins the picture.
fn jpeg(file: File) -> Option<(u32, u32)> {
    let mut at = 2;
    for _ in 0..SEGMENTS_MAX {
        if !file.has(at, b"\xFF") {
            return None;
        }
        match byte_at(file.0, at + 1)? {
            // Filling before a marker.
            0xFF => at += 1,
            // Marks that stand alone.
            0x01 | 0xD0..=0xD7 => at += 2,
            // The picture's data or end: no size came.
            0xD9 | 0xDA => return None,
            0xC4 | 0xC8 | 0xCC => at += 2 + file.length(at)?,
            0xC0..=0xCF => return Some((file.big(at + 7, 2)?, file.big(at + 5, 2)?)),
            _ => at += 2 + file.length(at)?,
        }
    }
    None
}

#[derive(Clone, Copy)]
struct File<'a>(&'a str);

impl File<'_> {
    fn has(self, at: usize, expected: &[u8]) -> bool {
        expected.iter().enumerate().all(|(more, byte)| byte_at(self.0, at + more) == Some(*byte))
    }

    fn big(self, at: usize, bytes: usize) -> Option<u32> {
        (at..at + bytes).try_fold(0, |all, at| Some(all << 8 | u32::from(byte_at(self.0, at)?)))
    }

    fn little(self, at: usize, bytes: usize) -> Option<u32> {
        (at..at + bytes).rev().try_fold(0, |all, at| Some(all << 8 | u32::from(byte_at(self.0, at)?)))
    }

    /// Length of the segment whose marker stands here, its own two bytes included.
    fn length(self, at: usize) -> Option<usize> {
        usize::try_from(self.big(at + 2, 2)?).ok().filter(|length| *length >= 2)
    }
}

#[cfg(test)]
mod tests {
    use crate::base64::encode;

    use super::*;

    fn of(parts: &[&[u8]]) -> Option<(u32, u32)> {
        size(&encode(&parts.concat()))
    }

    #[test]
    fn the_header_of_each_kind_tells_the_size() {
        let png: [&[u8]; 2] = [b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR", b"\0\0\x05\0\0\0\x03\xC0\x08\x02\0\0\0"];
        assert_eq!(of(&png), Some((1_280, 960)));
        assert_eq!(of(&[b"GIF89a\x40\x01\xF0\0\xF7"]), Some((320, 240)));
        let thumbnail = [b"\xFF\xE1\x01\x02".as_slice(), &[7; 256]].concat();
        let jpeg: [&[u8]; 5] = [
            b"\xFF\xD8",
            &thumbnail,
            b"\xFF\xFF\xDB\0\x04ab",
            b"\xFF\xC2\0\x11\x08\x03\xC0\x05\0\x03",
            b"rest",
        ];
        assert_eq!(of(&jpeg), Some((1_280, 960)));
        let webp = |chunk: &[u8]| of(&[b"RIFF\0\0\0\0WEBP", chunk]);
        assert_eq!(webp(b"VP8 \0\0\0\0abc\x9D\x01\x2A\x80\x02\xE0\x01"), Some((640, 480)));
        assert_eq!(webp(b"VP8L\0\0\0\0\x2F\x7F\xC2\x77\0"), Some((640, 480)));
        assert_eq!(webp(b"VP8X\0\0\0\0\0\0\0\0\x7F\x02\0\xDF\x01\0"), Some((640, 480)));
    }

    #[test]
    fn what_is_cut_forged_or_endless_has_no_size() {
        let endless = [b"\xFF\xD8".as_slice(), &[0xFF; 4_000]].concat();
        let short: [&[u8]; 9] = [
            b"",
            b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0",
            b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\0\0\0\0\x01",
            b"GIF89a\x40",
            b"\xFF\xD8\xFF\xE0pixels",
            b"\xFF\xD8\xFF\xE0\0\x01",
            b"\xFF\xD8\xFF\xDA\0\x02",
            b"RIFF\0\0\0\0WEBPVP9 ",
            &endless,
        ];
        for bytes in short {
            assert_eq!(of(&[bytes]), None, "{bytes:?}");
        }
        assert_eq!(size("no base64"), None);
    }
}
