// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets messages in and out. Each channel is a module that implements `blufio_core::channel::Channel`; what others post
//! comes in through `webhook`.

pub mod telegram;
pub mod webhook;
