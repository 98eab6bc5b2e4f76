//! Takes for its own what the runtime's data names.

use anyhow::Result;
use serde_json::json;

use crate::expect::says;
use crate::lab::Lab;

/// ADD behind a plugin that is said to have made this link on the host.
fn after(lab: &Lab<'_>, link: &str) -> Result<()> {
    let previous = json!({
        "cniVersion": "1.1.0", "interfaces": [{"name": link}, {"name": "eth0", "sandbox": lab.container.path}],
        "ips": [{"address": "10.99.0.7/24", "interface": 1}],
    });
    let mut config = lab.config("ADD");
    if let Some(keys) = config.as_object_mut() {
        keys.insert("prevResult".to_owned(), previous);
    }
    let error = lab.run(&lab.prepare("ADD", &config)?)?.error()?;
    says(&error, &[101], &["grant", &format!("{link} down"), &format!("delete {link}")])?;
    lab.unchanged()
}

pub fn previous_result_that_names_the_uplink(lab: &Lab<'_>) -> Result<()> {
    after(lab, "uplink")
}

pub fn previous_result_that_names_a_neighbour(lab: &Lab<'_>) -> Result<()> {
    after(lab, &lab.scene.victims_link)
}
