// SPDX-License-Identifier: MIT OR Apache-2.0
//! The routes file: people, and an ordered list of rules of which the first that fits takes a message.

mod webhooks;

use super::expressions::literal;
use super::folder::FolderNames;
use super::{Construct, Environment, report};
use crate::ast::{self, PersonIdentity, RouteSource, RouteTarget};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{Danger, EffectClass};
pub(super) use webhooks::check_awaited;
use webhooks::field_path;

/// Checked routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// People by name.
    pub people: Vec<Person>,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// (channel, numeric id) pairs; empty for the owner, whose ids come from pairing.
    pub identities: Vec<(String, String)>,
    /// (channel, title) of a group chat that messages are sent to.
    pub group: Option<(String, String)>,
    /// Tool that says who it is now.
    pub tool: Option<String>,
    /// People that the name stands for.
    pub members: Vec<String>,
    /// Time zone.
    pub zone: Option<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Channel; `None` for `otherwise`. Of a webhook it is `http`.
    pub channel: Option<String>,
    /// Only in the group with this title; without one only outside of groups.
    pub group: Option<String>,
    /// Takes what is posted to a path instead of messages.
    pub webhook: Option<Webhook>,
    /// Whose messages.
    pub from: From,
    /// What happens to them.
    pub to: To,
    /// Place.
    pub span: Span,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Path, with its slash.
    pub path: String,
    /// Name of the key that signs.
    pub signed_by: String,
    /// Declared type of the body.
    pub event: String,
}

/// Whose messages a rule takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Everybody's.
    Anyone,
    /// The owner's.
    Owner,
    /// These people's, by name.
    People(Vec<String>),
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// To an agent, one session per key.
    Agent {
        /// Agent.
        agent: String,
        /// Key.
        per: Per,
    },
    /// Nowhere, perhaps with an answer.
    Drop(Option<String>),
}

/// What a session belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Per {
    /// A person (the same on every channel).
    Person,
    /// A chat.
    Chat,
    /// A value in what was posted: the name of the body and that of its field.
    Value(Vec<String>),
}

/// Checks the routes file.
pub(super) fn check_routes(
    file: &ast::File,
    names: &FolderNames<'_>,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
) -> Routes {
    let mut checker =
        RoutesChecker { names, environment, diagnostics, routes: Routes::default(), groups: Vec::new() };
    for item in &file.items {
        // The grammar keeps everything else out of this file.
        if let ast::ItemKind::People(people) = &item.kind {
            checker.people(people);
        }
    }
    let mut last = file.kind_span;
    for item in &file.items {
        if let ast::ItemKind::Route(route) = &item.kind {
            checker.route(route);
            last = route.span;
        }
    }
    if !file.recovered {
        checker.covered(last);
    }
    checker.routes
}

struct RoutesChecker<'a, 'b> {
    names: &'a FolderNames<'a>,
    environment: &'a Environment,
    diagnostics: &'b mut Diagnostics,
    routes: Routes,
    /// Aliases: name → names of people.
    groups: Vec<(String, Vec<String>)>,
}

impl RoutesChecker<'_, '_> {
    fn needs(&mut self, construct: Construct, what: &str, span: Span) {
        if !(self.environment.performs)(construct) {
            self.diagnostics.push(report::not_yet::report(what, span));
        }
    }

    fn bad(&mut self, title: &str, span: Span, hint: &str) {
        self.diagnostics.push(report::bad_route::report(title, span, hint));
    }

    fn people(&mut self, people: &[ast::PersonDecl]) {
        for (at, person) in people.iter().enumerate() {
            if let Some(first) = people[..at].iter().find(|p| p.name.node == person.name.node) {
                self.diagnostics.push(report::duplicate::report(
                    "person",
                    &person.name.node,
                    person.name.span,
                    first.name.span,
                ));
                continue;
            }
            let zone = person.zone.as_ref().and_then(|zone| {
                let name = literal(zone).unwrap_or_default();
                if (self.environment.zone_exists)(&name) {
                    return Some(name);
                }
                self.diagnostics.push(report::unknown_zone::report(&name, zone.span));
                None
            });
            let (mut identities, mut in_group, mut from_tool) = (Vec::new(), None, None);
            let mut members_of = Vec::new();
            match &person.identity {
                None if person.name.node == "owner" => {}
                None => {
                    let title = format!("`{}` has no identity", person.name.node);
                    self.diagnostics.push(report::bad_route::report(
                        &title,
                        person.name.span,
                        "write `NAME = telegram 12345`; only the owner comes from pairing",
                    ));
                }
                Some(_) if person.name.node == "owner" => {
                    self.diagnostics.push(report::bad_route::report("the owner comes from pairing", person.span, "delete `= …`; send `/start CODE` to the bot, or set `telegram.owner` in the configuration"));
                }
                Some(PersonIdentity::Channel { channel, id }) => {
                    self.channel(channel);
                    if id.node <= 0 {
                        self.diagnostics.push(report::bad_route::report(
                            "a person's id is a positive number",
                            id.span,
                            "ask the person for their numeric id; negative ids are groups",
                        ));
                    }
                    identities.push((channel.node.clone(), id.node.to_string()));
                }
                Some(PersonIdentity::Group { channel, title }) => {
                    self.needs(Construct::Routes, "a group as a person", person.span);
                    self.channel(channel);
                    in_group = literal(title).map(|title| (channel.node.clone(), title));
                }
                Some(PersonIdentity::Tool(tool)) => {
                    self.needs(Construct::People, "a person from a tool", person.span);
                    self.person_tool(tool);
                    from_tool = Some(tool.node.clone());
                }
                Some(PersonIdentity::People(members)) => {
                    self.group(&person.name.node, members);
                    members_of = members.iter().map(|m| m.node.clone()).collect();
                }
            }
            self.routes.people.push(Person {
                name: person.name.node.clone(),
                identities,
                group: in_group,
                tool: from_tool,
                members: members_of,
                zone,
            });
        }
    }

