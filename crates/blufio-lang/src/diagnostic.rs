// SPDX-License-Identifier: MIT OR Apache-2.0
//! One shape for everything the checker says, and one renderer. Messages are lower case without a full stop, user
//! text stands in backticks, advice goes into the hint.

use serde::Serialize;

use crate::source::{SourceMap, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The program cannot run.
    Error,
    /// The program runs, and probably not as meant.
    Warning,
}

/// A place with what is to be said about it.
#[derive(Debug, Clone)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
}

/// One finding. Its code is stable and has a page (`blufio explain CODE`).
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Stable code, `E0203`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// One line: what is wrong.
    pub title: String,
    /// Main place and its message.
    pub label: Label,
    /// Further places.
    pub more: Vec<Label>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at a place; the label repeats nothing of the title.
    pub fn error(code: &'static str, span: Span, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            title: title.into(),
            label: Label { span, message: label.into() },
            more: Vec::new(),
            hint: None,
        }
    }

    /// A warning at a place.
    pub fn warning(
        code: &'static str,
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, title, label) }
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn also(mut self, span: Span, message: impl Into<String>) -> Self {
        self.more.push(Label { span, message: message.into() });
        self
    }
}

/// Most findings kept for one program; further ones are only counted.
pub const DIAGNOSTICS_MAX: usize = 500;

/// Everything that a stage found.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    suppressed: usize,
}

impl Diagnostics {
    /// Adds one finding; exact repetitions at one place are dropped.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.iter().rev().take(32).any(|d| {
            d.code == diagnostic.code && d.label.span == diagnostic.label.span && d.title == diagnostic.title
        }) {
            return;
        }
        // The first error is kept whatever came before it: a program with one is never clean.
        let is_first_error = || diagnostic.severity == Severity::Error && !self.has_errors();
        if self.found.len() >= DIAGNOSTICS_MAX && !is_first_error() {
            self.suppressed += 1;
        } else {
            self.found.push(diagnostic);
        }
    }

    /// Takes over what another stage found.
    pub fn extend(&mut self, other: Diagnostics) {
        self.suppressed += other.suppressed;
        for diagnostic in other.found {
            self.push(diagnostic);
        }
    }

    /// Sorted by place, errors before warnings at the same place.
    pub fn sorted(mut self) -> Self {
        self.found.sort_by_key(|d| (d.label.span.start, d.severity, d.code));
        self
    }

    /// The findings.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// How many findings were dropped beyond [`DIAGNOSTICS_MAX`].
    pub fn suppressed(&self) -> usize {
        self.suppressed
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|d| d.severity == Severity::Error)
    }

    /// Number of errors and of warnings.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.found.iter().filter(|d| d.severity == Severity::Error).count();
        (errors, self.found.len() - errors)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Renders findings with source excerpts, for a terminal.
pub fn render(diagnostics: &Diagnostics, sources: &SourceMap, colour: bool) -> String {
    use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for d in diagnostics.iter() {
        let level = match d.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(d.title.as_str())
            .id(d.code)
            .elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new());
        let mut by_source: Vec<(&crate::source::Source, Vec<(AnnotationKind, &Label)>)> = Vec::new();
        for (kind, label) in std::iter::once((AnnotationKind::Primary, &d.label))
            .chain(d.more.iter().map(|l| (AnnotationKind::Context, l)))
        {
            let Some(source) = sources.source_of(label.span) else { continue };
            match by_source.iter_mut().find(|(s, _)| s.base == source.base) {
                Some((_, labels)) => labels.push((kind, label)),
                None => by_source.push((source, vec![(kind, label)])),
            }
        }
        for (source, labels) in by_source {
            let length = source.text.len();
            let mut snippet = Snippet::source(source.text.as_ref()).path(source.path.as_ref()).fold(true);
            for (kind, label) in labels {
                let start = ((label.span.start - source.base) as usize).min(length);
                let end = (label.span.end.saturating_sub(source.base) as usize).clamp(start, length);
                snippet = snippet.annotation(kind.span(start..end).label(label.message.as_str()));
            }
            group = group.element(snippet);
        }
        if let Some(hint) = &d.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        out.push_str(&renderer.render(&[group]).to_string());
        out.push_str("\n\n");
    }
    out
}

/// A finding as `--format json` prints it.
#[derive(Debug, Serialize)]
pub struct JsonDiagnostic<'a> {
    code: &'static str,
    severity: Severity,
    title: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
    label: &'a str,
    also: Vec<JsonLabel<'a>>,
    hint: Option<&'a str>,
}

/// A further place of a [`JsonDiagnostic`].
#[derive(Debug, Serialize)]
pub struct JsonLabel<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    message: &'a str,
}

/// Findings as data, in the order of the diagnostics.
pub fn to_json<'a>(diagnostics: &'a Diagnostics, sources: &'a SourceMap) -> Vec<JsonDiagnostic<'a>> {
    let place =
        |span: Span| sources.position_of(span).map_or(("", 0, 0), |(file, p)| (file, p.line, p.column));
    diagnostics
        .iter()
        .map(|d| {
            let (file, line, column) = place(d.label.span);
            let also = d
                .more
                .iter()
                .map(|label| {
                    let (file, line, column) = place(label.span);
                    JsonLabel { file, line, column, message: &label.message }
                })
                .collect();
            JsonDiagnostic {
                code: d.code,
                severity: d.severity,
                title: &d.title,
                file,
                line,
                column,
                label: &d.label.message,
                also,
                hint: d.hint.as_deref(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_kept_behind_any_number_of_warnings() {
        let mut diagnostics = Diagnostics::default();
        for at in 0..2 * DIAGNOSTICS_MAX as u32 {
            diagnostics.push(Diagnostic::warning("E0301", Span::new(at, at + 1), "warned", ""));
        }
        assert_eq!((diagnostics.counts(), diagnostics.has_errors()), ((0, DIAGNOSTICS_MAX), false));
        diagnostics.push(Diagnostic::error("E0601", Span::new(0, 1), "refused", ""));
        diagnostics.push(Diagnostic::error("E0602", Span::new(0, 1), "refused too", ""));
        assert_eq!((diagnostics.counts(), diagnostics.has_errors()), ((1, DIAGNOSTICS_MAX), true));
        assert_eq!(diagnostics.suppressed(), DIAGNOSTICS_MAX + 1);
    }
}
