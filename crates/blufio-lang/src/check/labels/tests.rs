// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small programs, each with one way for a label to travel.
