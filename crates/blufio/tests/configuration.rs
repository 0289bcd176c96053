// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration as the executable finds it.

use crate::world::{blufio, code, stderr};

#[test]
fn a_broken_configuration_stops_every_command_that_needs_one_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("b.toml");
    std::fs::write(&file, "[telegram]\nowmer = 5\n").unwrap();
    for command in ["serve", "shell", "status", "sessions", "outbox", "reload", "stop"] {
        let output = blufio(home.path()).arg(command).arg("--config").arg(&file).output().unwrap();
        assert_eq!(code(&output), 2, "{command}");
        let words = stderr(&output);
        assert!(words.contains("b.toml:2") && words.contains("telegram.owner"), "{command}: {words}");
    }
}

#[test]
fn xdg_and_the_variable_are_found_and_the_working_directory_is_not() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("blufio.toml"), "hostile = 1\n").unwrap();
    std::fs::write(home.path().join(".env"), "BLUFIO_HOSTILE__X=1\n").unwrap();
    let status = |name: &str, value: &std::path::Path| {
        blufio(home.path()).arg("status").env(name, value).output().unwrap()
    };
    let clean = blufio(home.path()).arg("status").output().unwrap();
    assert_eq!(code(&clean), 1, "not running, and nothing was read: {}", stderr(&clean));
    let folder = home.path().join("config/blufio");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("blufio.toml"), "wrong = 1\n").unwrap();
    assert!(stderr(&status("XDG_CONFIG_HOME", &home.path().join("config"))).contains("unknown key `wrong`"));
    assert!(stderr(&status("BLUFIO_CONFIG", &folder.join("blufio.toml"))).contains("unknown key `wrong`"));
}

#[test]
fn serve_names_everything_that_is_missing_with_the_command_that_fixes_it() {
    let home = tempfile::tempdir().unwrap();
    let nothing = blufio(home.path()).arg("serve").output().unwrap();
    assert_eq!(code(&nothing), 2);
    for words in ["blufio init", "export TELEGRAM_BOT_TOKEN=", "export ANTHROPIC_API_KEY="] {
        assert!(stderr(&nothing).contains(words), "{}", stderr(&nothing));
    }
    assert_eq!(code(&blufio(home.path()).arg("init").output().unwrap()), 0);
    let token = blufio(home.path()).arg("serve").env("ANTHROPIC_API_KEY", "k").output().unwrap();
    assert_eq!(code(&token), 2);
    assert!(stderr(&token).contains("TELEGRAM_BOT_TOKEN") && !stderr(&token).contains("ANTHROPIC_API_KEY"));
    let shell = blufio(home.path()).arg("shell").output().unwrap();
    assert_eq!(code(&shell), 2);
    assert!(stderr(&shell).contains("ANTHROPIC_API_KEY"), "{}", stderr(&shell));
    assert!(!home.path().join(".local").exists(), "nothing was made");
}

#[test]
fn plain_http_beyond_loopback_is_refused() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(code(&blufio(home.path()).arg("init").output().unwrap()), 0);
    for url in ["http://api.example.com", "http://localhost:1", "ftp://127.0.0.1"] {
        for name in ["BLUFIO_TELEGRAM__API_URL", "BLUFIO_MODELS__ANTHROPIC__BASE_URL"] {
            let mut serve = blufio(home.path());
            serve
                .arg("serve")
                .env("TELEGRAM_BOT_TOKEN", "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc")
                .env("ANTHROPIC_API_KEY", "k");
            let output = serve.env(name, url).output().unwrap();
            assert_eq!(code(&output), 2, "{name}={url}: {}", stderr(&output));
        }
    }
}
