// SPDX-License-Identifier: MIT OR Apache-2.0
//! Routes of what is posted: a path, a key that signs, a declared type, and the field that sessions are kept by.

use super::super::{Checked, report};
use super::{RoutesChecker, To, Webhook};
use crate::ast::{self, RouteTarget, TypeExprKind};
use crate::check::expressions::literal;
use crate::diagnostic::Diagnostics;
use crate::typed::Trigger;

/// Longest path, characters.
const PATH_MAX: usize = 200;
/// Aliases of aliases that are followed.
const ALIASES_MAX: usize = 16;

/// `a.id` as names; `None` for anything else.
pub(super) fn field_path(kind: &ast::ExprKind) -> Option<Vec<String>> {
    match kind {
        ast::ExprKind::Name(name) if !matches!(name.as_str(), "person" | "chat") => Some(vec![name.clone()]),
        ast::ExprKind::Field(base, field) => {
            let mut path = field_path(&base.kind)?;
            path.push(field.node.clone());
            Some(path)
        }
        _ => None,
    }
}

/// A path is compared byte for byte with that of a request, so it must be one that a request can have.
fn is_path(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    path.starts_with('/')
        && path.len() <= PATH_MAX
        && path.chars().all(allowed)
        && !path.contains("//")
        && !path.split('/').any(|part| part == "." || part == "..")
}

/// Whoever gets what is posted must wait for it somewhere: it would be refused whenever it comes otherwise.
pub(in crate::check) fn check_awaited(checked: &Checked, diagnostics: &mut Diagnostics) {
    let rules = checked.routes.iter().flat_map(|routes| &routes.rules);
    for rule in rules {
        let (Some(webhook), To::Agent { agent, .. }) = (&rule.webhook, &rule.to) else { continue };
        let Some(known) = checked.agents.iter().find(|known| known.program.name == *agent) else { continue };
        let program = &known.program;
        let handlers = program.states.iter().flat_map(|state| &state.handlers).chain(&program.anywhere);
        let is_it = |trigger: &Trigger| match trigger {
            Trigger::Declared(id) => {
                program.types.get(id.0 as usize).is_some_and(|ty| ty.name == webhook.event)
            }
            _ => false,
        };
        if !handlers.into_iter().any(|handler| is_it(&handler.trigger)) {
            let title = format!("`{agent}` does not wait for `{}`", webhook.event);
            let hint =
                format!("add `on {} x {{ … }}` to a state of it, or name another agent", webhook.event);
            diagnostics.push(report::bad_route::report(&title, rule.span, &hint));
        }
    }
}

impl RoutesChecker<'_, '_> {
    pub(super) fn webhook(
        &mut self,
        path: &ast::Text,
        signed_by: Option<&ast::Ident>,
        ty: &ast::Ident,
    ) -> Webhook {
        let written = literal(path).unwrap_or_default();
        if !is_path(&written) {
            let hint = "for example \"/alerts\": letters, digits, `-._~` and `/`, without a query";
            self.bad("a path begins with `/` and has nothing that a request must escape", path.span, hint);
        }
        if signed_by.is_none() {
            let hint = "add `signed by KEY`; anybody who finds the address could post otherwise";
            self.bad("this webhook is not signed", path.span, hint);
        }
        if self.record_of(&ty.node).is_none() {
            let known = self.shared_types();
            let near = report::nearest(&ty.node, known.iter().copied());
            self.diagnostics.push(report::unknown_type::report(&ty.node, ty.span, near));
        }
        Webhook {
            path: written,
            signed_by: signed_by.map(|key| key.node.clone()).unwrap_or_default(),
            event: ty.node.clone(),
        }
    }

    fn shared_types(&self) -> Vec<&str> {
        let types = self.names.shared.iter().filter_map(|item| match &item.kind {
            ast::ItemKind::Type(declaration) => Some(declaration.name.node.as_str()),
            _ => None,
        });
        types.collect()
    }

    /// What a shared file declares under a name.
    fn shared_type(&self, name: &str) -> Option<&ast::TypeBody> {
        self.names.shared.iter().find_map(|item| match &item.kind {
            ast::ItemKind::Type(declaration) if declaration.name.node == name => Some(&declaration.body),
            _ => None,
        })
    }

    /// Fields of a record that a shared file declares.
    fn record_of(&self, name: &str) -> Option<&[ast::Field]> {
        match self.shared_type(name)? {
            ast::TypeBody::Record(fields) => Some(fields.as_slice()),
            _ => None,
        }
    }

    /// The key of a webhook's session begins with the name of what was posted and goes on with one of its fields.
    pub(super) fn key_of_webhook(&mut self, to: &RouteTarget, binder: Option<&ast::Ident>, ty: &ast::Ident) {
        let RouteTarget::Agent { per: Some(per), .. } = to else { return };
        let Some(path) = field_path(&per.kind) else {
            self.bad(
                "a webhook has neither a person nor a chat",
                per.span,
                "write `per a.id`, with a field of what is posted",
            );
            return;
        };
        let starts_right = binder.is_some_and(|binder| path.first() == Some(&binder.node));
        let (known, can_key) = match (self.record_of(&ty.node), path.get(1)) {
            (Some(fields), Some(name)) => {
                let field = fields.iter().find(|field| field.name.node == *name);
                (field.is_some(), field.is_none_or(|field| self.is_key(&field.ty.kind, 0)))
            }
            (None, _) => (true, true),
            (_, None) => (false, true),
        };
        if !starts_right || !known || path.len() != 2 {
            let title = format!("there is no `{}` to be keyed by", path.join("."));
            self.bad(&title, per.span, "write `as TYPE a … per a.FIELD`, with a field of that type");
        } else if !can_key {
            let title = format!("sessions cannot be kept by `{}`", path.join("."));
            let hint = "a key is a `text`, `int`, `yesno`, `date` or a label, and it is never missing";
            self.bad(&title, per.span, hint);
        }
    }

    /// Whether equal values of a type are always written alike and never missing.
    fn is_key(&self, kind: &TypeExprKind, depth: usize) -> bool {
        match kind {
            TypeExprKind::TextMax(_) | TypeExprKind::IntRange(..) => true,
            TypeExprKind::Name(name) => match (name.as_str(), self.shared_type(name)) {
                ("text" | "int" | "yesno" | "date", _) => true,
                (_, Some(ast::TypeBody::Union(cases))) => cases.iter().all(|case| case.fields.is_empty()),
                (_, Some(ast::TypeBody::Alias(of))) => {
                    depth < ALIASES_MAX && self.is_key(&of.kind, depth + 1)
                }
                _ => false,
            },
            _ => false,
        }
    }
}
