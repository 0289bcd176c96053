// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures for a provider that takes none: a step is not lost because somebody sent one earlier.

use std::sync::Arc;

use blufio_core::model::{Block, ModelProvider, ModelRequest, Support};

/// What stands in the place of a picture.
const LEFT_OUT: &str = "[a picture, which this model cannot see]";

/// The request without its pictures, where the provider takes none and there are some.
pub(super) fn left_out(provider: &dyn ModelProvider, request: &ModelRequest) -> Option<ModelRequest> {
    let is_image = |block: &Block| matches!(block, Block::Image { .. });
    let has_images = || request.turns.iter().flat_map(|turn| &turn.blocks).any(is_image);
    if provider.capabilities().images != Support::Missing || !has_images() {
        return None;
    }
    let mut request = request.clone();
    let blocks = request.turns.iter_mut().flat_map(|turn| &mut Arc::make_mut(turn).blocks);
    for block in blocks.filter(|block| is_image(block)) {
        *block = Block::Text { text: LEFT_OUT.to_string() };
    }
    Some(request)
}
