//! `weir explain`: the way from what is asked for to the line that grants it.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use weir_tests::{Host, Test, skip, test};

use crate::component::{Place, bundled, manifest};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("explain_names_the_line_that_grants_each_capability", names_the_line),
        test("explain_shows_what_variables_stand_for_with_a_configuration", expands),
        test("explain_tells_denied_and_partly_granted_and_what_to_do", denied_and_partly),
        test("explain_finds_what_is_granted_and_not_asked_for", finds_surplus),
        test("explain_tells_what_the_kernel_lacks", kernel),
        test("every_bundled_plugin_says_why_and_is_granted_what_it_asks_for", bundled_plugins),
    ]
}

fn explain(place: &Place, arguments: &[&str]) -> Result<Value> {
    let arguments: Vec<&str> = ["explain", "--json"].into_iter().chain(arguments.iter().copied()).collect();
    let output = place.weir(&arguments)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn capability<'a>(report: &'a Value, key: &str, value: &str) -> Result<&'a Value> {
    let all = report["capabilities"].as_array().context("no capabilities")?;
    let found = all.iter().find(|c| c["key"] == json!(key) && c["value"] == json!(value));
    found.with_context(|| format!("no {key} {value} in {report}"))
}

/// What it says of kinds of links is what the kernel does.
fn kernel(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let mut tried = 0;
    // Kinds that need no link below them, and how iproute2 makes one.
    for (plugin, kind, options) in
        [("dummy", "dummy", &[][..]), ("vrf", "vrf", &["table", "77"]), ("bandwidth", "ifb", &[])]
    {
        place.must(&["install", "--grant-requested", &bundled(plugin)])?;
        let report = explain(&place, &[plugin])?;
        let needs = report["kernel"]["needs"].as_array().context("no needs")?;
        let need = needs.iter().find(|need| need["neededBy"] == json!(format!("link kind {kind}")));
        let state = need.with_context(|| format!("no {kind} in {report}"))?["state"].as_str().context("no state")?;
        let made = host.run("ip", ["link", "add", "probe", "type", kind].into_iter().chain(options.iter().copied()));
        if made.is_ok() {
            host.run("ip", ["link", "del", "probe"])?;
        }
        match state {
            "present" => ensure!(made.is_ok(), "{kind} is there, and yet: {made:?}"),
            "missing" => ensure!(made.is_err(), "{kind} is missing, and yet it was made"),
            "loadable" | "unknown" => continue,
            other => bail!("{kind}: {other}"),
        }
        tried += 1;
    }
    if tried == 0 { Err(skip("this kernel does not tell what it has")) } else { Ok(()) }
}

fn names_the_line(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    place.must(&["install", "--grant-requested", &bundled("bridge")])?;
    let report = explain(&place, &["bridge"])?;
    let text = fs::read_to_string(place.entry_path("bridge"))?;
    let lines: Vec<&str> = text.lines().collect();
    let grants_begin = lines.iter().position(|line| line.trim() == "\"grants\": {").context("no grants")?;
    for (key, value) in [("interfaces", "links"), ("hostLinks", "${bridge}"), ("nftables", "bridge nat")] {
        let found = capability(&report, key, value)?;
        ensure!(
            found["state"] == json!("granted") && found["reason"].as_str().is_some_and(|r| !r.is_empty()),
            "{found}"
        );
        let by = found["granted_by"].as_array().context("no lines")?;
        ensure!(by.len() == 1 && by[0]["file"] == json!(place.entry_path("bridge").display().to_string()), "{found}");
        let line = usize::try_from(by[0]["line"].as_u64().unwrap())?;
        ensure!(line > grants_begin, "line {line} is not among the grants");
        ensure!(
            lines[line - 1].trim().trim_end_matches(',') == format!("\"{value}\""),
            "line {line}: {}",
            lines[line - 1]
        );
    }
    ensure!(capability(&report, "interfaces", "links")?["imported"] == json!(true));
    ensure!(report["surplus"] == json!([]), "{report}");
    Ok(())
}

