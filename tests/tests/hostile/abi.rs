//! Breaks the canonical ABI, the engine's limits, or the rules for components: what no compiler would make.

use anyhow::{Result, bail, ensure};

use crate::expect::says;
use crate::lab::Lab;
use crate::wat::Fate;

include!(concat!(env!("OUT_DIR"), "/wat.rs"));

macro_rules! list {
    ($($name:ident),*) => {
        /// Family, name and test of each.
        pub fn all() -> Vec<(&'static str, &'static str, fn(&Lab<'_>) -> Result<()>)> {
            vec![$(("abi", concat!("abi/", stringify!($name)), $name as fn(&Lab<'_>) -> Result<()>),)*]
        }

        fn text(name: &str) -> &'static str {
            match name {
                $(stringify!($name) => include_str!(concat!("../../wat/", stringify!($name), ".wat")),)*
                _ => "",
            }
        }
    };
}

for_each_wat!(list);

/// It is installed, and stopped with an error that says why.
fn stopped(lab: &Lab<'_>, name: &str, words: &[&str]) -> Result<()> {
    match lab.try_component(text(name))? {
        Fate::Failed(error) => says(&error, &[102], &[&["crafted"], words].concat()),
        other => bail!("it was not stopped: {other:?}"),
    }
}

/// It does not come so far.
fn not_installed(lab: &Lab<'_>, name: &str, words: &[&str]) -> Result<()> {
    match lab.try_component(text(name))? {
        Fate::NotInstalled(why) => {
            for word in words {
                ensure!(why.contains(word), "it does not say {word:?}: {why}");
            }
            ensure!(!why.contains("panicked"), "{why}");
            Ok(())
        }
        other => bail!("it was installed: {other:?}"),
    }
}

/// It hurts nobody but itself.
fn harmless(lab: &Lab<'_>, name: &str) -> Result<()> {
    match lab.try_component(text(name))? {
        Fate::Succeeded => Ok(()),
        other => bail!("it failed: {other:?}"),
    }
}

fn answer_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "answer_beyond_the_memory", &["out of bounds"])
}

fn answer_misaligned(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "answer_misaligned", &["align"])
}

fn call_of_another_type(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "call_of_another_type", &["type"])
}

fn call_of_nothing(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "call_of_nothing", &[])
}

fn choice_that_is_none(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "choice_that_is_none", &["discriminant"])
}

fn conversion_of_nan(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "conversion_of_nan", &["conversion"])
}

fn copy_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "copy_beyond_the_memory", &[])
}

fn core_module(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "core_module", &["core module"])
}

fn division_by_zero(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "division_by_zero", &["divide by zero"])
}

fn division_that_overflows(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "division_that_overflows", &["overflow"])
}

fn error_cut_within_a_character(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "error_cut_within_a_character", &["utf-8"])
}

fn exports_without_functions(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "exports_without_functions", &["add"])
}

fn handle_dropped_twice(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "handle_dropped_twice", &["handle"])
}

fn handle_negative(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "handle_negative", &["handle"])
}

fn handle_never_had(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "handle_never_had", &["handle"])
}

fn import_of_a_stranger(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "import_of_a_stranger", &["evil:host/shell"])
}

fn import_of_an_unknown_function(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "import_of_an_unknown_function", &["set"])
}

fn import_of_an_unknown_interface(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "import_of_an_unknown_interface", &["weir:cni/everything"])
}

fn import_of_another_contract(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "import_of_another_contract", &["weir:cni/links@0.2.0"])
}

fn import_of_another_type(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "import_of_another_type", &["now"])
}

fn level_that_is_none(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "level_that_is_none", &["discriminant"])
}

fn list_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "list_beyond_the_memory", &["out of bounds"])
}

fn list_whose_size_overflows(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "list_whose_size_overflows", &[])
}

fn many_instances(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "many_instances", &["instance"])
}

fn many_memories(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "many_memories", &["memory"])
}

fn many_tables(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "many_tables", &[])
}

fn memories_too_large_together(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "memories_too_large_together", &[])
}

fn memory_of_64_bits(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "memory_of_64_bits", &[])
}

fn memory_of_four_gibibytes(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "memory_of_four_gibibytes", &[])
}

fn name_not_utf8(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "name_not_utf8", &["utf-8"])
}

fn name_of_maximal_length(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "name_of_maximal_length", &["out of bounds"])
}

fn nested_components(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "nested_components", &["weir:cni/plugin@0.1.0"])
}

fn no_exports(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "no_exports", &["weir:cni/plugin@0.1.0"])
}

fn post_return_calls_the_host(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "post_return_calls_the_host", &["cannot leave"])
}

fn post_return_spins(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "post_return_spins", &["units of computing"])
}

fn post_return_traps(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "post_return_traps", &["panicked or aborted"])
}

fn read_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "read_beyond_the_memory", &["out of bounds"])
}

fn realloc_across_the_end(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "realloc_across_the_end", &["beyond end of memory"])
}

fn realloc_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "realloc_beyond_the_memory", &["beyond end of memory"])
}

fn realloc_calls_the_host(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "realloc_calls_the_host", &["cannot leave"])
}

fn realloc_misaligned(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "realloc_misaligned", &["align"])
}

fn realloc_of_one_place(lab: &Lab<'_>) -> Result<()> {
    harmless(lab, "realloc_of_one_place")
}

fn realloc_recurses(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "realloc_recurses", &["stack"])
}

fn realloc_spins(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "realloc_spins", &["units of computing"])
}

fn realloc_traps(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "realloc_traps", &["panicked or aborted"])
}

fn recursion(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "recursion", &["stack"])
}

fn result_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "result_beyond_the_memory", &["out of bounds"])
}

fn result_misaligned(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "result_misaligned", &["align"])
}

fn result_that_is_neither(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "result_that_is_neither", &["discriminant"])
}

fn shared_memory(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "shared_memory", &[])
}

fn start_floods_the_host(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "start_floods_the_host", &[])
}

fn start_spins(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "start_spins", &["units of computing"])
}

fn start_traps(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "start_traps", &["panicked or aborted"])
}

fn table_of_ten_millions(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "table_of_ten_millions", &[])
}

fn table_that_grows(lab: &Lab<'_>) -> Result<()> {
    harmless(lab, "table_that_grows")
}

fn text_across_the_end(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "text_across_the_end", &["out of bounds"])
}

fn text_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "text_beyond_the_memory", &["out of bounds"])
}

fn text_not_utf8(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "text_not_utf8", &["utf-8"])
}

fn text_of_maximal_length(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "text_of_maximal_length", &["out of bounds"])
}

fn two_memories_in_a_module(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "two_memories_in_a_module", &[])
}

fn vector_instructions(lab: &Lab<'_>) -> Result<()> {
    not_installed(lab, "vector_instructions", &[])
}

fn write_beyond_the_memory(lab: &Lab<'_>) -> Result<()> {
    stopped(lab, "write_beyond_the_memory", &["out of bounds"])
}
