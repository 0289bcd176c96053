// SPDX-License-Identifier: MIT OR Apache-2.0
//! Schedules.

use std::sync::Arc;

use crate::shared::Shared;

pub(crate) async fn run(_shared: Arc<Shared>) {}
