//! `weir grant`, `weir revoke`, `weir diff`.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Host, Test, test};

use crate::component::{Place, manifest, said};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("grant_adds_sets_and_shows", grant_changes),
        test("grant_refuses_what_is_not_asked_for_or_not_known", grant_refuses),
        test("revoke_takes_away_just_what_it_is_told", revoke_takes_away),
        test("revoke_refuses_what_is_not_granted_so", revoke_refuses),
        test("diff_tells_more_less_and_same_and_exits_with_1_for_more", diff_tells),
        test("diff_compares_an_installed_plugin", diff_of_installed),
        test("diff_exits_with_2_where_it_cannot_tell", diff_fails),
    ]
}

const ASKS: &[(&str, &[&str], &str)] =
    &[("hostLinks", &["cni*", "${bridge}"], "the bridge"), ("nftables", &["inet mine"], "rules")];

fn installed(host: &Host) -> Result<Place> {
    let place = Place::new(host)?;
    let nothing = place.file("nothing.json", b"{}")?;
    place.must(&["install", "--grant", &nothing, &place.write(&manifest("probe", "1", ASKS))?])?;
    ensure!(place.granted("probe")? == json!({}));
    Ok(place)
}

fn grant_changes(host: &Host) -> Result<()> {
    let place = installed(host)?;
    let said = place.must(&["grant", "probe", "--add", r#"{"hostLinks": ["cni0"]}"#])?;
    ensure!(said.contains("+ hostLinks cni0"), "{said}");
    place.must(&["grant", "probe", "--add", r#"{"hostLinks": ["${bridge}", "cni0"], "nftables": ["inet mine"]}"#])?;
    let all = json!({"hostLinks": ["cni0", "${bridge}"], "nftables": ["inet mine"]});
    ensure!(place.granted("probe")? == all, "{}", place.granted("probe")?);
    // What --show prints is a grant file.
    let file = place.file("grant.json", place.granted("probe")?.to_string().as_bytes())?;
    let said = place.must(&["grant", "probe", "--set", &file])?;
    ensure!(said.contains("just this before"), "{said}");
    let other = place.file("other.json", br#"{"hostLinks": ["cni-*"]}"#)?;
    let said = place.must(&["grant", "probe", "--set", &other])?;
    for line in ["+ hostLinks cni-*", "- hostLinks cni0", "- hostLinks ${bridge}", "- nftables inet mine"] {
        ensure!(said.contains(line), "{line}: {said}");
    }
    place.must(&["grant", "probe", "--requested"])?;
    ensure!(place.granted("probe")? == json!({"hostLinks": ["cni*", "${bridge}"], "nftables": ["inet mine"]}));
    Ok(())
}

fn grant_refuses(host: &Host) -> Result<()> {
    let place = installed(host)?;
    for (fragment, word) in [
        (r#"{"hostLinks": ["eth0"]}"#, "does not ask for hostLinks \"eth0\""),
        (r#"{"hostLinks": ["*"]}"#, "does not ask for hostLinks \"*\""),
        (r#"{"nftables": ["ip mine"]}"#, "does not ask for nftables \"ip mine\""),
        (r#"{"interfaces": ["links"]}"#, "does not ask for interfaces \"links\""),
        (r#"{"hostlinks": ["cni0"]}"#, "unknown field `hostlinks`"),
        (r#"{"linkKinds": ["gre"]}"#, "gre"),
        (r#"{"hostLinks": "cni0"}"#, "invalid type"),
        (r#"{"limits": {"fuell": 1}}"#, "fuell"),
        (r#"{"limits": {"memoryBytes": 99999999999999}}"#, "memoryBytes"),
        ("hostLinks", "--add"),
        ("", "--add"),
    ] {
        place.fails(&["grant", "probe", "--add", fragment], &[word])?;
    }
    ensure!(place.granted("probe")? == json!({}), "{}", place.granted("probe")?);
    place.fails(&["grant", "unheard-of", "--requested"], &["not installed"])?;
    place.fails(&["grant", "../probe", "--requested"], &[])?;
    let output = place.weir(&["grant", "probe"])?;
    ensure!(output.status.code() == Some(2), "nothing to do: {output:?}");
    Ok(())
}

fn revoke_takes_away(host: &Host) -> Result<()> {
    let place = installed(host)?;
    place.must(&["grant", "probe", "--requested"])?;
    place.must(&["grant", "probe", "--add", r#"{"limits": {"fuel": 5, "hostCalls": 6}}"#])?;
    let said = place.must(&["revoke", "probe", "hostLinks", "cni*"])?;
    ensure!(said.contains("- hostLinks cni*"), "{said}");
    place.must(&["revoke", "probe", r#"{"nftables": ["inet mine"], "limits": {"fuel": 5}}"#])?;
    let left = json!({"hostLinks": ["${bridge}"], "limits": {"hostCalls": 6}});
    ensure!(place.granted("probe")? == left, "{}", place.granted("probe")?);
    place.must(&["revoke", "probe", "limits", "hostCalls"])?;
    ensure!(place.granted("probe")? == json!({"hostLinks": ["${bridge}"]}));
    place.must(&["grant", "probe", "--requested"])?;
    place.must(&["revoke", "probe", "--all"])?;
    ensure!(place.granted("probe")? == json!({}));
    Ok(())
}

fn revoke_refuses(host: &Host) -> Result<()> {
    let place = installed(host)?;
    place.must(&["grant", "probe", "--requested"])?;
    let before = place.granted("probe")?;
    for (what, word) in [
        (&["hostLinks", "cni0"][..], "a part of \"cni*\""),
        (&["hostLinks", "eth0"], "not granted"),
        (&["lowerLinks", "cni*"], "not granted"),
        (&["hostDisks", "sda"], "no key of grants"),
        (&["limits", "fuel"], "not granted"),
        (&[r#"{"hostLinks": ["eth0"]}"#], "not granted"),
        (&[r#"{"hostLinks": "cni*"}"#], "neither a list"),
        (&["cni*"], "no JSON"),
    ] {
        let arguments: Vec<&str> = ["revoke", "probe"].into_iter().chain(what.iter().copied()).collect();
        place.fails(&arguments, &[word])?;
    }
    ensure!(place.granted("probe")? == before);
    Ok(())
}

fn diff(place: &Place, old: &Value, new: &Value) -> Result<(Option<i32>, Value)> {
    let (old, new) = (place.write(old)?, place.write(new)?);
    let output = place.weir(&["diff", "--json", &old, &new])?;
    Ok((output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default()))
}

fn diff_tells(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let old = manifest("probe", "1", ASKS);
    let with_limit = |limit: u64| {
        let mut manifest = manifest("probe", "2", ASKS);
        manifest["limits"] = json!([{"limit": "memoryBytes", "value": limit, "reason": "large"}]);
        manifest
    };
    let values = |report: &Value, which: &str| -> Vec<String> {
        let items = report[which].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| format!("{} {}", item["key"].as_str().unwrap(), item["value"].as_str().unwrap()))
            .collect()
    };
    for (new, status, more, less) in [
        (manifest("probe", "2", ASKS), 0, &[][..], &[][..]),
        (
            manifest("probe", "2", &[("hostLinks", &["cni0"], "r")]),
            0,
            &[],
            &["hostLinks cni*", "hostLinks ${bridge}", "nftables inet mine"],
        ),
        (
            manifest("probe", "2", &[("hostLinks", &["*"], "r"), ("nftables", &["inet mine"], "r")]),
            1,
            &["hostLinks *"],
            &[],
        ),
        (
            manifest("probe", "2", &[("lowerLinks", &["eth0"], "r")]),
            1,
            &["lowerLinks eth0"],
            &["hostLinks cni*", "hostLinks ${bridge}", "nftables inet mine"],
        ),
        (with_limit(1 << 28), 1, &["limits memoryBytes=268435456"], &[]),
    ] {
        let (found, report) = diff(&place, &old, &new)?;
        ensure!(found == Some(status), "{new}: {found:?}");
        ensure!(values(&report, "more") == more && values(&report, "less") == less, "{report}");
        ensure!(report["old"]["version"] == json!("1") && report["new"]["version"] == json!("2"), "{report}");
    }
    let mut more_interfaces = manifest("probe", "2", ASKS);
    more_interfaces["needs"] = json!([{"interface": "links", "reason": "the reason"}]);
    let new = place.write(&more_interfaces)?;
    let old = place.write(&old)?;
    let output = place.weir(&["diff", &old, &new])?;
    let said = said(&output);
    ensure!(output.status.code() == Some(1), "{said}");
    for word in ["probe 1 -> probe 2", "asks for more", "links", "the reason", "as before: 3"] {
        ensure!(said.contains(word), "{word}: {said}");
    }
    Ok(())
}

fn diff_of_installed(host: &Host) -> Result<()> {
    let place = installed(host)?;
    let same = place.write(&manifest("probe", "2", ASKS))?;
    let said = place.must(&["diff", "probe", &same])?;
    ensure!(said.contains("asks for nothing more"), "{said}");
    let more = place.write(&manifest("probe", "3", &[("hostLinks", &["eth*"], "r")]))?;
    ensure!(place.weir(&["diff", "probe", &more])?.status.code() == Some(1));
    Ok(())
}

fn diff_fails(host: &Host) -> Result<()> {
    let place = installed(host)?;
    let file = place.write(&manifest("probe", "2", ASKS))?;
    let broken = place.file("broken.wasm", b"no component")?;
    for (old, new) in [("unheard-of", file.as_str()), ("probe", "/no/such.wasm"), ("probe", &broken), (&broken, &file)]
    {
        let output = place.weir(&["diff", old, new])?;
        ensure!(output.status.code() == Some(2), "{old} {new}: {}", said(&output));
    }
    Ok(())
}
