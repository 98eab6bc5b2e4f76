//! Signatures of plugins, through the operator's commands: what a signature proves, whose counts, and what the policy of a
//! directory refuses to install and to run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Call, CniError, Host, Programs, programs, run, test};

fn main() -> ExitCode {
    run(vec![
        test("a_signed_plugin_is_installed_and_its_signer_recorded", signed),
        test("without_a_signature_nothing_is_installed_where_one_is_required", not_signed),
        test("another_key_does_not_count", another_key),
        test("an_altered_component_is_refused_even_where_no_signature_is_required", altered_component),
        test("an_altered_or_truncated_signature_is_refused", altered_signature),
        test("the_signature_of_another_plugin_does_not_fit", other_signature),
        test("a_renamed_file_is_still_the_plugin_that_was_signed", renamed),
        test("a_plugin_cannot_take_another_name_under_its_old_signature", another_name),
        test("keys_that_others_may_write_or_links_are_not_trusted", untrusted_keys),
        test("a_trust_directory_that_others_may_write_is_not_trusted", untrusted_directory),
        test("a_secret_key_that_others_may_read_does_not_sign", readable_secret),
        test("keygen_never_writes_over_a_key", no_overwriting),
        test("the_policy_demands_signatures_of_all_at_install_and_at_run", policy_for_all),
        test("the_policy_demands_certain_keys_for_certain_plugins", policy_for_some),
        test("a_policy_that_cannot_be_read_or_trusted_stops_everything", damaged_policy),
        test("an_older_version_is_installed_and_said_to_be_older", downgrade),
        test("a_revoked_key_is_found_among_what_is_installed", revocation),
        test("a_signature_that_was_taken_away_or_swapped_is_found_among_what_is_installed", swapped),
    ])
}

/// An operator's desk: a distributor's key that is trusted, somebody else's that is not, and a directory of plugins.
struct Desk<'a> {
    host: &'a Host,
    root: PathBuf,
    containers: Cell<u32>,
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl<'a> Desk<'a> {
    fn new(host: &'a Host) -> Result<Self> {
        let root = host.directory("desk")?;
        let desk = Self { host, root, containers: Cell::new(0) };
        for directory in ["trusted", "keys", "shop", "bin"] {
            fs::create_dir(desk.path(directory))?;
            fs::set_permissions(desk.path(directory), fs::Permissions::from_mode(0o755))?;
        }
        for key in ["distributor", "stranger"] {
            desk.done(&["keygen", "--output", &desk.text(&format!("keys/{key}"))])?;
        }
        fs::copy(desk.path("keys/distributor.pub"), desk.path("trusted/distributor.pub"))?;
        Ok(desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn weir(&self, arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(programs::dist().join("bin/weir")).args(arguments).stdin(Stdio::null()).output()?)
    }

    fn done(&self, arguments: &[&str]) -> Result<String> {
        let output = self.weir(arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {}", said(&output));
        Ok(said(&output))
    }

    fn refused(&self, arguments: &[&str], words: &str) -> Result<()> {
        let output = self.weir(arguments)?;
        ensure!(output.status.code() == Some(1), "{arguments:?}: {}", said(&output));
        ensure!(said(&output).contains(words), "{words:?} is not in: {}", said(&output));
        Ok(())
    }

    /// Put a plugin into the shop, signed with a key of the desk.
    fn offer(&self, plugin: &str, key: Option<&str>) -> Result<PathBuf> {
        let component = self.path(&format!("shop/{plugin}.wasm"));
        fs::copy(programs::dist().join(format!("plugins/{plugin}.wasm")), &component)?;
        if let Some(key) = key {
            self.sign(&component, key)?;
        }
        Ok(component)
    }

    fn sign(&self, component: &Path, key: &str) -> Result<String> {
        self.done(&["sign", "--key", &self.text(&format!("keys/{key}")), component.to_str().unwrap()])
    }

    fn install<'b>(&self, component: &'b Path, more: &[&'b str]) -> Vec<String> {
        let mut arguments: Vec<String> = ["install", "--grant-requested", "--bin-dir"].map(str::to_owned).into();
        arguments.extend([self.text("bin"), "--trust-dir".to_owned(), self.text("trusted")]);
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments.push(component.display().to_string());
        arguments
    }

    fn installed(&self, component: &Path, more: &[&str]) -> Result<String> {
        let arguments = self.install(component, more);
        self.done(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn not_installed(&self, component: &Path, more: &[&str], words: &str) -> Result<()> {
        let arguments = self.install(component, more);
        self.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words)?;
        let plugins = self.path("bin/.weir/plugins");
        ensure!(!plugins.exists() || fs::read_dir(plugins)?.next().is_none(), "it was installed");
        Ok(())
    }

    fn verify_installed(&self) -> Vec<String> {
        ["verify", "--installed", "--bin-dir", &self.text("bin"), "--trust-dir", &self.text("trusted")]
            .map(str::to_owned)
            .into()
    }

    fn entry(&self, plugin: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.path(&format!("bin/.weir/plugins/{plugin}.json")))?)?)
    }

    fn key_id(&self, key: &str) -> Result<String> {
        let file: Value = serde_json::from_slice(&fs::read(self.path(&format!("keys/{key}.pub")))?)?;
        Ok(file["keyId"].as_str().context("no keyId")?.to_owned())
    }

    fn policy(&self, policy: &Value) -> Result<()> {
        fs::create_dir_all(self.path("bin/.weir"))?;
        Ok(fs::write(self.path("bin/.weir/policy.json"), policy.to_string())?)
    }

    fn call(&self, plugin: &str) -> Result<Call> {
        let number = self.containers.replace(self.containers.get() + 1);
        let container = self.host.container(&format!("c{number}"))?;
        let config = json!({"cniVersion": "1.0.0", "name": "net", "type": plugin});
        Ok(Call::new(&Programs::of(self.path("bin")), plugin, "ADD")?.container(&container).config(&config))
    }

    fn not_run(&self, plugin: &str) -> Result<CniError> {
        let error = self.call(plugin)?.error()?;
        ensure!(error.code == 100, "{error:?}");
        Ok(error)
    }
}

