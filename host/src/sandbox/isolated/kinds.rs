//! How arguments and answers of the contract's functions go from one process to the other. A handle goes as its number,
//! everything else as it is.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmtime::component::Resource;

/// What something is here, and what it is on its way.
pub(in crate::sandbox) trait Kind {
    /// Here.
    type Value;
    /// On its way.
    type Wire: Serialize + DeserializeOwned;

    /// Make it ready for its way.
    fn send(value: Self::Value) -> Self::Wire;
    /// Take what has come. A number of a handle may be anything: the table of handles has the last word.
    fn receive(wire: Self::Wire) -> Self::Value;
}

/// Data.
pub(in crate::sandbox) struct Plain<T>(PhantomData<T>);
/// A handle that is lent for the call.
pub(in crate::sandbox) struct Handle<T>(PhantomData<T>);
/// A handle that changes hands: a new one, or one that is dropped.
pub(in crate::sandbox) struct Owned<T>(PhantomData<T>);
/// Something or nothing.
pub(in crate::sandbox) struct Maybe<K>(PhantomData<K>);
/// Two things.
pub(in crate::sandbox) struct Both<A, B>(PhantomData<(A, B)>);
/// Something or an error.
pub(in crate::sandbox) struct Fallible<K, E>(PhantomData<(K, E)>);

impl<T: Serialize + DeserializeOwned> Kind for Plain<T> {
    type Value = T;
    type Wire = T;

    fn send(value: T) -> T {
        value
    }

    fn receive(wire: T) -> T {
        wire
    }
}

impl<T: 'static> Kind for Handle<T> {
    type Value = Resource<T>;
    type Wire = u32;

    fn send(value: Resource<T>) -> u32 {
        value.rep()
    }

    fn receive(number: u32) -> Resource<T> {
        Resource::new_borrow(number)
    }
}

impl<T: 'static> Kind for Owned<T> {
    type Value = Resource<T>;
    type Wire = u32;

    fn send(value: Resource<T>) -> u32 {
        value.rep()
    }

    fn receive(number: u32) -> Resource<T> {
        Resource::new_own(number)
    }
}

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;
    type Wire = Option<K::Wire>;

    fn send(value: Self::Value) -> Self::Wire {
        value.map(K::send)
    }

    fn receive(wire: Self::Wire) -> Self::Value {
        wire.map(K::receive)
    }
}

impl<A: Kind, B: Kind> Kind for Both<A, B> {
    type Value = (A::Value, B::Value);
    type Wire = (A::Wire, B::Wire);

    fn send((one, other): Self::Value) -> Self::Wire {
        (A::send(one), B::send(other))
    }

    fn receive((one, other): Self::Wire) -> Self::Value {
        (A::receive(one), B::receive(other))
    }
}

impl<K: Kind, E: Serialize + DeserializeOwned> Kind for Fallible<K, E> {
    type Value = Result<K::Value, E>;
    type Wire = Result<K::Wire, E>;

    fn send(value: Self::Value) -> Self::Wire {
        value.map(K::send)
    }

    fn receive(wire: Self::Wire) -> Self::Value {
        wire.map(K::receive)
    }
}
