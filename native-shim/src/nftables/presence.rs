//! What exists already: asked of the kernel before a transaction, kept up while it is written.

use std::collections::{HashMap, HashSet};

use super::batch::{Message, request};
use super::set::{self, Shape};
use super::types::{Command, Statement, Table};
use crate::Result;
use crate::netfilter::attributes::Attributes;
use crate::netfilter::{Channel, Request};

/// Something that a command may find or create.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Object {
    Table,
    Chain(String),
    Set(String),
}

/// What exists, and what the sets hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Presence {
    objects: HashSet<Object>,
    /// Shapes of the sets that could be read.
    pub(super) shapes: HashMap<String, Shape>,
}

impl Presence {
    /// Note that an object exists from here on; true where it did not before.
    pub(super) fn add(&mut self, object: Object) -> bool {
        self.objects.insert(object)
    }

    /// Whether an object exists.
    pub(super) fn has(&self, object: &Object) -> bool {
        self.objects.contains(object)
    }

    /// Note that an object is gone.
    pub(super) fn remove(&mut self, object: &Object) {
        self.objects.remove(object);
    }

    /// Note that everything is gone.
    pub(super) fn clear(&mut self) {
        self.objects.clear();
    }

    /// Ask the kernel for all that the commands want to know of. Refusals to single questions count as "missing":
    /// if there is more to it, the transaction meets it again.
    pub(super) fn ask(channel: &mut Channel, table: &Table, commands: &[Command]) -> Result<Self> {
        let objects = wanted(commands);
        let questions: Vec<_> = objects.iter().map(|object| question(table, object)).collect();
        let answers = channel.ask(&questions)?;
        let mut presence = Self::default();
        for (object, answer) in objects.into_iter().zip(answers) {
            let Ok(attributes) = answer else { continue };
            if let Object::Set(name) = &object
                && let Some(shape) = Shape::decode(&attributes)
            {
                presence.shapes.insert(name.clone(), shape);
            }
            presence.objects.insert(object);
        }
        Ok(presence)
    }
}

fn question(table: &Table, object: &Object) -> Request {
    let (message, attributes) = match object {
        Object::Table => {
            let mut attributes = Attributes::new();
            attributes.text(1, &table.name);
            (Message::GetTable, attributes)
        }
        Object::Chain(name) => {
            let mut attributes = Attributes::new();
            attributes.text(1, &table.name).text(3, name);
            (Message::GetChain, attributes)
        }
        Object::Set(name) => (Message::GetSet, set::named(&table.name, name)),
    };
    request(table, message, 0, attributes)
}

/// What the commands ensure, and the sets whose types they need to know. Each once.
fn wanted(commands: &[Command]) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut add = |object| {
        if !objects.contains(&object) {
            objects.push(object);
        }
    };
    let maps = |rule: &super::Rule| {
        let names = rule.statements.iter().filter_map(|statement| match statement {
            Statement::DestinationNatByMap(lookup) => Some(Object::Set(lookup.set.clone())),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    for command in commands {
        match command {
            Command::EnsureTable => add(Object::Table),
            Command::EnsureChain(chain) => {
                add(Object::Chain(chain.name.clone()));
                chain.rules.iter().flat_map(&maps).for_each(&mut add);
            }
            Command::AddRule(new) => maps(&new.rule).into_iter().for_each(&mut add),
            Command::EnsureSet(set) => add(Object::Set(set.name.clone())),
            Command::AddElements(set, _) | Command::DeleteElements(set, _) => add(Object::Set(set.clone())),
            _ => {}
        }
    }
    objects
}
