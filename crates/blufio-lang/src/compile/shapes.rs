// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of shapes: each type of the source once.

use std::collections::HashMap;

use super::Compiler;
use crate::program::operand::ScalarKind;
use crate::program::shape::{Case, Field, Named, Shape, ShapeId};
use crate::source::Span;
use crate::typed::{FieldDef, Type, TypeId, TypeShape};

/// Deepest chain of aliases and containers that is followed.
const DEPTH_MAX: u32 = 64;

#[derive(Debug, Default)]
pub(super) struct Shapes {
    table: Vec<Shape>,
    named: HashMap<TypeId, ShapeId>,
    so_far: HashMap<TypeId, ShapeId>,
    depth: u32,
}

impl Shapes {
    pub fn is_scalar(&self, id: ShapeId) -> bool {
        self.table.get(usize::from(id.0)).is_some_and(Shape::is_scalar)
    }

    pub fn get(&self, id: ShapeId) -> Option<&Shape> {
        self.table.get(usize::from(id.0))
    }

    pub fn finish(self) -> Vec<Shape> {
        self.table
    }

    fn intern(&mut self, shape: Shape) -> ShapeId {
        match self.table.iter().position(|known| *known == shape) {
            Some(index) => ShapeId(index as u16),
            None => self.add(shape),
        }
    }

    fn add(&mut self, shape: Shape) -> ShapeId {
        self.table.push(shape);
        ShapeId(u16::try_from(self.table.len() - 1).unwrap_or(u16::MAX))
    }
}

impl Compiler<'_> {
    /// The shape of a type. A type that cannot be compiled is reported at `span`.
    pub(super) fn shape(&mut self, ty: &Type, span: Span) -> ShapeId {
        if self.shapes.depth >= DEPTH_MAX {
            self.later(span, "a type that contains itself");
            return self.shapes.intern(Shape::YesNo);
        }
        self.shapes.depth += 1;
        let id = self.shape_inner(ty, span);
        self.shapes.depth -= 1;
        id
    }

    fn shape_inner(&mut self, ty: &Type, span: Span) -> ShapeId {
        let shape = match ty {
            Type::Text(max) => Shape::Text(*max),
            Type::Int(low, high) => Shape::Int(*low, *high),
            Type::Number => Shape::Number,
            Type::YesNo => Shape::YesNo,
            Type::Money(currency) => Shape::Money(*currency),
            Type::Duration => Shape::Duration,
            Type::Moment => Shape::Moment,
            Type::Date => Shape::Date,
            Type::Time => Shape::Time,
            Type::Json => Shape::Json,
            Type::Message => Shape::Message,
            Type::Failure => Shape::Failure,
            Type::FailureKind => Shape::FailureKind,
            Type::ToolCalls => Shape::ToolCalls,
            Type::List(of, max) => Shape::List(self.shape(of, span), *max),
            Type::Map(of, max) => Shape::Map(self.shape(of, span), *max),
            Type::Optional(of) => {
                let inner = self.shape(of, span);
                // `T??` holds nothing that `T?` does not.
                if matches!(self.shapes.get(inner), Some(Shape::Optional(_))) {
                    return inner;
                }
                Shape::Optional(inner)
            }
            Type::Named(id) => return self.named(*id, span),
            Type::SoFar(id) => return self.so_far(*id, span),
            Type::Unknown | Type::File | Type::Person | Type::ToolResult(_) => {
                self.later(span, "a value of this type");
                Shape::YesNo
            }
        };
        self.shapes.intern(shape)
    }

    fn named(&mut self, id: TypeId, span: Span) -> ShapeId {
        if let Some(known) = self.shapes.named.get(&id) {
            return *known;
        }
        let source = self.source;
        let Some(definition) = source.types.get(id.0 as usize) else {
            self.later(span, "this type");
            return self.shapes.intern(Shape::YesNo);
        };
        if let TypeShape::Alias(target) = &definition.shape {
            return self.shape(target, span);
        }
        // The place is taken before the fields are looked at, so that a type may name itself. Until then it stands for
        // a record: the only recursive shapes are not scalars.
        let name = || definition.name.clone();
        let doc = || definition.doc.clone().unwrap_or_default();
        let shape = self.shapes.add(Shape::Record(Named { name: name(), doc: doc(), members: Vec::new() }));
        self.shapes.named.insert(id, shape);
        let filled = match &definition.shape {
            TypeShape::Record(fields) => {
                Shape::Record(Named { name: name(), doc: doc(), members: self.fields(fields, span) })
            }
            TypeShape::Union(cases) => {
                let mut members = Vec::with_capacity(cases.len());
                for case in cases {
                    let fields = self.fields(&case.fields, span);
                    members.push(Case {
                        name: case.name.clone(),
                        doc: case.doc.clone().unwrap_or_default(),
                        fields,
                    });
                }
                Shape::Union(Named { name: name(), doc: doc(), members })
            }
            TypeShape::Alias(_) => Shape::YesNo,
        };
        if let Some(place) = self.shapes.table.get_mut(usize::from(shape.0)) {
            *place = filled;
        }
        shape
    }

    fn fields(&mut self, fields: &[FieldDef], span: Span) -> Vec<Field> {
        fields
            .iter()
            .map(|field| Field {
                name: field.name.clone(),
                doc: field.doc.clone().unwrap_or_default(),
                shape: self.shape(&field.ty, span),
            })
            .collect()
    }

    fn so_far(&mut self, id: TypeId, span: Span) -> ShapeId {
        if let Some(known) = self.shapes.so_far.get(&id) {
            return *known;
        }
        let whole = self.named(id, span);
        let Some(Shape::Record(mut record)) = self.shapes.get(whole).cloned() else { return whole };
        for field in &mut record.members {
            if !matches!(self.shapes.get(field.shape), Some(Shape::Optional(_))) {
                field.shape = self.shapes.intern(Shape::Optional(field.shape));
            }
        }
        let shape = self.shapes.add(Shape::Record(record));
        self.shapes.so_far.insert(id, shape);
        shape
    }

    /// Whether values of the type live in the scalar file.
    pub(super) fn is_scalar(&self, ty: &Type) -> bool {
        self.scalar_kind(ty).is_some()
    }

    /// How a scalar of the type is wrapped; `None` for types of the value file.
    pub(super) fn scalar_kind(&self, ty: &Type) -> Option<ScalarKind> {
        let mut ty = ty;
        for _ in 0..DEPTH_MAX {
            return Some(match ty {
                Type::Int(..) => ScalarKind::Int,
                Type::YesNo => ScalarKind::YesNo,
                Type::Duration => ScalarKind::Duration,
                Type::Moment => ScalarKind::Moment,
                Type::Date => ScalarKind::Date,
                Type::Time => ScalarKind::Time,
                Type::FailureKind => ScalarKind::Case,
                Type::Named(id) => match &self.source.types.get(id.0 as usize)?.shape {
                    TypeShape::Union(cases) if cases.iter().all(|case| case.fields.is_empty()) => {
                        ScalarKind::Case
                    }
                    TypeShape::Alias(target) => {
                        ty = target;
                        continue;
                    }
                    _ => return None,
                },
                _ => return None,
            });
        }
        None
    }
}
