// SPDX-License-Identifier: MIT OR Apache-2.0
//! Granted tools: scope and rate of the grant, types of the manifest. And the agents that may be asked.

use super::expressions::literal;
use super::scope::Checker;
use super::{Construct, ToolInfo, ToolScope, report};
use crate::ast::{self, GrantScope, ItemKind};
use crate::parse::parse;
use crate::typed::{AgentGrant, RatePeriod, ToolGrant, ToolParameter, Type, TypeId};

/// Names under which the types of one manifest are parsed; no program can write them.
const GIVES: &str = "result_of_the_tool";
const PARAMETERS: &str = "parameters_of_the_tool";

impl Checker<'_> {
    /// Notes every grant; their types follow when the program's own are declared.
    pub fn declare_grants(&mut self, items: &[&ast::Item]) {
        for item in items {
            if let ItemKind::CanUse(grants) = &item.kind {
                for grant in grants {
                    self.grant(grant);
                }
            }
        }
    }

    fn grant(&mut self, grant: &ast::Grant) {
        // `skill weather` and `mcp github` are tools of these names.
        let name = &match &grant.prefix {
            Some(prefix) => format!("{} {}", prefix.node, grant.name.node),
            None => grant.name.node.clone(),
        };
        if self.grants.contains_key(name) {
            let first = self.tools.iter().find(|t| t.tool == *name).map_or(grant.name.span, |t| t.span);
            self.push(report::duplicate::report("grant", name, grant.name.span, first));
            return;
        }
        let Some(tool) = self.environment.tools.iter().find(|t| t.name == *name) else {
            self.grants.insert(name.clone(), None);
            let known = self.environment.tools.iter().map(|t| t.name.as_str());
            match report::nearest(name, known) {
                Some(near) => self.push(report::unknown_tool::report(name, grant.name.span, Some(near))),
                None => self.later(format!("tool `{name}` (it has no manifest)"), grant.name.span),
            }
            return;
        };
        self.grants.insert(name.clone(), Some(self.tools.len() as u32));
        let mut typed = ToolGrant {
            tool: name.clone(),
            folder: None,
            to: Vec::new(),
            only: Vec::new(),
            rate: None,
            parameters: Vec::new(),
            gives: Type::Unknown,
            effect: tool.effect,
            danger: tool.danger,
            label: tool.label,
            span: grant.span,
        };
        self.scopes_of(grant, tool.scope, &mut typed);
        self.rate(grant, &mut typed);
        self.tools.push(typed);
    }

    fn scopes_of(&mut self, grant: &ast::Grant, scope: ToolScope, typed: &mut ToolGrant) {
        let texts = |texts: &[ast::Text]| texts.iter().filter_map(literal).collect::<Vec<_>>();
        for written in &grant.scopes {
            let this = match written {
                GrantScope::In(path) => {
                    typed.folder = self.path(path);
                    ToolScope::Folder
                }
                GrantScope::To(hosts) => {
                    typed.to = texts(hosts);
                    ToolScope::Hosts
                }
                GrantScope::Only(commands) => {
                    typed.only = texts(commands);
                    ToolScope::Commands
                }
            };
            if this != scope {
                let title = format!("`{}` has no such scope", typed.tool);
                self.push(report::missing_part::report(&title, grant.span, &advice(&typed.tool, scope)));
            }
        }
        // Without addresses every public one may be reached; folders and commands must be named.
        if matches!(scope, ToolScope::Folder | ToolScope::Commands) && grant.scopes.is_empty() {
            let title = match scope {
                ToolScope::Folder => format!("`{}` needs the folder that it may read", typed.tool),
                _ => format!("`{}` needs the commands that it may run", typed.tool),
            };
            self.push(report::missing_part::report(&title, grant.span, &advice(&typed.tool, scope)));
        }
    }

    fn rate(&mut self, grant: &ast::Grant, typed: &mut ToolGrant) {
        let Some((count, per)) = &grant.rate else { return };
        self.needs(Construct::Rate, "a rate on a tool", per.span);
        let period = match per.node.as_str() {
            "event" => RatePeriod::Event,
            "hour" => RatePeriod::Hour,
            "day" => RatePeriod::Day,
            "session" => RatePeriod::Session,
            other => {
                let near = report::nearest(other, ["event", "hour", "day", "session"]);
                self.push(report::unknown_name::report(other, per.span, near));
                RatePeriod::Day
            }
        };
        if count.node == 0 {
            self.push(report::bad_bounds::report(
                "a rate of 0 allows no call; leave the grant out",
                count.span,
            ));
        }
        typed.rate = Some((count.node, period));
    }

    /// Types of the manifests of granted tools. A declared one is found as `FAMILY.NAME`, a result by the tool's name.
    pub fn declare_tool_types(&mut self) {
        for at in 0..self.tools.len() {
            let name = self.tools[at].tool.clone();
            let environment = self.environment;
            let Some(info) = environment.tools.iter().find(|t| t.name == name) else { continue };
            let (gives, parameters) = self.manifest_types(info);
            if !self.type_ids.contains_key(&name) {
                self.name_result(&name, &gives);
            }
            let tool = &mut self.tools[at];
            tool.gives = gives;
            tool.parameters = parameters
                .into_iter()
                .map(|(parameter, ty)| ToolParameter {
                    selects: info.selects.contains(&parameter),
                    name: parameter,
                    ty,
                })
                .collect();
        }
    }

    /// Lets programs name the result: `bill: orders.find?`.
    fn name_result(&mut self, tool: &str, gives: &Type) {
        let id = TypeId(self.types.len() as u32);
        let shape = crate::typed::TypeShape::Alias(gives.clone());
        self.types.push(crate::typed::TypeDef { name: tool.to_string(), doc: None, shape });
        self.type_ids.insert(tool.to_string(), id);
    }

    fn manifest_types(&mut self, info: &ToolInfo) -> (Type, Vec<(String, Type)>) {
        let family = info.name.rsplit_once('.').map_or(info.name.as_str(), |(family, _)| family).to_string();
        let file = manifest_file(info);
        // A manifest is validated when it is loaded; what is wrong in it is not the program's fault.
        let own = std::mem::take(self.diagnostics);
        let (mut gives, mut parameters) = (Type::Unknown, Vec::new());
        self.family = Some(family.clone());
        let declarations = |item: &'_ ast::Item| match &item.kind {
            ItemKind::Type(declaration) => Some(declaration.clone()),
            _ => None,
        };
        let all: Vec<ast::TypeDecl> = file.items.iter().filter_map(declarations).collect();
        let mut new = Vec::new();
        for declaration in &all {
            let name = declaration.name.node.as_str();
            let known = match name {
                PARAMETERS => continue,
                GIVES => format!("{} (result)", info.name),
                other => format!("{family}.{other}"),
            };
            if !self.type_ids.contains_key(&known) {
                let id = TypeId(self.types.len() as u32);
                let display = if name == GIVES { info.name.clone() } else { known.clone() };
                self.type_ids.insert(known, id);
                self.types.push(crate::typed::TypeDef {
                    name: display,
                    doc: None,
                    shape: crate::typed::TypeShape::Alias(Type::Unknown),
                });
                new.push((id, declaration));
            }
        }
        for (id, declaration) in new {
            let shape = self.type_shape(&declaration.body);
            if let Some(def) = self.types.get_mut(id.0 as usize) {
                def.shape = shape;
            }
        }
        for declaration in &all {
            match (declaration.name.node.as_str(), &declaration.body) {
                (GIVES, ast::TypeBody::Alias(target)) => gives = self.resolve_type(target),
                (GIVES, _) => {
                    let known = format!("{} (result)", info.name);
                    gives = self.type_ids.get(&known).map_or(Type::Unknown, |id| Type::Named(*id));
                }
                (PARAMETERS, ast::TypeBody::Record(fields)) => {
                    parameters = fields
                        .iter()
                        .map(|field| (field.name.node.clone(), self.resolve_type(&field.ty)))
                        .collect();
                }
                _ => {}
            }
        }
        self.family = None;
        *self.diagnostics = own;
        (gives, parameters)
    }

    /// `can ask`: the callee's parameters and result are those of its file.
    pub fn declare_asks(&mut self, items: &[&ast::Item]) {
        for item in items {
            let ItemKind::CanAsk(asks) = &item.kind else { continue };
            for ask in asks {
                self.ask_grant(ask);
            }
        }
    }

    fn ask_grant(&mut self, ask: &ast::AskGrant) {
        self.needs(Construct::AskAgent, "`can ask`", ask.span);
        let name = &ask.agent.node;
        let Some((_, file)) = self.folder.agents.get(name.as_str()) else {
            let near = report::nearest(name, self.folder.agents.keys().copied());
            self.push_unknown(report::unknown_agent::report("agent", name, ask.agent.span, near));
            return;
        };
        let ast::FileKind::Agent { parameters, gives, .. } = &file.kind else { return };
        for tool in &ask.with {
            if !self.environment.tools.iter().any(|t| t.name == tool.node) {
                self.later(format!("tool `{}` (it has no manifest)", tool.node), tool.span);
            }
        }
        // Types of the callee that it declares itself are not those of this program, so only built-in and shared ones
        // cross the border.
        let parameters = parameters.iter().map(|p| (p.name.node.clone(), self.resolve_type(&p.ty))).collect();
        let gives = gives.as_ref().map_or(Type::YesNo, |ty| self.resolve_type(ty));
        if self.ask_ids.contains_key(name) {
            self.push(report::duplicate::report("`can ask`", name, ask.agent.span, ask.agent.span));
            return;
        }
        self.ask_ids.insert(name.clone(), self.asks.len() as u32);
        self.asks.push(AgentGrant {
            agent: name.clone(),
            parameters,
            gives,
            with: ask.with.iter().map(|t| t.node.clone()).collect(),
            calls_max: ask.calls_max.as_ref().map(|c| c.node),
            calls_bound: None,
            span: ask.span,
        });
    }
}

