// SPDX-License-Identifier: MIT OR Apache-2.0
//! Types: resolving what was written, printing them for people, and what fits where.

use std::collections::HashSet;

use super::scope::Checker;
use super::{Construct, report};
use crate::ast::{self, TypeBody, TypeExprKind};
use crate::source::Span;
use crate::typed::{COLLECTION_DEFAULT_MAX, FieldDef, Type, TypeDef, TypeId, TypeShape, VariantDef};
use crate::value::{CURRENCIES, Currency};

/// Replaces one level of alias; returns whether anything changed.
fn replace_alias(ty: &mut Type, targets: &[Option<Type>]) -> bool {
    match ty {
        Type::Named(id) => match targets.get(id.0 as usize) {
            Some(Some(target)) if target != ty => {
                *ty = target.clone();
                true
            }
            _ => false,
        },
        Type::Optional(of) | Type::List(of, _) | Type::Map(of, _) => replace_alias(of, targets),
        _ => false,
    }
}

/// Most pending wakes of one session (ruling 9).
const WAKES_MAX: u32 = 50;

/// Names of the built-in types.
pub const BUILT_IN: &[&str] = &[
    "text", "int", "number", "yesno", "money", "duration", "moment", "date", "time", "json", "file",
    "message", "person",
];

impl Checker<'_> {
    /// Declares all types of the agent and of shared files, then resolves their bodies.
    pub fn declare_types(&mut self, declarations: &[&ast::Item]) {
        let mut spans: Vec<Span> = Vec::new();
        let mut bodies = Vec::new();
        for item in declarations {
            let ast::ItemKind::Type(declaration) = &item.kind else { continue };
            let name = &declaration.name;
            if let Some(id) = self.type_ids.get(&name.node) {
                let first = spans.get(id.0 as usize).copied().unwrap_or(name.span);
                self.push(report::duplicate::report("type", &name.node, name.span, first));
                continue;
            }
            let id = TypeId(self.types.len() as u32);
            self.type_ids.insert(name.node.clone(), id);
            spans.push(name.span);
            self.types.push(TypeDef {
                name: name.node.clone(),
                doc: item.doc.clone(),
                shape: TypeShape::Alias(Type::Unknown),
            });
            bodies.push((id, &declaration.body));
        }
        self.declare_tool_types();
        for (id, body) in bodies {
            let shape = self.type_shape(body);
            if let Some(def) = self.types.get_mut(id.0 as usize) {
                def.shape = shape;
            }
        }
        self.resolve_aliases();
        for (at, span) in spans.iter().enumerate() {
            // Only types of the program itself: those of manifests were declared behind them.
            if self.contains_itself(TypeId(at as u32)) {
                let name = self.types[at].name.clone();
                self.push(report::infinite_type::report(&name, *span));
                self.types[at].shape = TypeShape::Alias(Type::Unknown);
            }
        }
    }

    /// The shape of a declaration's right side.
    pub fn type_shape(&mut self, body: &TypeBody) -> TypeShape {
        match body {
            TypeBody::Alias(target) => TypeShape::Alias(self.resolve_type(target)),
            TypeBody::Record(fields) => TypeShape::Record(self.fields(fields)),
            TypeBody::Union(variants) => TypeShape::Union(self.variants(variants)),
        }
    }

    /// What `wakes` gives: a list of records of the moment and what the wake carries.
    pub fn wakes_type(&mut self) -> Type {
        const NAME: &str = "wake";
        self.guessed_wake |= self.wake.is_none();
        let carried = self.wake.clone().unwrap_or(Type::Text(None));
        let known = self.type_ids.get(NAME).copied();
        let id = match known {
            Some(id) => {
                if let Some(TypeShape::Record(fields)) =
                    self.types.get_mut(id.0 as usize).map(|t| &mut t.shape)
                    && let Some(field) = fields.get_mut(1)
                {
                    field.ty = carried;
                }
                id
            }
            None => {
                let id = TypeId(self.types.len() as u32);
                let field = |name: &str, ty| FieldDef { name: name.into(), doc: None, ty };
                let fields = vec![field("at", Type::Moment), field("with", carried)];
                self.types.push(TypeDef { name: NAME.into(), doc: None, shape: TypeShape::Record(fields) });
                self.type_ids.insert(NAME.into(), id);
                id
            }
        };
        Type::List(Box::new(Type::Named(id)), WAKES_MAX)
    }

    /// Replaces names of aliases by what they stand for, so that later stages never meet one. A circle of aliases
    /// stays and is reported as a type that contains itself.
    fn resolve_aliases(&mut self) {
        for _ in 0..self.types.len().min(64) {
            let targets: Vec<Option<Type>> = self
                .types
                .iter()
                .map(|t| match &t.shape {
                    TypeShape::Alias(target) if *target != Type::Unknown => Some(target.clone()),
                    _ => None,
                })
                .collect();
            let mut changed = false;
            for def in &mut self.types {
                match &mut def.shape {
                    TypeShape::Alias(ty) => changed |= replace_alias(ty, &targets),
                    TypeShape::Record(fields) => {
                        for field in fields {
                            changed |= replace_alias(&mut field.ty, &targets);
                        }
                    }
                    TypeShape::Union(cases) => {
                        for field in cases.iter_mut().flat_map(|c| &mut c.fields) {
                            changed |= replace_alias(&mut field.ty, &targets);
                        }
                    }
                }
            }
            if !changed {
                break;
            }
        }
    }

    fn variants(&mut self, variants: &[ast::Variant]) -> Vec<VariantDef> {
        let mut out: Vec<VariantDef> = Vec::new();
        for variant in variants {
            if let Some(first) =
                variants.iter().find(|v| v.name.node == variant.name.node && v.name.span < variant.name.span)
            {
                self.push(report::duplicate::report(
                    "case",
                    &variant.name.node,
                    variant.name.span,
                    first.name.span,
                ));
                continue;
            }
            let fields = self.fields(&variant.fields);
            out.push(VariantDef { name: variant.name.node.clone(), doc: variant.doc.clone(), fields });
        }
        out
    }

    fn fields(&mut self, fields: &[ast::Field]) -> Vec<FieldDef> {
        let mut out = Vec::new();
        for field in fields {
            if let Some(first) =
                fields.iter().find(|f| f.name.node == field.name.node && f.name.span < field.name.span)
            {
                self.push(report::duplicate::report(
                    "field",
                    &field.name.node,
                    field.name.span,
                    first.name.span,
                ));
                continue;
            }
            let ty = self.resolve_type(&field.ty);
            out.push(FieldDef { name: field.name.node.clone(), doc: field.doc.clone(), ty });
        }
        out
    }

    /// What a written type means; [`Type::Unknown`] after an error.
    pub fn resolve_type(&mut self, written: &ast::TypeExpr) -> Type {
        match &written.kind {
            TypeExprKind::Name(name) => self.named_type(name, written.span),
            TypeExprKind::TextMax(max) => {
                if *max == 0 {
                    self.push(report::bad_bounds::report("`text max 0` holds nothing", written.span));
                }
                Type::Text(Some(*max))
            }
            TypeExprKind::IntRange(low, high) => {
                if low > high {
                    self.push(report::bad_bounds::report(
                        &format!("`int {low} to {high}` is empty"),
                        written.span,
                    ));
                    return Type::Int(i64::MIN, i64::MAX);
                }
                Type::Int(*low, *high)
            }
            TypeExprKind::Money(code) => match Currency::named(code) {
                Some(currency) => Type::Money(Some(currency)),
                None => {
                    let near = report::nearest(code, CURRENCIES.iter().map(|c| c.0));
                    self.push(report::unknown_type::report(&format!("money {code}"), written.span, near));
                    Type::Money(None)
                }
            },
            TypeExprKind::List { max, of } => {
                let element = self.resolve_type(of);
                self.collection_bound(*max, written.span);
                Type::List(Box::new(element), max.unwrap_or(COLLECTION_DEFAULT_MAX))
            }
            TypeExprKind::Map { max, of } => {
                let element = self.resolve_type(of);
                self.collection_bound(*max, written.span);
                Type::Map(Box::new(element), max.unwrap_or(COLLECTION_DEFAULT_MAX))
            }
            TypeExprKind::Optional(of) => match self.resolve_type(of) {
                already @ Type::Optional(_) => already,
                plain => Type::Optional(Box::new(plain)),
            },
            TypeExprKind::SoFar(of) => match self.resolve_type(of) {
                Type::Named(id) if matches!(self.shape(id), Some(TypeShape::Record(_))) => {
                    self.needs(Construct::Fill, "`so far`", written.span);
                    Type::SoFar(id)
                }
                Type::Unknown => Type::Unknown,
                other => {
                    let found = self.type_name(&other);
                    self.push(report::type_mismatch::report(
                        "a record before `so far`",
                        &found,
                        written.span,
                    ));
                    Type::Unknown
                }
            },
        }
    }

    fn collection_bound(&mut self, max: Option<u32>, span: Span) {
        if max == Some(0) {
            self.push(report::bad_bounds::report("a collection of at most 0 holds nothing", span));
        }
    }

    fn named_type(&mut self, name: &str, span: Span) -> Type {
        let later = match name {
            "text" => return Type::Text(None),
            "int" => return Type::Int(i64::MIN, i64::MAX),
            "number" => return Type::Number,
            "yesno" => return Type::YesNo,
            "money" => return Type::Money(None),
            "duration" => return Type::Duration,
            "moment" => return Type::Moment,
            "date" => return Type::Date,
            "time" => return Type::Time,
            "json" => return Type::Json,
            "message" => return Type::Message,
            "file" => Some(Type::File),
            "person" => Some(Type::Person),
            _ => None,
        };
        if let Some(ty) = later {
            self.later(format!("type `{name}`"), span);
            return ty;
        }
        if let Some(id) = self.type_ids.get(name).copied() {
            return match self.shape(id) {
                Some(TypeShape::Alias(target)) if *target != Type::Unknown => target.clone(),
                _ => Type::Named(id),
            };
        }
        if let Some(family) = &self.family
            && let Some(id) = self.type_ids.get(&format!("{family}.{name}")).copied()
        {
            return Type::Named(id);
        }
        // A tool without a manifest: that is said where it is granted.
        if self.grants.contains_key(name) {
            return Type::ToolResult(name.to_string());
        }
        let near =
            report::nearest(name, BUILT_IN.iter().copied().chain(self.type_ids.keys().map(String::as_str)))
                .map(str::to_string);
        self.push_unknown(report::unknown_type::report(name, span, near.as_deref()));
        Type::Unknown
    }

    pub fn shape(&self, id: TypeId) -> Option<&TypeShape> {
        self.types.get(id.0 as usize).map(|t| &t.shape)
    }

    fn contains_itself(&self, id: TypeId) -> bool {
        let mut stack = vec![id];
        let mut seen = HashSet::new();
        while let Some(at) = stack.pop() {
            let mut next: Vec<&Type> = match self.shape(at) {
                Some(TypeShape::Record(fields)) => fields.iter().map(|f| &f.ty).collect(),
                Some(TypeShape::Union(cases)) => {
                    cases.iter().flat_map(|c| c.fields.iter().map(|f| &f.ty)).collect()
                }
                Some(TypeShape::Alias(target)) => vec![target],
                None => Vec::new(),
            };
            while let Some(ty) = next.pop() {
                match ty {
                    Type::Named(inner) | Type::SoFar(inner) => {
                        if *inner == id {
                            return true;
                        }
                        if seen.insert(*inner) {
                            stack.push(*inner);
                        }
                    }
                    Type::Optional(inner) | Type::List(inner, _) | Type::Map(inner, _) => next.push(inner),
                    _ => {}
                }
            }
        }
        false
    }

    /// A type as people read it.
    pub fn type_name(&self, ty: &Type) -> String {
        match ty {
            Type::Unknown => "an unknown type".into(),
            Type::Text(None) => "text".into(),
            Type::Text(Some(max)) => format!("text max {max}"),
            Type::Int(i64::MIN, i64::MAX) => "int".into(),
            Type::Int(low, high) => format!("int {low} to {high}"),
            Type::Number => "number".into(),
            Type::YesNo => "yesno".into(),
            Type::Money(None) => "money".into(),
            Type::Money(Some(currency)) => format!("money {}", currency.code()),
            Type::Duration => "duration".into(),
            Type::Moment => "moment".into(),
            Type::Date => "date".into(),
            Type::Time => "time".into(),
            Type::Json => "json".into(),
            Type::File => "file".into(),
            Type::Message => "message".into(),
            Type::Person => "person".into(),
            Type::List(of, _) => format!("list of {}", self.type_name(of)),
            Type::Map(of, _) => format!("map of {}", self.type_name(of)),
            Type::Optional(of) => format!("{}?", self.type_name(of)),
            Type::SoFar(id) => format!("{} so far", self.type_name(&Type::Named(*id))),
            Type::Named(id) => {
                self.types.get(id.0 as usize).map_or_else(|| "?".into(), |t| format!("`{}`", t.name))
            }
            Type::ToolResult(tool) => format!("the result of {tool}"),
            Type::Failure => "a failure".into(),
            Type::FailureKind => "a failure's kind".into(),
            Type::ToolCalls => "tool calls".into(),
        }
    }
}
