//! What flanneld wrote down for this node: the cluster's networks, the node's subnets, MTU, who masquerades.

use weir_sdk::cni_spec::quoted::Quoted;
use weir_sdk::{Context, Error, IpNet, Result, environment_file};

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SubnetFile {
    /// All pods' networks, IPv4 before IPv6.
    pub(crate) networks: Vec<IpNet>,
    /// This node's part of them.
    pub(crate) subnets: Vec<IpNet>,
    pub(crate) mtu: u32,
    /// flanneld masquerades.
    pub(crate) masquerade: bool,
}

impl SubnetFile {
    /// Read the file. Error 11, try again later, where it is not there yet.
    pub(crate) fn load(path: &str) -> Result<Self> {
        let pairs = match environment_file::load(path) {
            Ok(pairs) => pairs,
            Err(failure) if failure.is_not_found() => {
                let text = format!("{}: flanneld has not written the node's subnet; is it running?", failure.message);
                return Err(Error::try_again_later(text));
            }
            Err(failure) => return Err(failure.into()),
        };
        Self::from_pairs(&pairs).with_context(|| format!("flanneld's file {}", Quoted(path)))
    }

    fn from_pairs(pairs: &[(String, String)]) -> Result<Self> {
        // The last assignment counts; an empty one counts as none.
        let value = |key: &str| {
            let last = pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
            last.filter(|value| !value.is_empty())
        };
        let list = |keys: [&str; 2]| -> Result<Vec<IpNet>> {
            let mut networks = Vec::new();
            for key in keys {
                for text in value(key).into_iter().flat_map(|list| list.split(',')) {
                    let wrong = |_| Error::invalid_config(format!("{key}: {} is no network", Quoted(text)));
                    networks.push(text.trim().parse().map_err(wrong)?);
                }
            }
            Ok(networks)
        };
        let missing = |what: &str| Error::invalid_config(format!("{what} is missing"));
        let networks = list(["FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"])?;
        if networks.is_empty() {
            return Err(missing("FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK"));
        }
        let subnets = list(["FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"])?;
        if subnets.is_empty() {
            return Err(missing("FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET"));
        }
        let mtu = value("FLANNEL_MTU").ok_or_else(|| missing("FLANNEL_MTU"))?;
        let mtu =
            mtu.parse().map_err(|_| Error::invalid_config(format!("FLANNEL_MTU: {} is no number", Quoted(mtu))))?;
        let masquerade = value("FLANNEL_IPMASQ").ok_or_else(|| missing("FLANNEL_IPMASQ"))? == "true";
        Ok(Self { networks, subnets, mtu, masquerade })
    }
}
