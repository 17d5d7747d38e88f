//! `cargo xtask`: reads the command line and runs one command of the project.

use std::process::ExitCode;

use xtask::report::{Outcome, Report};
use xtask::{bench, corpus, e2e, suite};

const HELP: &str = "\
The project's own commands.

Usage: cargo xtask COMMAND

Commands:
  test [--allow-skips]   Format, lints, house rules, tests, documentation tests, licences, Azure's clients, and
                         the corpus. Installs what it needs (cargo-deny, the clients, the mail corpus) below the target folder
  e2e azure [--update]   Azure's own clients (Python, Node, az) against the vaults in a lab; compares
                         docs/azure-key-vault.md with what they witnessed, or with --update writes it
  data                   Install the mail corpus and count it; prints where it lies
  bench seal             The sealed format beside raw AES-256-GCM
  bench import           A durable import of the corpus beside a plain durable copy of the same messages
  bench vault            unwrapKey, get and list over HTTPS beside raw RSA and a bare echo

Environment:
  XTASK_DATA             Where the mail corpus is kept (default: target/data)

Exit status: 0 all done, 1 something failed, 2 wrong usage, 4 something was skipped because a package
registry is out of reach (0 with --allow-skips)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut report = Report::default();
    let allow_skips = match words.as_slice() {
        ["test"] => {
            suite::run(&mut report);
            false
        }
        ["test", "--allow-skips"] => {
            suite::run(&mut report);
            true
        }
        ["data"] => {
            report.record("mail corpus", || match corpus::install() {
                Ok(folder) => {
                    println!("{}", folder.display());
                    Outcome::Passed
                }
                Err(outcome) => outcome,
            });
            false
        }
        ["e2e", "azure"] => {
            report.record("Azure's clients", || e2e::azure(false));
            false
        }
        ["e2e", "azure", "--update"] => {
            report.record("Azure's clients", || e2e::azure(true));
            false
        }
        ["bench", "seal"] => {
            report.record("bench seal", bench::seal);
            false
        }
        ["bench", "import"] => {
            report.record("bench import", bench::import);
            false
        }
        ["bench", "vault"] => {
            report.record("bench vault", bench::vault);
            false
        }
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("cargo xtask: no command {:?}\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    print!("{report}");
    ExitCode::from(report.status(allow_skips))
}
