//! The command line: help worth reading, settings with their sources, and commands that work alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::Process;

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", err(output));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The faults of a configuration that is refused.
fn faults(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Process::run_with(arguments, environment);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(output.stdout.is_empty());
    err(&output)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The line of one setting: its value and where that came from.
fn shown(arguments: &[&str], environment: &[(&str, &str)], key: &str) -> (String, String) {
    let show = out(&Process::run_with(&[&["config", "show"], arguments].concat(), environment));
    let line = show.lines().find(|line| line.split_whitespace().next() == Some(key));
    let mut words = line.unwrap_or_else(|| panic!("{key} not in {show}")).split_whitespace().skip(1);
    let value = words.next().expect("value").to_owned();
    (value, words.collect::<Vec<_>>().join(" "))
}

#[test]
fn help_of_every_command_is_as_agreed() {
    for command in [
        "",
        "serve",
        "migrate",
        "schema",
        "openapi",
        "audit",
        "audit export",
        "backup",
        "backup verify",
        "restore",
        "keys",
        "keys generate",
        "keys status",
        "keys rotate",
        "keys rewrap",
        "keys bind",
        "keys verify",
        "keys retire",
        "keys add",
        "keys promote",
        "keys remove",
        "account",
        "account export",
        "account shred",
        "api-keys",
        "api-keys create",
        "api-keys list",
        "api-keys revoke",
        "catalog",
        "catalog list",
        "catalog schema",
        "catalog validate",
        "catalog import",
        "catalog export",
        "catalog diff",
        "catalog reset",
        "catalog deprecate",
        "catalog delete",
        "config",
        "config show",
        "config default",
        "healthcheck",
        "completions",
    ] {
        let arguments: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let help = out(&Process::run_with(&arguments, &[("COLUMNS", "100")]));
        let name = if command.is_empty() { "help".to_owned() } else { format!("help_{}", command.replace(' ', "_")) };
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, help);
        });
    }
}

