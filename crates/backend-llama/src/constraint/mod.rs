//! What an answer must look like: JSON, JSON of a schema, or text of a grammar.
//!
//! [`llguidance`] says which tokens may follow. It was chosen over llama.cpp's own grammars, to which schemas are
//! translated there, because
//! - it is Rust: a grammar that nothing satisfies, or a token fed twice, is an error, where the other ends the process;
//! - its parser works in time bounded by limits, where the other keeps one stack for each way to read the text so far,
//!   and `e ::= "a" e "b" | "a" e "c" | "a"` doubles them with every letter;
//! - it refuses a schema that it does not understand and names the keyword, where the other warns on stderr and goes on.
//!
//! A constraint is compiled before its request waits for a lane, and kept for the next request that has it.

mod cache;
mod gbnf;
mod guard;
mod lark;
mod schema;
mod tokens;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use backend::Constraint;
use llama_cpp_2::model::LlamaModel;
use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};

use self::cache::Cache;
pub(crate) use self::guard::Guard;
pub(crate) use self::lark::quoted;
pub(crate) use self::schema::{read as read_schema, with_options};

/// Bytes that a grammar or a schema may have.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// How deep brackets may nest in one.
pub(crate) const DEPTH_MAX: usize = 64;

/// The stack for compiling. It is recursive, and rules can refer to one another as often as a text of 64 KiB has room
/// for; the memory is taken only when it is used.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Earley items that one step may make. It takes 50 ms at most, and a grammar in characters needs more of them than a
/// schema, whose strings and numbers are one item each.
const STEP_ITEMS_MAX: usize = 1_000_000;

/// The constraints of one model's answers.
pub(crate) struct Constraints {
    model: Arc<LlamaModel>,
    /// Made for the first request that needs it: it reads the whole vocabulary.
    factory: OnceLock<Result<Factory, String>>,
    compiled: Mutex<Cache<Form, Matcher>>,
}

struct Factory(ParserFactory);

/// What can be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// What a client asked for.
    Asked(Constraint),
    /// A grammar of our own, in llguidance's Lark.
    Own(String),
}

impl std::fmt::Debug for Constraints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraints").finish_non_exhaustive()
    }
}

impl Constraints {
    pub(crate) fn new(model: Arc<LlamaModel>) -> Self {
        Self { model, factory: OnceLock::new(), compiled: Mutex::new(Cache::new()) }
    }

    /// A guard for one answer. Compiles the form unless it did so lately, which takes milliseconds.
    ///
    /// # Errors
    /// Why no answer could be made to look like that, for the one who asked for it.
    pub(crate) fn guard(&self, form: &Form) -> Result<Guard, String> {
        let known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(form);
        let matcher = match known {
            Some(matcher) => matcher,
            None => {
                let matcher = self.compile(form)?;
                let kept = matcher.deep_clone();
                // Two that compile the same at a time both keep it; the second replaces the first.
                self.compiled.lock().unwrap_or_else(PoisonError::into_inner).insert(form.clone(), kept);
                matcher
            }
        };
        Ok(Guard::new(matcher))
    }

    fn compile(&self, form: &Form) -> Result<Matcher, String> {
        let compiling = || {
            let factory = self.factory.get_or_init(|| Factory::new(&self.model)).as_ref().map_err(Clone::clone)?;
            factory.compile(form, &self.model)
        };
        thread::scope(|scope| {
            let spawned = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, compiling);
            let compiling = spawned.map_err(|error| format!("no thread could be started for it: {error}"))?;
            compiling.join().unwrap_or_else(|_| Err("it could not be compiled".to_string()))
        })
    }
}

impl Factory {
    fn new(model: &LlamaModel) -> Result<Self, String> {
        let tokens = tokens::environment(model)?;
        // The simple one forces no token and takes none back: the model chooses each.
        let mut parsers = ParserFactory::new_simple(&tokens).map_err(|error| error.to_string())?;
        parsers.quiet();
        let limits = parsers.limits_mut();
        limits.verbose_errors = false;
        limits.step_max_items = STEP_ITEMS_MAX;
        Ok(Self(parsers))
    }

    fn compile(&self, form: &Form, model: &LlamaModel) -> Result<Matcher, String> {
        let grammar = match form {
            Form::Asked(Constraint::JsonObject) => schema::any_object(),
            Form::Asked(Constraint::JsonSchema(text)) => schema::grammar(text)?,
            Form::Asked(Constraint::Grammar(text)) => {
                let token = |text: &str| tokens::named(model, text);
                TopLevelGrammar::from_lark(lark::write(&gbnf::parse(text, &token)?)?)
            }
            Form::Own(lark) => TopLevelGrammar::from_lark(lark.clone()),
        };
        let parser = self.0.create_parser(grammar).map_err(|error| schema::explain(&error.to_string()))?;
        let matcher = Matcher::new(Ok(parser));
        match matcher.get_error() {
            Some(error) => Err(schema::explain(&error)),
            None => Ok(matcher),
        }
    }
}
