//! What `${...}` stands for with a configuration, for people; what is enforced is expanded by the policy.

use serde_json::Value;

/// What only a command tells, not a configuration.
const OF_COMMANDS: [&str; 3] = ["ifname", "hostInterface", "defaultInterface"];

/// A configuration to expand values with.
pub(super) struct Expansion {
    plugin: String,
    config: Option<Value>,
}

impl Expansion {
    pub(super) fn new(plugin: &str, config: Option<Value>) -> Self {
        Self { plugin: plugin.to_owned(), config }
    }

    /// What a value stands for; none where the configuration has no part in it, or there is none.
    pub(super) fn of(&self, value: &str) -> Option<String> {
        let config = self.config.as_ref()?;
        let mut expanded = String::new();
        let (mut rest, mut has_variables) = (value, false);
        while let Some((literal, variable)) = rest.split_once("${") {
            let (name, after) = variable.split_once('}')?;
            expanded.push_str(literal);
            match self.look_up(config, name) {
                Some(text) => expanded.push_str(text),
                None if OF_COMMANDS.contains(&name) => {
                    expanded.push_str("${");
                    expanded.push_str(name);
                    expanded.push('}');
                }
                None => return Some("nothing: the configuration does not say it".to_owned()),
            }
            (rest, has_variables) = (after, true);
        }
        expanded.push_str(rest);
        (has_variables && expanded != value).then_some(expanded)
    }

    fn look_up<'a>(&'a self, config: &'a Value, name: &str) -> Option<&'a str> {
        match name {
            "plugin" => Some(&self.plugin),
            "network" => config.get("name")?.as_str(),
            name if OF_COMMANDS.contains(&name) => None,
            path => path.split('.').try_fold(config, |value, key| value.get(key))?.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_looked_up_in_the_configuration() {
        let config = json!({"name": "net", "bridge": "br0", "mtu": 5, "ipam": {"type": "host-local"}});
        let expansion = Expansion::new("bridge", Some(config));
        for (value, expected) in [
            ("${bridge}", Some("br0")),
            ("${ipam.type}", Some("host-local")),
            ("/run/${plugin}/${network}/*", Some("/run/bridge/net/*")),
            ("${bridge}/${ifname}", Some("br0/${ifname}")),
            ("${hostInterface}", None),
            ("cni0", None),
            ("${master}", Some("nothing: the configuration does not say it")),
            ("${mtu}", Some("nothing: the configuration does not say it")),
            ("${broken", None),
        ] {
            assert_eq!(expansion.of(value).as_deref(), expected, "{value}");
        }
        assert_eq!(Expansion::new("bridge", None).of("${bridge}"), None);
    }
}
