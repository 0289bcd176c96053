// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration's entries of the failure catalogue, by their numbers.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text.as_bytes(), &[])
}

fn load_with(text: &[u8], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blufio.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Config::load_from(Some(&path), &environment)
}

fn problem(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn every_key_is_read_and_every_key_can_be_overridden() {
    let text = "data_dir = \"d\"\nagents_dir = \"/a\"\n[telegram]\napi_url = \"https://x\"\nowner = 42\nmessages_per_second = 30\n\
                chat_messages_per_second = 1.5\ngroup_messages_per_minute = 20\n[models.anthropic]\nbase_url = \"https://y\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n";
    let config = load(text).unwrap();
    assert!(config.data_dir.as_ref().unwrap().is_absolute(), "relative to the file");
    assert_eq!(config.agents_dir, Some("/a".into()));
    assert_eq!(config.telegram_owner.as_deref(), Some("42"));
    assert_eq!(config.telegram_chat_messages_per_second, Some(1.5));
    assert!(config.log_json);
    let values = |kind| match kind {
        Kind::Id | Kind::Rate => "7",
        Kind::Listen => "[::1]:7118",
        Kind::Word(words) => words[0],
        Kind::Path | Kind::Text => "other",
        Kind::Variable => "OTHER",
        Kind::Flag => "false",
    };
    for (key, kind) in KEYS {
        let name = format!("BLUFIO_{}", key.to_uppercase().replace('.', "__"));
        let changed = load_with(text.as_bytes(), &[(&name, values(*kind))]).unwrap();
        let differs = Config { file: None, data_dir: None, ..changed.clone() }
            != Config { file: None, data_dir: None, ..config.clone() };
        assert!(
            differs || *key == "data_dir" && changed.data_dir == Some("other".into()),
            "{name} changes nothing"
        );
    }
}

#[test]
fn c01_no_file_means_defaults_but_a_named_one_must_exist() {
    let config = Config::load_from(None, &vec![("HOME".into(), "/nonexistent".into())]).unwrap();
    assert_eq!((config.file, config.log_level.as_str()), (None, "info"));
    let error = Config::load_from(Some(Path::new("/nonexistent/blufio.toml")), &Vec::new()).unwrap_err();
    assert!(error.to_string().contains("--config"), "{error}");
    let environment = vec![("BLUFIO_CONFIG".into(), "/nonexistent/x".into())];
    assert!(Config::load_from(None, &environment).unwrap_err().to_string().contains("BLUFIO_CONFIG"));
}

#[test]
fn c02_a_folder_a_pipe_and_a_device_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    for path in [folder.path(), pipe.as_path(), Path::new("/dev/zero")] {
        let error = Config::load_from(Some(path), &Vec::new()).unwrap_err();
        assert!(error.to_string().contains("not a plain file"), "{error}");
    }
}

#[test]
fn c03_and_l12_what_everybody_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blufio.toml");
    std::fs::write(&path, "").unwrap();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    assert!(Config::load_from(Some(&path), &Vec::new()).is_ok());
    mode(&path, 0o666);
    assert!(Config::load_from(Some(&path), &Vec::new()).unwrap_err().to_string().contains("chmod o-w"));
    mode(&path, 0o644);
    mode(folder.path(), 0o777);
    assert!(Config::load_from(Some(&path), &Vec::new()).unwrap_err().to_string().contains("folder"));
}

#[test]
fn c05_duplicates_are_refused_with_their_line() {
    assert!(
        problem("data_dir = \"a\"\ndata_dir = \"b\"\n").contains("blufio.toml:2"),
        "{}",
        problem("data_dir = \"a\"\ndata_dir = \"b\"\n")
    );
    assert!(problem("[log]\n[telegram]\n[log]\n").contains("blufio.toml:3"));
}