    /// A tool that says who somebody is now: it is called on the way to every question and message, so it must be one
    /// that may be, and what it says decides who approves, so it must be trusted.
    fn person_tool(&mut self, tool: &ast::Ident) {
        let tools = &self.environment.tools;
        let Some(info) = tools.iter().find(|info| info.name == tool.node) else {
            let near = report::nearest(&tool.node, tools.iter().map(|info| info.name.as_str()));
            self.diagnostics.push(report::unknown_name::report(&tool.node, tool.span, near));
            return;
        };
        let needs_arguments = info.parameters.iter().any(|(_, of)| !of.ends_with('?'));
        let repeats = matches!(info.effect, EffectClass::Pure | EffectClass::Read);
        let why = if info.gives.trim() != "text" {
            "it must give the name of a person, as `text`"
        } else if needs_arguments {
            "it is called without arguments"
        } else if !repeats || info.danger == Danger::Dangerous {
            "it is called on the way to every question: it must only read"
        } else if info.label.is_some() {
            "who approves is not for others to say: its result must carry no label"
        } else {
            return;
        };
        let title = format!("`{}` cannot say who somebody is", tool.node);
        self.diagnostics.push(report::bad_route::report(&title, tool.span, why));
    }

    fn group(&mut self, name: &str, members: &[ast::Ident]) {
        for member in members {
            if member.node != "owner" && !self.names.people.contains_key(member.node.as_str()) {
                let near = report::nearest(&member.node, self.names.people.keys().copied());
                self.diagnostics.push(report::unknown_agent::report(
                    "person",
                    &member.node,
                    member.span,
                    near,
                ));
            }
        }
        self.groups.push((name.to_string(), members.iter().map(|m| m.node.clone()).collect()));
    }

