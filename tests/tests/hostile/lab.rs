//! One attack: a host with others on it, the attacker's container, and what there was before.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Answer, Call, CniError, Container, Host, Programs, Snapshot, programs};

use crate::component;
use crate::scene::{self, Scene};

/// No attack may take longer; the grant allows a command 4 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than the attacker's budget of log lines.
const MOST_LOG: usize = 1 << 20;

/// The scene, and the attacker about to be called.
pub struct Lab<'h> {
    _host: &'h Host,
    /// What is on it.
    pub scene: Scene,
    /// The attacker's container.
    pub container: Container,
    payload: &'static str,
    programs: Programs,
    /// Code of plugins runs in processes of their own.
    pub isolated: bool,
    before: Snapshot,
}

impl<'h> Lab<'h> {
    /// Set the scene for a payload.
    pub fn new(host: &'h Host, payload: &'static str) -> Result<Self> {
        Self::with(host, payload, Programs::of(component::installed()?), false)
    }

    /// The same with code of plugins in processes of their own.
    pub fn isolated(host: &'h Host, payload: &'static str) -> Result<Self> {
        Self::with(host, payload, Programs::of(programs::isolated(&component::installed()?)?), true)
    }

    fn with(host: &'h Host, payload: &'static str, programs: Programs, isolated: bool) -> Result<Self> {
        let scene = Scene::new(host, &programs)?;
        let container = scene::attackers_container(host)?;
        let before = snapshot(&scene, &container)?;
        Ok(Self { _host: host, scene, container, payload, programs, isolated, before })
    }

    /// The attacker's configuration for a command.
    pub fn config(&self, command: &str) -> Value {
        json!({
            "cniVersion": "1.1.0", "name": "strangers", "type": "hostile", "payload": self.payload, "when": command,
            "victimLink": self.scene.victims_link,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}]]},
        })
    }

    /// The attacker, about to be called.
    pub fn prepare(&self, command: &str, config: &Value) -> Result<Call> {
        let call = Call::new(&self.programs, "hostile", command)?.container(&self.container).config(config);
        let call = call.env("CNI_PATH", format!("{}:/run/native", self.programs.cni_path()));
        Ok(if matches!(command, "GC" | "STATUS") {
            call.unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME")
        } else {
            call
        })
    }

    /// Call it; in time, and with a log of some size only.
    pub fn run(&self, call: &Call) -> Result<Answer> {
        let started = Instant::now();
        let answer = call.run()?;
        let took = started.elapsed();
        ensure!(took < PATIENCE, "it took {took:?}: {answer:?}");
        ensure!(answer.stderr.len() < MOST_LOG, "it logged {} bytes", answer.stderr.len());
        ensure!(answer.stdout.len() < 3 << 20, "it printed {} bytes", answer.stdout.len());
        Ok(answer)
    }

    /// Call the payload in a command.
    pub fn call(&self, command: &str) -> Result<Answer> {
        let mut config = self.config(command);
        if command == "CHECK"
            && let Value::Object(config) = &mut config
        {
            config.insert("prevResult".into(), json!({"cniVersion": "1.1.0"}));
        }
        self.run(&self.prepare(command, &config)?)
    }

    /// Call the payload in ADD: it must fail, and change nothing.
    pub fn add_fails(&self) -> Result<CniError> {
        self.fails("ADD")
    }

    /// Call the payload in a command: it must fail, and change nothing.
    pub fn fails(&self, command: &str) -> Result<CniError> {
        let error = self.call(command)?.error()?;
        self.unchanged()?;
        Ok(error)
    }

    /// Everything is as it was before.
    pub fn unchanged(&self) -> Result<()> {
        self.before.await_same(|| snapshot(&self.scene, &self.container))
    }
}

fn snapshot(scene: &Scene, container: &Container) -> Result<Snapshot> {
    let containers = [container, &scene.outside.namespace, &scene.victim];
    let directories = ["/run", "/var/lib/cni", "/etc/cni", "/etc/hostile"].map(Path::new);
    // An empty directory that holds ledgers, locks or documents in general belongs to nobody.
    let own = |name: &str| name.starts_with("file /run/weir") || name.contains("/.weir-index");
    Ok(Snapshot::take_with(&containers, &directories)?.with_processes()?.without(own))
}
