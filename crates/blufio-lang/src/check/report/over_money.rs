// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0505: more money than the budget allows.

use super::Page;
use crate::check::costs::Bound;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0505`.
pub const PAGE: Page = Page {
    code: "E0505",
    title: "more money than the budget allows",
    text: r##"Every attempt of every model step on the worst path is priced: the prompt at the caps of its zones and values, and the
longest answer. The worst case of a message, of a heartbeat, and of a day of heartbeats is compared with the budget. At
run time the budget is kept in any case: a step beyond it raises `over_budget`. This error says that it can come to that
and that nothing takes it.

Refused:

    budget { message = 2 calls, 0.0001 usd }
    anywhere { on failed -> idle }

Accepted:

    budget { message = 2 calls, 0.0001 usd }
    anywhere { on failed or over_budget { reply "That would cost too much." -> idle } }
"##,
};

/// Builds the diagnostic.
pub fn report(scope: &str, money: Option<Bound>, allowed_micro_usd: i64, span: Span) -> Diagnostic {
    let title = match money {
        Some(bound) => {
            format!("one {scope} may cost {} usd, and nothing takes `over_budget`", usd(bound.worst))
        }
        None => format!("what one {scope} costs has no bound, and nothing takes `over_budget`"),
    };
    let label = format!("budget of {} usd", usd(u64::try_from(allowed_micro_usd).unwrap_or(0)));
    let mut diagnostic = Diagnostic::error(PAGE.code, span, title, label);
    let expected = money
        .map_or_else(String::new, |bound| format!("about {} usd without retries; ", usd(bound.expected)));
    diagnostic.hint = Some(format!("{expected}take `over_budget`, lower a cap, or raise the budget"));
    diagnostic
}

/// An amount with as many decimals as it needs, at least two.
fn usd(micro_usd: u64) -> String {
    let text = format!("{}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000);
    let short = text.trim_end_matches('0');
    let decimals = short.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    format!("{short}{}", "0".repeat(2usize.saturating_sub(decimals)))
}
