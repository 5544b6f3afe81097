//! Settings at the start: what is refused, with which exit code, and that no message holds a secret.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use patchbay::config::{Kind, SETTINGS};
use patchbay::service::Pepper;
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::Value;

use crate::support::{Process, TestDatabase, Wire, command};

const PEPPER: &str = "pepper-pepper-pepper-pepper-pepper";
const TOKEN: &str = "gateway-gateway-gateway-gateway-gateway";
/// What exits with this is not helped by waiting.
const PERMANENT: Option<i32> = Some(2);

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn written(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// All output of a refusal that waiting does not help.
fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Process::run_with(arguments, environment);
    assert_eq!(output.status.code(), PERMANENT, "{arguments:?} {environment:?}: {}", written(&output));
    written(&output)
}

#[test]
fn no_output_holds_a_parameter_of_a_database_url() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    for (name, url) in [
        ("PATCHBAY_DATABASE_URL", "postgres://u:p@127.0.0.1:1/d?sslpassword=CANARY"),
        ("PATCHBAY_DATABASE_URL", "postgres://u:p@127.0.0.1:1/d?pasword=CANARY"),
        ("PATCHBAY_DATABASE_URL", "postgres://u:CANARY@127.0.0.1:1/d?sslmod=verify-full"),
        ("PATCHBAY_DATABASE_URL", "postgres://u:p@127.0.0.1:1/d?sslmode=CANARY"),
        ("PATCHBAY_DATABASE_URL", "postgres://u:p@127.0.0.1:1/d?sslrootcert=/CANARY"),
        ("PATCHBAY_DATABASE_URL", "postgres://u:a/CANARY@127.0.0.1:1/d"),
        ("PATCHBAY_DATABASE_URL", "mysql://u:CANARY@127.0.0.1:1/d"),
        ("PATCHBAY_DATABASE__MIGRATION_URL", "postgres://u:p@127.0.0.1:1/d?sslpassword=CANARY"),
        ("PATCHBAY_DATABASE__MIGRATION_URL", "sqlite:CANARY"),
    ] {
        let arguments = ["migrate", "--data-dir", &data, "--set", "log.level=trace"];
        let output = refused(&arguments, &[(name, url)]);
        assert!(!output.contains("CANARY") && output.contains(name), "{url}: {output}");
    }
    // One that is understood, and leads nowhere.
    let url = "postgres://u:CANARY@127.0.0.1:1/d?application_name=CANARY&options=-c%20geqo%3DCANARY&search_path=CANARY";
    let arguments = ["migrate", "--set", "log.level=trace", "--set", "database.silence_ms=0"];
    let output = Process::run_with(&arguments, &[("PATCHBAY_DATABASE_URL", url), ("PGPASSFILE", "/dev/null")]);
    assert_eq!(output.status.code(), Some(1), "{}", written(&output));
    assert!(!written(&output).contains("CANARY"), "{}", written(&output));
}

#[test]
fn search_path_of_a_url_selects_the_schema() {
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else { return };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let folder = tempfile::tempdir().expect("folder");
    let TestDatabase::Postgres(_) = runtime.block_on(TestDatabase::create(&folder)) else { return };
    let schema = format!("t_{}", uuid::Uuid::new_v4().simple());
    let count = runtime.block_on(async {
        let admin = Database::connect(&server).await.expect("connected");
        admin.execute_unprepared(&format!("CREATE SCHEMA {schema}")).await.expect("created");
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}search_path={schema}");
        let output = Process::run_with(&["migrate"], &[("PATCHBAY_DATABASE_URL", &url)]);
        assert!(output.status.success(), "{}", written(&output));
        let count = format!("SELECT count(*) FROM information_schema.tables WHERE table_schema = '{schema}'");
        let row = admin.query_one_raw(Statement::from_string(admin.get_database_backend(), count)).await;
        row.expect("counted").expect("a row").try_get_by_index::<i64>(0).expect("a number")
    });
    assert!(count > 5, "{count} tables in the schema");
}

