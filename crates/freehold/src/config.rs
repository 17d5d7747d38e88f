//! Where values come from: flags over environment over file over default; every value knows its origin.
//!
//! Owns the layers and their order. The list of settings is `settings`'. An unknown name is refused in every
//! layer, with the nearest known one: a setting that is spelt wrong and passed over could be one that protects.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::cli::{ConfigAction, Flags};
use crate::exit::{Answer, Exit, Failure};
use crate::lab;
pub use crate::settings::Config;
use crate::settings::{Kind, SETTINGS};

/// What the name of every environment variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "FREEHOLD_";
/// The variable that names the configuration file; the flag `--config` wins over it.
pub const FILE_VARIABLE: &str = "FREEHOLD_CONFIG";
/// The variable that holds the token for a server; the flag `--token-file` wins over it.
pub const TOKEN_VARIABLE: &str = "FREEHOLD_TOKEN";
/// The variable that names the authorities of a server; the flag `--ca` wins over it.
pub const CA_VARIABLE: &str = "FREEHOLD_CA";
/// How alike a known name must be to be offered instead of an unknown one, from 0 to 1.
const ALIKE: f64 = 0.7;

/// A value in force: what it is, how it was written, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<T> {
    value: T,
    text: String,
    origin: Origin,
}

impl<T> Value<T> {
    /// The value as text; a path of a file is resolved from where the file lies.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl<T> Deref for Value<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, or is no TOML.
    #[error("configuration file {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Names that are no setting, or values that are not what the setting expects; all of them at once.
    #[error("{}", .0.join("\nfreehold: "))]
    Values(Vec<String>),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl Config {
    /// Puts the layers together; `environment` is that of the process. An empty variable says nothing.
    pub fn load(
        flags: &Flags,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut environment = ours(environment)?;
        let from_environment = environment.remove(FILE_VARIABLE).map(PathBuf::from);
        // No settings: the commands that speak to a server read them.
        environment.retain(|name, _| ![TOKEN_VARIABLE, CA_VARIABLE].contains(&name.as_str()));
        // A lab tells its command where it runs; a command of ours that it starts is to work there.
        environment.retain(|name, _| !name.starts_with(lab::MARKER));
        let path = flags.config.clone().or(from_environment);
        let file = match &path {
            None => Vec::new(),
            Some(path) => {
                let failed = |why: String| ConfigError::File { path: path.clone(), why };
                let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
                flatten(&text).map_err(failed)?
            }
        };
        let layers = Layers::new(flags.values(), environment, path.unwrap_or_default(), file)?;
        Self::resolve(&layers)
    }
}

/// Every value that somebody gave, by key, the winner first.
#[derive(Debug, Default)]
pub struct Layers(BTreeMap<&'static str, Vec<(String, Origin)>>);

impl Layers {
    fn new(
        flags: Vec<(String, &'static str, String)>,
        environment: BTreeMap<String, String>,
        path: PathBuf,
        file: Vec<(String, usize, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self::default();
        let mut unknown = Vec::new();
        // Of two flags that set one key the last is meant, as everywhere on a command line.
        for (key, flag, text) in flags.into_iter().rev() {
            match known(&key) {
                Some(key) => layers.add(key, text, Origin::Flag(flag)),
                None => unknown.push(format!("{flag}: there is no setting `{key}`{}", nearest(&key, keys()))),
            }
        }
        for (name, text) in environment {
            match SETTINGS.iter().find(|setting| variable(setting.key) == name) {
                Some(setting) => layers.add(setting.key, text, Origin::Variable(name)),
                None => {
                    let names = SETTINGS.iter().map(|setting| variable(setting.key));
                    let near = nearest(
                        &name,
                        names.chain([FILE_VARIABLE, TOKEN_VARIABLE, CA_VARIABLE].map(str::to_owned)),
                    );
                    unknown.push(format!("environment: {name} belongs to no setting{near}"));
                }
            }
        }
        for (key, line, text) in file {
            match known(&key) {
                Some(key) => layers.add(key, text, Origin::File(path.clone(), line)),
                None => {
                    let near = nearest(&key, keys());
                    unknown
                        .push(format!("{} line {line}: there is no setting `{key}`{near}", path.display()));
                }
            }
        }
        if unknown.is_empty() { Ok(layers) } else { Err(ConfigError::Values(unknown)) }
    }

    fn add(&mut self, key: &'static str, text: String, origin: Origin) {
        self.0.entry(key).or_default().push((text, origin));
    }

    /// The value of a setting, or a complaint.
    pub(crate) fn value<T: Kind>(
        &self,
        key: &'static str,
        default: &'static str,
        complaints: &mut Vec<String>,
    ) -> Option<Value<T>> {
        let given = self.0.get(key).and_then(|layers| layers.first()).cloned();
        let (text, origin) = given.unwrap_or_else(|| (default.to_owned(), Origin::Default));
        let value = match &origin {
            Origin::File(path, _) => T::parse_in(&text, path.parent().unwrap_or(Path::new(""))),
            _ => T::parse(&text),
        };
        if value.is_none() {
            complaints.push(format!("{key} is {text:?} ({origin}); expected {}", T::EXPECTS));
        }
        value.map(|value| {
            let text = value.resolved().unwrap_or(text);
            Value { value, text, origin }
        })
    }
}

/// The environment variable of a setting.
pub fn variable(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.replace(['.', '-'], "_").to_uppercase())
}

/// What `freehold config` answers.
pub fn answer(config: &Config, action: &ConfigAction) -> Answer {
    let ConfigAction::Print { with_origin, json } = action;
    let entries = config.entries();
    if *json {
        let settings = entries.into_iter().map(|(key, text, origin)| {
            let value = if *with_origin {
                serde_json::json!({ "value": text, "origin": origin })
            } else {
                serde_json::json!(text)
            };
            (key.to_owned(), value)
        });
        return Answer::ok(format!("{:#}\n", serde_json::Value::Object(settings.collect())));
    }
    // TOML, so that what is printed can be kept as a file.
    let lines: Vec<_> = entries
        .into_iter()
        .map(|(key, text, origin)| (format!("{key} = {}", toml::Value::String(text.to_owned())), origin))
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default();
    let print = |(line, origin)| {
        if *with_origin { format!("{line:width$}  # {origin}\n") } else { format!("{line}\n") }
    };
    Answer::ok(lines.into_iter().map(print).collect::<String>())
}

/// The leaves of a TOML text as dotted key, line and text.
fn flatten(text: &str) -> Result<Vec<(String, usize, String)>, String> {
    let table = DeTable::parse(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let mut leaves = Vec::new();
    collect("", table.get_ref(), text, &mut leaves);
    Ok(leaves)
}

fn collect(prefix: &str, table: &DeTable<'_>, text: &str, leaves: &mut Vec<(String, usize, String)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let line = text[..name.span().start].matches('\n').count() + 1;
        match value.get_ref() {
            DeValue::Table(inner) => collect(&key, inner, text, leaves),
            DeValue::String(value) => leaves.push((key, line, value.to_string())),
            // Every setting is read from text, so `8440` and `"8440"` are the same.
            _ => leaves.push((key, line, text[value.span()].to_owned())),
        }
    }
}

/// The variables that are meant for us.
fn ours(all: impl Iterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut ours = BTreeMap::new();
    for (name, text) in all {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(VARIABLE_PREFIX) || is_kubernetes(&name) || text.is_empty() {
            continue;
        }
        let Ok(text) = text.into_string() else {
            return Err(ConfigError::Values(vec![format!("environment: {name} is no UTF-8 text")]));
        };
        ours.insert(name, text);
    }
    Ok(ours)
}

fn known(key: &str) -> Option<&'static str> {
    keys().find(|known| *known == key)
}

fn keys() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.key)
}

