//! The head of a GGUF file: what it says of itself before its numbers begin.
//!
//! llama.cpp reads it as well, and ends the process on some of what can stand there. So it is read here first, as far as
//! somebody asks: numbers, texts and tokens are kept, and what nobody asks for is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The one list that is kept: the tokens of a vocabulary.
const TOKENS: &str = "tokenizer.ggml.tokens";
/// Magic and version.
const MAGIC_LEN: u64 = 8;
/// Dimensions that a tensor has at most.
const DIMENSIONS_MAX: u32 = 4;

/// What a file says of itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Head {
    pairs: BTreeMap<String, Value>,
    /// In the order of the file.
    pub(crate) tensors: Vec<Tensor>,
    /// The tokens of its vocabulary; empty where it has none.
    tokens: Vec<Vec<u8>>,
}

/// A value of the description.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A whole number of 16 or 32 bits.
    Whole(u32),
    /// A number of 32 bits.
    Real(f32),
    /// A text. Bytes that are no UTF-8 are replaced.
    Text(String),
    /// Of another kind. What it says was not kept.
    Other,
}

/// A tensor: its name, shape and kind, without its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// The fastest dimension first; those that are not written are 1.
    pub(crate) shape: [u64; DIMENSIONS_MAX as usize],
    /// How its numbers are written: 0 is `f32`, 1 is `f16`.
    pub(crate) kind: u32,
}

impl Head {
    /// Reads the head of a file that begins with the magic and a version from 2 on.
    ///
    /// # Errors
    /// Why it is not a head: it ends before it is complete, or says something that no head says.
    pub(crate) fn read(file: impl Read + Seek) -> Result<Self, String> {
        let mut reader = Reader::new(file).map_err(|error| error.to_string())?;
        reader.head().map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends inside its description".to_string(),
            _ => format!("its description is damaged: {error}"),
        })
    }

    /// What stands under a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.pairs.get(key)
    }

    /// The text under a key, where there is one.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The tokens as llama.cpp reads them: up to a NUL, and without those that are empty, to which it gives names.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        let read = |token: &'_ Vec<u8>| token.iter().position(|&byte| byte == 0).unwrap_or(token.len());
        self.tokens.iter().map(move |token| &token[..read(token)]).filter(|token| !token.is_empty())
    }

    /// A token that stands there twice, if one does.
    pub(crate) fn token_twice(&self) -> Option<&[u8]> {
        let mut seen = BTreeSet::new();
        self.tokens().find(|&token| !seen.insert(token))
    }
}

#[cfg(test)]
impl Head {
    /// A head that says this, with tensors of these names, shapes and kinds.
    pub(crate) fn of(pairs: &[(&str, Value)], tensors: &[(&str, [u64; 4], u32)]) -> Self {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_string(), value.clone())).collect();
        let tensor = |&(name, shape, kind): &(&str, _, _)| Tensor { name: name.to_string(), shape, kind };
        Self { pairs, tensors: tensors.iter().map(tensor).collect(), tokens: Vec::new() }
    }
}

struct Reader<F> {
    file: BufReader<F>,
    /// Bytes that are left. What claims to be longer is not believed, and no memory is taken for it.
    left: u64,
}

