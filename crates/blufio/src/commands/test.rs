// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio test [PATH …]`: the `test` blocks of programs, run without a model, a key or a network.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use blufio_lang::check::{Environment, check};
use blufio_lang::diagnostic::{Diagnostics, render, to_json};
use blufio_lang::simulate::Folder;
use blufio_lang::simulate::test::{Coverage, Report, TestResult, run as run_tests};
use blufio_lang::source::{SourceMap, Span};
use clap::Args;
use serde_json::{Value, json};

use super::check::{count, default_path};
use crate::cli::INPUT_HAS_ERRORS;
use crate::models::Models;
use crate::output::{self, DataArguments};
use crate::{programs, sources};

mod junit;

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folders of agents, or single files (default: ./agents, else the working directory).
    paths: Vec<PathBuf>,
    /// Only tests whose title or agent contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Tell which states and arms no test takes.
    #[arg(long)]
    coverage: bool,
    /// Fail when the tests take less than this share of all states and arms, in percent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage_min: Option<u8>,
    /// Also write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the texts that are said now into the `expect reply "…"` and `expect send "…"` lines that differ.
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    data: DataArguments,
}

/// A folder that can be simulated.
pub struct Simulated {
    /// Its files.
    pub sources: SourceMap,
    /// Its programs; empty when there are errors.
    pub folder: Folder,
    /// What is wrong.
    pub diagnostics: Diagnostics,
}

/// Reads, checks and compiles a folder for the simulation, which performs every construct.
pub fn simulated(path: &Path, config: Option<&Path>) -> Result<Simulated> {
    let models = Models::load(config)?;
    let sources = sources::load(path)?;
    let environment =
        Environment { performs: |_| true, ..programs::environment(&sources.manifests, &models) };
    let (checked, mut diagnostics) = check(&sources.map, &environment);
    let mut folder = Folder::default();
    if !diagnostics.has_errors() {
        let (compiled, found) = Folder::new(&checked, &sources.manifests);
        diagnostics.extend(found);
        folder = compiled;
    }
    Ok(Simulated { sources: sources.map, folder, diagnostics })
}

impl Simulated {
    /// Says the errors, if there are any; true then.
    pub fn has_errors(&self) -> bool {
        if self.diagnostics.has_errors() {
            output::talk(&render(&self.diagnostics, &self.sources, output::colour(&io::stderr())));
        }
        self.diagnostics.has_errors()
    }
}

/// The tests of one folder with how they went.
struct Run {
    simulated: Simulated,
    report: Report,
}

