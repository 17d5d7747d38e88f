//! The edges between rooms: what ARCHITECTURE.md says and what the Cargo.toml files do must be equal.
//!
//! Owns the form of the table: a block fenced as `edges`, with one line `room -> room, room` for every
//! room, also for one with no edge (`room ->`).

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

use super::File;

/// For each room, the rooms that it may use.
pub type Edges = BTreeMap<String, BTreeSet<String>>;

/// The edges that ARCHITECTURE.md lists.
pub fn listed(architecture: &str) -> Result<Edges, String> {
    let (_, block) = architecture.split_once("```edges\n").ok_or("ARCHITECTURE.md has no block ```edges")?;
    let (block, _) = block.split_once("```").ok_or("the block ```edges of ARCHITECTURE.md does not end")?;
    let mut edges = Edges::new();
    for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (from, to) = line
            .split_once("->")
            .ok_or_else(|| format!("ARCHITECTURE.md, edges: {line:?} is not `room -> room, room`"))?;
        let to = to.split(',').map(str::trim).filter(|room| !room.is_empty()).map(str::to_owned).collect();
        if edges.insert(from.trim().to_owned(), to).is_some() {
            return Err(format!("ARCHITECTURE.md, edges: {:?} is listed twice", from.trim()));
        }
    }
    Ok(edges)
}

/// The edges that the Cargo.toml files of the workspace make, whether shipped, for tests or for builds.
pub fn made(files: &[File]) -> Result<Edges, String> {
    let manifests = files.iter().filter_map(|file| Some((room(&file.path)?, file)));
    let mut edges = Edges::new();
    for (room, file) in manifests {
        let manifest: Table = file.text.parse().map_err(|error| format!("{}: {error}", file.path))?;
        let mut used = BTreeSet::new();
        collect(&manifest, &mut used);
        if let Some(Some(targets)) = manifest.get("target").map(toml::Value::as_table) {
            targets.values().filter_map(toml::Value::as_table).for_each(|table| collect(table, &mut used));
        }
        edges.insert(room.to_owned(), used);
    }
    let rooms: BTreeSet<String> = edges.keys().cloned().collect();
    for used in edges.values_mut() {
        used.retain(|name| rooms.contains(name));
    }
    Ok(edges)
}

/// Where the two differ.
pub fn differences(listed: &Edges, made: &Edges) -> Vec<String> {
    let none = BTreeSet::new();
    let mut complaints = Vec::new();
    for room in listed.keys().chain(made.keys()).collect::<BTreeSet<_>>() {
        if !made.contains_key(room) {
            complaints.push(format!("ARCHITECTURE.md lists the room {room}, which does not exist"));
        } else if !listed.contains_key(room) {
            complaints.push(format!("the room {room} has no line in the edges of ARCHITECTURE.md"));
        }
        let (listed, made) = (listed.get(room).unwrap_or(&none), made.get(room).unwrap_or(&none));
        for extra in made.difference(listed) {
            complaints.push(format!("{room} uses {extra}, an edge that ARCHITECTURE.md does not list"));
        }
        for missing in listed.difference(made) {
            complaints.push(format!("ARCHITECTURE.md lists the edge {room} -> {missing}, which is not used"));
        }
    }
    complaints
}

/// The room that a manifest at this path belongs to.
fn room(path: &str) -> Option<&str> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["crates", room, "Cargo.toml"] => Some(room),
        ["xtask", "Cargo.toml"] => Some("xtask"),
        _ => None,
    }
}

/// Adds the dependencies of one table, by the name of the room that they mean.
fn collect(table: &Table, used: &mut BTreeSet<String>) {
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else { continue };
        for (name, wish) in dependencies {
            // A rename or a path must not hide an edge.
            let package = wish.get("package").and_then(toml::Value::as_str).unwrap_or(name);
            used.insert(package.strip_prefix("freehold-").unwrap_or(package).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Map\n```edges\nmodel ->\nstore -> model\nxtask ->\n```\nmore\n";

    fn manifests(store: &str) -> Vec<File> {
        vec![
            File::new("crates/model/Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
            File::new("crates/store/Cargo.toml", store),
            File::new("xtask/Cargo.toml", ""),
        ]
    }

    fn complaints(store: &str) -> Vec<String> {
        let listed = listed(TABLE).expect("a table");
        differences(&listed, &made(&manifests(store)).expect("manifests"))
    }

    #[test]
    fn equal_edges_are_no_complaint() {
        assert_eq!(complaints("[dependencies]\nmodel = { workspace = true }\nbytes = \"1\"\n"), [""; 0]);
    }

    #[test]
    fn an_edge_that_is_not_listed_is_found_wherever_it_hides() {
        let base = "[dependencies]\nmodel = { workspace = true }\n";
        for hidden in [
            "xtask = \"1\"",
            "[dev-dependencies]\nxtask = { workspace = true }",
            "[build-dependencies]\nother = { package = \"xtask\", version = \"1\" }",
            "[target.'cfg(unix)'.dependencies]\nfreehold-xtask = { path = \"../xtask\" }",
        ] {
            let complaints = complaints(&format!("{base}{hidden}\n"));
            assert_eq!(
                complaints,
                ["store uses xtask, an edge that ARCHITECTURE.md does not list"],
                "{hidden}"
            );
        }
    }

    #[test]
    fn an_edge_that_is_listed_and_not_used_is_found() {
        assert_eq!(complaints(""), ["ARCHITECTURE.md lists the edge store -> model, which is not used"]);
    }

    #[test]
    fn a_room_without_a_line_and_a_line_without_a_room_are_found() {
        let listed = listed("```edges\nmodel ->\nattic ->\n```").expect("a table");
        let made = made(&manifests("")).expect("manifests");
        let complaints = differences(&listed, &made);
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        assert!(complaints[0].contains("attic, which does not exist"));
    }

    #[test]
    fn a_missing_or_malformed_table_is_an_error() {
        assert!(listed("# Map").is_err());
        assert!(listed("```edges\nstore: model\n```").is_err());
        assert!(listed("```edges\nstore ->\nstore ->\n```").is_err());
    }
}
