//! `routes`.

use wasmtime::component::Resource;
use weir_native::route as native;

use super::convert;
use crate::broker::Function;
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
        self.call(Function::RoutesAdd, || native::add(&namespace.netns, &convert::all(routes, route)?, conflict))
    }

    fn remove(&mut self, namespace: NamespaceResource, routes: Vec<Route>) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        self.call(Function::RoutesRemove, || native::remove(&namespace.netns, &convert::all(routes, route)?))
    }

    fn list(&mut self, namespace: NamespaceResource, filter: RouteFilter) -> Answer<Vec<Route>> {
        let namespace = self.namespace(&namespace)?;
        let filter =
            native::RouteFilter { family: filter.family.map(convert::family), link: filter.link, table: filter.table };
        self.call(Function::RoutesList, || {
            Ok(native::list(&namespace.netns, &filter)?.into_iter().map(route_out).collect())
        })
    }

    fn lookup(&mut self, namespace: NamespaceResource, destination: IpAddress) -> Answer<Option<Route>> {
        let namespace = self.namespace(&namespace)?;
        self.call(Function::RoutesLookup, || {
            Ok(native::lookup(&namespace.netns, convert::address(destination))?.map(route_out))
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
