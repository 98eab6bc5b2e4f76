//! Commands turned into the requests of one transaction.

use std::collections::HashMap;

use super::presence::{Object, Presence};
use super::rule::{Compiled, compile};
use super::set::{self, Shape, check_name};
use super::types::{BaseChain, ChainType, Command, Element, EnsuredChain, Family, Hook, Policy, Rule, Table};
use super::{comment, element};
use crate::netfilter::attributes::Attributes;
use crate::netfilter::{Request, flags};
use crate::{Error, ErrorKind, Result};

pub(super) const SUBSYSTEM: u16 = 10;

/// Messages of nftables: the lower byte of a request's kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Message {
    NewTable = 0,
    GetTable = 1,
    DeleteTable = 2,
    NewChain = 3,
    GetChain = 4,
    DeleteChain = 5,
    NewRule = 6,
    GetRule = 7,
    DeleteRule = 8,
    NewSet = 9,
    GetSet = 10,
    DeleteSet = 11,
    NewElement = 12,
    GetElement = 13,
    DeleteElement = 14,
}

/// Elements in one message: so few that the longest ones fit into an attribute.
const ELEMENTS_AT_ONCE: usize = 128;

/// The number of a family.
pub(super) fn family_number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ip => 2,
        Family::Bridge => 7,
        Family::Ip6 => 10,
    }
}

/// A request about an object of a table.
pub(super) fn request(table: &Table, message: Message, flags: u16, attributes: Attributes) -> Request {
    Request::new(SUBSYSTEM << 8 | message as u16, flags, family_number(table.family), attributes)
}

/// A transaction ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) requests: Vec<Request>,
    /// For each request: index of its command, and whether it creates what was missing a moment ago.
    pub(super) origins: Vec<(usize, bool)>,
}

impl Batch {
    /// Places of the commands that create what was missing, in order.
    pub(super) fn created(&self) -> Vec<usize> {
        let mut created: Vec<_> = self.origins.iter().filter(|origin| origin.1).map(|origin| origin.0).collect();
        created.dedup();
        created
    }
}

/// Compile commands, given what exists before them.
pub(super) fn compile_batch(table: &Table, commands: &[Command], presence: &Presence) -> Result<Batch> {
    check_name("table", &table.name)?;
    let mut writer = Writer {
        table,
        presence: presence.clone(),
        shapes: presence.shapes.clone(),
        next_id: 0,
        command: 0,
        batch: Batch::default(),
    };
    for (index, command) in commands.iter().enumerate() {
        writer.command = index;
        writer.command(command).map_err(|error| {
            let message = format!("nftables: {}: {}", super::describe(table, command), error.message);
            Error::new(error.kind, message)
        })?;
    }
    Ok(writer.batch)
}

#[derive(Debug)]
struct Writer<'a> {
    table: &'a Table,
    presence: Presence,
    shapes: HashMap<String, Shape>,
    next_id: u32,
    command: usize,
    batch: Batch,
}

