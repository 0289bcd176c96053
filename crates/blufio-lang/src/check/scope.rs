// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names while one agent is checked: the checker's state, locals and their scopes, and "not supported yet".

use std::collections::{BTreeMap, HashMap};

use super::folder::FolderNames;
use super::{Construct, Environment, report};
use crate::ast;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;
use crate::typed::{
    self, Expr, ExprKind, ModelId, StateId, Step, StepKind, Type, TypeDef, TypeId, Variable, VariableDef,
};

/// State of the check of one agent.
pub(super) struct Checker<'a> {
    pub environment: &'a Environment,
    pub folder: &'a FolderNames<'a>,
    pub diagnostics: &'a mut Diagnostics,
    pub types: Vec<TypeDef>,
    pub type_ids: HashMap<String, TypeId>,
    pub models: Vec<typed::Model>,
    pub model_ids: HashMap<String, ModelId>,
    pub slots: Vec<VariableDef>,
    pub slot_ids: HashMap<String, u32>,
    pub states: HashMap<String, StateId>,
    /// Granted tools by name, with their place in `tools` when the manifest is known.
    pub grants: HashMap<String, Option<u32>>,
    pub tools: Vec<typed::ToolGrant>,
    /// Agents that may be asked by name, with their place in `asks`.
    pub ask_ids: HashMap<String, u32>,
    pub asks: Vec<typed::AgentGrant>,
    /// What wakes carry: unknown until the first `wake … with`.
    pub wake: Option<Type>,
    /// Prefix under which the types of a manifest are found while its types are resolved.
    pub family: Option<String>,
    /// Whether the type that wakes carry was read before it was known.
    pub guessed_wake: bool,
    pub schedules: Vec<typed::Schedule>,
    pub zone: Option<String>,
    /// Index of the state being checked; none in `anywhere`.
    pub current: Option<StateId>,
    pub gives: Option<Type>,
    pub has_history: bool,
    /// Locals of the state (or of `anywhere`) being checked.
    pub locals: Vec<VariableDef>,
    scopes: Vec<HashMap<String, u32>>,
    /// Construct → places where it is used though it does not run yet.
    not_yet: BTreeMap<String, Vec<Span>>,
    /// Whether a declaration was lost, so that an unknown name proves nothing.
    pub recovered: bool,
}

impl<'a> Checker<'a> {
    pub fn new(
        environment: &'a Environment,
        folder: &'a FolderNames<'a>,
        diagnostics: &'a mut Diagnostics,
        recovered: bool,
    ) -> Self {
        Self {
            environment,
            folder,
            diagnostics,
            types: Vec::new(),
            type_ids: HashMap::new(),
            models: Vec::new(),
            model_ids: HashMap::new(),
            slots: Vec::new(),
            slot_ids: HashMap::new(),
            states: HashMap::new(),
            grants: HashMap::new(),
            tools: Vec::new(),
            ask_ids: HashMap::new(),
            asks: Vec::new(),
            wake: None,
            guessed_wake: false,
            family: None,
            schedules: Vec::new(),
            zone: None,
            current: None,
            gives: None,
            has_history: false,
            locals: Vec::new(),
            scopes: Vec::new(),
            not_yet: BTreeMap::new(),
            recovered,
        }
    }

    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// An "unknown name" finding; held back where a lost declaration may have declared the name.
    pub fn push_unknown(&mut self, diagnostic: Diagnostic) {
        if !self.recovered {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Notes a construct that parses, is checked and does not run yet.
    pub fn later(&mut self, what: impl Into<String>, span: Span) {
        let spans = self.not_yet.entry(what.into()).or_default();
        if !spans.contains(&span) {
            spans.push(span);
        }
    }

    /// Notes a construct unless what runs the program can perform it.
    pub fn needs(&mut self, construct: Construct, what: &str, span: Span) {
        if !(self.environment.performs)(construct) {
            self.later(what, span);
        }
    }

    /// Turns the notes of [`Self::later`] into one finding per construct.
    pub fn report_later(&mut self) {
        for (what, spans) in std::mem::take(&mut self.not_yet) {
            let Some((first, others)) = spans.split_first() else { continue };
            let mut diagnostic = report::not_yet::report(&what, *first);
            if !others.is_empty() {
                diagnostic.title.push_str(&format!(" (and {} more)", others.len()));
            }
            self.push(diagnostic);
        }
    }

    pub fn open_scope(&mut self) {
        self.scopes.push(HashMap::new());
    }

    pub fn close_scope(&mut self) {
        self.scopes.pop();
    }

    pub fn local(&self, name: &str) -> Option<u32> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name).copied())
    }

    /// Type of a variable.
    pub fn type_of(&self, variable: Variable) -> Type {
        match variable {
            Variable::Slot(at) => self.slots.get(at as usize).map_or(Type::Unknown, |s| s.ty.clone()),
            Variable::Local(at) => self.locals.get(at as usize).map_or(Type::Unknown, |l| l.ty.clone()),
        }
    }

    /// Gives a local a type that was not known when it was declared.
    pub fn set_type(&mut self, variable: Variable, ty: Type) {
        match variable {
            Variable::Local(at) => {
                if let Some(local) = self.locals.get_mut(at as usize) {
                    local.ty = ty;
                }
            }
            Variable::Slot(_) => {}
        }
    }

    /// Declares a local in the innermost scope. Hiding another name is an error.
    pub fn declare_local(&mut self, name: &ast::Ident, ty: Type) -> Variable {
        let taken = self.local(&name.node).is_some();
        if taken {
            self.push(report::not_assignable::report(
                &name.node,
                name.span,
                "a local of this name exists already; nothing may hide it",
            ));
        }
        self.declare_hidden(&name.node, name.span, ty)
    }

    fn declare_hidden(&mut self, name: &str, span: Span, ty: Type) -> Variable {
        let at = self.locals.len() as u32;
        self.locals.push(VariableDef { name: name.to_string(), ty, initial: None, span });
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_string(), at);
        }
        Variable::Local(at)
    }

    /// Binds a payload (ruling 5): a declared slot is assigned, anything else becomes a local. Returns the variable
    /// that receives the payload and, for a slot, the step that passes it on.
    pub fn bind(&mut self, name: &ast::Ident, ty: &Type) -> (Variable, Option<Step>) {
        let Some(&slot) = self.slot_ids.get(&name.node) else {
            return (self.declare_local(name, ty.clone()), None);
        };
        let at = self.locals.len() as u32;
        self.locals.push(VariableDef {
            name: format!("{} (payload)", name.node),
            ty: ty.clone(),
            initial: None,
            span: name.span,
        });
        let variable = Variable::Local(at);
        let value = Expr { ty: ty.clone(), kind: ExprKind::Variable(variable), span: name.span };
        let slot_type = self.type_of(Variable::Slot(slot));
        let value = self.coerce(value, &slot_type);
        (variable, Some(Step { kind: StepKind::Assign(Variable::Slot(slot), value), span: name.span }))
    }
}
