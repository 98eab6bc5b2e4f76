//! `sysctls`.

use std::path::Path;

use wasmtime::component::Resource;
use weir_native::sysctl as native;

use crate::broker::Call;
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::sysctls;
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::NamespaceHandle;

/// Where operators of the tuning plugin keep their list.
const ALLOW_LIST: &str = "/etc/cni/tuning/allowlist.conf";

impl sysctls::Host for Guest {
    fn get(&mut self, namespace: Resource<NamespaceHandle>, key: String) -> Answer<String> {
        let namespace = self.namespace(&namespace)?;
        self.call(Call::SysctlsGet { namespace: &namespace, key: &key }, || native::get(&namespace.netns, &key))
    }

    fn set(&mut self, namespace: Resource<NamespaceHandle>, key: String, value: String) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        self.call(Call::SysctlsSet { namespace: &namespace, key: &key, value: &value }, || {
            native::set(&namespace.netns, &key, &value)
        })
    }

    fn allow_list(&mut self) -> Answer<Option<Vec<String>>> {
        self.call(Call::SysctlsAllowList, || match std::fs::read_to_string(Path::new(ALLOW_LIST)) {
            Ok(text) => Ok(Some(text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(weir_native::Error::io(format_args!("read {ALLOW_LIST}"), &e)),
        })
    }
}
