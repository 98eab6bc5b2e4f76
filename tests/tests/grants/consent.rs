//! `weir install`: nothing is granted silently, and never more than what is asked for.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Host, Test, test};

use crate::component::{Place, manifest, said};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("install_shows_what_is_asked_for_in_words_and_refuses_without_a_terminal", refuses_without_terminal),
        test("install_asks_on_a_terminal_and_grants_by_the_answer", asks_on_terminal),
        test("what_is_dangerous_is_warned_of", warns),
        test("a_grant_file_may_hold_less_than_what_is_asked_for", less_than_asked),
        test("a_grant_file_that_holds_more_is_refused_and_the_surplus_named", more_than_asked),
        test("the_same_component_keeps_its_grant_when_it_is_installed_again", same_digest_keeps),
        test("another_version_is_asked_for_anew_with_the_difference_only", difference_only),
        test("what_the_operator_set_stays_over_an_upgrade", operators_settings_stay),
        test("a_manifest_of_version_1_is_read_and_asks_for_no_objects", version_1),
        test("texts_that_would_deceive_on_a_terminal_are_refused", deceptive_texts),
    ]
}

fn modest() -> Value {
    manifest(
        "probe",
        "1.0.0",
        &[("hostLinks", &["${bridge}", "cni0"], "the bridge"), ("linkKinds", &["veth"], "a pair")],
    )
}

fn refuses_without_terminal(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let file = place.write(&modest())?;
    let words = [
        "probe 1.0.0: Is looked at.",
        "change and delete these links of the host",
        "${bridge}",
        "the bridge",
        "make links of these kinds",
        "a pair",
        "no terminal",
        "--grant-requested",
        "--grant FILE",
    ];
    place.fails(&["install", &file], &words)?;
    ensure!(!place.is_installed("probe") && !place.bin.join("probe").exists());
    place.fails(&["install", "--grant-requested", "--grant", &file, &file], &[]).unwrap_err(); // Status 2: both.
    ensure!(!place.is_installed("probe"));
    Ok(())
}

fn asks_on_terminal(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let file = place.write(&modest())?;
    for refusal in ["n\n", "\n", "yess\n", "\u{4}"] {
        let output = place.on_terminal(&["install", &file], refusal)?;
        let said = said(&output);
        ensure!(output.status.code() == Some(1) && said.contains("Grant this?"), "{refusal:?}: {said}");
        ensure!(!place.is_installed("probe"), "{refusal:?}");
    }
    for consent in ["y\n", "yes\n"] {
        let output = place.on_terminal(&["install", &file], consent)?;
        ensure!(output.status.success(), "{}", said(&output));
        let expected = json!({"linkKinds": ["veth"], "hostLinks": ["${bridge}", "cni0"]});
        ensure!(place.granted("probe")? == expected, "{}", place.granted("probe")?);
        place.must(&["remove", "probe"])?;
    }
    Ok(())
}

fn warns(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    for (key, value) in [
        ("hostLinks", "*"),
        ("lowerLinks", "*"),
        ("hostRoutes", "0.0.0.0/0"),
        ("nftables", "inet *"),
        ("iptables", "filter *"),
        ("delegates", "*"),
        ("files", "/*"),
    ] {
        let file = place.write(&manifest("probe", "1", &[(key, &[value], "because")]))?;
        place.fails(&["install", &file], &["WARNING"])?;
        let said = place.must(&["install", "--grant-requested", &file])?;
        ensure!(said.contains(&format!("granted {key} {value:?}:")), "{said}");
    }
    let file = place.write(&modest())?;
    let said = said(&place.weir(&["install", &file])?);
    ensure!(!said.contains("WARNING"), "{said}");
    let caller = place.write(&manifest("caller", "1", &[("delegates", &["${ipam.type}"], "addresses")]))?;
    let said = place.must(&["install", "--grant-requested", "--allow-native", "whereabouts", &caller])?;
    ensure!(said.contains("outside of the sandbox"), "{said}");
    ensure!(place.granted("caller")?["nativeDelegates"] == json!(["whereabouts"]));
    place.fails(&["install", "--grant-requested", "--allow-native", "whereabouts", &file], &["nativeDelegates"])
}

fn less_than_asked(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let file =
        place.write(&manifest("probe", "1", &[("hostLinks", &["cni*"], "r"), ("nftables", &["inet a*"], "r")]))?;
    for grant in [
        json!({"hostLinks": ["cni*"]}),
        json!({"hostLinks": ["cni0", "cni-*"], "nftables": ["inet ab"]}),
        json!({}),
        json!({"hostLinks": ["cni*"], "nftables": ["inet a*"]}),
    ] {
        let grant_file = place.file("grant.json", grant.to_string().as_bytes())?;
        place.must(&["install", "--grant", &grant_file, &file])?;
        ensure!(place.granted("probe")? == grant, "{}", place.granted("probe")?);
    }
    Ok(())
}