#[test]
fn c06_unknown_keys_are_refused_with_a_suggestion() {
    let text = problem("[telegram]\nowmer = 1\n");
    assert!(text.contains("did you mean `telegram.owner`") && text.contains(":2"), "{text}");
    assert!(problem("[telegran]\nowner = 1\n").contains("telegran"));
    assert!(problem("log = 3\n").contains("section"));
    let error = load_with(b"", &[("BLUFIO_TELEGRAM__OWMER", "1")]).unwrap_err().to_string();
    assert!(error.contains("BLUFIO_TELEGRAM__OWNER"), "{error}");
    assert!(load_with(b"", &[("BLUFIO_DATADIR", "x")]).is_err());
}

#[test]
fn c07_wrong_types_are_named() {
    assert!(problem("[telegram]\nowner = \"@me\"\n").contains("numeric id"));
    assert!(problem("[telegram]\nowner = true\n").contains("numeric id"));
    assert!(problem("[telegram]\nowner = -5\n").contains("numeric id"));
    assert!(problem("[telegram]\nchat_messages_per_second = \"1\"\n").contains("without quotes"));
    assert!(problem("[telegram]\nchat_messages_per_second = 0\n").contains("above zero"));
    assert!(problem("[telegram]\nchat_messages_per_second = nan\n").contains("above zero"));
    assert!(problem("data_dir = 5\n").contains("path"));
    assert!(problem("[log]\nlevel = \"loud\"\n").contains("one of error"));
    assert!(problem("data_dir = \"\"\n").contains("empty"));
}

#[test]
fn c08_and_c09_only_loopback_is_listened_on() {
    assert_eq!(load("").unwrap().gateway_listen.to_string(), "127.0.0.1:7117");
    let listen = |text: &str| load(&format!("[gateway]\nlisten = \"{text}\"\n"));
    for good in ["127.0.0.1:80", "127.9.9.9:65535", "[::1]:7117", "127.0.0.1:0"] {
        assert_eq!(listen(good).unwrap().gateway_listen.to_string(), good);
    }
    for open in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:127.0.0.1]:80", "8.8.8.8:80"] {
        let problem = listen(open).unwrap_err().to_string();
        assert!(problem.contains("TLS") && problem.contains("loopback"), "{problem}");
    }
    for wrong in [
        "localhost:80",
        "127.1:80",
        "127.0.0.1",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        ":80",
        "http://127.0.0.1:80",
    ] {
        let problem = listen(wrong).unwrap_err().to_string();
        assert!(problem.contains("an address with its port") && problem.contains(":2"), "{problem}");
    }
    assert!(problem("[gateway]\nlisten = 7117\n").contains("in quotes"));
    assert!(load_with(b"", &[("BLUFIO_GATEWAY__LISTEN", "0.0.0.0:1")]).is_err());
}

#[test]
fn c11_secrets_are_refused_and_not_shown() {
    for text in [
        "[telegram]\ntoken = \"123:SECRET\"\n",
        "[models.anthropic]\napi_key = \"SECRET\"\n",
        "password = \"SECRET\"\n",
    ] {
        let problem = problem(text);
        assert!(problem.contains("environment") && !problem.contains("SECRET"), "{problem}");
    }
}