/// Runs the tests; 1 when one fails, when a program has errors or the coverage is too low.
pub fn run(arguments: &Arguments, config: Option<&Path>) -> Result<u8> {
    let mut runs = run_all(arguments, config)?;
    if arguments.update {
        let changed: usize = runs.iter().map(update).sum::<Result<usize>>()?;
        output::talk(&format!("{} brought up to date", count(changed, "line")));
        if changed > 0 {
            runs = run_all(arguments, config)?;
        }
    }
    let has_errors = runs.iter().any(|run| run.simulated.diagnostics.has_errors());
    let tests = || runs.iter().flat_map(|run| &run.report.tests);
    if let (Some(filter), 0, false) = (&arguments.filter, tests().count(), has_errors) {
        bail!("no test contains `{filter}`");
    }
    if let Some(file) = &arguments.junit {
        let text = junit::junit(runs.iter().map(|run| (&run.simulated.sources, &run.report)));
        std::fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    let (taken, all) = runs
        .iter()
        .flat_map(|run| &run.report.coverage)
        .fold((0, 0), |(taken, all), one| (taken + one.taken(), all + one.all()));
    let percent = (taken * 100).checked_div(all).unwrap_or(100);
    let is_low = arguments.coverage_min.is_some_and(|least| percent < usize::from(least));
    let has_failed = tests().any(|test| !test.passed());
    if arguments.data.is_json() {
        output::json(&as_json(&runs, percent, !(has_errors || has_failed || is_low)))?;
    } else {
        print(&runs, arguments.coverage || is_low)?;
    }
    if let (true, Some(least)) = (is_low, arguments.coverage_min) {
        output::talk(&format!("the tests take {percent} % of the states and arms, less than {least} %"));
    }
    Ok(if has_errors || has_failed || is_low { INPUT_HAS_ERRORS } else { 0 })
}

fn run_all(arguments: &Arguments, config: Option<&Path>) -> Result<Vec<Run>> {
    let default = [default_path(None)];
    let paths: &[PathBuf] = if arguments.paths.is_empty() { &default } else { &arguments.paths };
    let mut runs = Vec::with_capacity(paths.len());
    for path in paths {
        let simulated = simulated(path, config)?;
        simulated.has_errors();
        let report = run_tests(&simulated.folder, arguments.filter.as_deref());
        runs.push(Run { simulated, report });
    }
    Ok(runs)
}

fn print(runs: &[Run], list_missed: bool) -> Result<()> {
    let colour = output::colour(&io::stdout());
    let (mut text, mut failures) = (String::new(), String::new());
    let (mut passed, mut failed) = (0, 0);
    for run in runs {
        for test in &run.report.tests {
            let mark = if test.passed() { "✓" } else { "✗" };
            text.push_str(&format!("{mark} {}: {}\n", test.agent, test.name));
            failures.push_str(&render(&test.problems, &run.simulated.sources, colour));
            if test.passed() { passed += 1 } else { failed += 1 }
        }
    }
    if !failures.is_empty() {
        text.push('\n');
        text.push_str(&failures);
    }
    for run in runs {
        for coverage in &run.report.coverage {
            text.push_str(&print_coverage(coverage, &run.simulated.sources, list_missed));
        }
    }
    text.push_str(&match (passed, failed) {
        (0, 0) => "there are no tests\n".to_string(),
        (_, 0) => format!("ok, {} passed\n", count(passed, "test")),
        _ => format!("{} of {} failed\n", failed, count(passed + failed, "test")),
    });
    output::data(&text)
}

/// Coverage of an agent in a line, then what is missing in a line each.
pub fn print_coverage(coverage: &Coverage, sources: &SourceMap, list_missed: bool) -> String {
    let (taken, all) = (coverage.taken(), coverage.all());
    let mut text =
        format!("{}: {taken} of {all} states and arms taken ({} %)\n", coverage.agent, coverage.percent());
    if list_missed {
        for (state, span) in &coverage.states_missed {
            text.push_str(&format!("  state `{state}` is never entered ({})\n", place(sources, *span)));
        }
        for (state, arm, span) in &coverage.arms_missed {
            text.push_str(&format!("  `{arm}` in `{state}` is never taken ({})\n", place(sources, *span)));
        }
    }
    text
}

/// `support.agent:40`.
pub fn place(sources: &SourceMap, span: Span) -> String {
    sources.position_of(span).map_or_else(String::new, |(file, at)| format!("{file}:{}", at.line))
}

fn as_json(runs: &[Run], percent: usize, ok: bool) -> Value {
    let test = |test: &TestResult, sources: &SourceMap| {
        let (file, line) = sources.position_of(test.span).map_or(("", 0), |(file, at)| (file, at.line));
        json!({
            "agent": test.agent,
            "name": test.name,
            "file": file,
            "line": line,
            "passed": test.passed(),
            "problems": to_json(&test.problems, sources),
        })
    };
    let tests: Vec<Value> = runs
        .iter()
        .flat_map(|run| run.report.tests.iter().map(|one| test(one, &run.simulated.sources)))
        .collect();
    let coverage: Vec<Value> = runs
        .iter()
        .flat_map(|run| run.report.coverage.iter().map(|one| coverage_as_json(one, &run.simulated.sources)))
        .collect();
    let diagnostics: Vec<Value> = runs
        .iter()
        .flat_map(|run| to_json(&run.simulated.diagnostics, &run.simulated.sources))
        .map(|diagnostic| json!(diagnostic))
        .collect();
    json!({
        "ok": ok,
        "tests": tests,
        "coverage_percent": percent,
        "coverage": coverage,
        "diagnostics": diagnostics,
    })
}

/// Coverage of an agent as data.
pub fn coverage_as_json(coverage: &Coverage, sources: &SourceMap) -> Value {
    let position = |span: Span| sources.position_of(span).map_or(("", 0), |(file, at)| (file, at.line));
    let state = |(name, span): &(String, Span)| {
        let (file, line) = position(*span);
        json!({ "state": name, "file": file, "line": line })
    };
    let arm = |(state, arm, span): &(String, String, Span)| {
        let (file, line) = position(*span);
        json!({ "state": state, "arm": arm, "file": file, "line": line })
    };
    json!({
        "agent": coverage.agent,
        "percent": coverage.percent(),
        "taken": coverage.taken(),
        "all": coverage.all(),
        "states_missed": coverage.states_missed.iter().map(state).collect::<Vec<_>>(),
        "arms_missed": coverage.arms_missed.iter().map(arm).collect::<Vec<_>>(),
    })
}

/// Writes the texts that are said now into the files of a folder; how many lines changed.
fn update(run: &Run) -> Result<usize> {
    let sources = &run.simulated.sources;
    let mut edits: BTreeMap<u32, Vec<(usize, usize, &str)>> = BTreeMap::new();
    for update in run.report.tests.iter().flat_map(|test| &test.updates) {
        let Some(source) = sources.source_of(update.span) else { continue };
        let line = sources.text_of(update.span);
        let start = (update.span.start - source.base) as usize;
        if let (Some(first), Some(last)) =
            (line.find('"'), line.rfind('"').filter(|last| line.find('"') != Some(*last)))
        {
            let edit = (start + first, start + last + 1, update.text.as_str());
            edits.entry(source.base).or_default().push(edit);
        }
    }
    let mut changed = 0;
    for source in sources.sources() {
        let Some(mut edits) = edits.remove(&source.base) else { continue };
        edits.sort_unstable();
        let mut text = source.text.to_string();
        for (from, to, words) in edits.into_iter().rev() {
            text.replace_range(from..to, words);
            changed += 1;
        }
        replace(Path::new(source.path.as_ref()), &text)?;
    }
    Ok(changed)
}

/// Writes a file as a whole or not at all.
fn replace(path: &Path, text: &str) -> Result<()> {
    let name = || path.display().to_string();
    // A link is followed: the file that it names is the one that is replaced.
    let path = path.canonicalize().with_context(name)?;
    let permissions = path.metadata().with_context(name)?.permissions();
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(name)?;
    file.write_all(text.as_bytes()).with_context(name)?;
    file.as_file().set_permissions(permissions).with_context(name)?;
    file.persist(&path).with_context(name)?;
    Ok(())
}
