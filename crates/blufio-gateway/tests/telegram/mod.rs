// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Telegram channel, by direction.

mod faults;
mod outbound;
mod poll;
