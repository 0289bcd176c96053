// SPDX-License-Identifier: MIT OR Apache-2.0
//! A unified diff of two texts, as `patch` reads it.

/// Lines around a change.
const CONTEXT: usize = 3;
/// Largest product of line counts that is compared line by line; beyond it the middle is one change.
const CELLS_MAX: usize = 4_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Insert,
}

/// The diff; empty when the texts are the same.
pub fn unified(name: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let edits = edits(&old, &new);
    let mut out = format!("--- {name}\n+++ {name}\n");
    for hunk in hunks(&edits) {
        // Lines of both texts before the hunk.
        let passed = |skip: Edit| edits[..hunk.start].iter().filter(|edit| **edit != skip).count();
        let held = |skip: Edit| edits[hunk.clone()].iter().filter(|edit| **edit != skip).count();
        let (mut old_at, mut new_at) = (passed(Edit::Insert), passed(Edit::Remove));
        let (old_lines, new_lines) = (held(Edit::Insert), held(Edit::Remove));
        let begin = |at: usize, lines: usize| if lines == 0 { at } else { at + 1 };
        out.push_str(&format!(
            "@@ -{},{old_lines} +{},{new_lines} @@\n",
            begin(old_at, old_lines),
            begin(new_at, new_lines)
        ));
        for edit in &edits[hunk] {
            let (sign, line) = match edit {
                Edit::Keep => (' ', old[old_at]),
                Edit::Remove => ('-', old[old_at]),
                Edit::Insert => ('+', new[new_at]),
            };
            old_at += usize::from(*edit != Edit::Insert);
            new_at += usize::from(*edit != Edit::Remove);
            out.push(sign);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Lines that one text has more than another, and that it has not.
pub fn counts(before: &str, after: &str) -> (usize, usize) {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let edits = edits(&old, &new);
    let count = |wanted: Edit| edits.iter().filter(|edit| **edit == wanted).count();
    (count(Edit::Insert), count(Edit::Remove))
}

/// What turns the old lines into the new ones: the longest common subsequence stays.
fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let same_before = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[same_before..], &new[same_before..]);
    let same_behind = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - same_behind], &new[..new.len() - same_behind]);
    let mut out = vec![Edit::Keep; same_before];
    if old.len().saturating_mul(new.len()) > CELLS_MAX {
        out.extend(old.iter().map(|_| Edit::Remove).chain(new.iter().map(|_| Edit::Insert)));
    } else {
        out.extend(middle(old, new));
    }
    out.extend(std::iter::repeat_n(Edit::Keep, same_behind));
    out
}

fn middle(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let width = new.len() + 1;
    // Length of the longest common subsequence of what begins at a pair of lines.
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            longest[a * width + b] = if old[a] == new[b] {
                longest[(a + 1) * width + b + 1] + 1
            } else {
                longest[(a + 1) * width + b].max(longest[a * width + b + 1])
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    let mut out = Vec::with_capacity(old.len() + new.len());
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            out.push(Edit::Keep);
            (a, b) = (a + 1, b + 1);
        } else if b == new.len()
            || (a < old.len() && longest[(a + 1) * width + b] >= longest[a * width + b + 1])
        {
            out.push(Edit::Remove);
            a += 1;
        } else {
            out.push(Edit::Insert);
            b += 1;
        }
    }
    out
}

/// Ranges of edits with their context; ranges that touch are one.
fn hunks(edits: &[Edit]) -> Vec<std::ops::Range<usize>> {
    let mut out: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..edits.len()).filter(|at| edits[*at] != Edit::Keep) {
        let (start, end) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(edits.len()));
        match out.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => out.push(start..end),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_changes_with_three_lines_around() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n";
        assert_eq!(
            unified("a", before, after),
            "--- a\n+++ a\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -10,3 +10,4 @@\n 10\n 11\n 12\n+13\n"
        );
        assert_eq!(unified("a", before, before), "");
        assert_eq!(
            unified("a", "x", "x\n"),
            "--- a\n+++ a\n@@ -1,1 +1,1 @@\n-x\n\\ No newline at end of file\n+x\n"
        );
        assert_eq!((counts(before, after), counts("", "x\n"), counts("x", "x")), ((2, 1), (1, 0), (0, 0)));
        assert_eq!(unified("a", "", "x\n"), "--- a\n+++ a\n@@ -0,0 +1,1 @@\n+x\n");
    }
}
