// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a program may use and is told: tools, agents, schedules, events, with shapes in place of types.

use serde_json::{Map, Value as Json};

use super::Compiler;
use crate::program::{self, Ask, Event, Parameter, Schedule, Tool};
use crate::typed::{self, Expr, ExprKind, Trigger, Type, TypeId};

impl Compiler<'_> {
    pub(super) fn tools(&mut self) -> Vec<Tool> {
        let source = self.source;
        let mut out = Vec::with_capacity(source.tools.len());
        for tool in &source.tools {
            let parameters = tool
                .parameters
                .iter()
                .map(|parameter| Parameter {
                    name: parameter.name.clone(),
                    shape: self.shape(&parameter.ty, tool.span),
                    selects: parameter.selects,
                })
                .collect();
            let gives = match tool.gives {
                Type::Unknown => None,
                ref ty => Some(self.shape(ty, tool.span)),
            };
            out.push(Tool {
                tool: tool.tool.clone(),
                folder: tool.folder.clone(),
                to: tool.to.clone(),
                only: tool.only.clone(),
                rate: tool.rate,
                parameters,
                gives,
                effect: tool.effect,
                danger: tool.danger,
                label: tool.label,
            });
        }
        out
    }

    pub(super) fn asks(&mut self) -> Vec<Ask> {
        let source = self.source;
        let mut out = Vec::with_capacity(source.asks.len());
        for ask in &source.asks {
            out.push(Ask {
                agent: ask.agent.clone(),
                parameters: ask.parameters.iter().map(|(_, ty)| self.shape(ty, ask.span)).collect(),
                gives: self.shape(&ask.gives, ask.span),
                with: ask.with.clone(),
                calls_max: ask.calls_max,
            });
        }
        out
    }

    pub(super) fn schedules(&mut self) -> Vec<Schedule> {
        let source = self.source;
        let mut out = Vec::with_capacity(source.schedules.len());
        for schedule in &source.schedules {
            let when_changed = schedule
                .when_changed
                .iter()
                .map(|(grant, arguments)| {
                    let object: Map<String, Json> = arguments
                        .iter()
                        .filter_map(|(name, value)| Some((name.clone(), constant(value)?)))
                        .collect();
                    (*grant as u16, Json::Object(object).to_string())
                })
                .collect();
            out.push(Schedule {
                when: schedule.when,
                zone: schedule.zone.clone(),
                when_changed,
                state: schedule.state.map(|state| state.0 as u16),
            });
        }
        out
    }

    /// Every declared type that some handler waits for.
    pub(super) fn declared_events(&mut self) -> Vec<Event> {
        let source = self.source;
        let handlers = source.states.iter().flat_map(|state| &state.handlers).chain(&source.anywhere);
        let mut ids: Vec<TypeId> = Vec::new();
        for handler in handlers {
            if let Trigger::Declared(id) = handler.trigger
                && !ids.contains(&id)
            {
                ids.push(id);
            }
        }
        self.event_ids = ids.clone();
        let span = source.states.first().map(|state| state.span).unwrap_or_default();
        ids.into_iter()
            .filter_map(|id| {
                let name = source.types.get(id.0 as usize)?.name.clone();
                Some(Event { name, shape: self.shape(&Type::Named(id), span) })
            })
            .collect()
    }

    pub(super) fn trigger(&mut self, trigger: &Trigger) -> program::Trigger {
        match trigger {
            Trigger::Message => program::Trigger::Message,
            Trigger::Word(word) => program::Trigger::Word(word.clone()),
            Trigger::Failed => program::Trigger::Failed,
            Trigger::Uncertain => program::Trigger::Uncertain,
            Trigger::OverBudget => program::Trigger::OverBudget,
            Trigger::Wake => program::Trigger::Wake,
            Trigger::Declared(id) => {
                let at = self.event_ids.iter().position(|known| known == id).unwrap_or(0);
                program::Trigger::Declared(at as u16)
            }
            Trigger::Channel(word) => program::Trigger::Channel(word.clone()),
            Trigger::Every(at) => program::Trigger::Every(*at as u16),
        }
    }
}

/// A constant argument as JSON, in the forms that tools take.
fn constant(value: &Expr) -> Option<Json> {
    use crate::program::civil::{print_date, print_duration, print_time};
    Some(match &value.kind {
        ExprKind::Int(number) => Json::from(*number),
        ExprKind::Number(number) => Json::from(*number),
        ExprKind::YesNo(yes) => Json::from(*yes),
        ExprKind::Duration(ms) => Json::from(print_duration(*ms)),
        ExprKind::Time(minutes) => Json::from(print_time(*minutes)),
        ExprKind::Date(days) => Json::from(print_date(*days)),
        ExprKind::Text(parts) => {
            let literal = |part: &typed::TextPart| match part {
                typed::TextPart::Literal(text) => Some(text.clone()),
                typed::TextPart::Value(_) => None,
            };
            Json::from(parts.iter().map(literal).collect::<Option<String>>()?)
        }
        ExprKind::List(items) => Json::Array(items.iter().map(constant).collect::<Option<Vec<_>>>()?),
        ExprKind::ToOptional(inner) => return constant(inner),
        _ => return None,
    })
}
