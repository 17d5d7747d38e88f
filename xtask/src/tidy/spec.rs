//! The pages of spec/: each can be reached from ARCHITECTURE.md or from an index in spec/README.md.

use super::{File, find};

/// One complaint for each page of spec/ that neither index links.
pub fn unreachable(files: &[File]) -> Vec<String> {
    let text = |path: &str| find(files, path).map_or("", |file| file.text.as_str());
    let (architecture, index) = (text("ARCHITECTURE.md"), text("spec/README.md"));
    let mut complaints = Vec::new();
    for page in files.iter().filter_map(|file| page(&file.path)) {
        if !architecture.contains(&format!("(spec/{page}")) && !index.contains(&format!("({page}")) {
            complaints
                .push(format!("spec/{page} is linked neither from ARCHITECTURE.md nor from spec/README.md"));
        }
    }
    complaints
}

fn page(path: &str) -> Option<&str> {
    let page = path.strip_prefix("spec/").filter(|page| !page.contains('/') && page.ends_with(".md"))?;
    (page != "README.md").then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(architecture: &str, index: &str) -> usize {
        unreachable(&[
            File::new("ARCHITECTURE.md", architecture),
            File::new("spec/README.md", index),
            File::new("spec/limits.md", ""),
        ])
        .len()
    }

    #[test]
    fn a_page_needs_one_link() {
        assert_eq!(complaints("see [limits](spec/limits.md)", ""), 0);
        assert_eq!(complaints("", "see [limits](limits.md)"), 0);
        assert_eq!(complaints("see [limits](spec/limits.md#pages)", ""), 0);
    }

    #[test]
    fn a_page_without_a_link_is_found() {
        assert_eq!(complaints("spec/limits.md is somewhere", "limits.md"), 1);
    }
}
