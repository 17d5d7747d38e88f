//! Rules for every file: it says what it owns, stays small, is finished, and names no place of one machine.

use super::{File, has_word};

/// Lines that a source file may have; around 200 is usual, and at this bound there is a second noun in it.
pub const MAX_LINES: usize = 500;

/// Marks of unfinished work. Written in pieces, so that this file is not caught by its own rule.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!"), concat!("XX", "X")];

/// The beginnings of paths that exist on one machine only.
const PLACES: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Hosts of package registries: they belong in the configuration of a machine.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("npm", "js.org"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("deb.deb", "ian.org"),
    concat!("proxy.go", "lang.org"),
];

/// Every `.rs` file begins with a `//!` line that says what it owns.
pub fn without_first_words(files: &[File]) -> Vec<String> {
    rust(files)
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{} does not begin with a `//!` line that says what it owns", file.path))
        .collect()
}

/// No `.rs` file is longer than [`MAX_LINES`].
pub fn too_long(files: &[File]) -> Vec<String> {
    rust(files)
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| format!("{} has {lines} lines; look for the second noun in it", file.path))
        .collect()
}

/// No mark of unfinished work in code, configuration or text.
pub fn unfinished(files: &[File]) -> Vec<String> {
    let ours = |file: &&File| {
        matches!(file.extension(), "rs" | "toml" | "md" | "sh" | "yml" | "yaml")
            || file.path.starts_with(".ci/")
    };
    let mut complaints = Vec::new();
    for file in files.iter().filter(ours) {
        for mark in UNFINISHED.iter().filter(|mark| has_word(&file.text, mark)) {
            complaints
                .push(format!("{} says {mark}: finish it, or write it down where plans are kept", file.path));
        }
    }
    complaints
}

/// No path of one machine and no host of a package registry; only the lock file must name its source.
pub fn places(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path != "Cargo.lock") {
        for place in PLACES.iter().filter(|place| names_path(&file.text, place)) {
            complaints.push(format!("{} names a path below {place}, which is one machine's", file.path));
        }
        for host in REGISTRIES.iter().filter(|host| has_word(&file.text, host)) {
            complaints.push(format!("{} names the registry host {host}", file.path));
        }
    }
    complaints
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.extension() == "rs")
}

/// Whether an absolute path begins with `place`; the middle of a longer path or of a URL is none.
fn names_path(text: &str, place: &str) -> bool {
    text.match_indices(place).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> [File; 1] {
        [File::new(path, text)]
    }

    #[test]
    fn a_source_file_must_say_what_it_owns() {
        assert_eq!(without_first_words(&file("a.rs", "use x;\n//! Late.")).len(), 1);
        assert_eq!(without_first_words(&file("a.rs", "//!\n")).len(), 1);
        assert_eq!(without_first_words(&file("a.rs", "//! Owns a.\n")).len(), 0);
        assert_eq!(without_first_words(&file("a.md", "# A\n")).len(), 0);
    }

    #[test]
    fn a_source_file_must_stay_small() {
        assert_eq!(too_long(&file("a.rs", &"x\n".repeat(MAX_LINES))).len(), 0);
        assert_eq!(too_long(&file("a.rs", &"x\n".repeat(MAX_LINES + 1))).len(), 1);
        assert_eq!(too_long(&file("a.json", &"x\n".repeat(MAX_LINES + 1))).len(), 0);
    }

    #[test]
    fn marks_of_unfinished_work_are_found() {
        for mark in UNFINISHED {
            assert_eq!(unfinished(&file("a.rs", &format!("// {mark} later"))).len(), 1, "{mark}");
            assert_eq!(unfinished(&file("a.md", &format!("{mark} later"))).len(), 1, "{mark}");
            assert_eq!(unfinished(&file("mail.eml", &format!("{mark} later"))).len(), 0, "{mark}");
        }
        assert_eq!(unfinished(&file("a.rs", concat!("MAS", "TO", "DON"))).len(), 0);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for place in PLACES {
            assert_eq!(places(&file("a.md", &format!("see {place}thing"))).len(), 1, "{place}");
            assert_eq!(places(&file("a.md", &format!("see example{place}thing"))).len(), 0, "{place}");
        }
        assert_eq!(places(&file("a.md", "see /var/lib/freehold")).len(), 0);
    }

    #[test]
    fn a_registry_is_found_but_the_lock_file_may_name_it() {
        for host in REGISTRIES {
            let text = format!("https://{host}/thing");
            assert_eq!(places(&file("a.toml", &text)).len(), 1, "{host}");
            assert_eq!(places(&file("Cargo.lock", &text)).len(), 0, "{host}");
        }
    }
}
