//! Every command that the README shows is run here, as it stands, from the root of the repository.

mod support;

use std::fs;
use std::path::Path;

use support::{freehold, json, text};
use tempfile::TempDir;

const RUN: &str = "cargo run --release -- ";

/// Lines of the README's console blocks, without their prompt.
fn commands(readme: &str) -> Vec<String> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            commands.push(command.to_owned());
        }
    }
    commands
}

#[test]
fn every_command_works_in_its_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).expect("a README");
    let commands = commands(&readme);
    assert!(commands.len() >= 8, "{commands:?}");
    let folder = TempDir::new().expect("a folder");
    let data = text(&folder.path().join("my-data"));
    for command in commands {
        let Some(arguments) = command.strip_prefix(RUN) else {
            // The suite cannot run itself; CI calls the same command.
            let ci = fs::read_to_string(root.join(".ci/run")).expect("the script");
            assert!(ci.contains(&command), "{command} is not what CI runs");
            continue;
        };
        let tenant = || {
            let list = json(&["tenant", "list", "--data", &data, "--json"]);
            list["tenants"][0]["id"].as_str().expect("a tenant").to_owned()
        };
        let arguments = arguments.replace("my-data", &data);
        let arguments =
            if arguments.contains("$TENANT") { arguments.replace("$TENANT", &tenant()) } else { arguments };
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let output = freehold(&words).current_dir(&root).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}{}", String::from_utf8_lossy(&output.stdout));
    }
}
