//! What is claimed of the vaults' wire, who must have witnessed it, and the page made of both.
//!
//! Owns the reading of claims.toml and of the lines that scripts print. A claim without all its witnesses fails, and so
//! does a witness of something that nobody claims.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// One case that a client ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Which client.
    pub client: String,
    /// The id of the claim.
    pub claim: String,
    /// Whether it holds.
    pub ok: bool,
    /// What went wrong.
    pub detail: String,
}

impl Witness {
    /// Reads a line of a script.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let text = |name: &str| value[name].as_str().map(str::to_owned).ok_or(format!("no {name}: {line}"));
        let ok = value["ok"].as_bool().ok_or(format!("no ok: {line}"))?;
        Ok(Self { client: text("client")?, claim: text("claim")?, ok, detail: text("detail")? })
    }
}

#[derive(Debug)]
struct Claim {
    id: String,
    title: String,
    support: String,
    note: String,
    witnesses: Vec<String>,
}

/// Every claim, in the groups of the page.
#[derive(Debug)]
pub struct Claims {
    clients: Vec<String>,
    groups: Vec<(String, Vec<Claim>)>,
    differences: Vec<String>,
}

impl Claims {
    /// Reads the claims.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let clients = strings(table.get("clients"));
        let differences = strings(table.get("differences"));
        let mut groups = Vec::new();
        let mut seen = BTreeSet::new();
        for group in table.get("group").and_then(toml::Value::as_array).into_iter().flatten() {
            let mut claims = Vec::new();
            for claim in group.get("claim").and_then(toml::Value::as_array).into_iter().flatten() {
                let claim = Claim {
                    id: word(claim, "id"),
                    title: word(claim, "title"),
                    support: word(claim, "support"),
                    note: word(claim, "note"),
                    witnesses: strings(claim.get("witnesses")),
                };
                if claim.id.is_empty() || claim.title.is_empty() || claim.support.is_empty() {
                    return Err(format!("a claim needs id, title and support: {claim:?}"));
                }
                if claim.witnesses.is_empty() && claim.note.is_empty() {
                    return Err(format!("{}: neither a witness nor a reason", claim.id));
                }
                if let Some(unknown) = claim.witnesses.iter().find(|name| !clients.contains(name)) {
                    return Err(format!("{}: no client {unknown}", claim.id));
                }
                if !seen.insert(claim.id.clone()) {
                    return Err(format!("{} is claimed twice", claim.id));
                }
                claims.push(claim);
            }
            groups.push((word(group, "title"), claims));
        }
        Ok(Self { clients, groups, differences })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all().count()
    }

    /// Whether nothing is claimed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn all(&self) -> impl Iterator<Item = &Claim> {
        self.groups.iter().flat_map(|(_, claims)| claims)
    }

    /// Everything that keeps the claims from holding; empty when all hold.
    pub fn problems(&self, witnesses: &[Witness]) -> Vec<String> {
        let mut problems = Vec::new();
        for Witness { client, claim, ok, detail } in witnesses {
            let claimed = self.all().any(|one| one.id == *claim && one.witnesses.contains(client));
            if !ok {
                problems.push(format!("{client}: {claim}: {detail}"));
            } else if !claimed {
                problems.push(format!("{client}: {claim} is witnessed, and claims.toml does not say so"));
            }
        }
        for claim in self.all() {
            for client in &claim.witnesses {
                if !witnesses.iter().any(|one| one.client == *client && one.claim == claim.id) {
                    problems.push(format!("{client}: {}: no witness", claim.id));
                }
            }
        }
        problems
    }

    /// The page: for each claim what is supported, and by whom it was seen in the run.
    pub fn page(&self, versions: &[String]) -> String {
        let mut page = String::from(
            "# Azure's clients and these vaults\n\n<!-- Written by `cargo xtask e2e azure --update`; change \
             e2e/azure/claims.toml and run that. -->\n\nEvery mark below is a case that ran, with the client as its registry \
             has it, verification on, and the real names in a lab ([lab.md](lab.md)). A claim whose cases do not all pass \
             fails `cargo xtask test`. None of this has been compared with Azure itself by a run.\n\n",
        );
        let _ = writeln!(page, "Clients: {}. `raw` is plain HTTP with a token.", versions.join(", "));
        for (title, claims) in &self.groups {
            let _ = writeln!(page, "\n## {title}\n\n| | supported | {} | |", self.clients.join(" | "));
            let _ = writeln!(page, "|---|---|{}---|", "---|".repeat(self.clients.len()));
            for claim in claims {
                let mark = |client| if claim.witnesses.contains(client) { "✓" } else { "" };
                let marks: Vec<_> = self.clients.iter().map(mark).collect();
                let (title, support, note) = (&claim.title, &claim.support, &claim.note);
                let _ = writeln!(page, "| {title} | {support} | {} | {note} |", marks.join(" | "));
            }
        }
        page.push_str("\n## Known differences from the real service\n\n");
        for difference in &self.differences {
            let _ = writeln!(page, "- {difference}");
        }
        page
    }
}

