//! The house rules, run over the repository.

use xtask::tidy::{File, edges, effects, files, find, limits, links, spec};

fn repository() -> Vec<File> {
    xtask::tidy::files().expect("the repository can be listed")
}

fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

#[test]
fn edges_between_rooms_equal_the_table_in_architecture() {
    let files = repository();
    let architecture = find(&files, "ARCHITECTURE.md").expect("ARCHITECTURE.md");
    let listed = edges::listed(&architecture.text).expect("the table of edges");
    none(edges::differences(&listed, &edges::made(&files).expect("the manifests")));
}

#[test]
fn clock_and_randomness_stay_above_floor_3() {
    none(effects::complaints(&repository()));
}

#[test]
fn every_source_file_says_what_it_owns() {
    none(files::without_first_words(&repository()));
}

#[test]
fn no_source_file_is_too_long() {
    none(files::too_long(&repository()));
}

#[test]
fn nothing_is_marked_unfinished() {
    none(files::unfinished(&repository()));
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    none(files::places(&repository()));
}

#[test]
fn every_limit_in_the_table_exists() {
    none(limits::complaints(&repository()));
}

#[test]
fn every_page_of_spec_can_be_reached() {
    none(spec::unreachable(&repository()));
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    none(links::broken(&repository()));
}
