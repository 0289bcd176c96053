// SPDX-License-Identifier: MIT OR Apache-2.0
//! What sessions of other versions bring along (ruling 17). The program that they began with is not known here, so
//! nothing that it has kept or decided is trusted.

use super::arrows::Artist;
use super::cells::Role;
use super::graph::Graph;
use crate::typed::{Label, Migration};

impl Artist<'_, '_> {
    /// Sessions of other versions bring along what those programs have put there, of which this one knows nothing: the
    /// least trusted of all, and a secret where this program knows secrets. Elsewhere what may hold one does not come over,
    /// which only the move itself can see (`machine::migrate`).
    pub(super) fn other_versions(&mut self) {
        let program = self.flow.graph.program;
        let Some(migration) = program.migrations.first() else { return };
        let carried = self.cells.cell(Role::Memory);
        let has_secrets = program.tools.iter().any(|tool| tool.label == Some(Label::Secret));
        for label in Label::ALL.into_iter().filter(|label| *label != Label::Secret || has_secrets) {
            let source = self.cells.source(label, migration.span, "another version of this agent");
            self.cells.flow(source, carried, migration.span);
        }
        for (at, slot) in (0..).zip(&program.slots) {
            if program.migrations.iter().any(|migration| comes_over(migration, &slot.name)) {
                self.flow.values.carry(Some(at), carried);
            }
        }
        self.flow.values.carry(None, carried);
        self.cells.flow(carried, self.flow.values.wakes, migration.span);
        for state in 0..program.states.len() {
            let wait = Graph::wait(state);
            self.cells.flow(carried, self.flow.history(wait), migration.span);
            // Why the session stands in this state, that program has decided; at rest that is forgotten.
            if !self.flow.graph.is_hub[wait as usize] {
                self.cells.flow(carried, self.flow.control(wait), migration.span);
            }
        }
    }
}

/// Whether a slot of another version may become the one of this name.
fn comes_over(migration: &Migration, slot: &str) -> bool {
    let is_target = migration.moves.iter().any(|(_, new)| new == slot);
    let keeps_name =
        !migration.drops.iter().any(|old| old == slot) && !migration.moves.iter().any(|(old, _)| old == slot);
    is_target || keeps_name
}
