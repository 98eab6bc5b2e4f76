//! Kinds of values: how many bytes, in which order, and by which number nft(8) knows them.

use super::types::{DataType, Field};

/// A kind of value in a register, a key or a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ipv4,
    Ipv6,
    Ether,
    Protocol,
    Port,
    Mark,
    InterfaceName,
    NetworkProtocol,
    ConnectionState,
    ConnectionStatus,
    AddressType,
}

/// Bits of a component in the type number of a concatenation.
const COMPONENT_BITS: u32 = 6;
const COMPONENT_MASK: u32 = (1 << COMPONENT_BITS) - 1;

impl Kind {
    const ALL: [Self; 11] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Ether,
        Self::Protocol,
        Self::Port,
        Self::Mark,
        Self::InterfaceName,
        Self::NetworkProtocol,
        Self::ConnectionState,
        Self::ConnectionStatus,
        Self::AddressType,
    ];

    /// The number of the type in nft(8), which stores it with sets in order to print them.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::NetworkProtocol => 2,
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Ether => 9,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Mark => 19,
            Self::ConnectionState => 26,
            Self::ConnectionStatus => 28,
            Self::AddressType => 38,
            Self::InterfaceName => 41,
        }
    }

    /// How many bytes a value has.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Protocol | Self::NetworkProtocol => 1,
            Self::Port => 2,
            Self::Ipv4 | Self::Mark | Self::ConnectionState | Self::ConnectionStatus | Self::AddressType => 4,
            Self::Ether => 6,
            Self::Ipv6 | Self::InterfaceName => 16,
        }
    }

    /// How many bytes it takes in a key of several values, or how many bytes of registers.
    pub(super) fn padded(self) -> usize {
        self.width().next_multiple_of(4)
    }

    /// Whether the number is in the machine's byte order, so that it cannot be compared by size as it is.
    pub(super) fn is_host_order(self) -> bool {
        matches!(self, Self::Mark | Self::ConnectionState | Self::ConnectionStatus | Self::AddressType)
    }

    /// In words, for errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4 address",
            Self::Ipv6 => "IPv6 address",
            Self::Ether => "Ethernet address",
            Self::Protocol => "transport protocol number",
            Self::Port => "port",
            Self::Mark => "packet mark",
            Self::InterfaceName => "interface name",
            Self::NetworkProtocol => "network protocol number",
            Self::ConnectionState => "connection state",
            Self::ConnectionStatus => "connection status",
            Self::AddressType => "address type",
        }
    }

    /// The number of a concatenation of kinds.
    pub(super) fn combined(kinds: &[Self]) -> u32 {
        kinds.iter().fold(0, |number, kind| (number << COMPONENT_BITS) | kind.number())
    }

    /// The kinds that a number stands for; none where one is unknown.
    pub(super) fn split(mut number: u32) -> Option<Vec<Self>> {
        let mut kinds = Vec::new();
        while number != 0 {
            let component = number & COMPONENT_MASK;
            kinds.push(Self::ALL.into_iter().find(|kind| kind.number() == component)?);
            number >>= COMPONENT_BITS;
        }
        kinds.reverse();
        Some(kinds)
    }

    /// How long a key or a datum of these kinds is: a single value is not padded.
    pub(super) fn length(kinds: &[Self]) -> usize {
        match kinds {
            [single] => single.width(),
            several => several.iter().map(|kind| kind.padded()).sum(),
        }
    }
}

impl From<DataType> for Kind {
    fn from(data: DataType) -> Self {
        match data {
            DataType::Ipv4Address => Self::Ipv4,
            DataType::Ipv6Address => Self::Ipv6,
            DataType::TransportProtocol => Self::Protocol,
            DataType::Port => Self::Port,
            DataType::Mark => Self::Mark,
            DataType::InterfaceName => Self::InterfaceName,
            DataType::EtherAddress => Self::Ether,
        }
    }
}

impl From<Field> for Kind {
    fn from(field: Field) -> Self {
        match field {
            Field::IpSource | Field::IpDestination => Self::Ipv4,
            Field::Ip6Source | Field::Ip6Destination => Self::Ipv6,
            Field::TransportProtocol => Self::Protocol,
            Field::SourcePort | Field::DestinationPort => Self::Port,
            Field::InputInterface | Field::OutputInterface => Self::InterfaceName,
            Field::Mark => Self::Mark,
            Field::NetworkProtocol => Self::NetworkProtocol,
            Field::EtherSource | Field::EtherDestination => Self::Ether,
            Field::DestinationAddressType => Self::AddressType,
            Field::ConnectionState => Self::ConnectionState,
            Field::ConnectionStatus => Self::ConnectionStatus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_concatenation_is_told_from_its_number() {
        let kinds = vec![Kind::Ipv4, Kind::Protocol, Kind::Port];
        assert_eq!(Kind::split(Kind::combined(&kinds)), Some(kinds));
        assert_eq!(Kind::split(63), None);
    }

    #[test]
    fn only_keys_of_several_values_are_padded() {
        assert_eq!(Kind::length(&[Kind::Port]), 2);
        assert_eq!(Kind::length(&[Kind::Ipv4, Kind::Port]), 8);
    }
}
