// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be known of a PDF without unpacking it: that it is one, that nobody locked it, and how many pages it has at
//! the most. One pass over its bytes; what lies within its streams is passed over.
//!
//! Pages are the larger of two numbers: the page objects that are seen, and what the root of the pages (or the hint for
//! fast viewing on the web) says. Newer files may keep both within compressed streams. Then there are at most as many
//! pages as streams that say nothing of what they are, for that is how the contents of pages look: too many rather than
//! too few. Somebody who forges a file can have fewer pages counted than there are; caps on money do not depend on it.

/// How far from the end its end mark stands; readers look no further.
const END_BYTES: usize = 1_024;
/// Longest name and number that mean something here.
const WORD_BYTES_MAX: usize = 32;

/// The number of pages of a file that a model may read, at least one; otherwise why it is not read.
pub(super) fn pages(file: &[u8], pages_max: u32) -> Result<u32, String> {
    if !file.starts_with(b"%PDF-") {
        return Err("no PDF".to_string());
    }
    let end = file.len().saturating_sub(END_BYTES);
    if find(file, end, b"%%EOF").is_none() {
        return Err("it is cut off or broken".to_string());
    }
    let found = Found::of(file);
    if found.is_encrypted {
        return Err("encrypted".to_string());
    }
    if found.told.max(found.seen) > pages_max {
        return Err(format!("more than {pages_max} pages"));
    }
    let unseen = if found.told == 0 && found.packs_objects { found.nameless_streams } else { 0 };
    Ok(found.told.max(found.seen).max(unseen).clamp(1, pages_max))
}

/// What one pass finds.
#[derive(Default)]
struct Found {
    is_encrypted: bool,
    /// Page objects.
    seen: u32,
    /// The largest number of pages that the file tells of itself.
    told: u32,
    /// Whether objects are kept within streams.
    packs_objects: bool,
    /// Streams that do not say what they are.
    nameless_streams: u32,
}

/// What is known of the object that is read.
#[derive(Default)]
struct Object {
    is_page_tree: bool,
    is_hint: bool,
    says_what_it_is: bool,
    count: u32,
    pages: u32,
}

