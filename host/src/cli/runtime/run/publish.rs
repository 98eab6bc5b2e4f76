//! `--publish`: ports of the host that lead to the command, as the capability `portMappings` has them.

use std::net::IpAddr;
use std::str::FromStr;

use serde_json::{Value, json};

/// The capability that plugins declare which publish ports.
pub(super) const CAPABILITY: &str = "portMappings";

/// One port: `[HOST-ADDRESS:]HOST-PORT:PORT[/PROTOCOL]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    host_address: Option<IpAddr>,
    host_port: u16,
    port: u16,
    protocol: &'static str,
}

impl FromStr for Publish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault =
            |what: &str| format!("{what}; write HOST-PORT:PORT, 127.0.0.1:8080:80, [::1]:8080:80 or 5353:53/udp");
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let Some(protocol) = ["tcp", "udp", "sctp"].into_iter().find(|known| *known == protocol) else {
            return Err(fault(&format!("{protocol:?} is none of the protocols tcp, udp and sctp")));
        };
        let (host, port) = ports.rsplit_once(':').ok_or_else(|| fault("there is no colon between two ports"))?;
        let (address, host_port) = host.rsplit_once(':').map_or((None, host), |(address, port)| (Some(address), port));
        let number = |text: &str| match text.parse::<u16>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(fault(&format!("{text:?} is no port, which is a number from 1 to 65535"))),
        };
        let address = address.map(|address| {
            let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
            bare.parse().map_err(|_| fault(&format!("{address:?} is no IP address")))
        });
        Ok(Self { host_address: address.transpose()?, host_port: number(host_port)?, port: number(port)?, protocol })
    }
}

/// The value of the capability.
pub(super) fn port_mappings(published: &[Publish]) -> Value {
    let one = |publish: &Publish| {
        let mut mapping = json!({
            "hostPort": publish.host_port, "containerPort": publish.port, "protocol": publish.protocol,
        });
        if let (Some(address), Value::Object(mapping)) = (publish.host_address, &mut mapping) {
            mapping.insert("hostIP".to_owned(), address.to_string().into());
        }
        mapping
    };
    published.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_all_their_forms() {
        let read = |text: &str| text.parse::<Publish>().map(|publish| port_mappings(&[publish]));
        let plain = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
        assert_eq!(read("8080:80"), Ok(plain.clone()));
        assert_eq!(read("8080:80/tcp"), Ok(plain));
        assert_eq!(read("53:5353/udp"), Ok(json!([{"hostPort": 53, "containerPort": 5353, "protocol": "udp"}])));
        for (text, address) in [("127.0.0.1:1:2", "127.0.0.1"), ("[::1]:1:2", "::1"), ("::1:1:2", "::1")] {
            let expected = json!([{"hostPort": 1, "containerPort": 2, "protocol": "tcp", "hostIP": address}]);
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_pair_of_ports_is_refused() {
        for text in [
            "", "80", ":", "80:", ":80", "0:80", "80:0", "65536:1", "a:1", "1:2/icmp", "1:2/", "x:1:2", "[::1:1:2",
            "1:2:3",
        ] {
            assert!(text.parse::<Publish>().is_err(), "{text}");
        }
    }
}
