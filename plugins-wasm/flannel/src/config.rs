//! The configuration, and the one that is made of it for the other plugin.

use serde_json::{Map, Value, json};
use weir_sdk::cni_spec::json;
use weir_sdk::{Error, Result};

use crate::subnet::SubnetFile;

const SUBNET_FILE: &str = "/run/flannel/subnet.env";
const DATA_DIR: &str = "/var/lib/cni/flannel";
const PLUGIN: &str = "bridge";
const IPAM_PLUGIN: &str = "host-local";

type Object = Map<String, Value>;

/// The configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) subnet_file: String,
    pub(crate) data_dir: String,
    delegate: Object,
    ipam: Object,
    document: Object,
}

/// A configuration for another plugin.
#[derive(Debug, Clone)]
pub(crate) struct Delegated {
    pub(crate) plugin_type: String,
    document: Object,
}

impl Config {
    /// The configuration of ADD, CHECK and STATUS.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Self::read(text, false)
    }

    /// The configuration of DEL and GC: keys that became invalid count as absent.
    pub(crate) fn parse_leniently(text: &str) -> Result<Self> {
        Self::read(text, true)
    }

    fn read(text: &str, lenient: bool) -> Result<Self> {
        let Value::Object(document) = json::parse(text.as_bytes())? else {
            return Err(Error::decode_failure("the network configuration is no JSON object"));
        };
        let or_default = |outcome: Result<String>, default: &str| match outcome {
            Ok(text) if !text.is_empty() => Ok(text),
            Err(error) if !lenient => Err(error),
            _ => Ok(default.to_owned()),
        };
        let or_empty = |outcome: Result<Object>| if lenient { Ok(outcome.unwrap_or_default()) } else { outcome };
        let mut delegate = or_empty(object(&document, "delegate"))?;
        for key in ["name", "ipam"] {
            if json::get(&delegate, key).is_some() && !lenient {
                let text = format!("delegate.{key} must not be given: it comes from the network and from flanneld");
                return Err(Error::invalid_config(text));
            }
            json::remove(&mut delegate, key);
        }
        Ok(Self {
            subnet_file: or_default(string(&document, "subnetFile"), SUBNET_FILE)?,
            data_dir: or_default(string(&document, "dataDir"), DATA_DIR)?,
            delegate,
            ipam: or_empty(object(&document, "ipam"))?,
            document,
        })
    }

    /// The configuration for the other plugin. Without a subnet it is good enough to give addresses back.
    pub(crate) fn delegated(&self, network: &str, subnet: Option<&SubnetFile>) -> Result<Delegated> {
        let mut document = self.delegate.clone();
        let plugin_type = match json::get(&document, "type") {
            None => PLUGIN.to_owned(),
            Some(Value::String(kind)) => kind.clone(),
            Some(_) => return Err(Error::invalid_config("delegate.type must be a string")),
        };
        set(&mut document, "type", plugin_type.clone().into());
        set(&mut document, "name", network.into());
        for key in ["cniVersion", "runtimeConfig"] {
            if let Some(value) = json::get(&self.document, key) {
                set(&mut document, key, value.clone());
            }
        }
        if let Some(subnet) = subnet {
            // One of the two masquerades: the other plugin where flanneld does not.
            set_default(&mut document, "ipMasq", (!subnet.masquerade).into());
            set_default(&mut document, "mtu", subnet.mtu.into());
        }
        if plugin_type == PLUGIN {
            set_default(&mut document, "isGateway", true.into());
        }
        set(&mut document, "ipam", Value::Object(self.ipam(subnet)?));
        Ok(Delegated { plugin_type, document })
    }

    /// One range set for each subnet, and routes to all of flannel's networks after those of the configuration.
    fn ipam(&self, subnet: Option<&SubnetFile>) -> Result<Object> {
        let mut ipam = self.ipam.clone();
        set_default(&mut ipam, "type", IPAM_PLUGIN.into());
        let Some(subnet) = subnet else { return Ok(ipam) };
        let ranges = subnet.subnets.iter().map(|subnet| json!([{"subnet": subnet.trunc().to_string()}])).collect();
        set(&mut ipam, "ranges", Value::Array(ranges));
        let mut routes = match json::get(&ipam, "routes") {
            None => Vec::new(),
            Some(Value::Array(routes)) => routes.clone(),
            Some(_) => return Err(Error::invalid_config("ipam.routes must be a list")),
        };
        routes.extend(subnet.networks.iter().map(|network| json!({"dst": network.trunc().to_string()})));
        set(&mut ipam, "routes", Value::Array(routes));
        Ok(ipam)
    }

    /// With the previous result of this command, which the other plugin compares with or reads names from.
    pub(crate) fn with_prev_result(&self, delegated: Delegated) -> Delegated {
        self.with(delegated, &["prevResult"])
    }

    /// With the list of attachments that are in use.
    pub(crate) fn with_valid_attachments(&self, delegated: Delegated) -> Delegated {
        self.with(delegated, &["cni.dev/valid-attachments", "cni.dev/attachments"])
    }

    fn with(&self, mut delegated: Delegated, keys: &[&str]) -> Delegated {
        for key in keys {
            if let Some(value) = json::get(&self.document, key) {
                set(&mut delegated.document, key, value.clone());
            }
        }
        delegated
    }
}

impl Delegated {
    /// A configuration that was kept. None where it names no plugin.
    pub(crate) fn from_document(document: Object) -> Option<Self> {
        let plugin_type = json::get(&document, "type")?.as_str()?.to_owned();
        Some(Self { plugin_type, document })
    }

    /// The configuration (JSON).
    pub(crate) fn text(&self) -> String {
        Value::Object(self.document.clone()).to_string()
    }

    pub(crate) fn document(&self) -> &Object {
        &self.document
    }
}

fn set(object: &mut Object, key: &str, value: Value) {
    json::remove(object, key);
    object.insert(key.to_owned(), value);
}

fn set_default(object: &mut Object, key: &str, value: Value) {
    if json::get(object, key).is_none() {
        set(object, key, value);
    }
}

fn string(document: &Object, key: &str) -> Result<String> {
    match json::get(document, key) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(Error::invalid_config(format!("{key} must be a string"))),
    }
}

fn object(document: &Object, key: &str) -> Result<Object> {
    match json::get(document, key) {
        None => Ok(Object::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(Error::invalid_config(format!("{key} must be an object"))),
    }
}
