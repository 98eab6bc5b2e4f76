//! The network side of a container runtime, on libcni. The runtime itself remembers nothing of networks: what is attached is
//! in libcni's cache.
//!
//! `cargo run -p libcni --example runtime -- CONF_DIR PLUGIN_DIR CACHE_DIR NETWORK NETNS` attaches a network namespace, checks
//! it and detaches it again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use libcni::cni_spec::Attachment;
use libcni::cni_spec::error::TRY_AGAIN_LATER;
use libcni::{Cni, CniConfig, ConfigError, Error, GcArgs, NetworkConfigList, NetworkResult, RuntimeConf};

/// How often a plugin is asked again that says "try again later", and after which pause.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// The networks of a node.
pub struct Networks {
    conf_dir: PathBuf,
    cni: CniConfig,
}

/// A container, as far as networks are concerned.
pub struct Container {
    /// Unique on the node, also among containers that have ended.
    pub id: String,
    /// Path of its network namespace; empty once that is gone.
    pub netns: String,
}

impl Networks {
    /// The networks of a directory, with the plugins of others.
    pub fn new(conf_dir: PathBuf, plugin_dirs: Vec<PathBuf>, cache_dir: PathBuf) -> Self {
        // A plugin that hangs must not hang the runtime. This bounds a whole operation, all plugins of a network together.
        let cni = CniConfig::new(plugin_dirs).with_cache_dir(cache_dir).with_timeout(Duration::from_secs(60));
        Self { conf_dir, cni }
    }

    /// When the runtime starts, and before it starts containers: what a crash has left is taken away. `alive` are the
    /// containers that really run, each with the interfaces that it was given.
    ///
    /// One network that cannot be cleaned up must not keep the node down, so this tells and goes on.
    pub fn clean_up(&self, alive: &[Attachment]) -> Vec<Error> {
        let networks = match libcni::network_confs(&self.conf_dir) {
            Ok(networks) => networks,
            // A node without networks has nothing to clean up.
            Err(ConfigError::NoConfigsFound { .. }) => return Vec::new(),
            Err(error) => return vec![error.into()],
        };
        let mut errors = Vec::new();
        for file in networks {
            let list = match file.network {
                Ok(list) => list,
                Err(error) => {
                    errors.push(error.into());
                    continue;
                }
            };
            // An empty list is an answer too (no container runs), and a different one from not knowing.
            match self.cni.gc_network_list(&list, &GcArgs::ValidAttachments(alive.to_vec())) {
                Ok(collected) => {
                    for gone in collected.deleted {
                        println!("{}: {} of {} was left over", list.name, gone.interface_name, gone.container_id);
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Whether containers can be started: what a kubelet shows as NetworkReady.
    pub fn is_ready(&self, network: &str) -> Result<(), Error> {
        self.cni.get_status_network_list(&self.load(network)?)
    }

    /// Attach a container. On an error nothing of it is left, and the container must not be started.
    pub fn attach(&self, network: &str, container: &Container, if_name: &str) -> Result<NetworkResult, Error> {
        let list = self.load(network)?;
        let attachment = conf(container, if_name);
        let mut tries = 1;
        loop {
            match self.cni.add_network_list(&list, &attachment) {
                // The plugin says itself that it is worth it: the pool is full, or its daemon is just being restarted.
                Err(error) if says_try_again(&error) && tries < TRIES => thread::sleep(PAUSE),
                // A start that was interrupted between ADD and the runtime's own notes. Nobody knows whether the namespace
                // is still the same: begin anew.
                Err(Error::AlreadyAttached { .. }) if tries < TRIES => {
                    self.cni.del_network_list(&list, &attachment).map(drop)?;
                }
                done => return done,
            }
            tries += 1;
        }
    }

    /// Whether the container is still attached as it was: for a health check.
    pub fn check(&self, network: &str, container: &Container, if_name: &str) -> Result<(), Error> {
        match self.cni.check_network_list(&self.load(network)?, &conf(container, if_name)) {
            // A network of before 0.4.0 cannot be asked, which says nothing against it.
            Err(Error::NotSupported { .. }) => Ok(()),
            checked => checked,
        }
    }

    /// Detach a container. It may have ended, and may have been detached already. On an error keep the container's name,
    /// and ask again later.
    pub fn detach(&self, network: &str, container: &Container, if_name: &str) -> Result<(), Error> {
        let attachment = conf(container, if_name);
        let list = match self.load(network) {
            Ok(list) => list,
            // Somebody has removed the network's file while the container ran. What ADD used is in the cache.
            Err(error @ (ConfigError::NotFound { .. } | ConfigError::NoConfigsFound { .. })) => {
                match self.cni.cache().read(network, &attachment.container_id, &attachment.if_name)? {
                    Some(entry) => libcni::network_conf_from_bytes(&entry.config)?,
                    None => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let deleted = self.cni.del_network_list(&list, &attachment)?;
        for entry in deleted.damaged {
            eprintln!("the cache was damaged, and DEL did without it: {entry}");
        }
        Ok(())
    }

    /// Read anew each time: networks come and go while containers run.
    fn load(&self, network: &str) -> Result<NetworkConfigList, ConfigError> {
        libcni::load_network_conf(&self.conf_dir, network)
    }
}

fn conf(container: &Container, if_name: &str) -> RuntimeConf {
    RuntimeConf {
        container_id: container.id.clone(),
        net_ns: container.netns.clone(),
        if_name: if_name.to_owned(),
        // Plugins are not to stumble over arguments that are meant for others.
        args: vec![("IgnoreUnknown".to_owned(), "1".to_owned())],
        ..RuntimeConf::default()
    }
}

fn says_try_again(error: &Error) -> bool {
    error.plugin_error().is_some_and(|said| said.code == TRY_AGAIN_LATER)
}

fn life(networks: &Networks, network: &str, container: &Container) -> Result<(), Error> {
    networks.is_ready(network)?;
    let result = networks.attach(network, container, "eth0")?;
    for ip in &result.result.ips {
        println!("{} has {}", container.id, ip.address);
    }
    let checked = networks.check(network, container, "eth0");
    networks.detach(network, container, "eth0")?;
    checked
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [conf_dir, plugin_dir, cache_dir, network, netns] = arguments.as_slice() else {
        eprintln!("usage: runtime CONF_DIR PLUGIN_DIR CACHE_DIR NETWORK NETNS");
        return ExitCode::from(2);
    };
    let networks = Networks::new(conf_dir.into(), vec![plugin_dir.into()], cache_dir.into());
    for error in networks.clean_up(&[]) {
        eprintln!("clean up: {error}");
    }
    let container = Container { id: "example".to_owned(), netns: netns.clone() };
    match life(&networks, network, &container) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