fn signed(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("distributor"))?;
    let told = desk.installed(&component, &["--require-signature"])?;
    let id = desk.key_id("distributor")?;
    ensure!(told.contains("signed by distributor") && told.contains(&id), "{told}");
    ensure!(desk.entry("loopback")?["signer"] == json!({"keyId": id, "name": "distributor"}));
    desk.call("loopback")?.ok()?;
    let verify = desk.verify_installed();
    let told = desk.done(&verify.iter().map(String::as_str).collect::<Vec<_>>())?;
    ensure!(told.contains("loopback: signed by distributor"), "{told}");
    let path = component.to_str().unwrap();
    desk.done(&["verify", "--trust-dir", &desk.text("trusted"), path])?;
    desk.done(&["verify", "--key", &desk.text("keys/distributor.pub"), path])?;
    // The same bytes without a signature replace the signed ones, and are signed no more.
    fs::remove_file(desk.path("shop/loopback.wasm.sig"))?;
    desk.installed(&component, &[])?;
    ensure!(desk.entry("loopback")?.get("signer").is_none());
    ensure!(fs::read_dir(desk.path("bin/.weir/components"))?.count() == 1, "a signature is left");
    Ok(())
}

fn not_signed(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", None)?;
    desk.not_installed(&component, &["--require-signature"], "is not signed")?;
    desk.refused(&["verify", "--trust-dir", &desk.text("trusted"), component.to_str().unwrap()], "not signed")?;
    // A directory without keys, or none at all, trusts nobody.
    desk.sign(&component, "distributor")?;
    fs::remove_dir_all(desk.path("trusted"))?;
    desk.not_installed(&component, &["--require-signature"], "which is not in")?;
    fs::create_dir(desk.path("trusted"))?;
    desk.not_installed(&component, &["--require-signature"], "which is not in")
}

fn another_key(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("stranger"))?;
    desk.not_installed(&component, &["--require-signature"], "which is not in")?;
    let path = component.to_str().unwrap();
    desk.refused(&["verify", "--key", &desk.text("keys/distributor.pub"), path], "not of key")?;
    // The stranger's signature under the distributor's ID.
    let signature = desk.path("shop/loopback.wasm.sig");
    let (stranger, distributor) = (desk.key_id("stranger")?, desk.key_id("distributor")?);
    fs::write(&signature, fs::read_to_string(&signature)?.replace(&stranger, &distributor))?;
    desk.not_installed(&component, &["--require-signature"], "does not fit")?;
    // The stranger's key that says to be the distributor's.
    let key = fs::read_to_string(desk.path("keys/stranger.pub"))?.replace(&stranger, &distributor);
    fs::write(desk.path("trusted/other.pub"), key)?;
    desk.not_installed(&component, &["--require-signature"], "keyId")?;
    fs::remove_file(desk.path("trusted/other.pub"))?;
    // Where nothing is required it counts as not signed, and says so.
    desk.sign(&component, "stranger")?;
    let told = desk.installed(&component, &[])?;
    ensure!(told.contains("counts as not signed") && desk.entry("loopback")?.get("signer").is_none(), "{told}");
    Ok(())
}

