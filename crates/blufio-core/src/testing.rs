// SPDX-License-Identifier: MIT OR Apache-2.0
//! In-memory fakes beside the traits.
