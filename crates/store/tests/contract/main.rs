//! What every engine must do. Each case runs over each engine; an engine passes all of it or is none.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, reason = "modules of tests")]

mod bounds;
mod commits;
#[path = "../common/mod.rs"]
mod common;
mod opening;
mod records;
mod rows;

use common::ITEMS;
use freehold_store as store;
use store::{CommitError, MAX_PAGE, Scan, Store};

/// Every case over every engine; a later engine is one more line.
macro_rules! contract {
    ($($group:ident { $($case:ident)* })*) => {
        contract!(@engine sqlite: $($group { $($case)* })*);
        contract!(@engine memory: $($group { $($case)* })*);
    };
    (@engine $engine:ident: $($group:ident { $($case:ident)* })*) => {
        mod $engine {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$group::$case(crate::common::Rig::$engine()).await;
                })*
            })*
        }
    };
}

contract! {
    rows {
        what_was_put_is_read
        versions_count_puts
        a_put_replaces_the_whole_row
        keys_are_ordered_by_bytes
        a_prefix_bounds_a_scan_exactly
        pages_meet_without_gap_or_double
        read_many_answers_in_order
        a_reader_sees_committed_states_only
    }
    commits {
        expectations_hold_or_nothing_happens
        expectations_look_at_the_state_before_the_batch
        an_expectation_may_name_a_row_that_is_not_written
        one_of_many_that_race_wins
        a_conflict_leaves_its_neighbours_alone
        there_is_no_commit_without_a_cause
        acknowledged_survives_a_crash
        scrubbing_loses_nothing
    }
    records {
        records_count_up_without_gap_in_each_stream
        records_are_written_with_their_batch_or_not_at_all
        a_whole_stream_verifies
        a_changed_record_is_named
        a_missing_record_is_named
        a_witness_finds_what_the_chain_cannot
        streams_are_listed
    }
    bounds {
        bounds_are_refused_by_name
        what_is_at_the_bound_is_taken
        unknown_tables_are_refused
    }
    opening {
        another_owner_is_refused
        a_newer_version_is_refused
        migrations_run_once_and_in_order
        a_failing_migration_changes_nothing
    }
}

async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let scan = Scan { prefix, after: None, limit: MAX_PAGE };
    store.scan(ITEMS, scan).await.unwrap().into_iter().map(|row| row.key).collect()
}

fn conflict(key: &str) -> Result<(), CommitError> {
    Err(CommitError::Conflict { table: ITEMS, key: key.into() })
}