#[test]
fn an_unknown_command_or_flag_is_refused_with_2() {
    for arguments in [&["install"][..], &["--colour"], &["serve", "now"], &["config"], &["completions", "tcl"]] {
        assert_eq!(Process::run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(out(&Process::run(&["--version"])), format!("patchbay {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file_and_that_over_defaults() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("patchbay.toml");
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\n").expect("written");
    let file = text(&file);
    let key = "server.listen";
    assert_eq!(shown(&[], &[], key), ("127.0.0.1:8080".into(), "default".into()));
    assert_eq!(shown(&["--config", &file], &[], key), ("127.0.0.1:1".into(), file.clone()));
    assert_eq!(shown(&[], &[("PATCHBAY_CONFIG", &file)], key), ("127.0.0.1:1".into(), file.clone()));
    let long = ("PATCHBAY_SERVER__LISTEN", "127.0.0.1:2");
    let named = "environment variable PATCHBAY_SERVER__LISTEN";
    assert_eq!(shown(&["--config", &file], &[long], key), ("127.0.0.1:2".into(), named.into()));
    assert_eq!(shown(&[], &[("PATCHBAY_LISTEN", "127.0.0.1:2")], key).0, "127.0.0.1:2");
    let flag = ["--config", &file, "--listen", "127.0.0.1:3"];
    assert_eq!(shown(&flag, &[long], key), ("127.0.0.1:3".into(), "--listen".into()));
    assert_eq!(shown(&["--set", "server.listen=127.0.0.1:4"], &[long], key), ("127.0.0.1:4".into(), "--set".into()));
    for (arguments, key, value) in [
        (["--data-dir", "/somewhere"], "server.data_dir", "/somewhere"),
        (["--set", "log.level=debug"], "log.level", "debug"),
    ] {
        assert_eq!(shown(&arguments, &[], key).0, value);
    }
    assert_eq!(shown(&["--insecure-trust-account-header"], &[], "server.insecure_trust_account_header").0, "true");
}

#[test]
fn a_file_in_the_working_directory_is_read_without_being_named() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("patchbay.toml"), "[log]\nlevel = \"debug\"\n").expect("written");
    let output = crate::support::command(&["config", "show"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .output()
        .expect("run");
    let show = out(&output);
    let line = show.lines().find(|line| line.starts_with("log.level")).expect("line");
    assert!(line.contains("debug") && line.ends_with("patchbay.toml"), "{line}");
}

#[test]
fn every_fault_of_a_configuration_is_named_with_key_value_source_and_range() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "top = 1\n[server]\nlisten = \"nowhere\"\ncolour = \"red\"\n[nonsense]\nx = 1\n")
        .expect("written");
    let file = text(&file);
    let faults = faults(
        &["--config", &file, "--set", "log.level=loud", "--set", "no.such=1"],
        &[
            ("PATCHBAY_SERVER__DRAIN_TIMEOUT_MS", "600001"),
            ("PATCHBAY_NO_SUCH", "1"),
            ("PATCHBAY_GRAPHQL__MAX_DEPTH", "-1"),
        ],
    );
    for part in [
        &*format!("\"top\" ({file})"),
        &format!("server.listen = \"nowhere\" ({file}): allowed: ADDRESS:PORT"),
        &format!("server.colour ({file}): no such setting"),
        &format!("nonsense.x ({file}): no such setting"),
        "log.level = \"loud\" (--set): allowed: error, warn, info, debug, trace",
        "no.such (--set): no such setting",
        "server.drain_timeout_ms = \"600001\" (environment variable PATCHBAY_SERVER__DRAIN_TIMEOUT_MS): allowed: 0 to 600000",
        "environment variable PATCHBAY_NO_SUCH: no such setting",
        "graphql.max_depth = \"-1\" (environment variable PATCHBAY_GRAPHQL__MAX_DEPTH): allowed: 1 to 100",
    ] {
        assert!(faults.contains(part), "{part} not in\n{faults}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_refused_with_2() {
    let folder = tempfile::tempdir().expect("folder");
    let absent = text(&folder.path().join("absent.toml"));
    assert!(faults(&["--config", &absent], &[]).contains(&absent));
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "[database]\nurl = \"postgres://u:CANARY@h/db\" oops\n").expect("written");
    let told = faults(&["config", "show", "--config", &text(&broken)], &[]);
    assert!(told.contains("not valid TOML") && !told.contains("CANARY"), "{told}");
    assert!(faults(&["--set", "log.level"], &[]).contains("KEY=VALUE"));
    let unread = faults(&["config", "show"], &[("PATCHBAY_DATABASE_URL_FILE", &absent)]);
    assert!(unread.contains("PATCHBAY_DATABASE_URL_FILE") && unread.contains(&absent), "{unread}");
    let ill = faults(&["config", "show", "--database-url", "mysql://u:CANARY@h/db"], &[]);
    assert!(ill.contains("postgres://") && !ill.contains("CANARY"), "{ill}");
}

#[test]
fn secrets_are_shown_as_set_wherever_they_come_from() {
    let folder = tempfile::tempdir().expect("folder");
    let url = "postgres://user:CANARY@localhost/db";
    let file = folder.path().join("url");
    std::fs::write(&file, format!("{url}\n")).expect("written");
    let file = text(&file);
    let key = "database.url";
    let of = |name: &str| format!("environment variable {name}");
    for (arguments, environment, source) in [
        (&["--database-url", "postgres://localhost/db"][..], &[][..], "--database-url".to_owned()),
        (&[], &[("PATCHBAY_DATABASE_URL", url)], of("PATCHBAY_DATABASE_URL")),
        (&[], &[("PATCHBAY_DATABASE__URL", url)], of("PATCHBAY_DATABASE__URL")),
        (&[], &[("PATCHBAY_DATABASE_URL_FILE", &*file)], of("PATCHBAY_DATABASE_URL_FILE")),
        (&[], &[("PATCHBAY_DATABASE__URL_FILE", &*file)], of("PATCHBAY_DATABASE__URL_FILE")),
    ] {
        assert_eq!(shown(arguments, environment, key), ("<set>".into(), source));
    }
    let ring = [("PATCHBAY_KEYRING", "CANARY")];
    assert_eq!(shown(&[], &ring, "keys.keyring").0, "<set>");
    assert!(!out(&Process::run_with(&["config", "show"], &ring)).contains("CANARY"));
}

#[test]
fn a_url_in_a_file_is_used() {
    let folder = tempfile::tempdir().expect("folder");
    let database = folder.path().join("from-file.db");
    let file = folder.path().join("url");
    std::fs::write(&file, format!("sqlite:{}\n", text(&database))).expect("written");
    let output = Process::run_with(&["migrate"], &[("PATCHBAY_DATABASE_URL_FILE", &text(&file))]);
    assert_eq!(out(&output), "The schema is up to date\n");
    assert!(database.exists());
    // Again, and nothing is left to do.
    out(&Process::run_with(&["migrate"], &[("PATCHBAY_DATABASE_URL_FILE", &text(&file))]));
}

#[test]
fn the_default_configuration_changes_nothing_and_can_be_uncommented_as_a_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let default = out(&Process::run(&["config", "default"]));
    let plain = out(&Process::run(&["config", "show"]));
    let path = folder.path().join("patchbay.toml");
    std::fs::write(&path, &default).expect("written");
    assert_eq!(out(&Process::run(&["config", "show", "--config", &text(&path)])), plain);
    let is_setting = |rest: &str| rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let uncommented: Vec<_> =
        default.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line)).collect();
    std::fs::write(&path, uncommented.join("\n")).expect("written");
    let all = out(&Process::run(&["config", "show", "--config", &text(&path)]));
    let values = |show: &str| -> Vec<String> {
        show.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(values(&all), values(&plain));
    assert!(all.lines().all(|line| line.ends_with("patchbay.toml")), "{all}");
}

#[test]
fn the_published_documents_are_printed() {
    assert_eq!(out(&Process::run(&["schema"])), patchbay::graphql::sdl());
    let openapi: Value = serde_json::from_str(&out(&Process::run(&["openapi"]))).expect("JSON");
    assert_eq!(openapi, patchbay::rest::document());
}

#[test]
fn the_catalog_is_listed_for_people_and_for_programs() {
    let entries: Value = serde_json::from_str(&out(&Process::run(&["catalog", "list", "--json"]))).expect("JSON");
    let entries = entries.as_array().expect("list");
    assert_eq!(entries.len(), patchbay::catalog::builtin().expect("catalog").len());
    let lines = out(&Process::run(&["catalog", "list"]));
    assert_eq!(lines.lines().count(), entries.len());
    for entry in entries {
        let (name, display_name) =
            (entry["name"].as_str().expect("name"), entry["display_name"].as_str().expect("name"));
        let found = lines.lines().any(|l| l.split_whitespace().nth(1) == Some(name) && l.ends_with(display_name));
        assert!(found, "{name} not in\n{lines}");
    }
}

#[test]
fn a_generated_key_ring_is_its_owners_alone_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("ring.json");
    let told = out(&Process::run(&["keys", "generate", "--out", &text(&path)]));
    assert!(told.contains(&text(&path)), "{told}");
    assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    let made = std::fs::read_to_string(&path).expect("ring");
    patchbay::vault::Keyring::read(&path).expect("usable");
    let again = Process::run(&["keys", "generate", "--out", &text(&path)]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains(&text(&path)), "{}", err(&again));
    assert_eq!(std::fs::read_to_string(&path).expect("ring"), made);
    let (one, two) = (out(&Process::run(&["keys", "generate"])), out(&Process::run(&["keys", "generate"])));
    patchbay::vault::Keyring::parse(&one).expect("usable");
    assert_ne!(one, two);
}

