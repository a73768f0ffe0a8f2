//! The inputs that end the process where they reach llama.cpp, row by row: what keeps each from it, and what shows that.
//!
//! They were found by trying 218 odd inputs, each in a process of its own: assertions, exceptions that nobody catches, stacks
//! that overflow, memory that is not there. A call that only does harm is banned in `clippy.toml`, so that code with it does
//! not pass. A rule test checks that every test and every ban named here exists.
//!
//! | row | what ends the process | what is done | shown by |
//! |---|---|---|---|
//! | 1 | a vocabulary that names a token twice | the head of the file is read first | `files_that_llama_cpp_does_not_survive_are_refused_with_a_reason` |
//! | 2 | a file that says it has no layer, or thousands | the same | `files_that_llama_cpp_does_not_survive_are_refused_with_a_reason` |
//! | 3 | a SentencePiece vocabulary that lacks a byte, once a text has it | the same | `files_that_llama_cpp_does_not_survive_are_refused_with_a_reason` |
//! | 4 | a context over a vocabulary without weights | a file without tensors is no model | `refusals::files_that_are_no_models`, `only_a_gguf_header_with_tensors_passes` |
//! | 5 | a batch of no tokens | `step_tokens` has a range | `refusals::settings_out_of_range` |
//! | 6 | more sequences than a batch has tokens | a batch has a token for each lane beside those of a prompt | `as_many_lanes_as_there_may_be_fit_the_smallest_step` |
//! | 7 | 100,000 threads | `threads` has a range | `refusals::settings_out_of_range` |
//! | 8 | a cache of numbers of an odd or unknown kind | no setting says the kind | `LlamaContextParams::with_type_k`, `LlamaContextParams::with_type_v` |
//! | 9 | memory for 2^31 tokens of a batch, which is not asked for twice | `step_tokens` has a range | `refusals::settings_out_of_range` |
//! | 10 | a step of more tokens than the batch, or the context, has | prompts are cut into steps, and refused where they do not fit | `generating::progress_comes_in_steps`, `a_prompt_that_just_fits_is_taken`, `generating::requests_out_of_range_fail_and_leave_the_lane_sound` |
//! | 11 | a token that belongs to no sequence | cannot be: one place adds tokens, each to its lane | `conformance::two_lanes_are_apart` |
//! | 12 | a token that belongs to more sequences than a batch has room for | cannot be: the same | `conformance::two_lanes_are_apart` |
//! | 13 | choosing a token before anything was computed | cannot be: what chooses is the end of a step that computed the last token there is | `conformance::one_token_is_enough`, `generating::a_bound_of_no_tokens_gives_an_empty_answer` |
//! | 14 | choosing at a token whose logits were not asked for | a step asks for the logits of the last token there is, which is where one is chosen | `generating::progress_comes_in_steps`, `together_tests::a_long_prompt_and_an_answer_take_turns` |
//! | 15 | choosing at a place beyond the batch | places are those of the step before, and of no other after a failure | `together_tests::a_failure_on_one_lane_leaves_the_others_their_answers` |
//! | 16 | samplers of which there is none | one always chooses | `stages_that_change_nothing_are_left_out` |
//! | 17 | samplers of which none chooses | the same | `the_whole_chain_is_in_llama_cpps_order`, `mirostat_takes_the_place_of_the_cuts` |
//! | 18 | choosing where nothing is left to choose from | it is an error before the chain sees it | `choosing::forbidding_everything_is_an_error` |
//! | 19 | a grammar that no token can follow, such as one of a NUL | llama.cpp's grammars are not used | `constraints::grammars_made_to_exhaust_are_run_or_refused`, `LlamaSampler::grammar` |
//! | 20 | a grammar with a range that is empty | it is refused when it is read | `constraints::grammars_that_nothing_survives_are_refused_before_they_wait` |
//! | 21 | a grammar behind a stage that leaves tokens out | the constraint is looked at first, and a dead end is an error | `constraints::a_dead_end_is_an_error_and_nothing_worse` |
//! | 22 | a token that is fed to a grammar twice | it is an error of the constraint | `constraints::a_constraint_that_holds_anyway_changes_nothing`, `LlamaSampler::grammar` |
//! | 23 | a token that is fed to a grammar and not allowed | a token is asked for before it is fed | `constraints::an_answer_is_one_of_those_that_a_grammar_has` |
//! | 24 | an end of the answer before the grammar's | the end is allowed where the constraint is complete | `constraints::a_recursive_grammar_is_followed` |
//! | 25 | a grammar that nests thousands deep | it may nest 64 deep, and is read on a large stack | `constraints::grammars_that_nothing_survives_are_refused_before_they_wait` |
//! | 26 | a schema that nests thousands deep | the same | `constraints::schemas_that_are_not_honoured_in_full_are_refused_by_the_keyword` |
//! | 27 | a grammar that begins at an expression that is none | no grammar begins later | `LlamaSampler::grammar_lazy`, `LlamaSampler::grammar_lazy_patterns` |
//! | 28 | the text of a token that does not exist | tokens are compared with the vocabulary | `conformance::a_token_that_does_not_exist_is_refused`, `requests_that_the_engine_cannot_survive_are_refused` |
//! | 29 | what a token that does not exist is like | the same: only the vocabulary's own are asked about | `conformance::a_token_that_does_not_exist_is_refused` |
//! | 30 | many tokens at once back to text, one of which does not exist | tokens become text one by one | `LlamaVocab::detokenize`, `LlamaVocab::detokenize_into` |
//! | 31 | taking out of the cache what sequence 256 has | `lanes` has a range | `refusals::settings_out_of_range` |
//! | 32 | asking where sequence 256, or one below 0, stands | nobody asks; the cache is known by its tokens | `LlamaContext::kv_cache_seq_pos_min`, `LlamaContext::kv_cache_seq_pos_max` |
//! | 33 | copying a part of a sequence | nothing is copied from lane to lane | `LlamaContext::copy_kv_cache_seq`, `LlamaContext::kv_cache_seq_cp` |
//! | 34 | a text longer than a step, for a model that looks both ways | its step is its context, and a longer text is refused | `embedding::a_text_may_fill_the_context`, `embedding::what_cannot_be_embedded_fails_and_leaves_the_lane_usable` |
//! | 35 | the encoder of a model that has none | it is never asked | `LlamaContext::encode` |
//! | 36 | a panic in whoever hears of a load's progress | it is caught, and ends the load | `loading::a_panic_in_the_progress_listener_ends_the_load_only` |
//! | 37 | a picture whose bytes are fewer than its width and height say | a picture is made with all of its bytes | `dimensions_that_overflow_are_refused`, `a_picture_has_three_bytes_for_each_pixel` |
//!
//! Three more do not end it at once: a context of 10^9 tokens takes all memory there is (`refusals::settings_out_of_range`);
//! a projector that outlives its model reads what is no longer there (`a_projector_keeps_the_model_that_it_reads`); and a
//! template that llama.cpp takes for another one gives another prompt (`LlamaModel::apply_chat_template`).
//!
//! What is not here: files damaged on purpose. No check finds them all, so `edison doctor` tries them in a process of their own.