impl<F: Read + Seek> Reader<F> {
    fn new(mut file: F) -> io::Result<Self> {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(MAGIC_LEN))?;
        Ok(Self { file: BufReader::new(file), left: end.saturating_sub(MAGIC_LEN) })
    }

    fn head(&mut self) -> io::Result<Head> {
        let (n_tensors, n_pairs) = (self.u64()?, self.u64()?);
        let mut head = Head::default();
        for _ in 0..n_pairs {
            let key = self.text()?;
            let value = self.value(key == TOKENS, &mut head.tokens)?;
            if head.pairs.insert(key.clone(), value).is_some() {
                return Err(damaged(&format!("{key} stands there twice")));
            }
        }
        for _ in 0..n_tensors {
            let tensor = self.tensor()?;
            head.tensors.push(tensor);
        }
        Ok(head)
    }

    fn value(&mut self, is_tokens: bool, tokens: &mut Vec<Vec<u8>>) -> io::Result<Value> {
        match self.u32()? {
            2 => Ok(Value::Whole(u32::from(self.u16()?))),
            4 => Ok(Value::Whole(self.u32()?)),
            6 => Ok(Value::Real(f32::from_bits(self.u32()?))),
            8 => Ok(Value::Text(self.text()?)),
            9 => {
                let (kind, len) = (self.u32()?, self.u64()?);
                match width(kind) {
                    Some(width) => self.pass(len.saturating_mul(width))?,
                    None if kind == 8 => {
                        for _ in 0..len {
                            let text = self.bytes()?;
                            if is_tokens {
                                tokens.push(text);
                            }
                        }
                    }
                    None => return Err(damaged("a list of what cannot be listed")),
                }
                Ok(Value::Other)
            }
            kind => {
                let width = width(kind).ok_or_else(|| damaged("a value of no known kind"))?;
                self.pass(width)?;
                Ok(Value::Other)
            }
        }
    }

    fn tensor(&mut self) -> io::Result<Tensor> {
        let name = self.text()?;
        let n_dimensions = self.u32()?;
        if n_dimensions > DIMENSIONS_MAX {
            return Err(damaged(&format!("{name} has {n_dimensions} dimensions")));
        }
        let mut shape = [1; DIMENSIONS_MAX as usize];
        for len in shape.iter_mut().take(n_dimensions as usize) {
            *len = self.u64()?;
        }
        let kind = self.u32()?;
        self.pass(8)?;
        Ok(Tensor { name, shape, kind })
    }

    fn u16(&mut self) -> io::Result<u16> {
        let mut bytes = [0; 2];
        self.exactly(&mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.exactly(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.exactly(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn text(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let len = self.u64()?;
        if len > self.left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| damaged("a text longer than the memory"))?];
        self.exactly(&mut bytes)?;
        Ok(bytes)
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact(bytes)
    }

    fn pass(&mut self, len: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file.seek_relative(i64::try_from(len).map_err(|_| damaged("a list longer than files are"))?)
    }
}

/// Bytes of a value of a kind that has a fixed length.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{Head, Tensor, Value};

    fn text(text: &[u8]) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text].concat()
    }

    fn pair(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
        [&text(key.as_bytes()), &kind.to_le_bytes()[..], value].concat()
    }

    fn list(kind: u32, items: &[Vec<u8>]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &(items.len() as u64).to_le_bytes(), &items.concat()].concat()
    }

    fn tensor(name: &str, shape: &[u64], kind: u32) -> Vec<u8> {
        let shape: Vec<u8> = shape.iter().flat_map(|len| len.to_le_bytes()).collect();
        let n_dimensions = u32::try_from(shape.len() / 8).unwrap();
        [&text(name.as_bytes()), &n_dimensions.to_le_bytes()[..], &shape, &kind.to_le_bytes(), &[0; 8]].concat()
    }

    fn file(pairs: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
        let counts = [tensors.len() as u64, pairs.len() as u64].map(u64::to_le_bytes).concat();
        [b"GGUF\x03\0\0\0", &counts[..], &pairs.concat(), &tensors.concat()].concat()
    }

    fn small() -> Vec<u8> {
        let tokens = [b"a".to_vec(), b"".to_vec(), b"b\0c".to_vec(), b"".to_vec(), b"\0".to_vec()];
        let pairs = [
            pair("whole", 4, &7_u32.to_le_bytes()),
            pair("short", 2, &513_u16.to_le_bytes()),
            pair("real", 6, &0.5_f32.to_le_bytes()),
            pair("text", 8, &text("é".as_bytes())),
            pair("byte", 0, &[1]),
            pair("long", 12, &[0; 8]),
            pair("numbers", 9, &list(5, &[vec![0; 4], vec![0; 4]])),
            pair("tokenizer.ggml.tokens", 9, &list(8, &tokens.map(|token| text(&token)))),
            pair("others", 9, &list(8, &[text(b"a"), text(b"a")])),
        ];
        file(&pairs, &[tensor("t", &[3, 5], 1), tensor("u", &[], 0)])
    }

    #[test]
    fn what_a_file_says_of_itself_is_read() {
        let head = Head::read(Cursor::new(small())).expect("a head");
        assert_eq!(head.get("whole"), Some(&Value::Whole(7)));
        assert_eq!(head.get("short"), Some(&Value::Whole(513)));
        assert_eq!(head.get("real"), Some(&Value::Real(0.5)));
        assert_eq!(head.text("text"), Some("é"));
        assert_eq!((head.get("byte"), head.text("whole"), head.get("none")), (Some(&Value::Other), None, None));
        let tensors = [("t", [3, 5, 1, 1], 1), ("u", [1; 4], 0)];
        let tensors = tensors.map(|(name, shape, kind)| Tensor { name: name.into(), shape, kind });
        assert_eq!(head.tensors, tensors);
        assert_eq!(head.tokens().collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(head.token_twice(), None);
    }

    /// Tokens are compared as they are read: what follows a NUL does not tell them apart.
    #[test]
    fn a_token_that_stands_there_twice_is_found() {
        for (tokens, twice) in [([&b"a"[..], b"b", b"a"], &b"a"[..]), ([b"x\0y", b"z", b"x"], b"x")] {
            let tokens = pair("tokenizer.ggml.tokens", 9, &list(8, &tokens.map(text)));
            let head = Head::read(Cursor::new(file(&[tokens], &[]))).expect("a head");
            assert_eq!(head.token_twice(), Some(twice));
        }
    }

    /// Wherever it ends, and whatever length it claims, it is refused, and takes no memory for what is not there.
    #[test]
    fn a_head_that_is_cut_or_lies_is_refused() {
        let whole = small();
        for len in 8..whole.len() {
            let refused = Head::read(Cursor::new(&whole[..len])).expect_err("it is cut");
            assert!(refused.contains("ends inside"), "{len}: {refused}");
        }
        let huge = u64::MAX.to_le_bytes();
        let endless = |kind: u32| pair("k", 9, &[&kind.to_le_bytes()[..], &huge].concat());
        let cases = [
            pair("k", 8, &huge),
            endless(8),
            endless(0),
            endless(12),
            endless(9),
            pair("k", 13, &[0; 8]),
            [pair("k", 0, &[1]), pair("k", 0, &[1])].concat(),
        ];
        for (n, case) in cases.into_iter().enumerate() {
            let counts = [0_u64, 1 + u64::from(n == 6)].map(u64::to_le_bytes).concat();
            let file = [b"GGUF\x03\0\0\0", &counts[..], &case].concat();
            assert!(Head::read(Cursor::new(file)).is_err(), "{n}");
        }
        let five = file(&[], &[tensor("t", &[1; 5], 0)]);
        assert!(Head::read(Cursor::new(five)).expect_err("five dimensions").contains("5 dimensions"));
    }
}
