// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of skills that `skills` puts into the static zone: a name and a line for each folder `skills/NAME` with a
//! `SKILL.md` (<https://agentskills.io/specification>). The body is read when it is used, with `files.read in "skills/"`.

use std::path::Path;

use blufio_lang::check::report;
use blufio_lang::diagnostic::Diagnostics;
use blufio_lang::source::Span;

/// Folder of the skills, beside the program.
const FOLDER: &str = "skills";
/// Skills that are listed; further ones are reported.
const SKILLS_MAX: usize = 64;
/// Longest name and longest description that the specification allows, characters.
const NAME_CHARACTERS_MAX: usize = 64;
const DESCRIPTION_CHARACTERS_MAX: usize = 1_024;

/// The list, sorted by name; what is wrong with a skill is reported at the agent.
pub fn index(folder: &Path, agent: Span) -> (String, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let mut names: Vec<String> = match std::fs::read_dir(folder.join(FOLDER)) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| folder.join(FOLDER).join(name).join("SKILL.md").is_file())
            .collect(),
        Err(_) => Vec::new(),
    };
    names.sort();
    if names.len() > SKILLS_MAX {
        let why = format!("{} skills, at most {SKILLS_MAX} can be listed", names.len());
        diagnostics.push(report::bad_path::report(FOLDER, agent, &why));
        names.truncate(SKILLS_MAX);
    }
    let mut lines = Vec::new();
    for name in &names {
        let path = format!("{FOLDER}/{name}/SKILL.md");
        let text = blufio_skills::read_text_below(folder, &path).map_err(|error| error.to_string());
        match text.and_then(|text| description(name, &text)) {
            Ok(description) => lines.push(format!("- {name}: {description} ({path})")),
            Err(why) => diagnostics.push(report::bad_path::report(&path, agent, &why)),
        }
    }
    if lines.is_empty() {
        return (String::new(), diagnostics);
    }
    let head = "Skills. Before you use one, read its file:";
    (format!("{head}\n{}", lines.join("\n")), diagnostics)
}

/// The description in a skill's front matter, on one line.
fn description(folder: &str, text: &str) -> Result<String, String> {
    let rest = text.trim_start().strip_prefix("---").ok_or("it does not begin with `---`")?;
    let (head, _) = rest.split_once("\n---").ok_or("its front matter does not end with `---`")?;
    let name = field(head, "name").ok_or("its front matter has no `name`")?;
    if name != folder {
        return Err(format!("it is named `{name}`, its folder `{folder}`"));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !name.chars().all(allowed) {
        return Err("a name has at most 64 small letters, digits and hyphens".to_string());
    }
    let description = field(head, "description").filter(|text| !text.is_empty());
    let description = description.ok_or("its front matter has no `description`")?;
    if description.chars().count() > DESCRIPTION_CHARACTERS_MAX {
        return Err(format!("its description is longer than {DESCRIPTION_CHARACTERS_MAX} characters"));
    }
    Ok(description)
}

/// A field of the front matter; lines that are indented below it belong to it.
fn field(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines();
    let first = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let folded = matches!(first.trim(), ">" | "|" | ">-" | "|-");
    let first = if folded { "" } else { first.trim() };
    let more = lines.take_while(|line| line.starts_with(char::is_whitespace)).map(str::trim);
    let text: Vec<&str> = [first].into_iter().chain(more).filter(|part| !part.is_empty()).collect();
    let text = text.join(" ");
    let bare =
        |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).map(str::to_string);
    bare('"').or_else(|| bare('\'')).or(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_line_for_each_skill_and_says_what_is_wrong_with_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let skill = folder.path().join("skills").join(name);
            std::fs::create_dir_all(&skill).unwrap();
            std::fs::write(skill.join("SKILL.md"), text).unwrap();
        };
        assert_eq!(index(folder.path(), Span::default()).0, "");
        write(
            "weather",
            "---\nname: weather\ndescription: >\n  Tells the weather\n  of a place.\n---\n# How\n",
        );
        write("birds", "---\nname: birds\ndescription: \"Knows birds.\"\nlicense: MIT\n---\n");
        let (list, diagnostics) = index(folder.path(), Span::default());
        assert!(!diagnostics.has_errors());
        let lines: Vec<&str> = list.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "- birds: Knows birds. (skills/birds/SKILL.md)",
                "- weather: Tells the weather of a place. (skills/weather/SKILL.md)"
            ]
        );
        for wrong in [
            "no front matter",
            "---\nname: other\ndescription: x\n---\n",
            "---\nname: wrong\n---\n",
            "---\nname: wrong\n",
        ] {
            write("wrong", wrong);
            assert!(index(folder.path(), Span::default()).1.has_errors(), "{wrong}");
        }
    }
}