impl Writer<'_> {
    fn push(&mut self, message: Message, flags: u16, attributes: Attributes) {
        self.batch.requests.push(request(self.table, message, flags, attributes));
        self.batch.origins.push((self.command, false));
    }

    /// Create what is missing. Exclusive: an update of what somebody else made meanwhile would cost the destruction.
    fn create(&mut self, message: Message, attributes: Attributes) {
        self.batch.requests.push(request(self.table, message, flags::CREATE | flags::EXCL, attributes));
        self.batch.origins.push((self.command, true));
    }

    fn in_table(&self) -> Attributes {
        let mut attributes = Attributes::new();
        attributes.text(1, &self.table.name);
        attributes
    }

    fn command(&mut self, command: &Command) -> Result<()> {
        match command {
            Command::EnsureTable => {
                if self.presence.add(Object::Table) {
                    let attributes = self.in_table();
                    self.create(Message::NewTable, attributes);
                }
            }
            Command::EnsureChain(chain) => self.ensure_chain(chain)?,
            Command::EnsureSet(wanted) => {
                check_name("set", &wanted.name)?;
                let shape = Shape::of(wanted)?;
                if self.presence.add(Object::Set(wanted.name.clone())) {
                    self.next_id += 1;
                    let attributes = shape.definition(&self.table.name, &wanted.name, self.next_id);
                    self.create(Message::NewSet, attributes);
                    self.shapes.insert(wanted.name.clone(), shape);
                }
            }
            Command::AddRule(new) => self.add_rule(&new.chain, &new.rule, new.first)?,
            Command::AddElements(set, elements) => {
                self.elements(set, elements, Message::NewElement, flags::CREATE, true)?;
            }
            Command::DeleteElements(set, elements) => {
                self.elements(set, elements, Message::DeleteElement, 0, false)?;
            }
            Command::DeleteRules(chain, handles) => {
                for handle in handles {
                    let mut attributes = self.in_table();
                    attributes.text(2, chain).long(3, *handle);
                    self.push(Message::DeleteRule, 0, attributes);
                }
            }
            Command::FlushChain(chain) => {
                check_name("chain", chain)?;
                let mut attributes = self.in_table();
                attributes.text(2, chain);
                self.push(Message::DeleteRule, 0, attributes);
            }
            Command::DeleteChain(chain) => {
                let mut attributes = self.in_table();
                attributes.text(3, chain);
                self.push(Message::DeleteChain, 0, attributes);
                self.presence.remove(&Object::Chain(chain.clone()));
            }
            Command::DeleteSet(set) => {
                self.push(Message::DeleteSet, 0, set::named(&self.table.name, set));
                self.presence.remove(&Object::Set(set.clone()));
                self.shapes.remove(set);
            }
            Command::DeleteTable => {
                let attributes = self.in_table();
                self.push(Message::DeleteTable, 0, attributes);
                self.presence.clear();
                self.shapes.clear();
            }
        }
        Ok(())
    }

    fn ensure_chain(&mut self, chain: &EnsuredChain) -> Result<()> {
        check_name("chain", &chain.name)?;
        if !self.presence.add(Object::Chain(chain.name.clone())) {
            return Ok(());
        }
        let mut attributes = self.in_table();
        attributes.text(3, &chain.name);
        if let Some(base) = &chain.base {
            write_base(&mut attributes, base);
        }
        self.create(Message::NewChain, attributes);
        for rule in &chain.rules {
            self.add_rule(&chain.name, rule, false)?;
        }
        Ok(())
    }

    fn add_rule(&mut self, chain: &str, rule: &Rule, first: bool) -> Result<()> {
        check_name("chain", chain)?;
        let Compiled { sets, expressions } = compile(self.table.family, rule, &self.shapes, &mut self.next_id)?;
        for set in sets {
            let definition = set.shape.anonymous(&self.table.name, set.id, set.count);
            self.push(Message::NewSet, flags::CREATE, definition);
            let elements = element::message(&self.table.name, set::ANONYMOUS_NAME, Some(set.id), &set.elements);
            self.push(Message::NewElement, flags::CREATE, elements);
        }
        let mut attributes = self.in_table();
        attributes.text(2, chain).group(4, expressions.attributes());
        if let Some(comment) = comment::encode(&rule.comment)? {
            attributes.bytes(7, &comment);
        }
        let place = if first { 0 } else { flags::APPEND };
        self.push(Message::NewRule, flags::CREATE | place, attributes);
        Ok(())
    }

    fn elements(
        &mut self,
        set: &str,
        elements: &[Element],
        message: Message,
        flags: u16,
        with_data: bool,
    ) -> Result<()> {
        check_name("set", set)?;
        let Some(shape) = self.shapes.get(set) else {
            let known = self.presence.has(&Object::Set(set.to_owned()));
            let (kind, why) = if known {
                (ErrorKind::Unsupported, "it holds types that Weir does not know")
            } else {
                (ErrorKind::NotFound, "there is no such set: create it first")
            };
            return Err(Error::new(kind, why));
        };
        let mut lists = Vec::new();
        for some in elements.chunks(ELEMENTS_AT_ONCE) {
            let mut list = Attributes::new();
            for one in some {
                element::write(&mut list, shape, one, with_data)?;
            }
            lists.push(element::message(&self.table.name, set, None, &list));
        }
        for list in lists {
            self.push(message, flags, list);
        }
        Ok(())
    }
}

fn write_base(attributes: &mut Attributes, base: &BaseChain) {
    let hook: u32 = match base.hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    };
    let policy: u32 = match base.policy {
        Policy::Drop => 0,
        Policy::Accept => 1,
    };
    let name = match base.chain_type {
        ChainType::Filter => "filter",
        ChainType::Nat => "nat",
        ChainType::Route => "route",
    };
    attributes.nested(4, |place| {
        place.number(1, hook).number(2, base.priority.cast_unsigned());
    });
    attributes.number(5, policy).text(7, name);
}
