//! How much work a long prompt makes, and for whom. Work is counted, never timed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;

use backend::{Chat, ChatMessage, Prompt, PromptEncoder, PromptError, Role};
use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::borders::tests::Draw;
use super::feed::{Feed, Stop};
use super::{INLINE_BYTES, LlamaEncoder, Vocabulary};
use crate::engine::CancelOnDrop;
use crate::specials::Piece;
use crate::testing;

async fn vocabulary() -> Arc<Vocabulary> {
    testing::load().await.0.encoder.vocabulary
}

fn chat(n: usize) -> Prompt {
    Prompt::Chat(Chat::new((0..n).map(|_| ChatMessage::new(Role::User, "hi")).collect()))
}

fn rendered(vocabulary: &Vocabulary, prompt: &Prompt) -> String {
    let (Prompt::Chat(chat), Some(Ok(template))) = (prompt, &vocabulary.template) else { panic!("a chat") };
    template.render(&template.input(chat)).expect("the fuel is enough")
}

/// Pieces give the tokens that the whole text gives, in both families of vocabularies.
/// Method: generated texts with control texts beside each other, beside blanks, in parts and at both ends.
#[tokio::test]
async fn a_cut_text_has_the_same_tokens() {
    let parts =
        ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|", "|>", "<", "im_end", " ", "  ", "\n", "a", "word 1"];
    for (sentence_piece, blanks_read) in [(false, 0), (true, 2)] {
        let (loaded, _thread) =
            if sentence_piece { testing::load_sentence_piece().await } else { testing::load().await };
        let vocabulary = &loaded.encoder.vocabulary;
        let vocab = vocabulary.model.vocab();
        let whole = |text: &str| vocab.tokenize(text.as_bytes(), false, true);
        assert_eq!(whole("a<|im_end|>a").len(), 3 + blanks_read, "the blank before a text, and after a control token");
        let mut draw = Draw::new(2);
        let mut n_pieces = 0;
        for _ in 0..3000 {
            let text = draw.text(&parts, 30);
            let pieces: Vec<&str> = vocabulary.borders.cut_small(&text, 1 + draw.below(40)).collect();
            n_pieces += pieces.len();
            let cut: Vec<_> = pieces.iter().flat_map(|piece| whole(piece)).collect();
            assert_eq!(cut, whole(&text), "{text:?} as {pieces:?}");
        }
        assert!(n_pieces > 6000, "only {n_pieces} pieces: the texts were hardly cut");
    }
}

/// Twice the conversation, twice the work.
/// Method: for each call the tokenizer walks as many steps as the square of the control tokens in it.
#[tokio::test]
async fn work_grows_with_the_length() {
    let vocabulary = vocabulary().await;
    let work = |n: usize| {
        let text = rendered(&vocabulary, &chat(n));
        let pieces = vocabulary.cut(Piece::Rendered(&text));
        pieces.map(|piece| piece.as_ref().matches("<|im_").count().pow(2)).sum::<usize>()
    };
    let (once, twice, ten_times) = (work(2000), work(4000), work(20_000));
    // The last piece is as full as it happens to be.
    assert!(twice < once * 21 / 10, "{once}, then {twice}");
    assert!(ten_times < once * 105 / 10, "{once}, then {ten_times}");
}

/// Of a hundred thousand messages the tokenizer sees those that fill the context: 4 KiB of 1024 tokens and more.
#[tokio::test]
async fn what_does_not_fit_is_hardly_looked_at() {
    let vocabulary = vocabulary().await;
    let text = rendered(&vocabulary, &chat(100_000));
    let first = vocabulary.cut(Piece::Rendered(&text)).next().expect("it is not empty");
    assert!(first.as_ref().len() < 5 * 1024, "one call would take minutes");
    let (_cancel, cancelled) = CancelOnDrop::new();
    for (token_bytes_max, n_calls_max) in [(None, 1), (vocabulary.token_bytes_max, 0)] {
        let feed = Feed { full: 1024, token_bytes_max, cancelled: &cancelled };
        let mut n_calls = 0;
        let outcome = feed.run(text.len(), vocabulary.cut(Piece::Rendered(&text)), |piece| {
            n_calls += 1;
            vocabulary.model.vocab().tokenize(piece.as_ref().as_bytes(), false, true)
        });
        assert!(matches!(outcome, Err(Stop::Full { n_at_least: 1024.. })), "{outcome:?}");
        assert!(n_calls <= n_calls_max, "{n_calls} calls");
    }
    let encoder = LlamaEncoder { vocabulary, permits: Arc::new(Semaphore::new(1)) };
    let refused = encoder.encode(chat(100_000)).await;
    assert!(matches!(refused, Err(PromptError::TooLong { .. })), "{refused:?}");
    assert_eq!(encoder.vocabulary.n_calls.load(Relaxed), 0);
}