#[test]
fn sqlite_parameters_are_not_part_of_the_file_name() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("data.db");
    for form in ["sqlite:{}?mode=rwc", "sqlite://{}?mode=rwc", "sqlite:{}"] {
        let url = form.replace("{}", &text(&file));
        let output = Process::run_with(&["migrate"], &[("PATCHBAY_DATABASE_URL", &url)]);
        assert!(output.status.success() && file.exists(), "{url}: {}", written(&output));
    }
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).expect("folder").map(|item| item.expect("item").file_name()).collect();
    names.retain(|name| name.to_string_lossy().contains(['?', '~']));
    assert!(names.is_empty(), "{names:?}");
    for (variable, value) in [
        ("PATCHBAY_DATABASE_URL", "sqlite:~/x.db"),
        ("PATCHBAY_DATABASE_URL", "sqlite:x.db?mode=ro"),
        ("PATCHBAY_DATA_DIR", "~/x"),
    ] {
        let output = command(&["migrate"]).env(variable, value).current_dir(&folder).output().expect("run");
        assert_eq!(output.status.code(), PERMANENT, "{value}: {}", written(&output));
        assert!(written(&output).contains(variable), "{}", written(&output));
    }
}

#[test]
fn variables_set_to_nothing_are_refused_by_name() {
    for setting in SETTINGS {
        let variables = [Some(setting.env_name()), setting.env.map(str::to_owned)];
        let files = setting.is_secret().then(|| format!("{}_FILE", setting.env_name()));
        for variable in variables.into_iter().flatten().chain(files) {
            let output = refused(&["config", "show"], &[(&variable, "")]);
            assert!(output.contains(&format!("environment variable {variable} is empty")), "{output}");
        }
    }
    let output = refused(&["config", "show"], &[("PATCHBAY_CONFIG", "")]);
    assert!(output.contains("PATCHBAY_CONFIG is empty"), "{output}");
    assert!(refused(&["config", "show", "--database-url", ""], &[]).contains("--database-url"));
}

