//! Every command that the README shows is run here, as it stands, from the root of the repository.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::process::{Process, free_ports};
use support::{freehold, json, text};
use tempfile::TempDir;

const RUN: &str = "cargo run --release -- ";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("a README")
}

/// Lines of the README's blocks of one kind, those of a console without their prompt.
fn commands(kind: &str) -> Vec<String> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in readme().lines() {
        if line.starts_with("```") {
            inside = line == format!("```{kind}");
        } else if inside {
            let command = if kind == "console" { line.strip_prefix("$ ") } else { Some(line) };
            commands.extend(command.map(str::to_owned));
        }
    }
    commands
}

/// Where the README's data folder is in this test, and what its commands printed.
struct Reader {
    folder: TempDir,
    printed: String,
}

impl Reader {
    fn data(&self) -> String {
        text(&self.folder.path().join("my-data"))
    }

    fn tenant(&self) -> serde_json::Value {
        json(&["tenant", "list", "--data", &self.data(), "--json"])["tenants"][0].clone()
    }

    /// Runs one command as it stands, but for the places of this test.
    fn run(&mut self, arguments: &str, places: &[(&str, String)], input: &str) {
        let mut put = arguments.replace("my-data", &self.data());
        for (name, place) in places {
            put = put.replace(name, place);
        }
        let words: Vec<&str> = put.split_whitespace().collect();
        let mut command = freehold(&words);
        command.current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("FREEHOLD_CA", self.folder.path().join("my-data/tls/ca.pem"));
        let mut child = command.spawn().expect("it runs");
        // A command that reads nothing may have ended already.
        let _ = writeln!(child.stdin.take().expect("piped"), "{input}");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments}: {said}{told}");
        self.printed.push_str(&told);
    }
}

#[test]
fn every_command_works_in_its_order() {
    let mut reader = Reader { folder: TempDir::new().expect("a folder"), printed: String::new() };
    let shown = commands("console");
    assert!(shown.len() >= 8, "{shown:?}");
    for command in shown {
        let Some(arguments) = command.strip_prefix(RUN) else {
            // The suite cannot run itself; CI calls the same command.
            let ci = fs::read_to_string(root().join(".ci/run")).expect("the script");
            assert!(ci.contains(&command), "{command} is not what CI runs");
            continue;
        };
        let mut places = Vec::new();
        if arguments.contains("$TENANT") {
            places.push(("$TENANT", reader.tenant()["id"].as_str().expect("a tenant").to_owned()));
        }
        reader.run(arguments, &places, "");
    }
    at_a_server(&mut reader);
}

/// The commands at a server, on the folder that the others left: with the sign-in that `tenant create` printed.
fn at_a_server(reader: &mut Reader) {
    let tenant = reader.tenant();
    let told = |field: &str| tenant[field].as_str().expect("text").to_owned();
    let lines: Vec<String> = reader.printed.lines().map(|line| line.trim().to_owned()).collect();
    let after = |start: &str, more: usize| {
        let at = lines.iter().position(|line| line.starts_with(start)).expect("it was printed");
        lines[at + more].clone()
    };
    let (name, password) = (after("administrator of", 1), after("administrator of", 2));
    let credential = reader.folder.path().join("credential");
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&credential).expect("made");
    writeln!(file, "{}", after("first administrator", 1)).expect("written");

    let ports = free_ports();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    let data = reader.data();
    let server = Process::start(&[&["serve", "--data", &data, "--set=log.level=warn"][..], &ports].concat());
    let places = [
        ("$TENANT", told("id")),
        ("$DIRECTORY", told("directory")),
        ("$NAME", name),
        (":8443", format!(":{}", server.port())),
        (":8440", format!(":{}", server.service_port())),
        ("file token", format!("file {}", text(&reader.folder.path().join("token")))),
        ("--out token", format!("--out {}", text(&reader.folder.path().join("token")))),
        ("file credential", format!("file {}", text(&credential))),
    ];
    let shown = commands("sh");
    let shown: Vec<&str> = shown.iter().filter_map(|line| line.strip_prefix("freehold ")).collect();
    assert!(shown.len() >= 3, "{shown:?}");
    for arguments in shown {
        reader.run(arguments, &places, &password);
    }
    assert_eq!(server.stop(), Some(0));
}
