//! From prompts to tokens, beside the lane.

mod borders;
mod feed;
mod pairs;
mod runs;

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use async_trait::async_trait;
use backend::{
    Chat, ChatMessage, EncodedPrompt, GenerateOptions, IMAGE_TOKENS, Image, Prompt, PromptEncoder, PromptError,
    SavedStates, TokenId, Tool, ToolChoice,
};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use tokio::sync::Semaphore;

pub(crate) use self::borders::Borders;
use self::feed::{Feed, Stop};
pub(crate) use self::pairs::PairFormat;
use crate::answering::Answerer;
use crate::engine::{CancelFlag, CancelOnDrop, SavedCounts};
use crate::pictures::{Marks, Stretch};
use crate::projector::Projector;
use crate::specials::{ControlTexts, Piece, placeholders};
use crate::template::{ChatTemplate, Input};

/// Prompts up to this many bytes are encoded where the caller is, and longer ones on a thread for blocking work.
/// Measured, a KiB takes 0.1 ms to render and 0.3 to 1 ms to tokenise; handing it over takes some ten microseconds.
const INLINE_BYTES: usize = 2 * 1024;
/// What rendering a message costs beside its text, in bytes of text.
const MESSAGE_BYTES: usize = 32;
/// A text that is only to be counted may be this many contexts long.
const CONTEXTS_MAX: usize = 16;

/// What encoding needs of a model. None of it changes, so any number of threads may use it.
pub(crate) struct Vocabulary {
    /// Keeps the weights loaded for as long as somebody may encode.
    pub(crate) model: Arc<LlamaModel>,
    /// Knows what can be asked of an answer.
    pub(crate) answerer: Arc<Answerer>,
    /// Measures pictures, where the model sees.
    pub(crate) projector: Option<Arc<Projector>>,
    /// What the engines tell of what they saved.
    pub(crate) saved_counts: Arc<SavedCounts>,
    /// `None` where the model has no template, `Err` where it has one that does not compile.
    pub(crate) template: Option<Result<ChatTemplate, String>>,
    pub(crate) controls: ControlTexts,
    pub(crate) borders: Borders,
    /// The most bytes of text that one token stands for, where it is known that none go without.
    pub(crate) token_bytes_max: Option<usize>,
    /// The token that begins every text, where the model wants one.
    pub(crate) bos: Option<LlamaToken>,
    /// How it is shown a query and a document, where it ranks.
    pub(crate) pairs: Option<PairFormat>,
    /// Whether the tokenizer splits text into words first, and so must not see endless ones.
    pub(crate) splits_words: bool,
    pub(crate) context_len: u32,
    /// Calls of the tokenizer so far.
    #[cfg(test)]
    pub(crate) n_calls: std::sync::atomic::AtomicUsize,
}

/// The [`PromptEncoder`] of an instance.
pub(crate) struct LlamaEncoder {
    pub(crate) vocabulary: Arc<Vocabulary>,
    /// For long prompts: one while it is encoded.
    permits: Arc<Semaphore>,
}

/// As many long prompts are encoded at a time as there are cores, whatever models they are for. More would take
/// no less time, and the cores from everybody else.
static PERMITS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))));

impl LlamaEncoder {
    pub(crate) fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary: Arc::new(vocabulary), permits: Arc::clone(&PERMITS) }
    }
}

