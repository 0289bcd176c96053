// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio explain CODE`: the page of a diagnostic. Without a code it lists them.

use anyhow::Result;
use blufio_lang::check::report::{PAGES, Page};
use clap::Args;
use serde_json::json;

use crate::cli::INPUT_HAS_ERRORS;
use crate::output::{self, DataArguments};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Code, for example E0203; without one all codes are listed.
    code: Option<String>,
    #[command(flatten)]
    data: DataArguments,
}

/// Prints the page; 1 when there is no such code.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let mut pages: Vec<&Page> = PAGES.iter().chain(blufio_lang::parse::report::PAGES).collect();
    pages.sort_by_key(|page| page.code);
    let Some(code) = &arguments.code else {
        if arguments.data.is_json() {
            output::json(
                &pages
                    .iter()
                    .map(|page| json!({ "code": page.code, "title": page.title }))
                    .collect::<Vec<_>>(),
            )?;
        } else {
            let rows: Vec<Vec<String>> =
                pages.iter().map(|page| vec![page.code.to_string(), page.title.to_string()]).collect();
            output::data(&output::table(&["CODE", "TITLE"], &rows))?;
        }
        return Ok(0);
    };
    let Some(page) = pages.iter().find(|page| page.code.eq_ignore_ascii_case(code.trim())) else {
        output::talk(&output::harmless(&format!("there is no code {code}; `blufio explain` lists them")));
        return Ok(INPUT_HAS_ERRORS);
    };
    if arguments.data.is_json() {
        output::json(&json!({ "code": page.code, "title": page.title, "text": page.text }))?;
    } else {
        output::data(&format!("{}: {}\n\n{}", page.code, page.title, page.text))?;
    }
    Ok(0)
}
