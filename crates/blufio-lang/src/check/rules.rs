// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rules`: names are settled here; whether they hold is proved over the graph and watched while the program runs.

use super::scope::Checker;
use super::{Construct, report};
use crate::ast::{self, ItemKind};
use crate::typed::{Label, Rule, RuleKind, Subject};

impl Checker<'_> {
    /// Rules of the agent and of shared files.
    pub fn rules(&mut self, items: &[&ast::Item]) -> Vec<Rule> {
        let mut out = Vec::new();
        for item in items {
            let ItemKind::Rules(rules) = &item.kind else { continue };
            for rule in rules {
                self.needs(Construct::Rules, "`rules`", rule.span);
                if let Some((kind, text)) = self.rule(rule) {
                    out.push(Rule { kind, text, span: rule.span });
                }
            }
        }
        out
    }

    fn rule(&mut self, rule: &ast::Rule) -> Option<(RuleKind, String)> {
        Some(match &rule.kind {
            ast::RuleKind::NeverUnlessApproved { what, by } => {
                let subject = self.subject_of(what);
                let who = self.who(by);
                let words = match by {
                    ast::Who::One(name) => name.node.clone(),
                    ast::Who::Quorum(count, name) => format!("{} of {}", count.node, name.node),
                };
                let text = format!("never {} unless approved by {words}", what.node);
                (RuleKind::NeverUnlessApproved(subject?, who?), text)
            }
            ast::RuleKind::NeverUnless { what, unless } => {
                let (subject, before) = (self.subject_of(what), self.subject_of(unless));
                let text = format!("never {} unless {}", what.node, unless.node);
                (RuleKind::NeverUnless(subject?, before?), text)
            }
            ast::RuleKind::LeadsTo { what, to } => {
                let subject = self.subject_of(what);
                let targets: Vec<Option<Subject>> = to.iter().map(|name| self.subject_of(name)).collect();
                let words: Vec<&str> = to.iter().map(|name| name.node.as_str()).collect();
                let text = format!("every {} leads to {}", what.node, words.join(" or "));
                (RuleKind::LeadsTo(subject?, targets.into_iter().collect::<Option<Vec<_>>>()?), text)
            }
            ast::RuleKind::AtMost { count, what, per } => {
                let subject = self.subject_of(what);
                let per_event = match per.node.as_str() {
                    "event" => true,
                    "session" => false,
                    other => {
                        let near = report::nearest(other, ["event", "session"]);
                        self.push(report::unknown_name::report(other, per.span, near));
                        return None;
                    }
                };
                let text = format!("at most {} {} per {}", count.node, what.node, per.node);
                (RuleKind::AtMost { count: count.node, subject: subject?, per_event }, text)
            }
            ast::RuleKind::NeverReaches { label, tool } => {
                let found = Label::ALL.into_iter().find(|l| l.word() == label.node);
                if found.is_none() {
                    let near = report::nearest(&label.node, Label::ALL.iter().map(|l| l.word()));
                    self.push(report::unknown_name::report(&label.node, label.span, near));
                }
                let text = format!("never {} reaches {}", label.node, tool.node);
                match self.subject_of(tool)? {
                    Subject::Tool(grant) => (RuleKind::NeverReaches(found?, grant), text),
                    _ => {
                        let expected = "a tool that is granted with `can use`";
                        self.push(report::type_mismatch::report(
                            expected,
                            &format!("`{}`", tool.node),
                            tool.span,
                        ));
                        return None;
                    }
                }
            }
        })
    }

    /// What a name in a rule or a test stands for: a granted tool, a word of the language, a state, a type.
    pub fn subject_of(&mut self, name: &ast::Ident) -> Option<Subject> {
        if let Some(grant) = self.grants.get(&name.node) {
            return grant.map(Subject::Tool);
        }
        match name.node.as_str() {
            "reply" => return Some(Subject::Reply),
            "message" => return Some(Subject::Message),
            "send" => return Some(Subject::Send),
            "wake" => return Some(Subject::Wake),
            _ => {}
        }
        if let Some(state) = self.states.get(&name.node) {
            return Some(Subject::State(*state));
        }
        if let Some(id) = self.type_ids.get(&name.node) {
            return Some(Subject::Declared(*id));
        }
        let known: Vec<String> = self
            .grants
            .keys()
            .chain(self.states.keys())
            .cloned()
            .chain(["reply", "message", "send", "wake"].map(String::from))
            .collect();
        let near = report::nearest(&name.node, known.iter().map(String::as_str));
        let diagnostic = report::unknown_name::report(&name.node, name.span, near);
        self.push_unknown(diagnostic);
        None
    }
}
