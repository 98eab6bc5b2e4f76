//! Every claim of `docs/threat-model.md` names the tests that prove it, and every test that it names exists.
//!
//! Whether they ran is for the records: `make test-vm` fails where a test was skipped both here and in the virtual machine.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A claim of the page.
struct Claim {
    name: String,
    words: String,
    /// Program or crate, and test.
    proofs: Vec<(String, String)>,
}

/// The claims: each begins with a heading `### C-NN: ...` and ends at the next heading.
fn claims() -> Vec<Claim> {
    let text = std::fs::read_to_string(workspace().join("docs/threat-model.md")).unwrap();
    let mut claims: Vec<Claim> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('#') {
            inside = line.starts_with("### C-");
            if let Some((name, words)) =
                line.strip_prefix("### ").and_then(|rest| rest.split_once(": ")).filter(|_| inside)
            {
                claims.push(Claim { name: name.to_owned(), words: words.to_owned(), proofs: Vec::new() });
            }
        } else if let Some(claim) = claims.last_mut().filter(|_| inside) {
            // Every second piece stands between backticks.
            let quoted = line.split('`').skip(1).step_by(2);
            let proofs = quoted.filter_map(|word| word.split_once("::"));
            claim.proofs.extend(proofs.map(|(program, test)| (program.to_owned(), test.to_owned())));
        }
    }
    claims
}

/// The sources of a test program, or of a crate, without comments.
fn sources(program: &str) -> String {
    let root = workspace();
    let places = match program {
        "weir" => vec![root.join("host/src"), root.join("host/tests")],
        "weir-native" => vec![root.join("native-shim/src"), root.join("native-shim/tests")],
        "cni-spec" => vec![root.join("guest-sdk/cni-spec/src")],
        "weir-fuzz" => vec![root.join("tests/fuzz/tests")],
        other => vec![root.join(format!("tests/tests/{other}.rs")), root.join(format!("tests/tests/{other}"))],
    };
    let mut text = String::new();
    for place in places {
        collect(&place, &mut text);
    }
    text
}

fn collect(path: &Path, into: &mut String) {
    if path.is_dir() {
        for item in std::fs::read_dir(path).unwrap() {
            collect(&item.unwrap().path(), into);
        }
    } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            into.push_str(line);
            into.push('\n');
        }
    }
}

/// Whether the sources have a test of this name: a function, or a name given to the harness. Tests of hostile guests are
/// named by their file and their function.
fn has(sources: &str, test: &str) -> bool {
    let name = test.rsplit(['/', ':']).next().unwrap_or(test);
    sources.contains(&format!("fn {name}(")) || sources.contains(&format!("\"{name}\""))
}

#[test]
fn every_claim_names_tests_and_each_of_them_exists() {
    let claims = claims();
    let mut faults = Vec::new();
    for claim in &claims {
        if claim.proofs.is_empty() {
            faults.push(format!("{} ({}) names no test", claim.name, claim.words));
        }
        for (program, test) in &claim.proofs {
            let (file, sources) = match test.split_once('/') {
                Some((family, _)) => {
                    let file = format!("{program}/{family}");
                    let text = sources(&file);
                    (file, text)
                }
                None => (program.clone(), sources(program)),
            };
            if !has(&sources, test) {
                faults.push(format!("{}: {program} has no test {test} (looked in {file})", claim.name));
            }
        }
    }
    assert!(faults.is_empty(), "the threat model promises more than the tests prove:\n  {}", faults.join("\n  "));
    println!("threat model: {} claims", claims.len());
    assert!(claims.len() >= 30, "only {} claims were found on the page", claims.len());
}

#[test]
fn claims_are_numbered_in_order_and_said_once() {
    let claims = claims();
    let names: Vec<_> = claims.iter().map(|claim| claim.name.clone()).collect();
    let expected: Vec<_> = (1..=claims.len()).map(|number| format!("C-{number:02}")).collect();
    assert_eq!(names, expected);
    let words: BTreeSet<_> = claims.iter().map(|claim| &claim.words).collect();
    assert_eq!(words.len(), claims.len(), "two claims say the same");
}

#[test]
fn a_test_that_does_not_exist_is_noticed() {
    let sources = "fn harness() {\n    test(\"a_name\", body)\n}\n#[test]\nfn another() {}\n";
    assert!(has(sources, "a_name") && has(sources, "another") && has(sources, "family/another"));
    assert!(!has(sources, "a_nam") && !has(sources, "other") && !has(sources, "nothing"));
}