#[test]
fn c14_size_and_depth_are_bounded() {
    assert!(load_with(&vec![b'#'; 10 << 20], &[]).unwrap_err().to_string().contains("larger"));
    let deep = format!("data_dir = {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    assert!(load(&deep).is_err());
    let tables = (0..10_000).map(|at| format!("[t{at}]\n")).collect::<String>();
    assert!(load(&tables).is_err());
}

#[test]
fn c15_bytes_that_are_no_text_are_refused() {
    assert!(load_with(b"data_dir = \"\xff\"", &[]).unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn c22_the_working_directory_and_home_are_not_searched() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["blufio.toml", ".env", ".blufio.toml"] {
        std::fs::write(folder.path().join(name), "hostile = 1\n").unwrap();
    }
    let environment = vec![
        ("HOME".to_string(), folder.path().display().to_string()),
        ("PWD".to_string(), folder.path().display().to_string()),
    ];
    assert_eq!(Config::load_from(None, &environment).unwrap().file, None);
}

#[test]
fn a_provider_is_configured_by_its_name_and_known_ones_need_nothing() {
    let config = load("").unwrap();
    assert_eq!(config.providers["openai"].base_url, "https://api.openai.com/v1");
    assert_eq!(config.providers["ollama"].kind, ProviderKind::Ollama);
    assert_eq!(config.providers["groq"].key_variable, "GROQ_API_KEY");
    let text = "[models.my-box]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:8080/v1\"\nkey_variable = \"BOX\"\ntools = false\n";
    let config = load(text).unwrap();
    let mine = &config.providers["my-box"];
    assert_eq!((mine.kind, mine.key_variable.as_str(), mine.needs_key), (ProviderKind::OpenAi, "BOX", true));
    assert!(!mine.tools && mine.images);
    let changed =
        [("BLUFIO_MODELS__MY_BOX__TOOLS", "true"), ("BLUFIO_MODELS__ANTHROPIC__BASE_URL", "https://y")];
    let config = load_with(text.as_bytes(), &changed).unwrap();
    assert!(config.providers["my-box"].tools && !config.providers.contains_key("my_box"));
    assert_eq!(config.providers["anthropic"].base_url, "https://y");
}

#[test]
fn every_key_of_a_provider_changes_it() {
    let text = "[models.box]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:1\"\n";
    let before = load(text).unwrap();
    for (field, kind) in providers::FIELDS {
        let value = match kind {
            Kind::Word(_) if *field == "kind" => "ollama",
            Kind::Word(words) => words[0],
            Kind::Variable => "OTHER",
            Kind::Flag => "false",
            _ => "https://other",
        };
        let name = format!("BLUFIO_MODELS__BOX__{}", field.to_uppercase());
        let after = load_with(text.as_bytes(), &[(&name, value)]).unwrap();
        assert_ne!(after.providers["box"], before.providers["box"], "{name}");
    }
}

#[test]
fn what_is_wrong_with_a_provider_is_named_with_its_place() {
    for (text, words) in [
        ("[models.box]\nbase_url = \"http://127.0.0.1:1\"\n", ":2: `models.box.kind` is missing"),
        ("[models.box]\nkind = \"openai\"\n", "`models.box.base_url` is missing"),
        ("[models.box]\nkind = \"opnai\"\n", "one of anthropic, openai, ollama"),
        ("[models.openai]\nbase_ulr = \"x\"\n", "did you mean `models.openai.base_url`"),
        ("[models.Box]\nkind = \"openai\"\n", "is no name of a provider"),
        ("[models.box]\nkind = \"anthropic\"\n", "is named `anthropic`"),
        ("[models.anthropic]\nkind = \"openai\"\n", ":2: the Messages API"),
        ("[models.ollama]\ndialect = \"groq\"\n", "means nothing here"),
        ("[models.anthropic]\ntools = false\n", "means nothing here"),
        ("[models.openai]\ntools = \"no\"\n", "without quotes"),
        ("[models.openai]\ndialect = \"french\"\n", "one of openai, openrouter"),
        ("models = 3\n", "is a section"),
        ("[models]\nopenai = 3\n", "is a section"),
        ("prices_file = 3\n", "a path in quotes"),
    ] {
        assert!(problem(text).contains(words), "{text}: {}", problem(text));
    }
    let secret = problem("[models.openai]\nkey_variable = \"sk-proj-abc\"\n");
    assert!(secret.contains("name of an environment variable") && !secret.contains("abc"), "{secret}");
    let error = load_with(b"", &[("BLUFIO_MODELS__OPENAI__BASE_ULR", "x")]).unwrap_err().to_string();
    assert!(error.contains("BLUFIO_MODELS__OPENAI__BASE_URL"), "{error}");
}
