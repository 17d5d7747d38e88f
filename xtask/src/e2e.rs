//! `cargo xtask e2e azure`: Azure's own clients against the vaults in a lab, and the page that says what they witnessed.
//!
//! Owns the order of the run. The clients are `clients`', what must be witnessed and the page are `claims`'.

pub mod claims;
pub mod clients;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::report::Outcome;
use crate::step;
use claims::{Claims, Witness};
use clients::Clients;

/// The page that the run writes.
pub const PAGE: &str = "docs/azure-key-vault.md";
/// Where the scripts of the clients and the claims lie.
pub const FOLDER: &str = "e2e/azure";
/// The article's steps of the customer, as a script for `az`.
const ARTICLE: &str = "e2e/article.azcli.sh";

/// Runs every client in one lab, compares what they witnessed with the claims, and the page with the committed one.
///
/// With `update` the page is written in place of the committed one.
pub fn azure(update: bool) -> Outcome {
    let claims = match Claims::read(&crate::root().join(FOLDER).join("claims.toml")) {
        Ok(claims) => claims,
        Err(why) => return Outcome::Failed(why),
    };
    let clients = match clients::install() {
        Ok(clients) => clients,
        Err(outcome) => return outcome,
    };
    let mut build = step::cargo(&["build", "--locked", "--quiet"]);
    match step::run(build.args(["-p", "freehold", "--bin", "freehold"])) {
        Outcome::Passed => {}
        outcome => return outcome,
    }
    let witnesses = match run(&clients) {
        Ok(witnesses) => witnesses,
        Err(why) => return Outcome::Failed(why),
    };
    let problems = claims.problems(&witnesses);
    if !problems.is_empty() {
        for problem in &problems {
            eprintln!("{problem}");
        }
        return Outcome::Failed(format!("{} of the claims in {FOLDER} do not hold", problems.len()));
    }
    println!("{} cases, {} claims", witnesses.len(), claims.len());
    if let Err(why) = article(&clients) {
        return Outcome::Failed(why);
    }
    compare(&crate::root().join(PAGE), &claims.page(&clients.versions()), update)
}

/// Starts the lab with the scripts in it, and reads the lines that they print.
fn run(clients: &Clients) -> Result<Vec<Witness>, String> {
    let mut lab = step::program(&program().to_string_lossy());
    lab.args(["lab", "--", "bash", &format!("{FOLDER}/run.sh")]);
    lab.envs(clients.variables()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = lab.output().map_err(|error| format!("freehold did not start: {error}"))?;
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<_> = said.lines().collect();
    let witnesses: Result<Vec<_>, _> =
        lines.iter().filter(|line| line.starts_with('{')).map(|line| Witness::parse(line)).collect();
    let witnesses = witnesses?;
    if !output.status.success() || witnesses.iter().any(|witness| !witness.ok) {
        eprintln!("{told}");
    }
    match output.status.success() {
        true => Ok(witnesses),
        false => Err(format!("{FOLDER}/run.sh under freehold lab ended with {}", output.status)),
    }
}

/// The customer's half of the article with `az`, with the mandatory retention period and without it; each in a lab of its own.
fn article(clients: &Clients) -> Result<(), String> {
    let path = clients.path().map_err(|error| format!("PATH: {error}"))?;
    for (register, level) in [("yes", "Recoverable+ProtectedSubscription"), ("no", "Recoverable")] {
        let mut lab = step::program(&program().to_string_lossy());
        lab.args(["lab", "--", ARTICLE]).env("PATH", &path).env("REGISTER", register);
        let output = lab.output().map_err(|error| format!("freehold did not start: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        println!("{ARTICLE}, REGISTER={register}: {said}");
        if !output.status.success() || said.lines().last() != Some(level) {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            return Err(format!("{ARTICLE} with REGISTER={register} does not end with {level}"));
        }
    }
    Ok(())
}

fn program() -> PathBuf {
    crate::target().join("debug/freehold")
}

fn compare(page: &Path, made: &str, update: bool) -> Outcome {
    if update {
        return match fs::write(page, made) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{PAGE} cannot be written: {error}")),
        };
    }
    match fs::read_to_string(page) {
        Ok(kept) if kept == made => Outcome::Passed,
        _ => Outcome::Failed(format!(
            "{PAGE} is not what this run says: look at what changed, then run `cargo xtask e2e azure --update`"
        )),
    }
}
