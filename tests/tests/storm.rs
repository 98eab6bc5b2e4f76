//! Many attachments at once while processes are killed at any moment: no address is given twice, and nothing is left.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, portmap, with};
use weir_tests::privileges::{self, Privileges};
use weir_tests::{Answer, Chain, Container, Host, Programs, Snapshot, residue, run, test};

const WORKERS: usize = 16;
const PAIRS: usize = 2000;
/// An ordinary user's commands do the same, so fewer of them tell what there is to tell.
const PAIRS_OF_USERS: usize = 500;
const NETWORKS: usize = 2;
/// One of so many commands is killed.
const KILLED: u64 = 5;
/// How many DELs of a container may fail one after the other.
const MOST_ERRORS: u32 = 4;
/// After a killed ADD, one of so many containers ends without DEL.
const ABANDONED: u64 = 8;
/// Chooses what is killed and when.
const SEED: &str = "WEIR_STORM_SEED";

fn main() -> ExitCode {
    run(vec![test("attachments_of_16_workers_with_random_kills_leave_nothing", storm)])
}

/// What all workers share.
struct Storm {
    pairs: usize,
    chains: Vec<Chain>,
    /// Who has an address, from the end of ADD to the beginning of DEL.
    held: Mutex<HashMap<String, String>>,
    next: AtomicUsize,
    killed: AtomicUsize,
    abandoned: AtomicUsize,
    /// How long a command takes at the moment, in microseconds.
    pace: AtomicU64,
}

/// What became of a chain's ADD.
enum Added {
    Whole(Value),
    Killed,
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_of(&mut self, number: u64) -> bool {
        self.next().is_multiple_of(number)
    }
}

/// A bridge of its own with some 500 addresses, one network with nftables and one with iptables.
fn chain(network: usize) -> Result<Chain> {
    let backend = if network == 0 { "nftables" } else { "iptables" };
    let keys = json!({"bridge": format!("storm{network}"), "ipMasq": true, "ipMasqBackend": backend});
    let subnets = [format!("10.{}.0.0/23", 80 + network), format!("fd00:{}::/64", 80 + network)];
    let bridge = with(&bridge(&subnets.each_ref().map(String::as_str)), keys);
    Ok(Chain::new(&Programs::weir()?, &format!("storm{network}"), &[bridge, portmap(backend)]))
}

fn state() -> Result<Snapshot> {
    let is_mark = |name: &str| {
        name.contains("last_reserved_ip") || name.contains(".weir-index") || name.starts_with("file /run/netns/")
    };
    Ok(Snapshot::take(&[])?.with_processes()?.without(is_mark))
}

fn storm(host: &Host) -> Result<()> {
    let seed = match std::env::var(SEED) {
        Ok(text) => text.parse().with_context(|| format!("{SEED} is {text:?}, not a number"))?,
        Err(_) => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs(),
    };
    println!("storm: {SEED}={seed}");
    let chains = (0..NETWORKS).map(chain).collect::<Result<Vec<_>>>()?;
    for (network, chain) in chains.iter().enumerate() {
        let chain = with_ports(chain, network);
        let first = host.container(&format!("first{network}"))?;
        let result = chain.add(&first)?;
        chain.del(&first, &result)?;
        first.unmount()?;
    }
    let pairs = if privileges::current() == Privileges::Root { PAIRS } else { PAIRS_OF_USERS };
    let storm = Storm {
        pairs,
        chains,
        held: Mutex::default(),
        next: AtomicUsize::new(0),
        killed: AtomicUsize::new(0),
        abandoned: AtomicUsize::new(0),
        pace: AtomicU64::new(5000),
    };
    let (before, start) = (state()?, Instant::now());
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..WORKERS as u64)
            .map(|worker| {
                let (storm, random) = (&storm, Random(seed.wrapping_add(worker << 32)));
                scope.spawn(move || storm.work(host, worker, random))
            })
            .collect();
        let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        outcomes.into_iter().try_for_each(|outcome| outcome.unwrap_or_else(|_| Err(anyhow!("a worker panicked"))))
    })
    .with_context(|| format!("{SEED}={seed}"))?;
    let (killed, abandoned) = (storm.killed.into_inner(), storm.abandoned.into_inner());
    println!(
        "storm: {pairs} attachments of {WORKERS} workers, {killed} commands killed, {abandoned} containers left to GC, \
         in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    ensure!(killed > pairs / 10 && abandoned > 0, "too few were killed to mean anything");
    for chain in &storm.chains {
        chain.gc(&[]).context("GC")?;
        let leases = host.leases(std::path::Path::new("/run/test/ipam"), &chain.name)?;
        ensure!(leases.is_empty(), "addresses leak: {leases:?}, {SEED}={seed}");
    }
    before.await_same(state).with_context(|| format!("{SEED}={seed}"))
}