use backend::conformance::kit;
use backend::{Backend, LoadError, ModelSource, ModelSpec};
use tempfile::TempDir;

use crate::support;

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// Method: the demo model, changed in one way each, so that llama.cpp would load it and die.
#[tokio::test]
async fn files_that_llama_cpp_does_not_survive_are_refused_with_a_reason() {
    const NUMBER: u32 = 4;
    let good = std::fs::read(support::fast()).unwrap();
    let number =
        |key: &str, value: u32| [&string(key.as_bytes())[..], &NUMBER.to_le_bytes(), &value.to_le_bytes()].concat();
    let layers = |n| support::replace(&good, &number("llama.block_count", 4), &number("llama.block_count", n));
    let cases = [
        (support::replace(&good, &string(b"B"), &string(b"A")), "two of its tokens are \"A\""),
        (support::replace(&good, &string(b"B"), &string(b"A\0")), "two of its tokens are \"A\""),
        (layers(0), "0 layers"),
        (layers(513), "513 layers"),
        (layers(u32::MAX), "4294967295 layers"),
        (support::replace(&good, &string(b"gpt2"), &string(b"llama")), "no token for the byte 00"),
    ];
    let dir = TempDir::new().unwrap();
    for (n, (bytes, expected)) in cases.into_iter().enumerate() {
        let path = dir.path().join(format!("{n}.gguf"));
        std::fs::write(&path, bytes).unwrap();
        let spec = support::spec(path);
        for refused in [
            support::backend().load(spec.clone(), support::silent()).await.map(|_| ()),
            support::backend().estimate(&spec).await.map(|_| ()),
        ] {
            let Err(LoadError::Unusable { reason, .. }) = refused else { panic!("{n}: {refused:?}") };
            assert!(reason.contains(expected), "{n}: {reason}");
        }
    }
}

/// llama.cpp asserts that a batch has as many tokens as there are sequences.
#[tokio::test]
async fn as_many_lanes_as_there_may_be_fit_the_smallest_step() {
    let mut spec = ModelSpec { lanes: 64, context_len: 256, ..support::spec(support::fast()) };
    spec.tuning.step_tokens = 16;
    let mut model = support::load(spec).await;
    let mut lanes = std::mem::take(&mut model.lanes);
    assert_eq!(lanes.len(), 64);
    for lane in [0, 63] {
        let request = kit::request(&model, kit::repeat("otter 3")).await;
        assert_eq!(kit::text_of(lanes[lane].as_mut(), request).await, "otter 3");
    }
}

/// The projector points into the weights and does not say so. Whoever measures pictures has no lane.
/// Method: the lanes, and with them the engine's thread, go first.
#[tokio::test]
async fn a_projector_keeps_the_model_that_it_reads() {
    let projector = Some(ModelSource::File(support::fixture("edison-demo-vision-mmproj.gguf")));
    let spec = ModelSpec { projector, ..support::spec(support::fixture("edison-demo-vision.gguf")) };
    let model = support::load(spec).await;
    drop(model.lanes);
    let mut message = support::message(backend::Role::User, "What is in this picture?");
    let image = backend::Image::new(48, 48, vec![0; 48 * 48 * 3]).expect("a picture");
    message.images.push(backend::PlacedImage { at: 0, image });
    let prompt = backend::Prompt::Chat(backend::Chat::new(vec![message]));
    let encoded = model.encoder.encode(prompt).await.expect("it fits");
    assert!(encoded.tokens.iter().any(|&token| token >= backend::IMAGE_TOKENS));
}
