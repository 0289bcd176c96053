// SPDX-License-Identifier: MIT OR Apache-2.0
//! The nouns everybody shares and the ports (traits) between the crates. Nothing here knows SQLite, HTTP, a
//! channel, a model provider or the language.

pub mod base64;
pub mod channel;
pub mod clock;
pub mod files;
pub mod message;
pub mod model;
pub mod pairing;
pub mod picture;
pub mod retry;
pub mod secret;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;
pub mod tool;
pub mod webhook;

use std::future::Future;
use std::pin::Pin;

/// A boxed future, so that ports stay usable as trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