fn advice(tool: &str, scope: ToolScope) -> String {
    match scope {
        ToolScope::Free => format!("can use {tool}"),
        ToolScope::Folder => format!("can use {tool} in \"notes/\""),
        ToolScope::Hosts => format!("can use {tool} to [\"api.example.com\"]"),
        ToolScope::Commands => format!("can use {tool} only [\"git status\"]"),
    }
}

/// A manifest's types as a file of the language.
fn manifest_file(info: &ToolInfo) -> ast::File {
    let parameters: Vec<String> = info.parameters.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let text = format!(
        "shared manifest\n{}\ntype {GIVES} = {}\ntype {PARAMETERS} = {{ {} }}\n",
        info.types,
        info.gives,
        parameters.join(", ")
    );
    parse(&info.name, &text, 0).0
}

/// What is wrong with the types of a manifest; for those who load it.
pub(super) fn manifest_errors(info: &ToolInfo) -> Vec<String> {
    let parameters: Vec<String> = info.parameters.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let parts = [
        ("types".to_string(), format!("shared manifest\n{}\n", info.types)),
        ("gives".to_string(), format!("shared manifest\ntype {GIVES} = {}\n", info.gives)),
        (
            "parameters".to_string(),
            format!("shared manifest\ntype {PARAMETERS} = {{ {} }}\n", parameters.join(", ")),
        ),
    ];
    parts
        .iter()
        .flat_map(|(part, text)| {
            let (_, found) = parse(&info.name, text, 0);
            found.iter().map(|d| format!("{part}: {}", d.title)).collect::<Vec<_>>()
        })
        .collect()
}
