//! `rules`.

use wasmtime::component::Resource;
use weir_native::rule as native;

use super::convert;
use crate::broker::{Call, Function};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::rules::{self, IpFamily, PacketMark, Rule};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::NamespaceHandle;

type NamespaceResource = Resource<NamespaceHandle>;

impl rules::Host for Guest {
    fn add(&mut self, namespace: NamespaceResource, rule: Rule) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        let rule = valid!(self, Function::RulesAdd, to_native(rule));
        self.call(Call::RulesAdd { namespace: &namespace, rule: &rule }, || native::add(&namespace.netns, &rule))
    }

    fn remove(&mut self, namespace: NamespaceResource, rule: Rule) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        let rule = valid!(self, Function::RulesRemove, to_native(rule));
        self.call(Call::RulesRemove { namespace: &namespace, rule: &rule }, || native::remove(&namespace.netns, &rule))
    }

    fn list(&mut self, namespace: NamespaceResource, family: Option<IpFamily>) -> Answer<Vec<Rule>> {
        let namespace = self.namespace(&namespace)?;
        self.call(Call::RulesList { namespace: &namespace }, || {
            let rules = native::list(&namespace.netns, family.map(convert::family))?;
            Ok(rules.into_iter().map(from_native).collect())
        })
    }
}

fn to_native(rule: Rule) -> weir_native::Result<native::Rule> {
    Ok(native::Rule {
        family: convert::family(rule.family),
        source: rule.source.map(convert::network).transpose()?,
        destination: rule.destination.map(convert::network).transpose()?,
        input_interface: rule.input_interface,
        output_interface: rule.output_interface,
        mark: rule.mark.map(|mark| (mark.value, mark.mask)),
        table: rule.table,
        priority: rule.priority,
    })
}

fn from_native(rule: native::Rule) -> Rule {
    Rule {
        family: convert::family_out(rule.family),
        source: rule.source.map(convert::network_out),
        destination: rule.destination.map(convert::network_out),
        input_interface: rule.input_interface,
        output_interface: rule.output_interface,
        mark: rule.mark.map(|(value, mask)| PacketMark { value, mask }),
        table: rule.table,
        priority: rule.priority,
    }
}