    fn channel(&mut self, channel: &ast::Ident) {
        if self.environment.channels.contains(&channel.node) {
            return;
        }
        let near = report::nearest(&channel.node, self.environment.channels.iter().map(String::as_str))
            .map(str::to_string);
        let hint = near.map_or_else(
            || format!("channels are {}", self.environment.channels.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        self.diagnostics.push(report::bad_route::report(
            &format!("there is no channel `{}`", channel.node),
            channel.span,
            &hint,
        ));
    }

    fn route(&mut self, route: &ast::RouteDecl) {
        let Some(to) = self.target(&route.to) else { return };
        if route.from.is_empty() {
            let rule =
                Rule { channel: None, group: None, webhook: None, from: From::Anyone, to, span: route.span };
            self.add(rule);
            return;
        }
        for source in &route.from {
            match source {
                RouteSource::Webhook { path, signed_by, ty, binder } => {
                    self.needs(Construct::Webhooks, "a webhook", path.span);
                    let webhook = self.webhook(path, signed_by.as_ref(), ty);
                    self.key_of_webhook(&route.to, binder.as_ref(), ty);
                    if matches!(to, To::Drop(_)) {
                        let hint = "delete it: what is posted to a path that no route names is refused";
                        self.bad("a webhook that drops everything", route.span, hint);
                    }
                    let rule = Rule {
                        channel: Some("http".into()),
                        group: None,
                        webhook: Some(webhook),
                        from: From::Anyone,
                        to: to.clone(),
                        span: route.span,
                    };
                    self.add(rule);
                }
                RouteSource::Channel { channel, from, group } => {
                    self.channel(channel);
                    let title = group.as_ref().and_then(literal);
                    if let Some(group) = group {
                        self.needs(Construct::Routes, "a route for a group", group.span);
                    }
                    if let To::Agent { per: Per::Value(_), .. } = &to {
                        let title = "only a webhook has a value to be keyed by";
                        self.bad(title, route.span, "write `per person` or `per chat`");
                    }
                    // The shell and the gateway are the operator's own.
                    let from = if channel.node == "telegram" && (from.is_some() || title.is_none()) {
                        self.from(from.as_ref(), channel)
                    } else {
                        From::Anyone
                    };
                    self.add(Rule {
                        channel: Some(channel.node.clone()),
                        group: title,
                        webhook: None,
                        from,
                        to: to.clone(),
                        span: route.span,
                    });
                }
            }
        }
    }

    fn from(&mut self, from: Option<&ast::Ident>, channel: &ast::Ident) -> From {
        let Some(name) = from else {
            let hint = format!("write `{0} from owner` or `{0} from anyone`", channel.node);
            self.diagnostics.push(report::bad_route::report(
                "this route does not say whose messages it takes",
                channel.span,
                &hint,
            ));
            return From::People(Vec::new());
        };
        match name.node.as_str() {
            "anyone" => From::Anyone,
            "owner" => From::Owner,
            other => {
                if let Some((_, members)) = self.groups.iter().find(|(group, _)| group == other) {
                    return From::People(members.clone());
                }
                if !self.names.people.contains_key(other) {
                    let near =
                        report::nearest(other, self.names.people.keys().copied().chain(["owner", "anyone"]));
                    self.diagnostics.push(report::unknown_agent::report("person", other, name.span, near));
                }
                From::People(vec![other.to_string()])
            }
        }
    }

    fn target(&mut self, to: &RouteTarget) -> Option<To> {
        match to {
            RouteTarget::Drop(text) => Some(To::Drop(text.as_ref().and_then(literal))),
            RouteTarget::Agent { agent, per } => {
                match self.names.agents.get(agent.node.as_str()) {
                    None => {
                        let near = report::nearest(&agent.node, self.names.agents.keys().copied());
                        if !self.names.recovered {
                            self.diagnostics.push(report::unknown_agent::report(
                                "agent",
                                &agent.node,
                                agent.span,
                                near,
                            ));
                        }
                        return None;
                    }
                    Some((_, file)) => {
                        if let ast::FileKind::Agent { parameters, .. } = &file.kind
                            && !parameters.is_empty()
                        {
                            let title =
                                format!("`{}` has parameters: only other agents can ask it", agent.node);
                            self.diagnostics.push(report::bad_route::report(
                                &title,
                                agent.span,
                                "route messages to an agent without parameters",
                            ));
                        }
                    }
                }
                let per = match per.as_ref().map(|e| (&e.kind, e.span)) {
                    None => Per::Person,
                    Some((ast::ExprKind::Name(name), _)) if name == "person" => Per::Person,
                    Some((ast::ExprKind::Name(name), _)) if name == "chat" => Per::Chat,
                    Some((kind, span)) => {
                        self.needs(Construct::Webhooks, "a session key other than person or chat", span);
                        match field_path(kind) {
                            Some(path) => Per::Value(path),
                            None => {
                                self.bad(
                                    "a session belongs to a person, a chat, or a field",
                                    span,
                                    "write `per a.id`",
                                );
                                Per::Person
                            }
                        }
                    }
                };
                Some(To::Agent { agent: agent.node.clone(), per })
            }
        }
    }

    fn add(&mut self, rule: Rule) {
        let hidden_by = self.routes.rules.iter().find(|earlier| {
            let same_channel = earlier.channel.is_none()
                || (earlier.channel == rule.channel
                    && earlier.group == rule.group
                    && earlier.webhook.as_ref().map(|w| &w.path) == rule.webhook.as_ref().map(|w| &w.path));
            same_channel && takes_all_of(&earlier.from, &rule.from)
        });
        if let Some(earlier) = hidden_by {
            self.diagnostics.push(report::shadowed_route::report(rule.span, earlier.span));
        }
        self.routes.rules.push(rule);
    }

    fn covered(&mut self, last: Span) {
        let open = self.environment.channels.iter().find(|channel| {
            let takes_all = |rule: &Rule| {
                rule.from == From::Anyone
                    && rule.group.is_none()
                    && rule.channel.as_ref().is_none_or(|c| c == *channel)
            };
            !matches!(channel.as_str(), "shell" | "gateway") && !self.routes.rules.iter().any(takes_all)
        });
        if let Some(channel) = open {
            let channel = channel.clone();
            self.diagnostics.push(report::uncovered::report(&channel, last));
        }
    }
}

/// Whether a route takes everybody whom another one is for.
fn takes_all_of(earlier: &From, later: &From) -> bool {
    let is_in = |person: &str| match earlier {
        From::Anyone => true,
        From::Owner => person == "owner",
        From::People(people) => people.iter().any(|known| known == person),
    };
    match later {
        From::Anyone => *earlier == From::Anyone,
        From::Owner => is_in("owner"),
        // A route that does not say whose messages it takes was reported.
        From::People(people) => !people.is_empty() && people.iter().all(|person| is_in(person)),
    }
}
