// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures and documents that a provider does not take, or not as many: a step is not lost because somebody sent one
//! earlier. Words stand in their place. What a transcript holds stays as it is.

use std::sync::Arc;

use blufio_core::model::{Block, Capabilities, ModelRequest, Role, Support, Turn};

/// Most bytes of pictures and documents in one request, in base64: the Messages API takes requests of 32 MB
/// (<https://platform.claude.com/docs/en/build-with-claude/pdf-support>), and the words of a prompt need room, too.
const REQUEST_BYTES_MAX: usize = 28 * 1024 * 1024;
/// Most pages in one request: models of the smallest window take no more.
pub(crate) const PAGES_MAX: u32 = 100;

/// The request as this provider takes it: without what it does not read, and without the oldest of what is too much for
/// one request. `None` where it is taken as it is.
pub fn taken(can: &Capabilities, request: &ModelRequest) -> Option<ModelRequest> {
    if !has_media(request) {
        return None;
    }
    let (mut bytes_left, mut pages_left) = (REQUEST_BYTES_MAX, PAGES_MAX);
    let mut room = |bytes: usize, pages: u32| {
        let left = (bytes_left.checked_sub(bytes), pages_left.checked_sub(pages));
        let (Some(bytes), Some(pages)) = left else {
            // Nothing older is shown instead.
            (bytes_left, pages_left) = (0, 0);
            return false;
        };
        (bytes_left, pages_left) = (bytes, pages);
        true
    };
    replaced(request, |block| match block {
        Block::Image { .. } if can.images == Support::Missing => Some("which this model cannot see"),
        Block::Document { .. } if can.documents == Support::Missing => Some("which this model cannot read"),
        Block::Image { data, .. } => (!room(data.len(), 0)).then_some("left out: too much came after it"),
        Block::Document { data, pages, .. } => {
            (!room(data.len(), *pages)).then_some("left out: too much came after it")
        }
        _ => None,
    })
}

/// Why a picture or document is not there that a provider refused.
const REFUSED: &str = "left out: the request was refused with it";

/// From which turn on pictures and documents are left out of a request that was refused: first what nobody has answered yet,
/// which no provider has read; then all. `None` where there is none.
pub(crate) fn refused_from(request: &ModelRequest) -> Option<usize> {
    let holds = |turns: &[Arc<Turn>]| turns.iter().flat_map(|turn| &turn.blocks).any(is_media);
    let answered = request.turns.iter().rposition(|turn| turn.role == Role::Assistant);
    let unread = answered.map_or(0, |at| at + 1);
    if holds(request.turns.get(unread..)?) {
        return Some(unread);
    }
    holds(&request.turns).then_some(0)
}

/// Turns without their pictures and documents, which a provider refused.
pub(crate) fn leave_out(turns: &mut [Arc<Turn>]) {
    for turn in turns.iter_mut().filter(|turn| turn.blocks.iter().any(is_media)) {
        for block in Arc::make_mut(turn).blocks.iter_mut().filter(|block| is_media(block)) {
            *block = Block::Text { text: words(block, REFUSED) };
        }
    }
}

/// The request without documents, which could cost more than is left; `None` where there is none.
pub(crate) fn without_documents(request: &ModelRequest) -> Option<ModelRequest> {
    replaced(request, |block| is_document(block).then_some("left out: it could cost more than is left"))
}

/// Whether there are pictures or documents in a request.
pub(crate) fn has_media(request: &ModelRequest) -> bool {
    request.turns.iter().flat_map(|turn| &turn.blocks).any(is_media)
}

/// Whether there are documents in a request.
pub(crate) fn has_documents(request: &ModelRequest) -> bool {
    request.turns.iter().flat_map(|turn| &turn.blocks).any(is_document)
}

fn is_media(block: &Block) -> bool {
    matches!(block, Block::Image { .. }) || is_document(block)
}

fn is_document(block: &Block) -> bool {
    matches!(block, Block::Document { .. })
}

fn words(block: &Block, why: &str) -> String {
    match block {
        Block::Document { name, .. } => format!("[the document {name}, {why}]"),
        _ => format!("[a picture, {why}]"),
    }
}

/// The request with words for what has a reason not to be there; the newest blocks are asked about first.
fn replaced(
    request: &ModelRequest,
    mut reason: impl FnMut(&Block) -> Option<&'static str>,
) -> Option<ModelRequest> {
    let mut places = Vec::new();
    for (turn, holder) in request.turns.iter().enumerate().rev() {
        for (at, block) in holder.blocks.iter().enumerate().rev() {
            places.extend(reason(block).map(|why| (turn, at, words(block, why))));
        }
    }
    if places.is_empty() {
        return None;
    }
    let mut request = request.clone();
    for (turn, at, text) in places {
        if let Some(block) =
            request.turns.get_mut(turn).and_then(|turn| Arc::make_mut(turn).blocks.get_mut(at))
        {
            *block = Block::Text { text };
        }
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, pages: u32, bytes: usize) -> Block {
        Block::Document {
            media_type: "application/pdf".into(),
            name: name.into(),
            pages,
            data: "A".repeat(bytes),
        }
    }

    fn asked(blocks: Vec<Block>) -> ModelRequest {
        let turn = |block| Turn { role: Role::User, blocks: vec![block], raw: None };
        ModelRequest {
            model: "m".into(),
            system: Vec::new(),
            tools: Vec::new(),
            turns: blocks.into_iter().map(turn).map(Arc::new).collect(),
            output_schema: None,
            output_tokens_max: 1,
            caches_static_for_an_hour: false,
        }
    }

    fn shown(request: &ModelRequest) -> Vec<String> {
        let word = |turn: &Arc<Turn>| match &turn.blocks[0] {
            Block::Text { text } => text.clone(),
            Block::Document { name, .. } => name.clone(),
            other => format!("{other:?}"),
        };
        request.turns.iter().map(word).collect()
    }

    #[test]
    fn the_oldest_give_way_where_a_request_would_be_too_large() {
        let can = Capabilities::full();
        let whole = asked(vec![document("a", 60, 1), document("b", 40, REQUEST_BYTES_MAX - 1)]);
        assert_eq!(taken(&can, &whole), None);
        let pages = asked(vec![document("a", 1, 1), document("b", 60, 1), document("c", 41, 1)]);
        let gone = |name: &str| format!("[the document {name}, left out: too much came after it]");
        assert_eq!(shown(&taken(&can, &pages).unwrap()), [gone("a"), gone("b"), "c".into()]);
        let bytes = asked(vec![document("a", 1, 2), document("b", 1, REQUEST_BYTES_MAX - 1)]);
        assert_eq!(shown(&taken(&can, &bytes).unwrap()), [gone("a"), "b".into()]);
    }

    #[test]
    fn what_is_not_read_takes_no_room() {
        let can = Capabilities { documents: Support::Missing, ..Capabilities::full() };
        let image = Block::Image { media_type: "image/png".into(), data: "A".repeat(REQUEST_BYTES_MAX) };
        let request = asked(vec![image.clone(), document("a", 100, REQUEST_BYTES_MAX)]);
        let plain = taken(&can, &request).unwrap();
        assert_eq!(plain.turns[0].blocks, [image]);
        assert_eq!(shown(&plain)[1], "[the document a, which this model cannot read]");
        assert_eq!(taken(&can, &asked(vec![Block::Text { text: "x".into() }])), None);
    }
}
