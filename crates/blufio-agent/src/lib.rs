// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives programs durably: journal, step, perform, journal.