fn word(value: &toml::Value, name: &str) -> String {
    value.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
}

fn strings(value: Option<&toml::Value>) -> Vec<String> {
    let all = value.and_then(toml::Value::as_array).into_iter().flatten();
    all.filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: &str = r#"
        clients = ["node", "raw"]
        differences = ["One."]
        [[group]]
        title = "Operations"
        claim = [
            { id = "get", title = "get", support = "yes", witnesses = ["node", "raw"] },
            { id = "busy", title = "busy", support = "no", note = "never seen" },
        ]
    "#;

    fn seen(client: &str, claim: &str, ok: bool) -> Witness {
        Witness { client: client.into(), claim: claim.into(), ok, detail: "why".into() }
    }

    #[test]
    fn a_claim_holds_with_all_its_witnesses_and_no_other() {
        let claims = Claims::parse(CLAIMS).expect("claims");
        let both = [seen("node", "get", true), seen("raw", "get", true)];
        assert_eq!(claims.problems(&both), Vec::<String>::new());
        assert_eq!(claims.problems(&both[..1]), ["raw: get: no witness"]);
        let [node, raw] = both;
        let failed = [node.clone(), raw.clone(), seen("raw", "get", false)];
        assert_eq!(claims.problems(&failed), ["raw: get: why"]);
        let more = [node, raw, seen("raw", "busy", true)];
        assert_eq!(claims.problems(&more), ["raw: busy is witnessed, and claims.toml does not say so"]);
    }

    #[test]
    fn a_claim_needs_a_witness_or_a_reason() {
        let neither = CLAIMS.replace("note = \"never seen\"", "note = \"\"");
        assert_eq!(Claims::parse(&neither).expect_err("refused"), "busy: neither a witness nor a reason");
        let twice = CLAIMS.replace("\"busy\"", "\"get\"");
        assert_eq!(Claims::parse(&twice).expect_err("refused"), "get is claimed twice");
        let unknown = CLAIMS.replace("[\"node\", \"raw\"] }", "[\"curl\"] }");
        assert_eq!(Claims::parse(&unknown).expect_err("refused"), "get: no client curl");
    }

    #[test]
    fn the_page_marks_who_saw_what() {
        let page = Claims::parse(CLAIMS).expect("claims").page(&["node 1".into()]);
        assert!(page.contains("| get | yes | ✓ | ✓ |  |\n| busy | no |  |  | never seen |\n"), "{page}");
        assert!(page.contains("- One.\n") && page.contains("Clients: node 1."), "{page}");
    }

    #[test]
    fn the_committed_claims_can_be_read() {
        let claims = Claims::read(&crate::root().join(super::super::FOLDER).join("claims.toml"));
        assert!(!claims.expect("claims").is_empty());
    }
}
