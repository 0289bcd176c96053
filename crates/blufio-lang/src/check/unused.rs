// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parts of an agent's policies that nothing in it uses. What a `shared` file declares may be for others.

use super::report::unused_policy::report;
use crate::ast::{Item, ItemKind, ModelDeclKind};
use crate::diagnostic::Diagnostics;
use crate::typed::Program;

/// Warns of them; `items` are those of the agent's own file.
pub(super) fn check(program: &Program, items: &[Item], diagnostics: &mut Diagnostics) {
    let budget = &program.budget;
    let scopes = [&budget.message, &budget.heartbeat, &budget.day, &budget.month];
    if scopes.iter().any(|limits| limits.money.is_some()) {
        return;
    }
    for item in items {
        let ItemKind::Models(models) = &item.kind else { continue };
        for model in models {
            if let ModelDeclKind::ByComplexity { step_down: Some((percent, _)), .. } = &model.kind {
                diagnostics.push(report("`when budget under`", "no budget is in money", percent.span));
            }
        }
    }
}