#[test]
fn control_characters_are_refused_and_values_quoted() {
    for setting in SETTINGS {
        let (is_bare, value) = match setting.kind {
            Kind::Secret | Kind::Issuers => continue,
            Kind::Token | Kind::DatabaseUrl | Kind::PostgresUrl => (false, "sqlite:a\rb"),
            _ => (true, "data\r"),
        };
        let variable = setting.env_name();
        let output = refused(&["config", "show"], &[(&variable, value)]);
        assert!(output.contains(setting.key) && output.contains(&variable), "{output}");
        assert!(output.contains("control characters"), "{output}");
        assert_eq!(output.contains(r#""data\r""#), is_bare, "{output}");
    }
}

#[test]
fn every_path_setting_refuses_a_tilde() {
    for setting in SETTINGS.iter().filter(|setting| matches!(setting.kind, Kind::Path)) {
        let output = refused(&["config", "show", "--set", &format!("{}=~/x", setting.key)], &[]);
        assert!(output.contains(setting.key) && output.contains("only shells expand ~"), "{output}");
    }
}

#[test]
fn secrets_are_refused_as_flags() {
    for setting in SETTINGS.iter().filter(|setting| setting.is_secret()) {
        let value = if setting.is_database_url() { "postgres://u:CANARY@h/d" } else { "CANARY" };
        let output = refused(&["config", "show", "--set", &format!("{}={value}", setting.key)], &[]);
        let variable = setting.env.map_or_else(|| setting.env_name(), str::to_owned);
        assert!(output.contains(setting.key) && output.contains(&format!("{variable}_FILE")), "{output}");
        assert!(!output.contains("CANARY"), "{output}");
    }
    let output = refused(&["config", "show", "--set", "database.url=postgres://h/d?password=CANARY"], &[]);
    assert!(output.contains("PATCHBAY_DATABASE_URL_FILE") && !output.contains("CANARY"), "{output}");
    let open = Process::run(&["config", "show", "--database-url", "postgres://u@h/d"]);
    assert!(open.status.success(), "{}", written(&open));
}

#[test]
fn user_names_in_urls_are_refused_and_never_quoted() {
    for key in ["keys.transit_url", "keys.kms_endpoint_url", "telemetry.otlp_endpoint", "server.cors_origins"] {
        for value in ["https://u:CANARY@a.example", "https://CANARY@a.example/x", "ftp://u:CANARY@a.example"] {
            let output = refused(&["config", "show", "--set", &format!("{key}={value}")], &[]);
            assert!(output.contains(key) && !output.contains("CANARY"), "{output}");
        }
    }
    for field in ["issuer", "jwks_url"] {
        let mut issuer = HashMap::from([("issuer", "https://a.example"), ("account_claim", "org")]);
        issuer.insert(field, "https://u:CANARY@a.example");
        let mut issuers = serde_json::json!([issuer]);
        issuers[0]["audience"] = serde_json::json!(["a"]);
        let output = refused(&["config", "show"], &[("PATCHBAY_AUTH__ISSUERS", &issuers.to_string())]);
        assert!(output.contains("auth.issuers") && !output.contains("CANARY"), "{output}");
    }
}

#[test]
fn two_variables_of_one_setting_must_agree() {
    let pair = |second| [("PATCHBAY_LISTEN", "127.0.0.1:1"), ("PATCHBAY_SERVER__LISTEN", second)];
    assert!(Process::run_with(&["config", "show"], &pair("127.0.0.1:1")).status.success());
    let output = refused(&["config", "show"], &pair("127.0.0.1:2"));
    for part in ["PATCHBAY_LISTEN", "PATCHBAY_SERVER__LISTEN", "both set server.listen"] {
        assert!(output.contains(part), "{output}");
    }
}

#[test]
fn unknown_names_get_a_similar_setting_as_hint() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:1\"\n[log]\nlevels = \"info\"\n").expect("written");
    let output = refused(
        &["config", "show", "--config", &text(&file), "--set", "auth.mod=open"],
        &[("PATCHBAY_LOG_LEVEL", "debug"), ("PATCHBAY_MAX_DEPTH", "3"), ("PATCHBAY_QQQQ", "1")],
    );
    for part in [
        "belongs in a section, such as [server]",
        "log.levels (",
        "did you mean auth.mode (PATCHBAY_AUTH__MODE)?",
        "PATCHBAY_LOG_LEVEL: no such setting; did you mean log.level (PATCHBAY_LOG__LEVEL)?",
        "PATCHBAY_MAX_DEPTH: no such setting; did you mean graphql.max_depth (PATCHBAY_GRAPHQL__MAX_DEPTH)?",
        "PATCHBAY_QQQQ: no such setting; `patchbay config show` lists them all",
    ] {
        assert!(output.contains(part), "{part} not in\n{output}");
    }
}

#[test]
fn toml_errors_have_line_and_column() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "\u{feff}[server]\nlisten = \"127.0.0.1:1\"\n\n[log\n").expect("written");
    let output = refused(&["config", "show", "--config", &text(&file)], &[]);
    assert!(output.contains("own.toml line 4 column "), "{output}");
    std::fs::write(&file, "\u{feff}[server]\nlisten = \"127.0.0.1:1\"\n").expect("written");
    assert!(Process::run(&["config", "show", "--config", &text(&file)]).status.success());
}

#[test]
fn an_open_file_with_secrets_is_warned_of() {
    let folder = tempfile::tempdir().expect("folder");
    let (file, data) = (folder.path().join("own.toml"), text(&folder.path().join("data")));
    let arguments = ["--config", &text(&file), "--data-dir", &data];
    for (content, mode, is_warned) in [
        ("[auth]\ngateway_token = \"CANARY-CANARY-CANARY-CANARY-CANARY-\"\n", 0o644, true),
        ("[auth]\ngateway_token = \"CANARY-CANARY-CANARY-CANARY-CANARY-\"\n", 0o640, false),
        ("[log]\nlevel = \"info\"\n", 0o644, false),
    ] {
        std::fs::write(&file, content).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("mode");
        let (_, log) = Process::serve(&arguments).stop();
        assert_eq!(log.contains("chmod 640"), is_warned, "{mode:o}: {log}");
        assert!(!log.contains("CANARY"), "{log}");
    }
}

