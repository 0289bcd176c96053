// SPDX-License-Identifier: MIT OR Apache-2.0
//! People and routes.

use super::{Builder, Node, Rule, child, children};
use crate::ast::{ItemKind, PersonDecl, PersonIdentity, RouteDecl, RouteSource, RouteTarget, Spanned};

impl Builder<'_> {
    pub fn routes_item(&mut self, node: Node<'_>) -> ItemKind {
        if node.as_rule() == Rule::people {
            return ItemKind::People(children(&node, Rule::person).map(|n| self.person(n)).collect());
        }
        let span = self.span(&node);
        let from = children(&node, Rule::route_from)
            .filter_map(|n| n.into_inner().next())
            .map(|n| self.source(n))
            .collect();
        let to = match child(&node, Rule::to_agent) {
            Some(agent) => {
                let per = child(&agent, Rule::per).and_then(|n| child(&n, Rule::expr)).map(|n| self.expr(n));
                RouteTarget::Agent { agent: self.ident_of(&agent), per }
            }
            None => RouteTarget::Drop(child(&node, Rule::to_drop).and_then(|n| self.string_of(&n))),
        };
        ItemKind::Route(RouteDecl { from, to, span })
    }

    fn person(&mut self, node: Node<'_>) -> PersonDecl {
        let span = self.span(&node);
        let name = self.ident_of(&node);
        let identity =
            child(&node, Rule::identity).and_then(|n| n.into_inner().next()).map(|n| self.identity(n));
        let zone = child(&node, Rule::person_zone).and_then(|n| self.string_of(&n));
        PersonDecl { name, identity, zone, span }
    }

    fn identity(&mut self, node: Node<'_>) -> PersonIdentity {
        match node.as_rule() {
            Rule::from_tool => PersonIdentity::Tool(self.ident_of(&node)),
            Rule::channel_group => {
                PersonIdentity::Group { channel: self.ident_of(&node), title: self.text_of(&node) }
            }
            Rule::channel_id => {
                let id = match child(&node, Rule::signed) {
                    Some(id) => Spanned { node: self.signed(&id), span: self.span(&id) },
                    None => Spanned { node: 0, span: self.span(&node) },
                };
                PersonIdentity::Channel { channel: self.ident_of(&node), id }
            }
            _ => PersonIdentity::People(children(&node, Rule::ident).map(|n| self.ident(&n)).collect()),
        }
    }

    fn source(&mut self, node: Node<'_>) -> RouteSource {
        if node.as_rule() == Rule::webhook {
            return RouteSource::Webhook {
                path: self.text_of(&node),
                signed_by: child(&node, Rule::signed_by).map(|n| self.ident_of(&n)),
                ty: self.ident_of(&node),
                binder: child(&node, Rule::webhook_name).map(|n| self.ident_of(&n)),
            };
        }
        RouteSource::Channel {
            channel: self.ident_of(&node),
            from: child(&node, Rule::channel_from).map(|n| self.ident_of(&n)),
            group: child(&node, Rule::channel_in).and_then(|n| self.string_of(&n)),
        }
    }
}
