// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets messages in and out.
