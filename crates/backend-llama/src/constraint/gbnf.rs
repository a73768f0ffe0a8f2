//! llama.cpp's grammar notation, read into rules.
//!
//! ```text
//! root  ::= item ("," " "? item)*      # names, strings, classes, groups, * + ? {n} {n,} {n,m}
//! item  ::= [a-z]+ | "\u00e9" | .      # . is any character
//! think ::= <think> !</think>*         # <text> and <[17]> are tokens, and ! means any other one
//! ```

use std::collections::BTreeMap;

use backend::TokenId;

use super::{DEPTH_MAX, TEXT_BYTES_MAX};

/// How often something may be repeated, as in llama.cpp.
const REPEAT_MAX: u32 = 2000;

/// A grammar. The rule at 0 is the root, and references point into the list.
#[derive(Debug, PartialEq)]
pub(super) struct Grammar {
    pub(super) rules: Vec<Choice>,
}

/// Alternatives, at least one, each a sequence that may be empty.
pub(super) type Choice = Vec<Vec<Item>>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A character of these ranges, or of none of them.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// Any character.
    Any,
    Rule(usize),
    Group(Choice),
    Repeat(Box<Item>, u32, Option<u32>),
    /// This token, or any other.
    Token {
        negated: bool,
        token: TokenId,
    },
}

/// Reads a grammar. `token` finds the token of a text like `<think>`.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn parse(text: &str, token: &dyn Fn(&str) -> Option<TokenId>) -> Result<Grammar, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("the grammar has {} bytes, of {TEXT_BYTES_MAX} that it may have", text.len()));
    }
    let mut parser = Parser { text, at: 0, depth: 0, names: BTreeMap::new(), token };
    let rules = parser.rules();
    let line = text[..parser.at].lines().count().max(1);
    let rules = rules.map_err(|error| format!("the grammar is wrong in line {line}: {error}"))?;
    parser.link(rules)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The number of each name, by its first occurrence. The root is 0.
    names: BTreeMap<&'a str, usize>,
    token: &'a dyn Fn(&str) -> Option<TokenId>,
}

impl<'a> Parser<'a> {
    fn rules(&mut self) -> Result<BTreeMap<usize, Choice>, String> {
        self.names.insert("root", 0);
        let mut rules = BTreeMap::new();
        self.blanks(true);
        while self.peek().is_some() {
            let name = self.name()?;
            let number = self.number_of(name);
            self.blanks(false);
            self.expect("::=")?;
            self.blanks(true);
            let choice = self.choice(false)?;
            // A later rule replaces an earlier one of its name, as in llama.cpp.
            rules.insert(number, choice);
            if self.peek().is_some_and(|c| !matches!(c, '\n' | '\r')) {
                return Err("expected the end of the line".to_string());
            }
            self.blanks(true);
        }
        Ok(rules)
    }

    fn link(&self, mut rules: BTreeMap<usize, Choice>) -> Result<Grammar, String> {
        let missing = self.names.iter().find(|(_, number)| !rules.contains_key(number));
        if let Some((name, _)) = missing {
            return Err(format!("the grammar has no rule {name}"));
        }
        Ok(Grammar { rules: (0..self.names.len()).filter_map(|number| rules.remove(&number)).collect() })
    }

    fn number_of(&mut self, name: &'a str) -> usize {
        let next = self.names.len();
        *self.names.entry(name).or_insert(next)
    }

    fn choice(&mut self, nested: bool) -> Result<Choice, String> {
        let mut choice = vec![self.sequence(nested)?];
        while self.eat('|') {
            self.blanks(true);
            choice.push(self.sequence(nested)?);
        }
        Ok(choice)
    }

    fn sequence(&mut self, nested: bool) -> Result<Vec<Item>, String> {
        let mut items: Vec<Item> = Vec::new();
        // Where the latest item begins: a string is several, and is repeated as a whole.
        let mut latest = None;
        while let Some(c) = self.peek() {
            match c {
                '*' | '+' | '?' | '{' => {
                    let (min, max) = self.times()?;
                    let begin: usize = latest.ok_or("there is nothing to repeat")?;
                    let repeated = items.split_off(begin);
                    let one = match <[Item; 1]>::try_from(repeated) {
                        Ok([item]) => item,
                        Err(several) => Item::Group(vec![several]),
                    };
                    items.push(Item::Repeat(Box::new(one), min, max));
                }
                '"' | '[' | '(' | '.' | '<' | '!' => {
                    latest = Some(items.len());
                    self.item(c, &mut items)?;
                }
                c if is_name(c) => {
                    latest = Some(items.len());
                    let name = self.name()?;
                    let number = self.number_of(name);
                    items.push(Item::Rule(number));
                }
                _ => break,
            }
            self.blanks(nested);
        }
        Ok(items)
    }

