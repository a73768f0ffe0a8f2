//! JSON as it is written, which can say more than a value can hold: keys twice, numbers out of range, text that is none.

use serde_json::Value;

/// A piece of JSON.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// What stands there, to the letter: numbers, words, and whatever is no JSON.
    Raw(Vec<u8>),
    /// A text, between whose quotes these bytes stand.
    Text(Vec<u8>),
    Array(Vec<Node>),
    /// Keys with the bytes between their quotes, in their order; one may be there twice.
    Object(Vec<(Vec<u8>, Node)>),
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Raw(value.to_string().into_bytes()),
            Value::String(text) => Self::Text(quoted(text)),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(key, value)| (quoted(key), value.into())).collect())
            }
        }
    }
}

/// What stands between the quotes.
fn quoted(text: &str) -> Vec<u8> {
    let written = Value::String(text.to_owned()).to_string().into_bytes();
    written[1..written.len() - 1].to_vec()
}

impl Node {
    /// This piece and all in it.
    pub(crate) fn count(&self) -> usize {
        let inner: usize = match self {
            Self::Raw(_) | Self::Text(_) => 0,
            Self::Array(items) => items.iter().map(Self::count).sum(),
            Self::Object(fields) => fields.iter().map(|(_, value)| value.count()).sum(),
        };
        1 + inner
    }

    /// The piece of this number, the whole being 0, and what is in a piece behind it.
    pub(crate) fn at(&mut self, mut number: usize) -> Option<&mut Self> {
        if number == 0 {
            return Some(self);
        }
        number -= 1;
        let inner: Vec<&mut Self> = match self {
            Self::Raw(_) | Self::Text(_) => Vec::new(),
            Self::Array(items) => items.iter_mut().collect(),
            Self::Object(fields) => fields.iter_mut().map(|(_, value)| value).collect(),
        };
        for node in inner {
            let count = node.count();
            if number < count {
                return node.at(number);
            }
            number -= count;
        }
        None
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => out.extend_from_slice(bytes),
            Self::Text(bytes) => text(out, bytes),
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    out.extend_from_slice(if at > 0 { b"," } else { b"" });
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(fields) => {
                out.push(b'{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    out.extend_from_slice(if at > 0 { b"," } else { b"" });
                    text(out, key);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Node;

    #[test]
    fn a_value_is_written_as_it_was_and_every_piece_is_found() {
        let value = json!({"a": [1, "b\n\"", {"c": null}], "d": true});
        let mut node = Node::from(&value);
        let mut written = Vec::new();
        node.write(&mut written);
        assert_eq!(written, value.to_string().as_bytes());
        assert_eq!(node.count(), 7);
        for number in 0..7 {
            assert!(node.at(number).is_some(), "{number}");
        }
        assert!(node.at(7).is_none());
        let mut last = Vec::new();
        node.at(6).unwrap().write(&mut last);
        assert_eq!(last, b"true");
    }
}