impl Found {
    fn of(file: &[u8]) -> Self {
        let (mut found, mut object, mut at) = (Self::default(), Object::default(), 0);
        while let Some(byte) = file.get(at) {
            let rest = file.get(at..).unwrap_or_default();
            match byte {
                b'/' => {
                    let name = word(rest.get(1..).unwrap_or_default());
                    at += 1 + name.len();
                    found.name(&mut object, name, file.get(at..).unwrap_or_default());
                    continue;
                }
                b'e' if rest.starts_with(b"endobj") => found.close(&mut object),
                b's' if rest.starts_with(b"stream\n") || rest.starts_with(b"stream\r") => {
                    found.nameless_streams += u32::from(!object.says_what_it_is);
                    found.close(&mut object);
                    let Some(end) = find(file, at, b"endstream") else { break };
                    at = end + b"endstream".len();
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        found.close(&mut object);
        found
    }

    fn name(&mut self, object: &mut Object, name: &[u8], behind: &[u8]) {
        let value = trimmed(behind);
        match name {
            b"Type" => {
                object.says_what_it_is = true;
                match value.strip_prefix(b"/").map(word) {
                    Some(b"Page") => self.seen = self.seen.saturating_add(1),
                    Some(b"Pages") => object.is_page_tree = true,
                    Some(b"ObjStm") => self.packs_objects = true,
                    _ => {}
                }
            }
            // Pictures, forms and fonts.
            b"Subtype" | b"Length1" => object.says_what_it_is = true,
            b"Linearized" => object.is_hint = true,
            b"Count" => object.count = number(value),
            b"N" => object.pages = number(value),
            // A dictionary, or a reference to one.
            b"Encrypt" => {
                self.is_encrypted |= value.first().is_some_and(|b| *b == b'<' || b.is_ascii_digit())
            }
            _ => {}
        }
    }

    fn close(&mut self, object: &mut Object) {
        let Object { is_page_tree, is_hint, count, pages, .. } = std::mem::take(object);
        let told = if is_page_tree { count } else { 0 };
        self.told = self.told.max(told).max(if is_hint { pages } else { 0 });
    }
}

/// The letters and digits at the beginning.
fn word(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().take(WORD_BYTES_MAX).position(|byte| !byte.is_ascii_alphanumeric());
    bytes.get(..end.unwrap_or(WORD_BYTES_MAX.min(bytes.len()))).unwrap_or_default()
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let blanks =
        bytes.iter().take(WORD_BYTES_MAX).take_while(|byte| byte.is_ascii_whitespace() || **byte == 0);
    bytes.get(blanks.count()..).unwrap_or_default()
}

/// The number at the beginning, 0 where there is none; what is too large for one is the largest.
fn number(bytes: &[u8]) -> u32 {
    let digits = bytes.iter().take(WORD_BYTES_MAX).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_u32, |all, digit| all.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let found = bytes.get(from..)?.windows(what.len()).position(|window| window == what)?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(parts: &[&str]) -> Vec<u8> {
        format!("%PDF-1.7\n{}\ntrailer << /Root 1 0 R >>\n%%EOF\n", parts.join("\n")).into_bytes()
    }

    fn of(parts: &[&str]) -> Result<u32, String> {
        pages(&file(parts), 100)
    }

    const PAGE: &str = "4 0 obj << /Type /Page /Parent 2 0 R >> endobj";
    const PACKED: &str = "9 0 obj << /Type /ObjStm /N 200 /First 9 >> stream\n/Type /Page\nendstream endobj";

    #[test]
    fn pages_are_seen_or_told_whichever_is_more() {
        assert_eq!(of(&["2 0 obj << /Type /Pages /Count 3 >> endobj", PAGE]), Ok(3));
        assert_eq!(of(&["2 0 obj<</Count 1/Type/Pages>>endobj", PAGE, PAGE]), Ok(2));
        assert_eq!(of(&["1 0 obj << /Linearized 1 /N 12 /T 9 >> endobj", PAGE, PACKED]), Ok(12));
        assert_eq!(of(&["8 0 obj << /Type /Outlines /Count 77 >> endobj", PAGE]), Ok(1), "bookmarks");
        assert_eq!(
            of(&["4 0 obj << /Type\n\t/Page>> endobj", "<< /Type /PageLabels /Typed /Page >>"]),
            Ok(1)
        );
        assert_eq!(of(&["5 0 obj << /Length 9 >> stream\r\n/Type /Page /Type /Page\nendstream"]), Ok(1));
        assert_eq!(of(&["2 0 obj << /Type /Pages /Count -3 >> endobj"]), Ok(1));
    }

    #[test]
    fn packed_pages_are_as_many_as_streams_without_a_name_at_the_most() {
        let content = "7 0 obj << /Length 3 /Filter /FlateDecode >> stream\nabc\nendstream endobj";
        let image = "8 0 obj << /Type /XObject /Subtype /Image >> stream\nabc\nendstream endobj";
        let font = "8 0 obj << /Length1 3 >> stream\nabc\nendstream endobj";
        assert_eq!(of(&[PACKED, content, content, content, image, font]), Ok(3));
        assert_eq!(of(&[content, content, content, PAGE]), Ok(1), "nothing is packed");
        assert_eq!(of(&[PACKED, &content.repeat(150)]), Ok(100), "no reason to refuse it");
        assert_eq!(of(&["2 0 obj << /Type /Pages /Count 2 >> endobj", PACKED, &content.repeat(9)]), Ok(2));
    }

    #[test]
    fn t42_what_is_no_pdf_or_cannot_be_read_is_not() {
        for other in
            [&b""[..], b"PK\x03\x04 %PDF-1.7 %%EOF", b"<svg>%PDF-1.7 %%EOF", b"GIF89a", b"\n%PDF-1.7 %%EOF"]
        {
            assert_eq!(pages(other, 100), Err("no PDF".to_string()));
        }
        let cut = Err("it is cut off or broken".to_string());
        assert_eq!(pages(b"%PDF-1.7\n1 0 obj", 100), cut);
        let zip = [file(&[PAGE]), b"PK\x03\x04".repeat(1_000)].concat();
        assert_eq!(pages(&zip, 100), cut, "something else hangs behind it");
        for locked in ["trailer << /Encrypt 9 0 R >>", "<</Encrypt<</Filter/Standard>>>>"] {
            assert_eq!(of(&[PAGE, locked]), Err("encrypted".to_string()));
        }
        assert_eq!(of(&[PAGE, "<< /EncryptMetadata false >> (/Encrypt is a word)"]), Ok(1));
        assert_eq!(of(&[&PAGE.repeat(100)]), Ok(100));
        let many = Err("more than 100 pages".to_string());
        assert_eq!(of(&["2 0 obj << /Type /Pages /Count 101 >> endobj"]), many);
        assert_eq!(of(&[&PAGE.repeat(101)]), many);
        assert_eq!(of(&["2 0 obj << /Type /Pages /Count 99999999999999999999 >> endobj"]), many);
    }

    #[test]
    fn a_file_that_never_ends_its_streams_is_read_once() {
        let endless = format!("%PDF-1.7\n{}%%EOF", "stream\n".repeat(200_000));
        assert_eq!(pages(endless.as_bytes(), 100), Ok(1));
    }

    proptest! {
        #[test]
        fn no_page_that_is_seen_is_forgotten(before in "[ -~\n]{0,80}", count in 1_u32..90, told in 0_u32..90) {
            let before = before.replace('/', " ").replace("stream", " ");
            let tree = format!("2 0 obj << /Type /Pages /Count {told} >> endobj");
            let found = of(&[&before, &tree, &PAGE.repeat(count as usize)]);
            prop_assert_eq!(found, Ok(count.max(told)));
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let whole = [b"%PDF-".as_slice(), &bytes, b"%%EOF"].concat();
            prop_assert!(pages(&whole, 100).is_err_and(|why| !why.is_empty()) || (1..=100).contains(&pages(&whole, 100).unwrap()));
        }
    }
}
