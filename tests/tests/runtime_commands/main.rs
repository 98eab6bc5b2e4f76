//! The commands that do what a runtime does: every flag and variable, exit status, what is printed for programs and for
//! people, and packets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod answers;
mod arguments;
mod attachments;
mod networks;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use weir_tests::operator::Operator;
use weir_tests::{Host, run, test};

fn main() -> ExitCode {
    run(vec![
        test("a_flag_goes_before_a_variable_and_a_variable_before_the_default", arguments::precedence),
        test("the_defaults_are_those_of_cnitool", arguments::defaults),
        test("the_container_id_is_made_of_the_namespaces_path_as_cnitool_does", arguments::container_id),
        test("every_command_tells_programs_one_document", answers::documents),
        test("people_are_told_in_tables", answers::tables),
        test("a_failure_is_told_in_words_and_as_an_object", answers::failures),
        test("wrong_arguments_are_status_2_and_run_nothing", arguments::wrong_arguments),
        test("a_failed_add_is_taken_back_or_kept_where_that_is_said", attachments::keep),
        test("a_time_limit_ends_a_plugin", attachments::time_limit),
        test("gc_without_a_list_is_refused_and_says_how", attachments::gc_refused),
        test("gc_keeps_what_is_valid_and_deletes_the_rest", attachments::gc),
        test("del_works_with_the_remembered_configuration", attachments::del_without_configuration),
        test("damaged_entries_are_shown_and_do_not_block_del", attachments::damaged),
        test("a_broken_file_hides_no_other_network", networks::broken_network),
        test("networks_are_validated_by_asking_their_plugins", networks::validate),
        test("status_is_that_of_the_plugins", networks::status),
        test("in_process_does_the_same_as_by_execution", networks::in_process),
        test("two_namespaces_reach_each_other_and_nothing_is_left", networks::packets),
    ])
}

/// The recorder alone.
fn recorder() -> Value {
    json!({"type": "recorder", "capabilities": {"mac": true}})
}

fn operator(host: &Host) -> Result<Operator> {
    let operator = Operator::new(host, "operator")?;
    operator.network("blue", &[recorder()])?;
    Ok(operator)
}

const NETNS: &str = "/run/netns/none";
