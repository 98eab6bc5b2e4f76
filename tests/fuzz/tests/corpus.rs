//! Replays the corpus of every target: what was found once is tried in each run of the tests.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use weir_fuzz::{TARGETS, Target};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn main() -> ExitCode {
    let mut trials: Vec<Trial> =
        TARGETS.iter().map(|target| Trial::test(format!("corpus_of_{}", target.name), || replay(target))).collect();
    trials.push(Trial::test("every_directory_of_the_corpus_belongs_to_a_target", directories));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn replay(target: &Target) -> Result<(), Failed> {
    let mut count = 0;
    for file in std::fs::read_dir(directory().join(target.name)).map_err(|e| format!("no corpus: {e}"))? {
        let path = file?.path();
        let bytes = std::fs::read(&path)?;
        // Says which file it was, where the target panics.
        let outcome = std::panic::catch_unwind(|| (target.run)(&bytes));
        if outcome.is_err() {
            return Err(format!("{} makes {} panic", path.display(), target.name).into());
        }
        count += 1;
    }
    if count == 0 {
        return Err("the corpus is empty".into());
    }
    println!("{}: {count} inputs", target.name);
    Ok(())
}

fn directories() -> Result<(), Failed> {
    for file in std::fs::read_dir(directory())? {
        let name = file?.file_name().into_string().unwrap();
        if weir_fuzz::target(&name).is_none() {
            return Err(format!("no target is called {name}").into());
        }
    }
    Ok(())
}
