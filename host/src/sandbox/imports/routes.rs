//! `routes`.

use wasmtime::component::Resource;
use weir_native::route as native;

use super::convert;
use crate::broker::{Call, Function};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::routes::{self, Conflict, IpAddress, Route, RouteFilter};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::NamespaceHandle;

type NamespaceResource = Resource<NamespaceHandle>;

impl routes::Host for Guest {
    fn add(&mut self, namespace: NamespaceResource, routes: Vec<Route>, conflict: Conflict) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        let conflict = match conflict {
            Conflict::Refuse => native::Conflict::Refuse,
            Conflict::Append => native::Conflict::Append,
            Conflict::Replace => native::Conflict::Replace,
        };
        let routes = valid!(self, Function::RoutesAdd, convert::all(routes, route));
        self.call(Call::RoutesAdd { namespace: &namespace, routes: &routes, conflict }, || {
            native::add(&namespace.netns, &routes, conflict)
        })
    }

    fn remove(&mut self, namespace: NamespaceResource, routes: Vec<Route>) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        let routes = valid!(self, Function::RoutesRemove, convert::all(routes, route));
        self.call(Call::RoutesRemove { namespace: &namespace, routes: &routes }, || {
            native::remove(&namespace.netns, &routes)
        })
    }

    fn list(&mut self, namespace: NamespaceResource, filter: RouteFilter) -> Answer<Vec<Route>> {
        let namespace = self.namespace(&namespace)?;
        let filter =
            native::RouteFilter { family: filter.family.map(convert::family), link: filter.link, table: filter.table };
        self.call(Call::RoutesList { namespace: &namespace }, || {
            Ok(native::list(&namespace.netns, &filter)?.into_iter().map(route_out).collect())
        })
    }

    fn lookup(&mut self, namespace: NamespaceResource, destination: IpAddress) -> Answer<Option<Route>> {
        let namespace = self.namespace(&namespace)?;
        let destination = convert::address(destination);
        self.call(Call::RoutesLookup { namespace: &namespace, destination }, || {
            Ok(native::lookup(&namespace.netns, destination)?.map(route_out))
        })
    }
}

fn route(route: Route) -> weir_native::Result<native::Route> {
    Ok(native::Route {
        destination: convert::network(route.destination)?,
        gateway: route.gateway.map(convert::address),
        link: route.link,
        source: route.source.map(convert::address),
        table: route.table,
        priority: route.priority,
        scope: route.scope,
        mtu: route.mtu,
        advmss: route.advmss,
        onlink: route.onlink,
    })
}

fn route_out(route: native::Route) -> Route {
    Route {
        destination: convert::network_out(route.destination),
        gateway: route.gateway.map(convert::address_out),
        link: route.link,
        source: route.source.map(convert::address_out),
        table: route.table,
        priority: route.priority,
        scope: route.scope,
        mtu: route.mtu,
        advmss: route.advmss,
        onlink: route.onlink,
    }
}
