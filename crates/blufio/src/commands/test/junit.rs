// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results of tests as JUnit XML, which build servers read.

use blufio_lang::diagnostic::render;
use blufio_lang::simulate::test::Report;
use blufio_lang::source::SourceMap;

/// One suite per agent, one case per test.
pub fn junit<'a>(runs: impl Iterator<Item = (&'a SourceMap, &'a Report)>) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (sources, report) in runs {
        for suite in report.tests.chunk_by(|a, b| a.agent == b.agent) {
            let agent = suite.first().map(|test| escaped(&test.agent)).unwrap_or_default();
            let failed = suite.iter().filter(|test| !test.passed()).count();
            out.push_str(&format!(
                "  <testsuite name=\"{agent}\" tests=\"{}\" failures=\"{failed}\">\n",
                suite.len()
            ));
            for test in suite {
                let (file, line) =
                    sources.position_of(test.span).map_or(("", 0), |(file, at)| (file, at.line));
                let case = format!(
                    "    <testcase classname=\"{agent}\" name=\"{}\" file=\"{}\" line=\"{line}\"",
                    escaped(&test.name),
                    escaped(file)
                );
                out.push_str(&case);
                match test.problems.iter().next() {
                    None => out.push_str("/>\n"),
                    Some(first) => out.push_str(&format!(
                        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                        escaped(&first.title),
                        escaped(&render(&test.problems, sources, false))
                    )),
                }
            }
            out.push_str("  </testsuite>\n");
        }
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for XML 1.0, which knows no control characters besides tabs and line ends.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_the_document() {
        assert_eq!(escaped("a<b> & \"c\"\u{1}\n"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}\n");
    }
}
