//! `freehold directory` and `freehold subscription` on a vault's data folder.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{Data, run, text};
use tempfile::TempDir;

struct Folder(String);

impl Folder {
    /// What a command tells, which must do what it is asked.
    fn told(&self, arguments: &[&str]) -> String {
        let output = run(&[arguments, &["--data", &self.0]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a command says that is refused.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = run(&[arguments, &["--data", &self.0]].concat());
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// The value after a name in what was told.
fn value(told: &str, name: &str) -> String {
    let line = told.lines().find_map(|line| line.strip_prefix(name)).expect("it is told");
    line.trim().to_owned()
}

#[test]
fn a_directory_is_filled_by_commands_and_its_secrets_are_told_once_or_kept_in_a_file() {
    let temporary = TempDir::new().expect("a folder");
    let data = Data::new(temporary.path().join("data"));
    let folder = Folder(text(&data.folder));
    let directory =
        value(&folder.told(&["directory", "create", "Fabrikam", "--domain", "fabrikam.com"]), "directory");
    let listed = folder.told(&["directory", "list"]);
    assert!(listed.contains(&format!("{directory}  Fabrikam  fabrikam.com")), "{listed}");

    let user = folder.told(&["directory", "add-user", "fabrikam.com", "bob@fabrikam.com"]);
    assert_eq!(value(&user, "secret, told once").len(), 43);
    let secret = temporary.path().join("app.secret");
    let app = folder.told(&["directory", "add-app", &directory, "keys", "--out", &text(&secret)]);
    let application = value(&app, "application");
    assert_eq!(fs::read_to_string(&secret).expect("the secret").len(), 43);
    assert_eq!(fs::metadata(&secret).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!app.contains(&fs::read_to_string(&secret).expect("the secret")));
    let again = folder.refused(&["directory", "add-secret", &application, "--out", &text(&secret)]);
    assert!(again.contains("there already"), "{again}");

    folder.told(&["directory", "add-group", "fabrikam.com", "officers"]);
    folder.told(&["directory", "add-member", "fabrikam.com", "Officers", "bob@fabrikam.com"]);
    folder.told(&["directory", "add-member", "fabrikam.com", "officers", &application]);
    folder.told(&["directory", "remove-member", "fabrikam.com", "officers", &application]);
    folder.told(&["directory", "add-administrator", "fabrikam.com", "bob@fabrikam.com"]);
    folder.told(&["directory", "disable-user", "fabrikam.com", "bob@fabrikam.com"]);
    folder.told(&["directory", "share-app", &application]);

    let created =
        folder.told(&["subscription", "create", "fabrikam.com", "keys", "--owner", "bob@fabrikam.com"]);
    let subscription = value(&created, "subscription");
    assert!(folder.told(&["subscription", "list"]).contains(&format!("{subscription}  {directory}  keys")));
    let early = folder.refused(&["subscription", "register", &subscription]);
    assert!(early.contains("has not asked"), "{early}");
}

#[test]
fn what_is_missing_there_already_or_no_certificate_is_refused_with_its_reason() {
    let temporary = TempDir::new().expect("a folder");
    let data = Data::new(temporary.path().join("data"));
    let folder = Folder(text(&data.folder));
    folder.told(&["directory", "create", "Fabrikam", "--domain", "fabrikam.com"]);
    let app = value(&folder.told(&["directory", "add-app", "fabrikam.com", "keys"]), "application");
    let file = temporary.path().join("app.pem");
    fs::write(&file, "no certificate").expect("written");
    for (arguments, why) in [
        (&["directory", "add-user", "nowhere.com", "a@nowhere.com"][..], "is not there"),
        (&["directory", "add-domain", "fabrikam.com", "fabrikam.com"], "there already"),
        (&["directory", "add-member", "fabrikam.com", "nobodies", &app], "is not there"),
        (&["directory", "add-certificate", &app, &text(&file)], "no certificate"),
        (&["directory", "consent", "fabrikam.com", &app], "there already"),
        (&["subscription", "create", "fabrikam.com", "keys", "--owner", "nobody"], "is not there"),
        (
            &["directory", "add-federation", &app, "f", "--issuer", "https://i.example", "--subject", "s"],
            "JSON Web Key set",
        ),
    ] {
        let said = folder.refused(arguments);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    let nothing = run(&["directory", "list", "--data", &text(&temporary.path().join("none"))]);
    assert!(!nothing.status.success() && !temporary.path().join("none").exists());
}