/// A number that is refused is never more than the text has.
/// Method: the tokens of generated texts, and what their length alone says.
#[tokio::test]
async fn no_token_stands_for_more_bytes_than_the_longest() {
    let parts = ["<|im_start|>", "<|endoftext|>", " ", "\n", "word", "1 < 2"];
    for (loaded, _thread) in [testing::load().await, testing::load_sentence_piece().await] {
        let vocabulary = &loaded.encoder.vocabulary;
        let bytes_max = vocabulary.token_bytes_max.expect("every byte is a token");
        assert_eq!(bytes_max, "<|endoftext|>".len());
        let mut draw = Draw::new(3);
        for _ in 0..1000 {
            let text = draw.text(&parts, 30);
            let n = vocabulary.model.vocab().tokenize(text.as_bytes(), false, true).len();
            assert!(n * bytes_max >= text.len(), "{n} tokens are {text:?}");
        }
    }
}

/// Nobody's prompt is encoded: not rendered, not tokenised.
#[tokio::test]
async fn an_abandoned_prompt_is_not_begun() {
    let vocabulary = vocabulary().await;
    let (cancel, cancelled) = CancelOnDrop::new();
    drop(cancel);
    let outcome = vocabulary.encode(Prompt::Chat(Chat::default()), &cancelled);
    assert!(matches!(outcome, Err(PromptError::Failed { .. })), "{outcome:?}");
}

/// Control tokens alone, too long to be encoded where the caller is, and short enough for the context.
fn long() -> Prompt {
    Prompt::Text("<|im_end|>".repeat(INLINE_BYTES / 8))
}

/// A runtime with one thread for blocking work, which does what it is given in that order.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap()
}

/// Long prompts take turns, short ones do not wait, and a turn that nobody wants any more is given up.
/// Method: the only permit is elsewhere.
#[test]
fn long_prompts_wait_for_a_permit() {
    runtime().block_on(async {
        let permits = Arc::new(Semaphore::new(1));
        let encoder = LlamaEncoder { vocabulary: vocabulary().await, permits: Arc::clone(&permits) };
        let held = permits.try_acquire().expect("nobody has it");
        let mut waiting = encoder.encode(long());
        let mut leaving = encoder.encode(long());
        assert!(leaving.as_mut().now_or_never().is_none(), "the permit is elsewhere");
        assert!(waiting.as_mut().now_or_never().is_none(), "the permit is elsewhere");
        tokio::task::spawn_blocking(|| ()).await.expect("whatever was ordered before it is done");
        assert_eq!(encoder.vocabulary.n_calls.load(Relaxed), 0);
        assert!(encoder.encode(chat(1)).now_or_never().expect("it needs no permit").is_ok());
        drop(leaving);
        drop(held);
        assert!(waiting.await.is_ok());
        assert_eq!(permits.available_permits(), 1);
    });
}

/// The permit belongs to the work, not to the one who waits for it: otherwise those who leave would let in more
/// work than there are cores. And work for nobody is not begun.
/// Method: the only thread for blocking work is busy, so the encoding is ordered and has not begun when its future is
/// dropped.
#[test]
fn a_permit_stays_with_its_work() {
    runtime().block_on(async {
        let permits = Arc::new(Semaphore::new(1));
        let encoder = LlamaEncoder { vocabulary: vocabulary().await, permits: Arc::clone(&permits) };
        let (release, held) = channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv().is_err());
        assert!(encoder.encode(long()).now_or_never().is_none(), "its thread is busy");
        assert!(permits.try_acquire().is_err(), "the work is still to be done, or to be found unwanted");
        drop(release);
        assert!(busy.await.unwrap());
        let again = permits.acquire().await.unwrap();
        assert_eq!(encoder.vocabulary.n_calls.load(Relaxed), 0, "nobody waited for it");
        drop(again);
        assert!(encoder.encode(long()).await.is_ok());
        assert_ne!(encoder.vocabulary.n_calls.load(Relaxed), 0);
    });
}