fn altered_component(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("distributor"))?;
    let mut bytes = fs::read(&component)?;
    // An empty custom section at the end: still a valid component, and yet another file.
    bytes.extend([0, 2, 1, b'x']);
    fs::write(&component, bytes)?;
    desk.not_installed(&component, &["--require-signature"], "does not fit")?;
    desk.not_installed(&component, &[], "does not fit")
}

fn altered_signature(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("distributor"))?;
    let path = desk.path("shop/loopback.wasm.sig");
    let whole = fs::read_to_string(&path)?;
    let file: Value = serde_json::from_str(&whole)?;
    let digits = file["signature"].as_str().unwrap().to_owned();
    let (first, rest) = digits.split_at(1);
    let other = format!("{}{rest}", if first == "0" { "1" } else { "0" });
    fs::write(&path, whole.replace(&digits, &other))?;
    desk.not_installed(&component, &[], "does not fit")?;
    for bad in ["", "{}", &whole[..whole.len() / 2], &whole.replace(&digits, rest), &whole.replace("ed25519", "none")] {
        fs::write(&path, bad)?;
        desk.not_installed(&component, &[], "no signature")?;
        desk.not_installed(&component, &["--require-signature"], "no signature")?;
    }
    Ok(())
}

fn other_signature(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", None)?;
    desk.offer("static", Some("distributor"))?;
    fs::copy(desk.path("shop/static.wasm.sig"), desk.path("shop/loopback.wasm.sig"))?;
    desk.not_installed(&component, &["--require-signature"], "does not fit")
}

fn renamed(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    desk.offer("loopback", Some("distributor"))?;
    for ending in ["", ".sig"] {
        fs::rename(desk.path(&format!("shop/loopback.wasm{ending}")), desk.path(&format!("shop/bridge.wasm{ending}")))?;
    }
    let told = desk.installed(&desk.path("shop/bridge.wasm"), &["--require-signature"])?;
    ensure!(told.contains("installed loopback") && !desk.path("bin/bridge").exists(), "{told}");
    Ok(())
}

fn another_name(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("distributor"))?;
    // The name is in the manifest, and that is part of what was signed.
    let bytes = fs::read(&component)?;
    let (from, to) = (br#""name":"loopback""#, br#""name":"loopbacc""#);
    let at = bytes.windows(from.len()).position(|window| window == from).context("no name in the manifest")?;
    let mut other = bytes.clone();
    other[at..at + to.len()].copy_from_slice(to);
    fs::write(&component, other)?;
    desk.not_installed(&component, &["--require-signature"], "does not fit")
}

fn untrusted_keys(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("distributor"))?;
    let key = desk.path("trusted/distributor.pub");
    for mode in [0o664, 0o646, 0o666] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode))?;
        desk.not_installed(&component, &["--require-signature"], "lets others write it")?;
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    fs::remove_file(&key)?;
    symlink(desk.path("keys/distributor.pub"), &key)?;
    desk.not_installed(&component, &["--require-signature"], "distributor.pub")?;
    fs::remove_file(&key)?;
    fs::write(&key, "no key")?;
    desk.not_installed(&component, &["--require-signature"], "no public key")?;
    // A secret key in the place of a public one.
    fs::remove_file(&key)?;
    fs::copy(desk.path("keys/distributor"), &key)?;
    desk.not_installed(&component, &["--require-signature"], "no public key")
}

fn untrusted_directory(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("distributor"))?;
    let trusted = desk.path("trusted");
    for mode in [0o775, 0o757, 0o1777] {
        fs::set_permissions(&trusted, fs::Permissions::from_mode(mode))?;
        desk.not_installed(&component, &["--require-signature"], "lets others write it")?;
    }
    fs::set_permissions(&trusted, fs::Permissions::from_mode(0o755))?;
    // A directory above that others may write.
    fs::set_permissions(&desk.root, fs::Permissions::from_mode(0o777))?;
    desk.not_installed(&component, &["--require-signature"], "lets others write it")?;
    fs::set_permissions(&desk.root, fs::Permissions::from_mode(0o755))?;
    fs::rename(&trusted, desk.path("aside"))?;
    symlink(desk.path("aside"), &trusted)?;
    desk.not_installed(&component, &["--require-signature"], "links are not followed")
}

fn readable_secret(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", None)?;
    let key = desk.path("keys/distributor");
    ensure!(fs::metadata(&key)?.permissions().mode() & 0o7777 == 0o600);
    let arguments = ["sign", "--key", &desk.text("keys/distributor"), component.to_str().unwrap()];
    for mode in [0o640, 0o604] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode))?;
        desk.refused(&arguments, "lets others read a secret key")?;
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    fs::rename(&key, desk.path("keys/aside"))?;
    symlink(desk.path("keys/aside"), &key)?;
    desk.refused(&arguments, "keys/distributor")?;
    ensure!(!desk.path("shop/loopback.wasm.sig").exists(), "it was signed");
    Ok(())
}

