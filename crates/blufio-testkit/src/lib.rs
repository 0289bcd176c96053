// SPDX-License-Identifier: MIT OR Apache-2.0
//! The outside world on loopback, for tests, benchmarks and the demo.