fn with_ports(chain: &Chain, number: usize) -> Chain {
    let port = |protocol: &str| json!({"hostPort": 10_000 + number, "containerPort": 80, "protocol": protocol});
    chain.clone().capabilities(json!({"portMappings": [port("tcp"), port("udp")]}))
}

impl Storm {
    fn work(&self, host: &Host, worker: u64, mut random: Random) -> Result<()> {
        let mut namespace = host.container(&format!("w{worker}"))?;
        let mut ended = 0;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.pairs {
                return namespace.unmount();
            }
            let container = namespace.known_as(&format!("c{number}"))?;
            let chain = with_ports(self.chains.get(number % NETWORKS).context("no such network")?, number);
            let is_gone = self.live(&chain, &container, &mut random).with_context(|| format!("container c{number}"))?;
            if is_gone {
                ended += 1;
                namespace = host.container(&format!("w{worker}-{ended}"))?;
            }
        }
    }

    /// One attachment. Whether its namespace is gone afterwards.
    fn live(&self, chain: &Chain, container: &Container, random: &mut Random) -> Result<bool> {
        let result = match self.add(chain, container, random)? {
            Added::Whole(result) => result,
            Added::Killed if random.one_of(ABANDONED) => {
                self.abandoned.fetch_add(1, Ordering::Relaxed);
                container.unmount()?;
                return Ok(true);
            }
            Added::Killed => Value::Null,
        };
        let addresses = residue::addresses(&result);
        self.hold(&addresses, container)?;
        if !result.is_null() && random.one_of(16) {
            chain.check(container, &result).context("CHECK")?;
        }
        self.release(&addresses)?;
        // A runtime whose DEL was killed tries again, and so it does after an error: an iptables-restore that a killed
        // command had started may still be at work.
        let mut errors = 0;
        loop {
            match self.del(chain, container, &result, random) {
                Ok(true) => break,
                Ok(false) => {}
                Err(_) if errors < MOST_ERRORS => {
                    errors += 1;
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(error),
            }
        }
        ensure!(!container.has_link("eth0"), "eth0 is there after DEL");
        Ok(false)
    }

    fn hold(&self, addresses: &[String], container: &Container) -> Result<()> {
        let mut held = self.held.lock().map_err(|_| anyhow!("another worker panicked"))?;
        for address in addresses {
            if let Some(other) = held.insert(address.clone(), container.id.clone()) {
                return Err(anyhow!("{address} belongs to {other} and was given to {}", container.id));
            }
        }
        Ok(())
    }

    fn release(&self, addresses: &[String]) -> Result<()> {
        let mut held = self.held.lock().map_err(|_| anyhow!("another worker panicked"))?;
        addresses.iter().for_each(|address| drop(held.remove(address)));
        Ok(())
    }

    fn add(&self, chain: &Chain, container: &Container, random: &mut Random) -> Result<Added> {
        let mut result = Value::Null;
        for plugin in &chain.plugins {
            match self.run(chain, "ADD", plugin, &result, container, random)? {
                Some(answer) => result = answer.ok().context("ADD")?,
                None => return Ok(Added::Killed),
            }
        }
        Ok(Added::Whole(result))
    }

    /// Whether it got to its end.
    fn del(&self, chain: &Chain, container: &Container, result: &Value, random: &mut Random) -> Result<bool> {
        for plugin in chain.plugins.iter().rev() {
            match self.run(chain, "DEL", plugin, result, container, random)? {
                Some(answer) => answer.ok().map(drop).context("DEL")?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Run a plugin; nothing where it was killed.
    fn run(
        &self,
        chain: &Chain,
        command: &str,
        plugin: &Value,
        result: &Value,
        container: &Container,
        random: &mut Random,
    ) -> Result<Option<Answer>> {
        let call = chain.call(command, plugin, result)?.container(container);
        if random.one_of(KILLED) {
            let pace = self.pace.load(Ordering::Relaxed).max(100);
            let answer = call.run_and_kill(Duration::from_micros(random.next() % pace))?;
            // It may have been quicker.
            if answer.status.is_none() {
                self.killed.fetch_add(1, Ordering::Relaxed);
                return Ok(None);
            }
            return Ok(Some(answer));
        }
        let start = Instant::now();
        let answer = call.run()?;
        let took = u64::try_from(start.elapsed().as_micros())?;
        let pace = self.pace.load(Ordering::Relaxed);
        self.pace.store((pace * 7 + took) / 8, Ordering::Relaxed);
        Ok(Some(answer))
    }
}
