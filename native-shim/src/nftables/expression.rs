//! The kernel's nftables expressions, one function each. Names and numbers are those of linux/netfilter/nf_tables.h.

use crate::netfilter::attributes::Attributes;

/// Register for the verdict.
pub(super) const VERDICT: u32 = 0;
/// Registers of four bytes: the first; the others follow.
const FIRST_WORD: u32 = 8;
/// How many bytes the registers hold.
pub(super) const REGISTER_BYTES: usize = 64;

/// The register that begins at a number of bytes (a multiple of four).
pub(super) fn register(byte: usize) -> u32 {
    FIRST_WORD + u32::try_from(byte / 4).unwrap_or(0)
}

/// Where a payload field is counted from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base {
    Link = 0,
    Network = 1,
    Transport = 2,
}

/// How `compare` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal = 0,
    NotEqual = 1,
    LessOrEqual = 3,
    GreaterOrEqual = 5,
}

/// Keys of `meta`.
pub(super) mod meta {
    pub(in super::super) const PROTOCOL: u32 = 1;
    pub(in super::super) const MARK: u32 = 3;
    pub(in super::super) const INPUT_NAME: u32 = 6;
    pub(in super::super) const OUTPUT_NAME: u32 = 7;
    pub(in super::super) const INPUT_TYPE: u32 = 8;
    pub(in super::super) const NETWORK_PROTOCOL: u32 = 15;
    pub(in super::super) const TRANSPORT_PROTOCOL: u32 = 16;
}

/// Keys of `ct`.
pub(super) mod ct {
    pub(in super::super) const STATE: u32 = 0;
    pub(in super::super) const STATUS: u32 = 2;
}

const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;

/// The expressions of a rule.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    list: Attributes,
}

impl Expressions {
    /// The attributes of the list.
    pub(super) fn attributes(&self) -> &Attributes {
        &self.list
    }

    fn add(&mut self, name: &str, data: impl FnOnce(&mut Attributes)) {
        self.list.nested(LIST_ELEMENT, |element| {
            element.text(1, name).nested(2, data);
        });
    }

    /// Load a field of the packet.
    pub(super) fn payload(&mut self, to: u32, base: Base, offset: u32, length: usize) {
        self.add("payload", |data| {
            data.number(1, to).number(2, base as u32).number(3, offset).number(4, u32::try_from(length).unwrap_or(0));
        });
    }

    /// Load a property of the packet.
    pub(super) fn meta(&mut self, to: u32, key: u32) {
        self.add("meta", |data| {
            data.number(1, to).number(2, key);
        });
    }

    /// Set a property of the packet.
    pub(super) fn set_meta(&mut self, from: u32, key: u32) {
        self.add("meta", |data| {
            data.number(2, key).number(3, from);
        });
    }

    /// Load a property of the connection.
    pub(super) fn ct(&mut self, to: u32, key: u32) {
        self.add("ct", |data| {
            data.number(1, to).number(2, key);
        });
    }

    /// Load the type of the destination address.
    pub(super) fn destination_type(&mut self, to: u32) {
        const RESULT_ADDRESS_TYPE: u32 = 3;
        const FLAG_DESTINATION: u32 = 2;
        self.add("fib", |data| {
            data.number(1, to).number(2, RESULT_ADDRESS_TYPE).number(3, FLAG_DESTINATION);
        });
    }

    /// Go on only where a register compares so.
    pub(super) fn compare(&mut self, register: u32, operator: Operator, value: &[u8]) {
        self.add("cmp", |data| {
            data.number(1, register).number(2, operator as u32).nested(3, |datum| {
                datum.bytes(DATA_VALUE, value);
            });
        });
    }

    /// Go on only where a register is outside a range.
    pub(super) fn outside(&mut self, register: u32, first: &[u8], last: &[u8]) {
        const NOT_EQUAL: u32 = 1;
        self.add("range", |data| {
            data.number(1, register).number(2, NOT_EQUAL);
            data.nested(3, |datum| {
                datum.bytes(DATA_VALUE, first);
            });
            data.nested(4, |datum| {
                datum.bytes(DATA_VALUE, last);
            });
        });
    }

    /// register = (register and mask) xor change.
    pub(super) fn bitwise(&mut self, register: u32, mask: &[u8], change: &[u8]) {
        self.add("bitwise", |data| {
            data.number(1, register).number(2, register).number(3, u32::try_from(mask.len()).unwrap_or(0));
            data.nested(4, |datum| {
                datum.bytes(DATA_VALUE, mask);
            });
            data.nested(5, |datum| {
                datum.bytes(DATA_VALUE, change);
            });
        });
    }

    /// Turn a number of four bytes in the machine's order into network order.
    pub(super) fn network_order(&mut self, register: u32) {
        const HOST_TO_NETWORK: u32 = 1;
        self.add("byteorder", |data| {
            data.number(1, register).number(2, register).number(3, HOST_TO_NETWORK).number(4, 4).number(5, 4);
        });
    }

    /// Look a key up in a set. `to`: where a map's datum goes. `id`: of an anonymous set in the same batch.
    pub(super) fn lookup(&mut self, from: u32, set: &str, id: Option<u32>, to: Option<u32>, inverted: bool) {
        self.add("lookup", |data| {
            data.text(1, set).number(2, from);
            if let Some(to) = to {
                data.number(3, to);
            }
            if let Some(id) = id {
                data.number(4, id);
            }
            if inverted {
                data.number(5, 1);
            }
        });
    }

    /// Put a value into a register.
    pub(super) fn immediate(&mut self, to: u32, value: &[u8]) {
        self.add("immediate", |data| {
            data.number(1, to).nested(2, |datum| {
                datum.bytes(DATA_VALUE, value);
            });
        });
    }

    /// Decide.
    pub(super) fn verdict(&mut self, datum: &Attributes) {
        self.add("immediate", |data| {
            data.number(1, VERDICT).group(2, datum);
        });
    }

    /// Count.
    pub(super) fn counter(&mut self) {
        self.add("counter", |data| {
            data.long(1, 0).long(2, 0);
        });
    }

    /// Translate the destination to what is in registers.
    pub(super) fn destination_nat(&mut self, family: u8, address: u32, port: Option<u32>) {
        const DESTINATION: u32 = 1;
        self.add("nat", |data| {
            data.number(1, DESTINATION).number(2, u32::from(family)).number(3, address);
            if let Some(port) = port {
                data.number(5, port);
            }
        });
    }

    /// Translate the source to the address of the outgoing interface.
    pub(super) fn masquerade(&mut self) {
        self.add("masq", |_| {});
    }
}
