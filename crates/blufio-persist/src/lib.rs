// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps sessions, journal, inbox, outbox and timers in one SQLite file.
