//! What can be wrong with a request that is otherwise good.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::node::Node;
use super::odd;

/// A change to one piece of the request.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Another value in its place.
    Swap(Node),
    /// Another value of its kind: this number where it is one, this text where it is a text.
    Like(Node, Node),
    /// It is gone, with its key.
    Remove,
    /// It is there twice, the second time perhaps with another value.
    Twice(Option<Node>),
    /// It is there many times.
    Many(usize),
    /// It is in an array, in an object, or in many of them.
    Wrap(usize, Option<&'static str>),
    /// An object has this field as well.
    Field(&'static str, Node),
    /// Something else of the request stands in its place.
    From(Index),
}

impl Change {
    pub(crate) fn any(fields: &'static [&'static str]) -> impl Strategy<Value = Self> {
        prop_oneof![
            4 => odd::value().prop_map(Self::Swap),
            8 => (odd::number(), odd::text()).prop_map(|(number, text)| Self::Like(number, Node::Text(text))),
            2 => Just(Self::Remove),
            2 => proptest::option::of(odd::value()).prop_map(Self::Twice),
            1 => (2..200_usize).prop_map(Self::Many),
            1 => (1..140_usize, proptest::option::of(select(fields))).prop_map(|(times, key)| Self::Wrap(times, key)),
            8 => (select(fields), odd::value()).prop_map(|(key, value)| Self::Field(key, value)),
            2 => any::<Index>().prop_map(Self::From),
        ]
    }

    /// Changes the piece of the request that `at` chooses.
    pub(crate) fn apply(&self, request: &mut Node, at: Index) {
        let count = request.count();
        let number = at.index(count);
        match self {
            Self::Swap(value) => set(request, number, value.clone()),
            Self::Like(a_number, a_text) => match request.at(number) {
                Some(node @ Node::Raw(_)) => *node = a_number.clone(),
                Some(node @ Node::Text(_)) => *node = a_text.clone(),
                _ => {}
            },
            Self::Wrap(times, key) => {
                let Some(node) = request.at(number) else { return };
                let wrap = |inner| match key {
                    None => Node::Array(vec![inner]),
                    Some(key) => Node::Object(vec![(key.as_bytes().to_vec(), inner)]),
                };
                *node = (0..*times).fold(node.clone(), |inner, _| wrap(inner));
            }
            Self::Field(key, value) => {
                let Some(Node::Object(fields)) = request.at(number) else { return };
                fields.push((key.as_bytes().to_vec(), value.clone()));
            }
            Self::From(other) => {
                let Some(other) = request.at(other.index(count)).map(|node| node.clone()) else { return };
                // Not into itself for ever: a request stays of a size that can be read.
                if count < 200 {
                    set(request, number, other);
                }
            }
            Self::Remove => self.inside(request, number),
            Self::Twice(_) | Self::Many(_) => self.inside(request, number),
        }
    }

    /// Changes something of an array or object, the one that is chosen or the whole request.
    fn inside(&self, request: &mut Node, number: usize) {
        let chosen = match request.at(number) {
            Some(Node::Array(_) | Node::Object(_)) => number,
            _ => 0,
        };
        let Some(node) = request.at(chosen) else { return };
        match node {
            Node::Array(items) if !items.is_empty() => self.multiply(items, number, Node::clone),
            Node::Object(fields) if !fields.is_empty() => {
                self.multiply(fields, number, |(key, value)| (key.clone(), value.clone()));
                if let (Self::Twice(Some(value)), Some(last)) = (self, fields.last_mut()) {
                    last.1 = value.clone();
                }
            }
            _ => {}
        }
    }

    fn multiply<T>(&self, all: &mut Vec<T>, number: usize, copy: impl Fn(&T) -> T) {
        let at = number % all.len();
        match self {
            Self::Remove => drop(all.remove(at)),
            Self::Many(times) if all.len() < 200 => {
                let copies: Vec<T> = (0..*times).map(|_| copy(&all[at])).collect();
                all.extend(copies);
            }
            _ => all.push(copy(&all[at])),
        }
    }
}

fn set(request: &mut Node, number: usize, value: Node) {
    if let Some(node) = request.at(number) {
        *node = value;
    }
}
