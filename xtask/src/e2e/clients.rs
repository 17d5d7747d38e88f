//! The clients of the run: installed from their registries below the target folder, at the versions that are committed.
//!
//! Owns the installations and their stamps. A registry out of reach makes a skip, never a pass.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::FOLDER;
use crate::report::Outcome;
use crate::step;

/// The file in an installation that says what it was made from.
const STAMP: &str = "made-from";

/// Where the clients lie.
#[derive(Debug)]
pub struct Clients {
    place: PathBuf,
}

/// Installs what is missing or was made from other pins.
pub fn install() -> Result<Clients, Outcome> {
    let place = crate::target().join("e2e");
    for name in ["python", "az"] {
        let pins = crate::root().join(FOLDER).join(name).join("requirements.txt");
        installed(&place.join(name), &pins, |folder| python(folder, &pins))?;
    }
    let pins = crate::root().join(FOLDER).join("node/package-lock.json");
    installed(&place.join("node"), &pins, |folder| node(folder, &pins))?;
    Ok(Clients { place })
}

impl Clients {
    /// What the scripts are told.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("E2E_PYTHON", self.place.join("python/bin/python3").into()),
            ("E2E_AZ", self.place.join("az/bin/python3").into()),
            ("E2E_NODE", self.place.join("node/package.json").into()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ]
    }

    /// A search path on which `az` is the one that was installed here.
    pub fn path(&self) -> Result<OsString, std::env::JoinPathsError> {
        let before = std::env::var_os("PATH").unwrap_or_default();
        let own = std::iter::once(self.place.join("az/bin"));
        std::env::join_paths(own.chain(std::env::split_paths(&before)))
    }

    /// The versions as they are pinned, in the order in which the page names them.
    pub fn versions(&self) -> Vec<String> {
        let read = |path: &str| fs::read_to_string(crate::root().join(FOLDER).join(path)).unwrap_or_default();
        let (python, az, node) =
            (read("python/requirements.txt"), read("az/requirements.txt"), read("node/package.json"));
        let wanted = ["azure-keyvault-keys", "azure-identity", "azure-cli"];
        let mut versions: Vec<_> = python
            .lines()
            .chain(az.lines().filter(|line| line.starts_with("azure-cli=")))
            .filter_map(|line| line.split_once("=="))
            .filter(|(name, _)| wanted.contains(name))
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let node: serde_json::Value = serde_json::from_str(&node).unwrap_or_default();
        for (name, version) in node["dependencies"].as_object().into_iter().flatten() {
            versions.push(format!("{name} {}", version.as_str().unwrap_or_default()));
        }
        versions
    }
}

/// Keeps an installation that was made from these pins; else makes it anew.
fn installed(
    folder: &Path,
    pins: &Path,
    make: impl FnOnce(&Path) -> Result<(), Outcome>,
) -> Result<(), Outcome> {
    let failed = |error: std::io::Error| Outcome::Failed(format!("{}: {error}", folder.display()));
    let wanted = fs::read(pins).map_err(|error| Outcome::Failed(format!("{}: {error}", pins.display())))?;
    let stamp = folder.join(STAMP);
    if fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::create_dir_all(folder).map_err(failed)?;
    make(folder)?;
    fs::write(stamp, wanted).map_err(failed)
}

fn python(folder: &Path, pins: &Path) -> Result<(), Outcome> {
    let mut made = step::program("python3");
    made.args(["-m", "venv"]).arg(folder);
    needed(made, "a virtual environment of python3 could not be made")?;
    let mut pip = step::program(&folder.join("bin/python3").to_string_lossy());
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(pins);
    needed(pip, "pip could not install the Python clients")
}

fn node(folder: &Path, lock: &Path) -> Result<(), Outcome> {
    for file in [lock.to_owned(), lock.with_file_name("package.json")] {
        let to = folder.join(file.file_name().expect("a file has a name"));
        fs::copy(&file, to).map_err(|error| Outcome::Failed(format!("{}: {error}", file.display())))?;
    }
    let mut npm = step::program("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.current_dir(folder);
    needed(npm, "npm could not install the Node client")
}

fn needed(mut command: std::process::Command, otherwise: &str) -> Result<(), Outcome> {
    match step::run(command.stdout(Stdio::null())) {
        Outcome::Passed => Ok(()),
        _ => Err(Outcome::Skipped(format!("{otherwise} (the lines above say why)"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_kept_as_long_as_its_pins_are() {
        let place = crate::target().join("tmp").join(format!("pins-{}", std::process::id()));
        fs::create_dir_all(&place).expect("a folder");
        let (folder, pins) = (place.join("client"), place.join("pins"));
        let mut times = 0;
        for (text, wanted) in [("a==1", 1), ("a==1", 1), ("a==2", 2)] {
            fs::write(&pins, text).expect("written");
            let made = installed(&folder, &pins, |_| {
                times += 1;
                Ok(())
            });
            assert_eq!((made, times), (Ok(()), wanted), "{text}");
        }
        let gone = installed(&folder.join("other"), &pins, |_| Err(Outcome::Skipped("no registry".into())));
        assert_eq!(gone, Err(Outcome::Skipped("no registry".into())));
        assert!(!folder.join("other").join(STAMP).exists(), "a failed installation is made again");
        fs::remove_dir_all(place).expect("removed");
    }
}