#[tokio::test]
async fn a_token_is_the_same_from_a_variable_and_a_file() {
    let folder = tempfile::tempdir().expect("folder");
    let (file, data) = (folder.path().join("token"), text(&folder.path().join("data")));
    std::fs::write(&file, format!("\u{feff}{TOKEN}\r\n")).expect("written");
    let arguments = ["--data-dir", &data, "--listen", "127.0.0.1:0", "--set", "auth.mode=gateway"];
    for variable in [("PATCHBAY_GATEWAY_TOKEN", &*format!("{TOKEN}\n")), ("PATCHBAY_GATEWAY_TOKEN_FILE", &text(&file))]
    {
        let process = Process::serve_with(&arguments, &[variable]);
        let wire = Wire::new(&process.url, "acme").header("x-gateway-token", TOKEN);
        wire.get("/api/v1/integrations?limit=1").await.ok();
    }
}

#[tokio::test]
async fn a_pepper_recorded_with_a_line_break_stays_in_force() {
    let folder = tempfile::tempdir().expect("folder");
    let database = TestDatabase::create(&folder).await;
    let (url, data, file) = (database.url(), text(&folder.path().join("data")), folder.path().join("pepper-file"));
    std::fs::write(&file, format!("{PEPPER}\n")).expect("written");
    let place = ["--data-dir", &data, "--database-url", &url];
    let create = ["api-keys", "create", "--name", "a", "--scope", "admin", "--all-accounts"];
    let create = |pepper| Process::run_with(&[&create[..], &place].concat(), &[pepper]);
    let (variable, from_file) = (("PATCHBAY_AUTH_PEPPER", PEPPER), text(&file));
    let from_file = ("PATCHBAY_AUTH_PEPPER_FILE", &*from_file);
    assert!(Process::run_with(&[&["migrate"][..], &place].concat(), &[variable]).status.success());
    assert!(create(variable).status.success());
    // As an earlier version recorded a variable with a line break at its end.
    let before = Pepper::new(&format!("{PEPPER}\n")).expect("a pepper").fingerprint();
    let db = Database::connect(database.admin_url()).await.expect("connected");
    let update = format!("UPDATE key_checks SET fingerprint = '{before}' WHERE provider = 'pepper'");
    assert_eq!(db.execute_unprepared(&update).await.expect("updated").rows_affected(), 1);
    for pepper in [variable, from_file, ("PATCHBAY_AUTH_PEPPER", &*format!("{PEPPER}\n"))] {
        let made = create(pepper);
        assert!(made.status.success(), "{}", written(&made));
        let key = String::from_utf8(made.stdout).expect("UTF-8");
        let arguments = [&place[..], &["--listen", "127.0.0.1:0", "--set", "auth.mode=api_key"]].concat();
        let process = Process::serve_with(&arguments, &[from_file]);
        let wire = Wire::new(&process.url, "acme").header("authorization", &format!("Bearer {}", key.trim()));
        wire.get("/api/v1/integrations?limit=1").await.ok();
        let (_, log) = process.stop();
        assert!(log.contains("goes on using that pepper") && !log.contains(PEPPER), "{log}");
    }
}

