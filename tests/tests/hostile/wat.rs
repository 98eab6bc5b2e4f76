//! From the texts in `tests/wat` to plugins.
//!
//! A text holds the fields of a core module; what it leaves out of the exports of a plugin is added, so that the rest of
//! it behaves. A text that begins with `(component` or `(module` is taken as it is; one marked `;; beside the plugin`
//! becomes a second component within one that behaves.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use weir_tests::{Call, CniError, Programs, programs};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::component::{INTERFACES, install, manifest, whole, with_section};
use crate::lab::Lab;

/// What became of a component.
#[derive(Debug)]
pub enum Fate {
    /// `weir install` refused it.
    NotInstalled(String),
    /// Its ADD failed.
    Failed(CniError),
    /// Its ADD succeeded.
    Succeeded,
}

/// Where results of the parts that behave lie: an empty result at 1024, nothing wrong at 4096.
const PARTS: &[(&str, &str)] = &[
    ("\"memory\"", "(memory (export \"memory\") 1)"),
    (
        "\"cabi_realloc\"",
        "(global $room (mut i32) (i32.const 0x4000))
         (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)
           (global.set $room (i32.and (i32.add (global.get $room) (i32.const 15)) (i32.const -16)))
           (global.get $room)
           (global.set $room (i32.add (global.get $room) (local.get 3))))",
    ),
    ("\"weir:cni/plugin@0.1.0#add\"", "(func (export \"weir:cni/plugin@0.1.0#add\") @16 i32.const 1024)"),
    ("\"weir:cni/plugin@0.1.0#del\"", "(func (export \"weir:cni/plugin@0.1.0#del\") @16 i32.const 4096)"),
    ("\"weir:cni/plugin@0.1.0#check\"", "(func (export \"weir:cni/plugin@0.1.0#check\") @16 i32.const 4096)"),
    ("\"weir:cni/plugin@0.1.0#gc\"", "(func (export \"weir:cni/plugin@0.1.0#gc\") @6 i32.const 4096)"),
    ("\"weir:cni/plugin@0.1.0#status\"", "(func (export \"weir:cni/plugin@0.1.0#status\") @4 i32.const 4096)"),
];

const DATA: &str = "(data (i32.const 1024) \"\\00\\00\\00\\00\\10\\04\\00\\00\\16\\00\\00\\00\")
    (data (i32.const 1040) \"{\\\"cniVersion\\\":\\\"1.1.0\\\"}\")";

fn completed(text: &str) -> String {
    let mut module = format!("(module\n{text}\n{DATA}\n");
    for (export, part) in PARTS {
        if !text.contains(export) {
            let mut part = (*part).to_owned();
            for count in [16, 6, 4] {
                let parameters = format!("(param{}) (result i32)", " i32".repeat(count));
                part = part.replace(&format!("@{count} "), &format!("{parameters} "));
            }
            module.push_str(&part);
            module.push('\n');
        }
    }
    module.push(')');
    module
}

fn contract() -> Result<&'static (Resolve, wit_parser::WorldId)> {
    static CONTRACT: OnceLock<std::result::Result<(Resolve, wit_parser::WorldId), String>> = OnceLock::new();
    let contract = CONTRACT.get_or_init(|| {
        let mut resolve = Resolve::default();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/wit");
        let (package, _) = resolve.push_dir(directory).map_err(|error| format!("{error:#}"))?;
        let world = resolve.select_world(&[package], Some("cni-plugin")).map_err(|error| format!("{error:#}"))?;
        Ok((resolve, world))
    });
    contract.as_ref().map_err(|error| anyhow!("the contract: {error}"))
}

/// A component of a core module's text.
fn plugin(text: &str) -> Result<Vec<u8>> {
    let mut module = wat::parse_str(completed(text))?;
    let (resolve, world) = contract()?;
    embed_component_metadata(&mut module, resolve, *world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&module)?.validate(false).encode()
}

/// The component of a text.
fn component(text: &str) -> Result<Vec<u8>> {
    let code = text.lines().filter(|line| !line.starts_with(";;")).collect::<Vec<_>>().join("\n");
    if text.contains(";; beside the plugin") {
        // A component's bytes are a header of 8 bytes and sections. What wit-component makes holds one component, so
        // the one that is added is the second; to count the same here it comes after an empty one, whose section has
        // 10 bytes.
        let beside = wat::parse_str(format!("(component (component) {code} (instance (instantiate 1)))"))?;
        let sections = beside.get(18..).context("the second component")?;
        return Ok([plugin("")?.as_slice(), sections].concat());
    }
    if code.starts_with("(component") || code.starts_with("(module") {
        return Ok(wat::parse_str(code)?);
    }
    plugin(&code)
}

impl Lab<'_> {
    /// Install the component of a text, if it can be, and call its ADD. Nothing changes in any case.
    pub fn try_component(&self, text: &str) -> Result<Fate> {
        let manifest = manifest("crafted", &json!({}));
        self.try_bytes(&with_section(&component(text)?, "weir:manifest", &manifest))
    }

    /// The same with the bytes of a file.
    pub fn try_bytes(&self, bytes: &[u8]) -> Result<Fate> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("crafted.component");
        std::fs::write(&file, bytes)?;
        let output = install(directory.path(), &[file], Some(&whole(&json!({}), INTERFACES)))?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            // A refusal, not a crash.
            anyhow::ensure!(output.status.code() == Some(1), "weir install ended with {}: {text}", output.status);
            return Ok(Fate::NotInstalled(text));
        }
        if self.isolated {
            programs::demand_isolation(directory.path())?;
        }
        let config = json!({"cniVersion": "1.1.0", "name": "strangers", "type": "crafted"});
        let call = Call::new(&Programs::of(directory.path()), "crafted", "ADD")?;
        let answer = self.run(&call.container(&self.container).config(&config))?;
        let fate = if answer.status == Some(0) { Fate::Succeeded } else { Fate::Failed(answer.error()?) };
        self.unchanged()?;
        Ok(fate)
    }
}
