// SPDX-License-Identifier: MIT OR Apache-2.0
//! Versions of the files that programs name.

use super::good;
use crate::files::{FILE_VERSIONS_MAX, FileVersion};
use crate::store::Store;

fn version(agent: &str, name: &str, hash: u8, at_ms: i64) -> FileVersion {
    let text = format!("version {hash} \u{0} 🦀");
    FileVersion {
        agent: agent.into(),
        name: name.into(),
        folder: "/agents".into(),
        hash: [hash; 32],
        text,
        at_ms,
    }
}

pub(super) async fn versions_are_kept_once_per_change(store: &dyn Store) {
    for (agent, hash, is_new) in
        [("a", 1, true), ("a", 1, false), ("b", 1, true), ("a", 2, true), ("a", 1, true), ("a", 1, false)]
    {
        assert_eq!(good(store.keep_file(version(agent, "persona.md", hash, 5)).await), is_new);
    }
    good(store.keep_file(version("a", "policy.md", 9, 6)).await);
    let moved = FileVersion { folder: "/elsewhere".into(), ..version("a", "policy.md", 9, 7) };
    assert!(good(store.keep_file(moved).await), "the same text of another folder");
    let persona = good(store.file_versions(Some("a"), Some("persona.md"), 10).await);
    let hashes: Vec<u8> = persona.iter().map(|version| version.hash[0]).collect();
    assert_eq!(hashes, [1, 2, 1], "newest first, one row per change");
    assert_eq!(persona.first(), Some(&version("a", "persona.md", 1, 5)), "as it was given");
    assert_eq!(good(store.file_versions(Some("a"), None, 10).await).len(), 5);
    assert_eq!(good(store.file_versions(None, None, 10).await).len(), 6);
    assert_eq!(good(store.file_versions(None, Some("persona.md"), 2).await).len(), 2);
    assert!(good(store.file_versions(Some("c"), None, 10).await).is_empty());
}

pub(super) async fn the_oldest_versions_are_forgotten(store: &dyn Store) {
    good(store.keep_file(version("b", "x", 7, 0)).await);
    for at in 0..FILE_VERSIONS_MAX + 2 {
        good(store.keep_file(version("a", "x", u8::from(at % 2 == 0), at as i64)).await);
    }
    let kept = good(store.file_versions(Some("a"), None, u32::MAX).await);
    assert_eq!((kept.len(), kept.last().map(|version| version.at_ms)), (FILE_VERSIONS_MAX, Some(2)));
    assert_eq!(good(store.file_versions(Some("b"), None, 10).await).len(), 1, "others stay");
}
