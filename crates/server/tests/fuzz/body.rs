//! Bodies, from arbitrary bytes to good requests.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::change::Change;
use super::node::Node;
use super::odd;

/// Bytes of a body at most: a few drawn ones are longer than a server takes.
const BODY_MAX: usize = 1 << 20;

/// A body for a target whose good requests are these.
pub(crate) fn body(good: Vec<Value>, fields: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let good: Vec<Node> = good.iter().map(Node::from).collect();
    let changed = (prop::sample::select(good), vec((Change::any(fields), any::<Index>()), 0..5)).prop_map(
        |(mut request, changes)| {
            changes.iter().for_each(|(change, at)| change.apply(&mut request, *at));
            written(&request)
        },
    );
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        2 => odd::value().prop_map(|value| written(&value)),
        12 => (changed, vec(Slip::any(), 0..2)).prop_map(|(mut body, slips)| {
            slips.iter().for_each(|slip| slip.apply(&mut body));
            body
        }),
    ]
}

fn written(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    node.write(&mut out);
    out.truncate(BODY_MAX);
    out
}

/// A change to the bytes, whatever they mean.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slip {
    Nothing,
    Set(Index, u8),
    Insert(Index, u8),
    Cut(Index),
}

impl Slip {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            8 => Just(Self::Nothing),
            1 => any::<(Index, u8)>().prop_map(|(at, byte)| Self::Set(at, byte)),
            1 => any::<(Index, u8)>().prop_map(|(at, byte)| Self::Insert(at, byte)),
            1 => any::<Index>().prop_map(Self::Cut),
        ]
    }

    pub(crate) fn apply(self, body: &mut Vec<u8>) {
        if body.is_empty() {
            return;
        }
        match self {
            Self::Nothing => {}
            Self::Set(at, byte) => {
                let at = at.index(body.len());
                body[at] = byte;
            }
            Self::Insert(at, byte) => body.insert(at.index(body.len()), byte),
            Self::Cut(at) => body.truncate(at.index(body.len())),
        }
    }
}
