// SPDX-License-Identifier: MIT OR Apache-2.0
//! The nouns everybody shares and the ports between the crates.
