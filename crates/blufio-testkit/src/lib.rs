// SPDX-License-Identifier: MIT OR Apache-2.0
//! The outside world on loopback: an emulated Telegram Bot API and emulated model servers of Anthropic, of OpenAI and
//! those who speak as it does, and of Ollama. For tests, benchmarks and `blufio demo`; nothing else may depend on this
//! crate.

pub mod anthropic;
pub mod ollama;
pub mod openai;
pub mod scripted;
pub mod telegram;

mod schema;
mod server;
