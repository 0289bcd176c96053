// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs tools: built in now, scripts, components and MCP later.
