// SPDX-License-Identifier: MIT OR Apache-2.0
// Included, because unit tests and integration tests share no crate: what the tests of checker, machine and simulator
// know of the world.

/// The environment of all tests: everything can be performed, and the tools of the examples have manifests.
pub fn environment() -> Environment {
    let tool = ToolInfo::new;
    let once = |name: &str, gives: &str| ToolInfo { effect: EffectClass::Once, ..tool(name, gives) };
    let dangerous = |info: ToolInfo, selects: &[&str]| ToolInfo {
        danger: Danger::Dangerous,
        selects: selects.iter().map(ToString::to_string).collect(),
        ..info
    };
    let from = |label, info: ToolInfo| ToolInfo { label: Some(label), ..info };
    let scoped = |scope, info: ToolInfo| ToolInfo { scope, ..info };
    let orders = |info: ToolInfo| ToolInfo {
        types: "type Status = paid | refunded | missing\n".into(),
        ..info
    };
    Environment {
        tools: vec![
            tool("time.now", "text"),
            from(Label::File, scoped(ToolScope::Folder, tool("files.read", "text").with("path", "text"))),
            scoped(
                ToolScope::Folder,
                once("files.write", "yesno").with("path", "text").with("text", "text"),
            ),
            once("mail.send", "yesno").with("to", "text").with("text", "text"),
            from(Label::Web, scoped(ToolScope::Hosts, tool("http.get", "text").with("url", "text"))),
            dangerous(
                scoped(ToolScope::Commands, once("shell.run", "text").with("command", "text")),
                &["command"],
            ),
            tool("memory", "text"),
            tool("skill weather", "text").with("place", "text"),
            tool("rota.current", "text"),
            once("rota.next", "text"),
            from(Label::Web, tool("rota.web", "text")),
            tool("kb.search", "list max 5 of text").with("query", "text"),
            orders(tool("orders.find", "{ id: text, status: Status }").with("order", "text")),
            tool("orders.overdue", "list max 100 of text"),
            dangerous(
                once("orders.refund", "{ id: text }").with("order", "text").with("amount", "money eur"),
                &["order", "amount"],
            ),
            from(Label::Web, tool("web.fetch", "text").with("query", "text")),
            from(Label::Secret, tool("vault.key", "text")),
            from(Label::Secret, tool("vault.sign", "yesno").with("key", "text")),
            tool("metrics.read", "text").with("id", "text"),
            tool("calendar.free", "{ free: list max 20 of text, near: text }")
                .with("day", "date")
                .with("at", "time")
                .with("people", "int"),
            once("calendar.book", "{ code: text }")
                .with("day", "date")
                .with("at", "time")
                .with("people", "int"),
            once("flights.hold", "{ id: text, code: text }")
                .with("a", "text")
                .with("b", "text")
                .with("day", "date"),
            once("flights.cancel", "yesno").with("id", "text"),
            once("hotels.book", "{ id: text, code: text }").with("city", "text").with("day", "date"),
            once("hotels.cancel", "yesno").with("id", "text"),
            dangerous(once("letters.post", "yesno").with("text", "text").with("to", "text"), &["to"]),
            dangerous(once("cards.charge", "yesno").with("amount", "money eur"), &["amount"]),
            tool("tickets.untagged", "list max 200 of Ticket").with("limit", "int"),
            ToolInfo {
                effect: EffectClass::Idempotent,
                ..tool("tickets.tag", "yesno").with("id", "text").with("label", "text")
            },
        ]
        .into_iter()
        .map(|info| {
            if info.name.starts_with("tickets.") {
                ToolInfo { types: "type Ticket = { id: text, text: text }\n".into(), ..info }
            } else {
                info
            }
        })
        .collect(),
        providers: vec![
            "anthropic".into(),
            Provider { lacks: vec![Feature::Tools], ..Provider::from("toolless") },
            Provider { lacks: vec![Feature::StructuredOutput], ..Provider::from("formless") },
        ],
        channels: vec!["telegram".into(), "shell".into(), "gateway".into()],
        zone_exists: |zone| ["UTC", "Europe/Berlin"].contains(&zone),
        performs: |_| true,
        prices: Prices::new(|model, prompt_tokens_max| {
            Prices::any().of(model, prompt_tokens_max).filter(|_| !model.ends_with("/unpriced"))
        }),
    }
}
