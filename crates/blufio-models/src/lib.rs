// SPDX-License-Identifier: MIT OR Apache-2.0
//! Model providers. A provider is one folder and one implementation of `blufio_core::model::ModelProvider`.

pub mod anthropic;
mod http;
pub mod limiter;
pub mod prices;