#[tokio::test]
async fn permanent_start_errors_exit_with_2_and_transient_with_1() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| text(&folder.path().join(name));
    let ring = |name: &str, mode: u32| {
        let path = at(name);
        patchbay::vault::Keyring::create(Path::new(&path)).expect("key ring");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        path
    };
    let (right, wrong, open) = (ring("right", 0o600), ring("wrong", 0o600), ring("open", 0o644));
    std::fs::write(at("text"), "no database at all, and long enough to be read as one page of it".repeat(100))
        .expect("written");
    let database = TestDatabase::create(&folder).await.url();
    let url = ("PATCHBAY_DATABASE_URL", &*database);
    Process::serve_with(
        &["--data-dir", &at("data"), "--listen", "127.0.0.1:0"],
        &[url, ("PATCHBAY_KEYRING_FILE", &right)],
    )
    .stop();
    let keys = [url, ("PATCHBAY_KEYRING_FILE", &right)];
    let short = [keys[0], keys[1], ("PATCHBAY_AUTH_PEPPER", "short")];
    for (name, settings, environment) in [
        ("no key ring", &[][..], &[url][..]),
        ("absent key ring", &[], &[url, ("PATCHBAY_KEYRING_FILE", &at("absent"))]),
        ("other key ring", &[], &[url, ("PATCHBAY_KEYRING_FILE", &wrong)]),
        ("open key ring", &[], &[url, ("PATCHBAY_KEYRING_FILE", &open)]),
        ("short pepper", &["auth.mode=api_key"], &short),
        ("no gateway token", &["auth.mode=gateway"], &keys),
        ("no issuer", &["auth.mode=jwt"], &keys),
        ("open beyond loopback", &["auth.mode=open", "server.listen=0.0.0.0:0"], &keys),
        ("absent provider", &["keys.provider=transit"], &keys),
        ("no database file", &[], &[("PATCHBAY_DATABASE_URL", &format!("sqlite:{}", at("text")))]),
        // SQLite cannot open a folder (SQLITE_CANTOPEN), as a file that another user owns.
        ("a folder as database", &[], &[("PATCHBAY_DATABASE_URL", &format!("sqlite:{}", text(folder.path())))]),
        ("no folder", &[], &[("PATCHBAY_DATA_DIR", "/proc/absent")]),
        ("bad setting", &["log.level=loud"], &keys),
    ] {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<_> = ["--listen", "127.0.0.1:0"].into_iter().chain(settings).collect();
        // The flag would win over the setting.
        let arguments = if name == "open beyond loopback" { &arguments[2..] } else { &arguments[..] };
        let output = Process::run_with(arguments, &[&[("PATCHBAY_DATA_DIR", &*at("data"))], environment].concat());
        assert_eq!(output.status.code(), PERMANENT, "{name}: {}", written(&output));
        assert!(written(&output).contains("error: "), "{name}: {}", written(&output));
    }
    // A server that is away, and an address in use, may be another time.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("address").to_string();
    let in_use = Process::run_with(&["--data-dir", &at("data"), "--listen", &address], &keys);
    assert_eq!(in_use.status.code(), Some(1), "{}", written(&in_use));
    let away = [("PATCHBAY_DATABASE_URL", "postgres://u@127.0.0.1:1/d"), ("PATCHBAY_DATABASE__SILENCE_MS", "0")];
    let away = Process::run_with(&["--listen", "127.0.0.1:0"], &away);
    assert_eq!(away.status.code(), Some(1), "{}", written(&away));
}

#[test]
fn standard_output_is_json_when_the_log_is() {
    let folder = tempfile::tempdir().expect("folder");
    let data = text(&folder.path().join("data"));
    let first_key = ["--listen", "0.0.0.0:0", "--set", "auth.mode=api_key"];
    for arguments in [&["--listen", "127.0.0.1:0"][..], &first_key] {
        let arguments = [&["--data-dir", &*data, "--set", "log.format=json"], arguments].concat();
        let (stdout, log) = Process::serve_with(&arguments, &[]).stop();
        let lines: Vec<Value> =
            stdout.lines().chain(log.lines()).map(|line| serde_json::from_str(line).expect(line)).collect();
        assert!(lines.iter().all(|line| line["message"].is_string() && line["level"].is_string()), "{stdout}{log}");
    }
}

#[tokio::test]
async fn migration_through_a_pooler_names_the_pooler_settings() {
    let Ok(pooler) = std::env::var("TEST_POOLER_URL") else { return };
    let output = Process::run_with(&["migrate"], &[("PATCHBAY_DATABASE_URL", &pooler)]);
    for part in ["database.transaction_pooler", "database.migration_url"] {
        assert!(written(&output).contains(part), "{}", written(&output));
    }
}
