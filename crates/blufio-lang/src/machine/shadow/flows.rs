// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each instruction carries from where to where.

use super::{Shadow, scope_index, ways};
use crate::check::labels::places::Labels;
use crate::program::instruction::Instruction as I;
use crate::program::operand::Role;
use crate::program::{Program, Register};
use crate::source::Span;

impl Shadow {
    /// Carries labels; gives those of everything that was read.
    pub(super) fn flows(&mut self, program: &Program, instruction: I, wake_next: u64) -> Labels {
        let control = self.control();
        let mut registers = Vec::with_capacity(4);
        instruction.operands(|role| match role {
            Role::Scalar(at) => registers.push(Register::Scalar(at)),
            Role::Value(at) => registers.push(Register::Object(at)),
            _ => {}
        });
        let all = registers.iter().fold(Labels::default(), |all, register| all.union(self.held(*register)));
        match instruction {
            I::Join(to, first, count) | I::MakeRecord(to, first, count) | I::MakeList(to, first, count) => {
                let range = usize::from(first.0)..usize::from(first.0) + usize::from(count.0);
                let labels = self.objects[range].iter().fold(control, |all, one| all.union(*one));
                self.objects[usize::from(to.0)] = labels;
            }
            I::Append(..) | I::PutEntry(..) | I::MakeVariant(..) => {
                if let Some(place) = registers.first().and_then(|to| self.register(*to)) {
                    *place = all.union(control);
                }
            }
            I::Reply(_) => self.enters_history(all),
            I::Send(..)
            | I::Show(_)
            | I::Require(_)
            | I::CheckLength(..)
            | I::Each(_)
            | I::Await(_)
            | I::Gather() => {}
            I::Fork(site) => {
                let labels = self.effect_registers(program, site.0);
                self.forked.push(labels);
            }
            I::Remember(scope, _) => {
                let held = &mut self.world.memory[scope_index(scope)];
                *held = held.union(all).union(control);
            }
            I::ForgetMemory(scope) => {
                let held = &mut self.world.memory[scope_index(scope)];
                *held = held.union(control);
            }
            I::ForgetHistory() => self.world.history = control,
            I::SetWake(..) => {
                self.wakes.insert(wake_next, all.union(control));
            }
            I::ClearWakes() => {
                self.wakes.clear();
                self.wakes_cleared = self.wakes_cleared.union(control);
            }
            I::Wakes(to) => {
                let labels = self.wakes.values().fold(self.wakes_cleared, |all, one| all.union(*one));
                self.objects[usize::from(to.0)] = labels.union(control);
            }
            I::SetTimer(timer, _) => {
                self.timers.insert(u32::from(timer.0), all.union(control));
            }
            I::Done(_) | I::DoneEmpty() => self.gave = all.union(control),
            I::Jump(_) | I::Go(_) | I::End() => {}
            other if ways::target(other).is_some() => {}
            _ => {
                let Some((to, from)) = registers.split_first() else { return all };
                let labels = from.iter().fold(control, |all, one| all.union(self.held(*one)));
                if let Some(place) = self.register(*to) {
                    *place = labels;
                }
            }
        }
        all
    }

    /// What an instruction has read decides where it goes on, and whether it fails.
    pub(super) fn may_branch(&mut self, instruction: I, all: Labels, span: Span) {
        if let (Some(_), false, Some(at)) =
            (ways::target(instruction), matches!(instruction, I::Jump(_)), self.at)
        {
            self.branch_at(at, all, span);
        }
        if instruction.can_fail() {
            self.may_fail = all;
        }
    }
}