fn no_overwriting(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let before = fs::read(desk.path("keys/distributor"))?;
    desk.refused(&["keygen", "--output", &desk.text("keys/distributor")], "exists")?;
    ensure!(fs::read(desk.path("keys/distributor"))? == before);
    ensure!(desk.key_id("distributor")? != desk.key_id("stranger")?, "two keys are the same");
    Ok(())
}

fn policy_for_all(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", None)?;
    desk.installed(&component, &[])?;
    desk.call("loopback")?.ok()?;
    desk.policy(&json!({"requireSignatures": true}))?;
    // What was installed before the policy does not run any more.
    let error = desk.not_run("loopback")?;
    ensure!(error.msg.contains("not signed") && error.msg.contains("policy.json"), "{error:?}");
    let arguments = desk.install(&component, &[]);
    desk.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "is not signed")?;
    desk.sign(&component, "stranger")?;
    desk.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "which is not in")?;
    desk.sign(&component, "distributor")?;
    desk.installed(&component, &[])?;
    desk.call("loopback")?.ok()?;
    Ok(())
}

fn policy_for_some(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    fs::copy(desk.path("keys/stranger.pub"), desk.path("trusted/stranger.pub"))?;
    let component = desk.offer("loopback", Some("stranger"))?;
    desk.policy(&json!({"allowedSigners": {"loopback": [desk.key_id("distributor")?]}}))?;
    desk.not_installed(&component, &[], "does not allow for it")?;
    desk.installed(&desk.offer("static", None)?, &[])?;
    desk.sign(&component, "distributor")?;
    desk.installed(&component, &[])?;
    desk.call("loopback")?.ok()?;
    desk.policy(&json!({"allowedSigners": {"loopback": [desk.key_id("stranger")?]}}))?;
    let error = desk.not_run("loopback")?;
    ensure!(error.msg.contains("does not allow for it"), "{error:?}");
    Ok(())
}

fn damaged_policy(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    desk.installed(&desk.offer("loopback", None)?, &[])?;
    let path = desk.path("bin/.weir/policy.json");
    for bad in ["", "[]", r#"{"requireSignature": true}"#, r#"{"requireSignatures": 1}"#] {
        fs::write(&path, bad)?;
        let error = desk.not_run("loopback")?;
        ensure!(error.msg.contains("no policy"), "{error:?}");
    }
    fs::write(&path, "{}")?;
    desk.call("loopback")?.ok()?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    desk.not_run("loopback")?;
    fs::remove_file(&path)?;
    symlink(desk.path("elsewhere.json"), &path)?;
    desk.not_run("loopback")?;
    Ok(())
}

fn downgrade(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    let component = desk.offer("loopback", Some("distributor"))?;
    desk.installed(&component, &["--require-signature"])?;
    let path = desk.path("bin/.weir/plugins/loopback.json");
    let mut entry = desk.entry("loopback")?;
    entry["manifest"]["version"] = json!("999.0.0");
    fs::write(&path, entry.to_string())?;
    let told = desk.installed(&component, &["--require-signature"])?;
    ensure!(told.contains("older than 999.0.0"), "{told}");
    let told = desk.installed(&component, &["--require-signature"])?;
    ensure!(!told.contains("older"), "{told}");
    Ok(())
}

fn revocation(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    desk.installed(&desk.offer("loopback", Some("distributor"))?, &[])?;
    desk.installed(&desk.offer("static", None)?, &[])?;
    let verify = desk.verify_installed();
    let verify: Vec<&str> = verify.iter().map(String::as_str).collect();
    let told = desk.done(&verify)?;
    ensure!(told.contains("static: not signed"), "{told}");
    fs::remove_file(desk.path("trusted/distributor.pub"))?;
    desk.refused(&verify, "loopback: FAILED")?;
    desk.refused(&verify, "which is not in")
}

fn swapped(host: &Host) -> Result<()> {
    let desk = Desk::new(host)?;
    fs::copy(desk.path("keys/stranger.pub"), desk.path("trusted/stranger.pub"))?;
    let component = desk.offer("loopback", Some("distributor"))?;
    desk.installed(&component, &[])?;
    let verify = desk.verify_installed();
    let verify: Vec<&str> = verify.iter().map(String::as_str).collect();
    let digest = desk.entry("loopback")?["component"].as_str().unwrap().to_owned();
    let kept = desk.path(&format!("bin/.weir/components/{digest}.wasm.sig"));
    desk.sign(&component, "stranger")?;
    fs::copy(desk.path("shop/loopback.wasm.sig"), &kept)?;
    desk.refused(&verify, "not of key")?;
    fs::remove_file(&kept)?;
    desk.refused(&verify, "is not signed")?;
    Ok(())
}