fn expands(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    place.must(&["install", "--grant-requested", &bundled("bridge")])?;
    let plugin = json!({"type": "bridge", "bridge": "br7", "ipam": {"type": "host-local"}});
    let list = json!({"name": "net", "cniVersion": "1.0.0", "plugins": [{"type": "portmap"}, plugin]});
    let mut alone = plugin.clone();
    alone["name"] = json!("net");
    for config in [list, alone] {
        let file = place.file("net.conf", config.to_string().as_bytes())?;
        let report = explain(&place, &["bridge", "--config", &file])?;
        for (key, value, expanded) in [
            ("hostLinks", "${bridge}", "br7"),
            ("hostSysctls", "net/ipv6/conf/${bridge}/accept_ra", "net/ipv6/conf/br7/accept_ra"),
            ("delegates", "${ipam.type}", "host-local"),
        ] {
            ensure!(capability(&report, key, value)?["expanded"] == json!(expanded), "{report}");
        }
        ensure!(capability(&report, "hostLinks", "cni0")?["expanded"].is_null());
        let said = place.must(&["explain", "bridge", "--config", &file])?;
        ensure!(said.contains("${bridge} = br7"), "{said}");
    }
    let other = place.file("other.conf", br#"{"name": "net", "plugins": [{"type": "ptp"}]}"#)?;
    place.fails(&["explain", "bridge", "--config", &other], &["no plugin of this list has the type bridge"])
}

fn denied_and_partly(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let asks: &[(&str, &[&str], &str)] =
        &[("hostLinks", &["cni*"], "the bridge"), ("files", &["/etc/resolv.conf"], "DNS")];
    let grant = place.file("grant.json", br#"{"hostLinks": ["cni0", "cni1"]}"#)?;
    place.must(&["install", "--grant", &grant, &place.write(&manifest("probe", "1", asks))?])?;
    let report = explain(&place, &["probe"])?;
    let partly = capability(&report, "hostLinks", "cni*")?;
    ensure!(partly["state"] == json!("partly") && partly["granted_by"].as_array().unwrap().len() == 2, "{partly}");
    ensure!(capability(&report, "files", "/etc/resolv.conf")?["state"] == json!("denied"), "{report}");
    let said = place.must(&["explain", "probe"])?;
    let advice = r#"weir grant probe --add '{"files": ["/etc/resolv.conf"]}'"#;
    for word in ["partly: cni0 in line", "DENIED", advice, "the bridge"] {
        ensure!(said.contains(word), "{word}: {said}");
    }
    place.must(&["grant", "probe", "--add", r#"{"files": ["/etc/resolv.conf"]}"#])?;
    ensure!(!place.must(&["explain", "probe"])?.contains("DENIED"));
    Ok(())
}

fn finds_surplus(host: &Host) -> Result<()> {
    let place = Place::new(host)?;
    let asks: &[(&str, &[&str], &str)] = &[("hostLinks", &["cni0"], "the bridge")];
    place.must(&["install", "--grant-requested", &place.write(&manifest("probe", "1", asks))?])?;
    let mut entry: Value = serde_json::from_slice(&fs::read(place.entry_path("probe"))?)?;
    entry["grants"]["hostLinks"] = json!(["cni0", "eth0"]);
    fs::write(place.entry_path("probe"), serde_json::to_string_pretty(&entry)?)?;
    let report = explain(&place, &["probe"])?;
    ensure!(
        report["surplus"][0]["value"] == json!("eth0") && report["surplus"].as_array().unwrap().len() == 1,
        "{report}"
    );
    let said = place.must(&["explain", "probe"])?;
    ensure!(said.contains("NOT ASKED FOR"), "{said}");
    place.must(&["revoke", "probe", "hostLinks", "eth0"])?;
    ensure!(explain(&place, &["probe"])?["surplus"] == json!([]));
    Ok(())
}

fn bundled_plugins(_: &Host) -> Result<()> {
    let programs = weir_tests::Programs::weir()?;
    let bin = programs.directories.first().context("no directory")?;
    let makefile = include_str!("../../../Makefile");
    let names = weir_tests::programs::bundled(makefile);
    ensure!(names.len() == 20, "{names:?}");
    for name in names {
        let output = std::process::Command::new(weir_tests::programs::dist().join("bin/weir"))
            .args(["explain", "--json", &name, "--bin-dir"])
            .arg(bin)
            .output()?;
        ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(report["surplus"] == json!([]), "{name}: {report}");
        for capability in report["capabilities"].as_array().unwrap() {
            ensure!(capability["state"] == json!("granted"), "{name}: {capability}");
            ensure!(capability["reason"].as_str().is_some_and(|reason| reason.len() > 3), "{name}: {capability}");
            ensure!(
                capability["imported"] != json!(false),
                "{name} asks for an interface that it does not use: {capability}"
            );
        }
    }
    Ok(())
}