#[test]
fn health_is_asked_with_an_exit_code() {
    let folder = tempfile::tempdir().expect("folder");
    let process = Process::serve(&["--data-dir", &text(&folder.path().join("data"))]);
    let address = process.url.trim_start_matches("http://").to_owned();
    let told = out(&Process::run(&["healthcheck", "--listen", &address]));
    assert!(told.starts_with("ready: "), "{told}");
    out(&Process::run_with(&["healthcheck"], &[("PATCHBAY_LISTEN", &address)]));
    // What listens everywhere is asked on loopback.
    let everywhere = format!("0.0.0.0:{}", address.rsplit(':').next().expect("port"));
    out(&Process::run(&["healthcheck", "--listen", &everywhere]));
    process.stop();
    let gone = Process::run(&["healthcheck", "--listen", &address]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(err(&gone).contains("Is the server running there?"), "{}", err(&gone));
}

#[test]
fn completions_are_printed_for_shells() {
    for (shell, part) in [("bash", "_patchbay()"), ("zsh", "#compdef patchbay"), ("fish", "complete -c patchbay")] {
        let script = out(&Process::run(&["completions", shell]));
        assert!(script.contains(part) && script.contains("healthcheck"), "{shell}");
    }
}

#[test]
fn the_first_thing_said_is_where_to_go() {
    let folder = tempfile::tempdir().expect("folder");
    let process = Process::serve(&["--data-dir", &text(&folder.path().join("data"))]);
    let url = process.url.clone();
    let (stdout, _) = process.stop();
    for part in [
        format!("{url}/ui"),
        format!("{url}/graphiql"),
        format!("{url}/docs"),
        format!("{url}/graphql"),
        format!("{url}/api/v1"),
        format!("curl -s -H 'X-Account-ID: acme' {url}/api/v1/integrations/stripe"),
    ] {
        assert!(stdout.contains(&part), "{part} not in\n{stdout}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn server_writes_no_core_dump() {
    let folder = tempfile::tempdir().expect("folder");
    let process = Process::serve(&["--data-dir", &text(folder.path())]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).expect("readable");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{line}");
    process.stop();
}