#[async_trait]
impl PromptEncoder for LlamaEncoder {
    /// # Cancel safety
    /// Dropping the future ends the work: at once where it waits for its turn, else at the next piece of a few KiB.
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        self.work(cost(&prompt), |vocabulary, cancelled| vocabulary.encode(prompt, cancelled)).await
    }

    /// # Cancel safety
    /// Dropping the future does not end the work, which is a matter of milliseconds.
    async fn check(&self, prompt: &EncodedPrompt, options: &GenerateOptions) -> Result<(), PromptError> {
        // Only what is compiled takes more than a look.
        let forced =
            matches!(&prompt.prompt, Prompt::Chat(chat) if chat.may_call() && chat.tool_choice != ToolChoice::Auto);
        let cost = if options.constraint.is_some() || forced { usize::MAX } else { 0 };
        let refuse = |reason| PromptError::Options { reason };
        if cost == 0 {
            return self.vocabulary.answerer.check(prompt, options).map_err(refuse);
        }
        let (prompt, options) = (prompt.clone(), options.clone());
        self.work(cost, move |vocabulary, _| vocabulary.answerer.check(&prompt, &options).map_err(refuse)).await
    }

    fn saved_states(&self) -> SavedStates {
        self.vocabulary.saved_counts.told()
    }

    /// # Cancel safety
    /// As of [`encode`](PromptEncoder::encode), but the template runs to its end.
    async fn render(&self, chat: Chat) -> Result<String, PromptError> {
        let prompt = Prompt::Chat(chat);
        self.work(cost(&prompt), move |vocabulary, _| vocabulary.render(&prompt)).await
    }

    /// # Cancel safety
    /// As of [`encode`](PromptEncoder::encode).
    async fn tokenize(&self, text: String, specials: bool, as_prompt: bool) -> Result<Vec<TokenId>, PromptError> {
        self.work(text.len(), move |vocabulary, cancelled| vocabulary.count_out(&text, specials, as_prompt, cancelled))
            .await
    }

    async fn token_bytes(&self, tokens: Vec<TokenId>) -> Result<Vec<Vec<u8>>, PromptError> {
        self.work(tokens.len(), move |vocabulary, _| vocabulary.token_bytes(&tokens)).await
    }
}

impl LlamaEncoder {
    /// Does work that costs as much as encoding `cost` bytes: here where that is little, else on a thread of its own.
    async fn work<T: Send + 'static>(
        &self,
        cost: usize,
        work: impl FnOnce(&Vocabulary, &CancelFlag) -> Result<T, PromptError> + Send + 'static,
    ) -> Result<T, PromptError> {
        let (_cancel, cancelled) = CancelOnDrop::new();
        if cost <= INLINE_BYTES {
            return work(&self.vocabulary, &cancelled);
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("nobody closes it");
        let vocabulary = Arc::clone(&self.vocabulary);
        let working = tokio::task::spawn_blocking(move || {
            // Here and not with the caller, who may leave before the work has ended.
            let _permit = permit;
            work(&vocabulary, &cancelled)
        });
        working.await.unwrap_or_else(|error| Err(PromptError::Failed { reason: error.to_string() }))
    }
}

fn cost(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Pair(pair) => pair.query.len() + pair.document.len(),
        // To measure a picture takes long, and may have to wait for another one.
        Prompt::Chat(chat) if chat.images().next().is_some() => usize::MAX,
        Prompt::Chat(chat) => {
            let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            let message = |message: &ChatMessage| {
                let calls: usize = message.tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
                message.content.len() + optional(&message.reasoning) + calls + MESSAGE_BYTES
            };
            let tool = |tool: &Tool| optional(&tool.description) + optional(&tool.parameters) + MESSAGE_BYTES;
            chat.messages.iter().map(message).sum::<usize>() + chat.tools.iter().map(tool).sum::<usize>()
        }
    }
}