/// "; did you mean `…`?", or nothing when nothing known is alike.
fn nearest<T: AsRef<str>>(name: &str, known: impl Iterator<Item = T>) -> String {
    let alike = known.map(|known| (strsim::jaro_winkler(name, known.as_ref()), known));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= ALIKE);
    best.map(|(_, known)| format!("; did you mean `{}`?", known.as_ref())).unwrap_or_default()
}

/// Whether Kubernetes made this variable for a service that is called `freehold`: not meant for us.
fn is_kubernetes(name: &str) -> bool {
    name == "FREEHOLD_SERVICE_HOST"
        || name.starts_with("FREEHOLD_SERVICE_PORT")
        || name.starts_with("FREEHOLD_PORT")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::settings::Role;

    fn load(flags: &Flags, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(flags, environment.iter().map(|(name, text)| (name.into(), text.into())))
    }

    fn set(assignments: &[(&str, &str)]) -> Flags {
        let set = assignments.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Flags { set, ..Flags::default() }
    }

    fn with_file(text: &str) -> (TempDir, Flags) {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("freehold.toml");
        std::fs::write(&path, text).expect("written");
        (folder, Flags { config: Some(path), ..Flags::default() })
    }

    fn refused(flags: &Flags, environment: &[(&str, &str)]) -> String {
        load(flags, environment).expect_err("refused").to_string()
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let (_folder, mut flags) = with_file("role = \"vault\"\n");
        let file = load(&flags, &[]).expect("a configuration");
        assert_eq!(*file.role, Role::Vault);
        assert!(file.role.origin().to_string().ends_with("freehold.toml line 1"));
        let environment = [("FREEHOLD_ROLE", "service")];
        let over_file = load(&flags, &environment).expect("a configuration");
        assert_eq!(*over_file.role, Role::Service);
        assert_eq!(over_file.role.origin(), &Origin::Variable("FREEHOLD_ROLE".into()));
        flags.set = vec![("role".into(), "availability-vault".into())];
        let over_environment = load(&flags, &environment).expect("a configuration");
        assert_eq!(*over_environment.role, Role::AvailabilityVault);
        assert_eq!(over_environment.role.origin(), &Origin::Flag("--set"));
        assert_eq!(load(&Flags::default(), &[]).expect("defaults").role.origin(), &Origin::Default);
    }

    #[test]
    fn the_last_of_two_flags_is_meant() {
        let config =
            load(&set(&[("log.level", "debug"), ("log.level", "warn")]), &[]).expect("a configuration");
        assert_eq!(config.log_level.text(), "warn");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_in_every_layer() {
        let said = refused(&set(&[("vault.lisen", "x")]), &[]);
        assert_eq!(said, "--set: there is no setting `vault.lisen`; did you mean `vault.listen`?");
        let said = refused(&Flags::default(), &[("FREEHOLD_LOG_LEVLE", "x")]);
        assert_eq!(
            said,
            "environment: FREEHOLD_LOG_LEVLE belongs to no setting; did you mean `FREEHOLD_LOG_LEVEL`?"
        );
        let (_folder, flags) = with_file("# first\n[vault]\nsufix = \"vault.localhost\"\n");
        let said = refused(&flags, &[]);
        assert!(
            said.ends_with("line 3: there is no setting `vault.sufix`; did you mean `vault.suffix`?"),
            "{said}"
        );
        assert!(refused(&set(&[("zzz", "x")]), &[]).ends_with("no setting `zzz`"));
    }

    #[test]
    fn every_mistake_is_said_at_once() {
        let said =
            refused(&set(&[("vault.listen", "8443"), ("log.format", "xml")]), &[("FREEHOLD_ROLE", "both")]);
        for part in [
            "vault.listen is \"8443\" (flag --set); expected an address and a port",
            "log.format is \"xml\" (flag --set); expected `text` or `json`",
            "role is \"both\" (environment FREEHOLD_ROLE); expected `all`",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_an_error_with_its_place() {
        let missing = Flags { config: Some("no/such/file.toml".into()), ..Flags::default() };
        assert!(refused(&missing, &[]).contains("no/such/file.toml"));
        assert!(
            refused(&Flags::default(), &[("FREEHOLD_CONFIG", "no/such/file.toml")])
                .contains("no/such/file.toml")
        );
        let (_folder, flags) = with_file("role = all\n");
        assert!(refused(&flags, &[]).contains("line 1"));
    }

    #[test]
    fn a_path_in_a_file_is_meant_from_where_the_file_lies() {
        let (folder, flags) = with_file("data = \"d\"\n[keys]\nfolder = \"/k\"\n");
        let config = load(&flags, &[]).expect("a configuration");
        assert_eq!(*config.data, folder.path().join("d"));
        assert_eq!(config.keys_folder.0.as_deref(), Some(Path::new("/k")));
        let flag = load(&Flags { data: Some("d".into()), ..Flags::default() }, &[]).expect("a configuration");
        assert_eq!(*flag.data, Path::new("d"));
    }

    #[test]
    fn an_empty_variable_and_one_of_kubernetes_say_nothing() {
        let environment = [
            ("FREEHOLD_ROLE", ""),
            ("FREEHOLD_PORT", "tcp://10.0.0.1:80"),
            ("FREEHOLD_SERVICE_HOST", "10.0.0.1"),
        ];
        assert_eq!(load(&Flags::default(), &environment).expect("defaults").role.origin(), &Origin::Default);
    }

    #[test]
    fn no_setting_has_the_variable_of_another_or_one_that_is_passed_over() {
        for (i, setting) in SETTINGS.iter().enumerate() {
            let name = variable(setting.key);
            assert!(!is_kubernetes(&name) && name != FILE_VARIABLE, "{name}");
            assert!(SETTINGS[i + 1..].iter().all(|other| variable(other.key) != name), "{name}");
        }
    }

    #[test]
    fn the_sample_has_every_setting_with_its_default_and_what_it_is_for() {
        let sample = include_str!("../../../samples/freehold.toml");
        let leaves = flatten(sample).expect("TOML");
        let found: Vec<_> = leaves.iter().map(|(key, _, text)| (key.as_str(), text.as_str())).collect();
        for setting in SETTINGS {
            assert!(
                found.contains(&(setting.key, setting.default)),
                "{} = {:?}",
                setting.key,
                setting.default
            );
        }
        assert_eq!(found.len(), SETTINGS.len());
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        let comments =
            words(&sample.lines().filter_map(|line| line.strip_prefix('#')).collect::<Vec<_>>().join(" "));
        for setting in SETTINGS {
            let first =
                words(setting.about).split(". ").next().expect("a sentence").trim_end_matches('.').to_owned();
            assert!(comments.contains(&first), "{}: {first}", setting.key);
        }
    }

    #[test]
    fn what_is_printed_is_a_file_that_means_the_same() {
        let config =
            load(&set(&[("role", "vault"), ("keys.folder", "/k \"x\"")]), &[]).expect("a configuration");
        for with_origin in [false, true] {
            let printed = answer(&config, &ConfigAction::Print { with_origin, json: false }).text;
            let (_folder, flags) = with_file(&printed);
            let again = load(&flags, &[]).expect("a configuration");
            assert_eq!(again.keys_folder.text(), "/k \"x\"");
            assert_eq!(*again.role, Role::Vault);
        }
    }
}
