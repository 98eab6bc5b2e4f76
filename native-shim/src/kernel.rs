//! What this kernel has, told by its own lists: nothing is asked of it that would make it load a module.

use std::collections::HashSet;
use std::path::Path;

/// A part of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The module that it is where it is not built in; none where it is never one.
    pub module: Option<&'static str>,
    /// A function of it.
    pub symbol: &'static str,
}

/// Whether a part is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Built in, or loaded.
    Present,
    /// A module that the kernel loads when it is needed.
    Loadable,
    /// Neither.
    Missing,
    /// The kernel does not tell.
    Unknown,
}

/// The lists of a kernel.
#[derive(Debug, Default)]
pub struct Kernel {
    release: String,
    symbols: HashSet<String>,
    modules: HashSet<String>,
}

impl Kernel {
    /// Read the lists of the running kernel, as far as they concern these parts.
    pub fn read(parts: &[Part]) -> Self {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let release = release.trim().to_owned();
        let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        let directory = Path::new("/lib/modules").join(&release);
        let lists = ["modules.dep", "modules.builtin"];
        let modules = lists.map(|list| std::fs::read_to_string(directory.join(list)).unwrap_or_default()).concat();
        Self::of(parts, release, &symbols, &modules)
    }

    fn of(parts: &[Part], release: String, symbols: &str, modules: &str) -> Self {
        // One symbol that every kernel has tells an empty list from a kernel without the others.
        let wanted: HashSet<&str> = parts.iter().map(|part| part.symbol).chain([ALWAYS]).collect();
        // address, type, name, and the module in brackets.
        let names = symbols.lines().filter_map(|line| line.split_ascii_whitespace().nth(2));
        Self {
            release,
            symbols: names.filter(|name| wanted.contains(name)).map(str::to_owned).collect(),
            modules: modules.lines().filter_map(module_of).collect(),
        }
    }

    /// Its release, as `uname -r` prints it.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Whether it has a part.
    pub fn has(&self, part: Part) -> Presence {
        if self.symbols.contains(part.symbol) {
            return Presence::Present;
        }
        if part.module.is_some_and(|module| self.modules.contains(module)) {
            return Presence::Loadable;
        }
        if self.symbols.contains(ALWAYS) { Presence::Missing } else { Presence::Unknown }
    }
}

/// Every kernel with a network has it.
const ALWAYS: &str = "register_netdevice";

/// `nf_tables` of `kernel/net/netfilter/nf_tables.ko.xz: kernel/...`.
fn module_of(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let file = path.rsplit('/').next()?;
    let (name, _) = file.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VETH: Part = Part { module: Some("veth"), symbol: "veth_newlink" };
    const VLAN: Part = Part { module: Some("8021q"), symbol: "register_vlan_dev" };
    const TABLES: Part = Part { module: Some("nf_tables"), symbol: "nf_tables_newtable" };
    const RULES: Part = Part { module: None, symbol: "fib_nl_newrule" };

    fn kernel(symbols: &str, modules: &str) -> Kernel {
        Kernel::of(&[VETH, VLAN, TABLES, RULES], "6.1".to_owned(), symbols, modules)
    }

    #[test]
    fn what_is_built_in_loaded_or_can_be_loaded_is_told_apart_from_what_is_missing() {
        let kernel = kernel(
            "0000000000000000 T register_netdevice\n0000000000000000 t veth_newlink\t[veth]\n0 T fib_nl_newrule_not\n",
            "kernel/net/netfilter/nf_tables.ko.xz: kernel/lib/libcrc32c.ko.xz\nkernel/net/8021q/8021q-x.ko:\n",
        );
        assert_eq!(kernel.has(VETH), Presence::Present);
        assert_eq!(kernel.has(TABLES), Presence::Loadable);
        assert_eq!(kernel.has(VLAN), Presence::Missing);
        assert_eq!(kernel.has(RULES), Presence::Missing);
    }

    #[test]
    fn a_kernel_that_hides_its_symbols_says_nothing() {
        let kernel = kernel("", "kernel/drivers/net/veth.ko.zst:\n");
        assert_eq!(kernel.has(VETH), Presence::Loadable);
        assert_eq!(kernel.has(RULES), Presence::Unknown);
    }

    #[test]
    fn the_running_kernel_has_a_release_and_no_part_that_nobody_has_heard_of() {
        let part = Part { module: Some("no_such_module"), symbol: "no_such_symbol" };
        let kernel = Kernel::read(&[part]);
        assert!(!kernel.release().is_empty());
        assert!(matches!(kernel.has(part), Presence::Missing | Presence::Unknown));
    }
}