fn more_than_asked(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let file =
        place.write(&manifest("probe", "1", &[("hostLinks", &["cni*"], "r"), ("hostLinks", &["${bridge}"], "r")]))?;
    for (grant, words) in [
        (json!({"hostLinks": ["*"]}), &["hostLinks \"*\""][..]),
        (json!({"hostLinks": ["cni0", "eth0"]}), &["hostLinks \"eth0\""]),
        (json!({"hostLinks": ["${master}"]}), &["hostLinks \"${master}\""]),
        (json!({"lowerLinks": ["cni0"], "interfaces": ["links"]}), &["lowerLinks \"cni0\"", "interfaces \"links\""]),
        (json!({"hostlinks": ["cni0"]}), &["unknown field `hostlinks`"]),
        (json!({"hostLinks": ["c*0"]}), &["grant.json"]),
        (json!({"hostLinks": "cni0"}), &["grant.json"]),
        (json!([]), &["grant.json"]),
    ] {
        let grant_file = place.file("grant.json", grant.to_string().as_bytes())?;
        place.fails(&["install", "--grant", &grant_file, &file], words)?;
        ensure!(!place.is_installed("probe"), "{grant}");
    }
    place.fails(&["install", "--grant", "/no/such/file", &file], &["/no/such/file"])
}

fn same_digest_keeps(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let file = place.write(&modest())?;
    let narrow = json!({"hostLinks": ["cni0"]});
    let grant_file = place.file("grant.json", narrow.to_string().as_bytes())?;
    place.must(&["install", "--grant", &grant_file, &file])?;
    place.must(&["install", &file])?;
    ensure!(place.granted("probe")? == narrow);
    place.must(&["install", "--grant-requested", &file])?;
    ensure!(place.granted("probe")?["hostLinks"] == json!(["${bridge}", "cni0"]));
    Ok(())
}

fn difference_only(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    place.must(&["install", "--grant-requested", &place.write(&modest())?])?;
    let asks: &[(&str, &[&str], &str)] =
        &[("hostLinks", &["${bridge}", "br1"], "the bridge"), ("hostRoutes", &["10.0.0.0/8"], "a route")];
    let file = place.write(&manifest("probe", "2.0.0", asks))?;
    place.fails(&["install", &file], &["no terminal"])?;
    ensure!(place.granted("probe")?["linkKinds"] == json!(["veth"]), "a refused upgrade changes nothing");
    let output = place.on_terminal(&["install", &file], "y\n")?;
    let said_then = said(&output);
    ensure!(output.status.success(), "{said_then}");
    for word in ["Besides what was granted to 1.0.0", "br1", "10.0.0.0/8", "no longer: linkKinds veth"] {
        ensure!(said_then.contains(word), "{word}: {said_then}");
    }
    ensure!(!said_then.contains("${bridge} "), "what was granted before is asked for again: {said_then}");
    let expected = json!({"hostLinks": ["${bridge}", "br1"], "hostRoutes": ["10.0.0.0/8"]});
    ensure!(place.granted("probe")? == expected, "{}", place.granted("probe")?);
    // Less than before: still asked, because it is another program.
    let file = place.write(&manifest("probe", "3.0.0", &[("hostLinks", &["br1"], "r")]))?;
    let output = place.on_terminal(&["install", &file], "n\n")?;
    ensure!(
        output.status.code() == Some(1) && said(&output).contains("nothing that was not granted"),
        "{}",
        said(&output)
    );
    Ok(())
}

fn operators_settings_stay(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let asks: &[(&str, &[&str], &str)] = &[("delegates", &["${ipam.type}"], "addresses")];
    let (old, new) = (place.write(&manifest("probe", "1", asks))?, place.write(&manifest("probe", "2", asks))?);
    place.must(&["install", "--grant-requested", "--allow-native", "whereabouts", &old])?;
    place.must(&["grant", "probe", "--add", r#"{"limits": {"hostCalls": 500}}"#])?;
    let output = place.on_terminal(&["install", &new], "y\n")?;
    ensure!(output.status.success(), "{}", said(&output));
    let expected = json!({
        "delegates": ["${ipam.type}"], "nativeDelegates": ["whereabouts"], "limits": {"hostCalls": 500}
    });
    ensure!(place.granted("probe")? == expected, "{}", place.granted("probe")?);
    Ok(())
}

fn version_1(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let mut old = manifest("probe", "1", &[]);
    old["manifestVersion"] = json!(1);
    old.as_object_mut().unwrap().remove("asks");
    old["needs"] = json!([{"interface": "links", "reason": "r"}]);
    let file = place.write(&old)?;
    place.must(&["install", "--grant-requested", &file])?;
    ensure!(place.granted("probe")? == json!({"interfaces": ["links"]}));
    place.fails(&["grant", "probe", "--add", r#"{"hostLinks": ["cni0"]}"#], &["of version 1", "newer SDK"])
}

fn deceptive_texts(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    for text in ["\u{1b}[2J", "a\nIt asks for nothing", "\u{202e}abc", "a\rb", "\u{200b}"] {
        let file = place.write(&manifest("probe", "1", &[("hostLinks", &["cni0"], text)]))?;
        place.fails(&["install", "--grant-requested", &file], &["not for display"])?;
    }
    Ok(())
}