impl Vocabulary {
    fn encode(&self, prompt: Prompt, cancelled: &CancelFlag) -> Result<EncodedPrompt, PromptError> {
        if cancelled.is_set() {
            return Err(self.refusal(&Stop::Cancelled));
        }
        let mut tokens = match &prompt {
            // The author of a raw prompt writes control tokens to mean them.
            Prompt::Text(text) => self.tokenize(&[Piece::Rendered(text)], cancelled)?,
            Prompt::Pair(pair) => self.pair(pair, cancelled)?,
            Prompt::Chat(Chat { messages, .. }) if messages.is_empty() => Vec::new(),
            Prompt::Chat(chat) => self.chat(chat, cancelled)?,
        };
        if tokens.is_empty() {
            return Err(PromptError::Empty);
        }
        // Some templates write the token themselves; a second one would be read as an empty text before this one.
        let begins = !matches!(prompt, Prompt::Pair(_));
        if let Some(bos) = self.bos.filter(|bos| begins && tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        if tokens.len() >= self.context_len as usize {
            return Err(self.refusal(&Stop::Full { n_at_least: tokens.len() }));
        }
        let tokens = tokens.into_iter().map(id).collect();
        Ok(EncodedPrompt { prompt, tokens })
    }

    fn chat(&self, chat: &Chat, cancelled: &CancelFlag) -> Result<Vec<LlamaToken>, PromptError> {
        let template = self.template()?;
        let mut input = template.input(chat);
        let pictures: Vec<&Image> = chat.images().collect();
        if pictures.is_empty() {
            return self.rendered(template, input, |pieces| self.tokenize(pieces, cancelled));
        }
        let marks = Marks::new(placeholders(&[&mut input.messages, &mut input.tools]), pictures.len());
        let marks = marks.map_err(|error| PromptError::Picture { reason: error.to_string() })?;
        let input = template.input(&marks.set(chat));
        self.rendered(template, input, |pieces| self.tokenize_with_pictures(pieces, &marks, &pictures, cancelled))
    }

    /// Renders what a template is given, and hands on what the tokenizer is to make of the text.
    fn rendered(
        &self,
        template: &ChatTemplate,
        mut input: Input,
        tokenize: impl FnOnce(&[Piece<'_>]) -> Result<Vec<LlamaToken>, PromptError>,
    ) -> Result<Vec<LlamaToken>, PromptError> {
        let refuse = |reason: String| PromptError::Template { reason };
        // Not judged by their length before rendering: many templates leave out what an answer thought before it spoke.
        let quoted = self.controls.quote(&mut [&mut input.messages, &mut input.tools]);
        let quoted = quoted.map_err(|error| refuse(error.to_string()))?;
        let rendered = template.render(&input).map_err(refuse)?;
        match quoted {
            None => tokenize(&[Piece::Rendered(&rendered)]),
            Some(quoted) => tokenize(&quoted.pieces(&rendered)),
        }
    }

    /// Tokenises what stands between the pictures, and leaves each of them the room that it takes.
    fn tokenize_with_pictures(
        &self,
        pieces: &[Piece<'_>],
        marks: &Marks,
        pictures: &[&Image],
        cancelled: &CancelFlag,
    ) -> Result<Vec<LlamaToken>, PromptError> {
        let mut tokens = Vec::new();
        let mut text = Vec::new();
        for &piece in pieces {
            let Piece::Rendered(rendered) = piece else {
                text.push(piece);
                continue;
            };
            for stretch in marks.cut(rendered) {
                match stretch {
                    Stretch::Text(stretch) => text.push(Piece::Rendered(stretch)),
                    Stretch::Picture(number) => {
                        tokens.append(&mut self.tokenize(&std::mem::take(&mut text), cancelled)?);
                        tokens.extend(self.picture(number, pictures[number], tokens.len())?);
                    }
                }
            }
        }
        tokens.append(&mut self.tokenize(&text, cancelled)?);
        Ok(tokens)
    }

    /// The room that a picture takes after this many tokens.
    fn picture(
        &self,
        number: usize,
        image: &Image,
        n_before: usize,
    ) -> Result<impl Iterator<Item = LlamaToken> + use<>, PromptError> {
        let refuse = |reason: String| PromptError::Picture { reason };
        let projector = self.projector.as_ref().ok_or_else(|| refuse("the model does not see".to_string()))?;
        let n_tokens = projector.n_tokens(image).map_err(refuse)?;
        if n_before + n_tokens >= self.context_len as usize {
            return Err(self.refusal(&Stop::Full { n_at_least: n_before + n_tokens }));
        }
        let number = TokenId::try_from(number).expect("a prompt has far fewer pictures");
        let token = LlamaToken::new((IMAGE_TOKENS + number).cast_signed());
        Ok(std::iter::repeat_n(token, n_tokens))
    }

    fn render(&self, prompt: &Prompt) -> Result<String, PromptError> {
        match prompt {
            Prompt::Text(text) => Ok(text.clone()),
            // Nobody asks for the text of one.
            Prompt::Pair(pair) => Ok(format!("{}\n{}", pair.query, pair.document)),
            Prompt::Chat(chat) => {
                let template = self.template()?;
                template.render(&template.input(chat)).map_err(|reason| PromptError::Template { reason })
            }
        }
    }

    /// The tokens of a text that need not fit the context, only a number of contexts.
    fn count_out(
        &self,
        text: &str,
        specials: bool,
        as_prompt: bool,
        cancelled: &CancelFlag,
    ) -> Result<Vec<TokenId>, PromptError> {
        let piece = if specials { Piece::Rendered(text) } else { Piece::Literal(text) };
        let full = (self.context_len as usize).saturating_mul(CONTEXTS_MAX);
        let mut tokens = self.feed(&[piece], full, cancelled)?;
        if let Some(bos) = self.bos.filter(|bos| as_prompt && tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        Ok(tokens.into_iter().map(id).collect())
    }

    fn token_bytes(&self, tokens: &[TokenId]) -> Result<Vec<Vec<u8>>, PromptError> {
        let vocab = self.model.vocab();
        let bytes = |&token: &TokenId| {
            // The text of a token that does not exist ends the process.
            let known = i32::try_from(token).ok().filter(|id| (0..vocab.n_tokens()).contains(id));
            let id = known.ok_or(PromptError::UnknownToken { token })?;
            Ok(vocab.token_to_piece(LlamaToken::new(id), true, None))
        };
        tokens.iter().map(bytes).collect()
    }

    fn template(&self) -> Result<&ChatTemplate, PromptError> {
        match &self.template {
            None => Err(PromptError::NoTemplate),
            Some(Err(reason)) => Err(PromptError::Template { reason: reason.clone() }),
            Some(Ok(template)) => Ok(template),
        }
    }

    /// Adds nothing at the ends: what a model wants there is decided in one place, in `encode`.
    fn tokenize(&self, text: &[Piece<'_>], cancelled: &CancelFlag) -> Result<Vec<LlamaToken>, PromptError> {
        self.feed(text, self.context_len as usize, cancelled)
    }

    fn feed(&self, text: &[Piece<'_>], full: usize, cancelled: &CancelFlag) -> Result<Vec<LlamaToken>, PromptError> {
        let vocab = self.model.vocab();
        let feed = Feed { full, token_bytes_max: self.token_bytes_max, cancelled };
        let n_bytes = text.iter().map(|piece| piece.as_ref().len()).sum();
        let tokenize = |piece: Piece<'_>| {
            #[cfg(test)]
            self.n_calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let parse_special = matches!(piece, Piece::Rendered(_));
            vocab.tokenize(piece.as_ref().as_bytes(), false, parse_special)
        };
        feed.run(n_bytes, text.iter().flat_map(|&piece| self.cut(piece)), tokenize).map_err(|stop| self.refusal(&stop))
    }

    /// What the tokenizer is to see in one call.
    fn cut<'a>(&'a self, piece: Piece<'a>) -> Box<dyn Iterator<Item = Piece<'a>> + 'a> {
        match piece {
            Piece::Rendered(text) => {
                Box::new(self.borders.cut(text).flat_map(|text| self.cut_runs(text)).map(Piece::Rendered))
            }
            Piece::Literal(text) => Box::new(self.cut_runs(text).into_iter().map(Piece::Literal)),
        }
    }

    fn cut_runs<'a>(&self, text: &'a str) -> Vec<&'a str> {
        if self.splits_words { runs::cut(text, &self.controls) } else { vec![text] }
    }

    fn refusal(&self, stop: &Stop) -> PromptError {
        match stop {
            Stop::Full { n_at_least } => PromptError::TooLong {
                tokens: u32::try_from(*n_at_least).unwrap_or(u32::MAX),
                context_len: self.context_len,
            },
            // Nobody is there to read it.
            Stop::Cancelled => PromptError::Failed { reason: "nobody waits for it any more".to_string() },
        }
    }
}

/// The tokenizer gives tokens of its own vocabulary; those below are of pictures.
fn id(token: LlamaToken) -> TokenId {
    token.0.cast_unsigned()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod work_tests;
