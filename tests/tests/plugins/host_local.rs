//! The host-local plugin, alone. Its keys are tested in `plugin_keys`.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{VERSIONS, alone, host_local};
use weir_tests::{Call, Chain, Host, Lifecycle, Programs, Test, lifecycle, test};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("host-local", &VERSIONS, |_, _| {
        let plugin = json!({"type": "host-local", "ipam": host_local(&["10.41.0.0/24", "fd00:41::/64"])});
        Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &[plugin])))
    });
    tests.push(test("host-local_deletes_with_a_configuration_that_became_invalid", invalid));
    tests
}

fn invalid(host: &Host) -> Result<()> {
    let programs = Programs::weir()?;
    let call = |command: &str, container: &weir_tests::Container, ipam: &Value| -> Result<Call> {
        let config = alone("1.0.0", &json!({"type": "host-local", "ipam": ipam}));
        Ok(Call::new(&programs, "host-local", command)?.container(container).config(&config))
    };
    let directory = Path::new("/run/test/ipam");
    for (n, broken) in [
        json!({"ranges": [[{"subnet": "10.41.0.0/33"}]]}),
        json!({"ranges": []}),
        json!({"ranges": [[{"subnet": "10.41.0.0/24", "rangeStart": "10.99.0.1"}]], "routes": [{"dst": "nonsense"}]}),
        json!({"subnet": 5}),
    ]
    .into_iter()
    .enumerate()
    {
        let one = host.container(&format!("c{n}"))?;
        call("ADD", &one, &host_local(&["10.41.0.0/24"]))?.ok()?;
        ensure!(host.leases(directory, "net")?.len() == 1);
        let mut ipam = json!({"type": "host-local", "dataDir": directory});
        ipam.as_object_mut().unwrap().append(&mut broken.as_object().unwrap().clone());
        call("ADD", &host.container(&format!("other{n}"))?, &ipam)?.error()?;
        call("DEL", &one, &ipam)?.ok()?;
        let left = host.leases(directory, "net")?;
        ensure!(left.is_empty(), "{broken}: {left:?}");
    }
    Ok(())
}
