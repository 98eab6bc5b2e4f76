//! An operation on a network: libcni with plugins in this process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use libcni::cni_spec::Attachment;
use libcni::{Cni, CniConfig, GcArgs, RuntimeConf, network_conf_from_bytes};
use serde::Deserialize;
use serde_json::{Value, json};
use weir::embedding::InProcess;

/// What is to be done, and with what.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Operation {
    command: String,
    list: Value,
    cni_path: Vec<PathBuf>,
    cache_dir: PathBuf,
    container_id: String,
    net_ns: String,
    capability_args: BTreeMap<String, Value>,
    /// For GC: container IDs whose `eth0` is in use.
    valid: Vec<String>,
}

impl Operation {
    /// `{"ok": result}`, or `{"error": text}`.
    pub(crate) fn answer(&self, exec: &InProcess) -> Value {
        match self.run(exec) {
            Ok(result) => json!({"ok": result}),
            Err(error) => json!({"error": format!("{error:#}")}),
        }
    }

    fn run(&self, exec: &InProcess) -> Result<Value> {
        let cni = CniConfig::new(self.cni_path.clone())
            .with_cache_dir(self.cache_dir.clone())
            .with_exec(Arc::new(exec.clone()));
        let list = network_conf_from_bytes(self.list.to_string().as_bytes())?;
        let container = RuntimeConf {
            container_id: self.container_id.clone(),
            net_ns: self.net_ns.clone(),
            if_name: "eth0".to_owned(),
            args: Vec::new(),
            capability_args: self.capability_args.clone(),
        };
        match self.command.as_str() {
            "ADD" => return Ok(cni.add_network_list(&list, &container)?.json),
            "CHECK" => cni.check_network_list(&list, &container)?,
            "DEL" => drop(cni.del_network_list(&list, &container)?),
            "STATUS" => cni.get_status_network_list(&list)?,
            "GC" => {
                let attachment =
                    |id: &String| Attachment { container_id: id.clone(), interface_name: "eth0".to_owned() };
                let valid = self.valid.iter().map(attachment).collect();
                drop(cni.gc_network_list(&list, &GcArgs::ValidAttachments(valid))?);
            }
            other => bail!("no operation {other:?}"),
        }
        Ok(Value::Null)
    }
}