    fn item(&mut self, begin: char, items: &mut Vec<Item>) -> Result<(), String> {
        match begin {
            '"' => self.string(items)?,
            '[' => items.push(self.class()?),
            '(' => items.push(self.group()?),
            '.' => {
                self.eat('.');
                items.push(Item::Any);
            }
            _ => {
                let negated = self.eat('!');
                items.push(Item::Token { negated, token: self.token()? });
            }
        }
        Ok(())
    }

    fn group(&mut self) -> Result<Item, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("brackets nest more than {DEPTH_MAX} deep"));
        }
        self.eat('(');
        self.blanks(true);
        let choice = self.choice(true)?;
        self.expect(")")?;
        self.depth -= 1;
        Ok(Item::Group(choice))
    }

    fn string(&mut self, items: &mut Vec<Item>) -> Result<(), String> {
        self.eat('"');
        while !self.eat('"') {
            let c = self.character()?;
            items.push(Item::Class { negated: false, ranges: vec![(c, c)] });
        }
        Ok(())
    }

    fn class(&mut self) -> Result<Item, String> {
        self.eat('[');
        let negated = self.eat('^');
        let mut ranges = Vec::new();
        while !self.eat(']') {
            let first = self.character()?;
            // A `-` before the closing bracket stands for itself.
            let to = self.text[self.at..].starts_with('-') && !self.text[self.at..].starts_with("-]");
            let last = if to && self.eat('-') { self.character()? } else { first };
            if last < first {
                return Err(format!("the range {first}-{last} goes backwards"));
            }
            ranges.push((first, last));
        }
        if ranges.is_empty() && !negated {
            return Err("a class without characters, which nothing can be".to_string());
        }
        Ok(if ranges.is_empty() { Item::Any } else { Item::Class { negated, ranges } })
    }

    /// A character of a string or class.
    fn character(&mut self) -> Result<char, String> {
        let c = self.next().ok_or("the text ends inside")?;
        if c != '\\' {
            return Ok(c);
        }
        let escape = self.next().ok_or("the text ends inside")?;
        match escape {
            't' => Ok('\t'),
            'r' => Ok('\r'),
            'n' => Ok('\n'),
            '\\' | '"' | '[' | ']' => Ok(escape),
            'x' => self.hex(2),
            'u' => self.hex(4),
            'U' => self.hex(8),
            other => Err(format!("unknown escape \\{other}")),
        }
    }

    fn hex(&mut self, n_digits: usize) -> Result<char, String> {
        let digits = self.text[self.at..].get(..n_digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or_else(|| format!("expected {n_digits} hexadecimal digits"))?;
        self.at += n_digits;
        let value = u32::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
        char::from_u32(value).ok_or_else(|| format!("{digits} is no character"))
    }

    fn token(&mut self) -> Result<TokenId, String> {
        let rest = &self.text[self.at..];
        let end = rest.find('>').filter(|_| rest.starts_with('<')).ok_or("expected a token like <think>")?;
        let text = &rest[..=end];
        self.at += text.len();
        let number = text.strip_prefix("<[").and_then(|text| text.strip_suffix("]>"));
        let token = match number {
            Some(number) => number.parse().ok(),
            None => (self.token)(text),
        };
        token.ok_or_else(|| format!("{text} is no token of this model"))
    }

    fn times(&mut self) -> Result<(u32, Option<u32>), String> {
        match self.next() {
            Some('*') => return Ok((0, None)),
            Some('+') => return Ok((1, None)),
            Some('?') => return Ok((0, Some(1))),
            _ => {}
        }
        self.blanks(true);
        let min = self.number()?;
        self.blanks(true);
        let max = if self.eat(',') {
            self.blanks(true);
            if self.peek().is_some_and(|c| c.is_ascii_digit()) { Some(self.number()?) } else { None }
        } else {
            Some(min)
        };
        self.blanks(true);
        self.expect("}")?;
        match max {
            Some(max) if max < min => Err(format!("{{{min},{max}}} goes backwards")),
            max => Ok((min, max)),
        }
    }

    fn number(&mut self) -> Result<u32, String> {
        let rest = &self.text[self.at..];
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
        let number = digits.parse::<u32>().ok().filter(|&n| n <= REPEAT_MAX);
        self.at += digits.len();
        number.ok_or_else(|| format!("expected a number up to {REPEAT_MAX}"))
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let rest = &self.text[self.at..];
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        self.at += name.len();
        if name.is_empty() { Err("expected a name".to_string()) } else { Ok(name) }
    }

    /// Skips blanks and comments, and line ends where these mean nothing.
    fn blanks(&mut self, lines: bool) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => {}
                '\n' | '\r' if lines => {}
                '#' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                    continue;
                }
                _ => break,
            }
            self.at += 1;
        }
    }

    fn expect(&mut self, what: &str) -> Result<(), String> {
        if !self.text[self.at..].starts_with(what) {
            return Err(format!("expected {what}"));
        }
        self.at += what.len();
        Ok(())
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}
