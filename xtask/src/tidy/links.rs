//! Links between pages: each leads to a file or a folder of the repository.

use super::File;

/// One complaint for each link of a page that leads nowhere in the repository; links to other places are not followed.
pub fn broken(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for page in files.iter().filter(|file| file.extension() == "md") {
        for target in targets(&page.text).filter(|target| !target.contains(':')) {
            let path = resolve(&page.path, target);
            let folder = format!("{path}/");
            if !path.is_empty()
                && !files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
            {
                complaints.push(format!("{} links to {target}, which does not exist", page.path));
            }
        }
    }
    complaints
}

/// What the links of a page point at, without the part after `#`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    links
        .map(|(target, _)| target.split(['#', ' ']).next().unwrap_or_default())
        .filter(|target| !target.is_empty())
}

/// The path from the root of a link in the page at `page`.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(link: &str) -> usize {
        let page = File::new("spec/README.md", &format!("see [this]({link}) and more"));
        broken(&[page, File::new("spec/a.md", ""), File::new("vectors/v.json", ""), File::new("LICENSE", "")])
            .len()
    }

    #[test]
    fn a_link_to_a_file_a_folder_or_another_place_holds() {
        for link in [
            "a.md",
            "a.md#part",
            "./a.md",
            "../LICENSE",
            "../vectors/",
            "../vectors/v.json",
            "#here",
            "..",
            "https://example.com/x.md",
            "mailto:a@example.com",
        ] {
            assert_eq!(complaints(link), 0, "{link}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        for link in ["b.md", "../a.md", "vectors/", "../vectors/w.json#part"] {
            assert_eq!(complaints(link), 1, "{link}");
        }
    }
}
