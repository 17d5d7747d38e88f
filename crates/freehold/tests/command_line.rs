//! The binary as a person or a script meets it: help, configuration, doctor, exit statuses.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Runs the binary with nothing of our environment but the path.
fn freehold(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command.envs(environment.iter().copied());
    command.output().expect("the binary starts")
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn show(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn help_names_the_commands_and_the_exit_statuses() {
    let help = freehold(&["--help"], &[]);
    assert_eq!(status(&help), Some(0));
    for word in ["doctor", "config", "Exit status:", "3  an outage"] {
        assert!(out(&help).contains(word), "{word}");
    }
    let doctor = freehold(&["doctor", "--help"], &[]);
    assert!(out(&doctor).contains("freehold doctor --data my-data --json"));
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(out(&freehold(&["--version"], &[])), concat!("freehold ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_wrong_command_line_is_status_2_with_a_hint() {
    let wrong = freehold(&["docter"], &[]);
    assert_eq!(status(&wrong), Some(2));
    assert!(err(&wrong).contains("doctor"), "{}", err(&wrong));
    assert_eq!(out(&wrong), "");
    assert_eq!(status(&freehold(&[], &[])), Some(2));
    assert_eq!(status(&freehold(&["config", "print", "--set", "role"], &[])), Some(2));
}

#[test]
fn every_value_says_where_it_comes_from() {
    let folder = folder();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, "[log]\nlevel = \"warn\"\n").expect("written");
    let arguments =
        ["config", "print", "--with-origin", "--json", "--config", show(&file), "--data", "there"];
    let printed = freehold(&arguments, &[("FREEHOLD_VAULT_LISTEN", "127.0.0.1:1")]);
    assert_eq!(status(&printed), Some(0), "{}", err(&printed));
    let settings: Value = serde_json::from_str(&out(&printed)).expect("JSON");
    for (key, value, origin) in [
        ("data", "there", "flag --data"),
        ("vault.listen", "127.0.0.1:1", "environment FREEHOLD_VAULT_LISTEN"),
        ("log.level", "warn", &format!("{} line 2", file.display())),
        ("role", "all", "default"),
    ] {
        assert_eq!(settings[key]["value"], value, "{key}");
        assert_eq!(settings[key]["origin"], origin, "{key}");
    }
}

#[test]
fn the_environment_can_name_the_file_and_a_flag_wins() {
    let folder = folder();
    let (one, two) = (folder.path().join("one.toml"), folder.path().join("two.toml"));
    std::fs::write(&one, "role = \"vault\"").expect("written");
    std::fs::write(&two, "role = \"service\"").expect("written");
    let environment = [("FREEHOLD_CONFIG", show(&one))];
    assert!(out(&freehold(&["config", "print"], &environment)).contains("role = \"vault\"\n"));
    let flag = freehold(&["config", "print", "--config", show(&two)], &environment);
    assert!(out(&flag).contains("role = \"service\"\n"));
}

#[test]
fn an_unknown_name_is_status_2_with_the_nearest_one() {
    let unknown = freehold(&["doctor", "--set", "servce.listen=x"], &[]);
    assert_eq!(status(&unknown), Some(2));
    assert!(err(&unknown).contains("did you mean `service.listen`?"), "{}", err(&unknown));
    let unknown = freehold(&["config", "print"], &[("FREEHOLD_DTA", "x")]);
    assert_eq!(status(&unknown), Some(2));
    assert!(err(&unknown).contains("did you mean `FREEHOLD_DATA`?"), "{}", err(&unknown));
}

#[test]
fn the_sample_file_is_accepted_as_it_is() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/freehold.toml");
    let printed = freehold(&["config", "print", "--config", show(&sample)], &[]);
    assert_eq!(status(&printed), Some(0), "{}", err(&printed));
}

/// Ports that nobody else of this test run takes.
const ANY_PORTS: [&str; 6] = [
    "--set",
    "service.listen=127.0.0.1:0",
    "--set",
    "vault.listen=127.0.0.1:0",
    "--set",
    "availability-vault.listen=127.0.0.1:0",
];

fn doctor(data: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["doctor", "--json", "--data", show(data)][..], &ANY_PORTS, more].concat();
    let answer = freehold(&arguments, &[]);
    (status(&answer), serde_json::from_str(&out(&answer)).expect("JSON"))
}

fn verdict<'a>(answer: &'a Value, check: &str) -> &'a Value {
    let checks = answer["checks"].as_array().expect("a list");
    &checks.iter().find(|finding| finding["check"] == check).expect("the check")["verdict"]
}

#[test]
fn the_doctor_finds_nothing_to_mend_before_the_first_start_and_makes_nothing() {
    let folder = folder();
    let data = folder.path().join("data");
    let (status, answer) = doctor(&data, &[]);
    assert_eq!(status, Some(0), "{answer:#}");
    assert_eq!(answer["ok"], true);
    assert_eq!(verdict(&answer, "data folder"), "not-checked");
    assert_eq!(verdict(&answer, "vault port"), "ok");
    assert!(!data.exists());
}

#[test]
fn the_doctor_refuses_a_folder_of_a_newer_program_and_says_what_to_do() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("vault")).expect("made");
    std::fs::write(folder.path().join("vault/freehold.json"), r#"{"format":99}"#).expect("written");
    let (status, answer) = doctor(folder.path(), &[]);
    assert_eq!(status, Some(1));
    assert_eq!(answer["ok"], false);
    assert_eq!(verdict(&answer, "data folder"), "failed");
    assert!(answer.to_string().contains("99"), "{answer:#}");
}

#[test]
fn the_doctor_names_a_port_that_is_taken() {
    let (folder, taken) = (folder(), std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let listen = format!("vault.listen={}", taken.local_addr().expect("an address"));
    let (status, answer) = doctor(&folder.path().join("data"), &["--set", &listen]);
    assert_eq!(status, Some(0));
    assert_eq!(verdict(&answer, "vault port"), "warning");
}

#[test]
fn the_doctor_talks_to_people_without_colours_where_nobody_watches() {
    let folder = folder();
    let data = folder.path().join("data");
    let arguments = [&["doctor", "--data", show(&data)][..], &ANY_PORTS].concat();
    let answer = freehold(&arguments, &[]);
    assert_eq!(status(&answer), Some(0));
    assert!(out(&answer).contains("not checked  data folder"), "{}", out(&answer));
    assert!(!out(&answer).contains('\x1b'));
}
