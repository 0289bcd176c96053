// SPDX-License-Identifier: MIT OR Apache-2.0
//! Model providers. A provider is one folder and one implementation of `blufio_core::model::ModelProvider`; what all of
//! them share is the transport, the loop that reads a stream, the event-stream parser, the limiter and the price table.

pub mod anthropic;
mod estimate;
mod fence;
mod http;
mod json;
pub mod limiter;
pub mod ollama;
pub mod openai;
pub mod prices;
pub mod sse;
pub mod stream;
mod transport;
mod vectors;
mod waits;

pub use http::ConfigError;
pub use transport::Times;
