//! API keys: who has which, and whose one is.
//!
//! Only digests are kept. They have one length, so that comparing them in constant time tells nothing of a key, not even
//! how long it is.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use subtle::{ConditionallySelectable, ConstantTimeEq};

/// The variable that keys can stand in.
pub(crate) const VARIABLE: &str = "EDISON_API_KEYS";

/// The shortest key: a shorter one can be guessed.
const KEY_LEN_MIN: usize = 16;

/// The longest key, so that nobody hashes a header of any length.
const KEY_LEN_MAX: usize = 512;

/// The longest name.
const NAME_LEN_MAX: usize = 64;

/// The API keys of a server, each with the name of whoever has it. A cheap handle. Without any, everybody is served.
#[derive(Clone, Default)]
pub struct ApiKeys(Arc<[Key]>);

#[derive(Clone)]
struct Key {
    name: Box<str>,
    digest: [u8; blake3::OUT_LEN],
}

/// Names only: a key is never shown.
impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

impl ApiKeys {
    /// Reads `NAME=KEY`, one on a line or several with commas between them. What follows a `#` at the beginning of a line
    /// is a comment. A name may have several keys, so that one can be changed without a gap.
    ///
    /// # Errors
    /// A sentence for each problem, with its line and without its key. That there is no key at all is a problem, too:
    /// whoever names a file of keys does not want everybody to be served.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut keys = Vec::new();
        let mut taken = BTreeSet::new();
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with('#'));
        let entries = lines.flat_map(|(number, line)| line.split(',').map(move |entry| (number, entry.trim())));
        for (number, entry) in entries.filter(|(_, entry)| !entry.is_empty()) {
            match Key::parse(entry) {
                Ok(key) if taken.insert(key.digest) => keys.push(key),
                Ok(key) => problems.push(format!("line {number}: the key of {} stands there twice", key.name)),
                Err(problem) => problems.push(format!("line {number}: {problem}")),
            }
        }
        if keys.is_empty() && problems.is_empty() {
            problems.push("there is no key; write NAME=KEY, one on a line".to_owned());
        }
        if problems.is_empty() { Ok(Self(keys.into())) } else { Err(problems) }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0.iter().chain(&*other.0).cloned().collect())
    }

    /// Whether everybody is served.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key this is. Takes the same time for every key of one length, whether it is known or not.
    pub(crate) fn owner(&self, presented: &[u8]) -> Option<&str> {
        if presented.len() > KEY_LEN_MAX {
            return None;
        }
        let digest = blake3::hash(presented);
        // One beyond the last stands for nobody. All are looked at: to stop at the first would tell which it is.
        let mut found = self.0.len() as u64;
        for (index, key) in (0..).zip(&*self.0) {
            found.conditional_assign(&index, key.digest.ct_eq(digest.as_bytes()));
        }
        self.0.get(found as usize).map(|key| &*key.name)
    }
}

impl Key {
    fn parse(entry: &str) -> Result<Self, String> {
        let (name, key) = entry.split_once('=').ok_or("must be NAME=KEY")?;
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=NAME_LEN_MAX).contains(&name.len()) || !is_visible(name) {
            return Err(format!("a name must have 1 to {NAME_LEN_MAX} visible ASCII characters without spaces"));
        }
        if !(KEY_LEN_MIN..=KEY_LEN_MAX).contains(&key.len()) || !is_visible(key) {
            let length = format!("{KEY_LEN_MIN} to {KEY_LEN_MAX}");
            return Err(format!("the key of {name} must have {length} visible ASCII characters without spaces"));
        }
        Ok(Self { name: name.into(), digest: *blake3::hash(key.as_bytes()).as_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKeys;

    const ALICE: &str = "0123456789abcdef";
    const BOB: &str = "fedcba9876543210=";

    #[test]
    fn every_key_has_its_owner_and_no_other_text_has_one() {
        let text = format!("# people\n alice={ALICE}\n\nbob={BOB}, alice=another-key-of-hers\n");
        let keys = ApiKeys::parse(&text).expect("good keys");
        assert_eq!(keys.owner(ALICE.as_bytes()), Some("alice"));
        assert_eq!(keys.owner(BOB.as_bytes()), Some("bob"), "a key may hold an equals sign");
        assert_eq!(keys.owner(b"another-key-of-hers"), Some("alice"));
        for other in ["", "0123456789abcde", "0123456789abcdef0", "alice", &"x".repeat(10_000)] {
            assert_eq!(keys.owner(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn neither_what_is_shown_nor_a_problem_holds_a_key() {
        let keys = ApiKeys::parse(&format!("alice={ALICE}")).expect("a good key");
        assert_eq!(format!("{keys:?}"), "[\"alice\"]");
        let text = format!("alice={ALICE}\nbob={ALICE}\ncarol=too-short\n{BOB}x\n=0123456789abcdefg\nd d={ALICE}");
        let problems = ApiKeys::parse(&text).expect_err("five problems");
        let lines: Vec<_> = problems.iter().map(|problem| &problem[..7]).collect();
        assert_eq!(lines, ["line 2:", "line 3:", "line 4:", "line 5:", "line 6:"], "{problems:?}");
        let said = problems.concat();
        assert!(!said.contains(ALICE) && !said.contains("too-short") && !said.contains(BOB), "{said}");
    }

    /// An empty file would otherwise let everybody in.
    #[test]
    fn no_key_at_all_is_a_problem() {
        for text in ["", "\n", "# alice=0123456789abcdef", " , ,"] {
            assert!(ApiKeys::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn keys_of_two_places_count_together() {
        let [a, b] =
            [("a", ALICE), ("b", BOB)].map(|(name, key)| ApiKeys::parse(&format!("{name}={key}")).expect("one"));
        let both = ApiKeys::default().and(a).and(b);
        assert_eq!((both.owner(ALICE.as_bytes()), both.owner(BOB.as_bytes())), (Some("a"), Some("b")));
    }
}
