//! The bodies of EDISON's own protocol. Its handlers read and write plain JSON, so these types only describe it; that they
//! describe it truly is what `tests/wire/openapi.rs` checks.
#![expect(dead_code, reason = "nothing is read from them or written from them")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use crate::wire::llama::LlamaTimings;
use crate::wire::null::Null;

/// The body of `/chat` and `/chat/stream`. Fields that nobody knows are passed over, and so are those about a memory
/// (`remember`, `chat_id`, `global_memory_search`), which is outside: `context` takes what it holds.
#[derive(ToSchema)]
pub(super) struct EdisonChat {
    /// What the user says; may be empty.
    message: String,
    /// `auto` where it is left out.
    mode: Option<EdisonMode>,
    /// Pictures in base64, with or without `data:..;base64,` before. What is no text is passed over.
    images: Option<Vec<Value>>,
    /// Any name of a model, to answer instead of that of the mode. Pictures go to the model of the tier vision all the same.
    #[schema(max_length = 256)]
    selected_model: Option<String>,
    /// How long the answer may take. `fast` asks the tier fast, and makes a chat of reasoning and work; `balanced` asks the
    /// tier medium for work, code and agents; `deep` asks the tier deep. Left out, the mode chooses the tier.
    thinking_depth: Option<EdisonDepth>,
    /// Refused with anything in it: there are no swarms.
    swarm_session_id: Option<EdisonNothing>,
    /// Refused with anything in it: there are no profiles.
    assistant_profile_id: Option<EdisonNothing>,
    /// What was said before, oldest first. Other roles than `user` and `assistant` are passed over.
    conversation_history: Option<Vec<EdisonTurn>>,
    /// What the caller found that may help: texts, or objects with a `text`.
    context: Option<Vec<EdisonChunk>>,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum EdisonMode {
    Auto,
    Chat,
    Reasoning,
    Agent,
    Code,
    Work,
    /// As `chat`.
    Instant,
    /// As `chat`.
    Safety,
    /// As `reasoning`.
    Thinking,
    /// As `agent`.
    Research,
    /// As `work`.
    Builder,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum EdisonDepth {
    Fast,
    Balanced,
    Deep,
}

/// Nothing was chosen.
#[derive(ToSchema)]
enum EdisonNothing {
    #[serde(rename = "")]
    Nothing,
}

#[derive(ToSchema)]
struct EdisonTurn {
    role: String,
    content: String,
}

#[derive(ToSchema)]
#[serde(untagged)]
enum EdisonChunk {
    Text(String),
    Found { text: String },
}

/// The answer of `/chat`.
#[derive(ToSchema)]
pub(super) struct EdisonAnswer {
    response: String,
    /// `chat`, `reasoning`, `agent`, `code`, `work` or `image`; never `auto`.
    mode_used: String,
    /// The tier that answered, or the model that was chosen, as it was called.
    model_used: String,
    /// The steps of the work; null where there are none.
    #[schema(required)]
    work_steps: Option<Vec<String>>,
    /// How many pieces of `context` were used.
    #[schema(required)]
    context_used: Option<usize>,
    search_results_count: Null,
    /// Oldest turns of the history that were left out to make room.
    turns_dropped: usize,
    /// Why a picture was not looked at. The answer begins with it as well.
    #[schema(required)]
    vision_error: Option<String>,
    /// Of all calls of a model that it took, one after the other.
    timings: LlamaTimings,
}

/// The data of one event of `/chat/stream`: `init`, `work_plan`, `token` and at last `done`, in this order.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum EdisonEvent {
    /// Comes before any model works, so that the chat can be cancelled.
    Init {
        request_id: String,
    },
    WorkPlan {
        total_steps: usize,
        steps: Vec<String>,
    },
    Token {
        t: String,
    },
    Done(EdisonDone),
    Stopped(EdisonStopped),
    Failed(EdisonFailed),
}

/// The answer of `/chat`, at the end of a stream.
#[derive(ToSchema)]
pub(super) struct EdisonDone {
    ok: bool,
    #[serde(flatten)]
    answer: EdisonAnswer,
}

#[derive(ToSchema)]
pub(super) struct EdisonStopped {
    ok: bool,
    stopped: bool,
}

#[derive(ToSchema)]
pub(super) struct EdisonFailed {
    ok: bool,
    error: String,
}

/// The body of `/chat/cancel`.
#[derive(ToSchema)]
pub(super) struct EdisonCancel {
    #[schema(min_length = 1)]
    request_id: String,
}

/// The answer of `/chat/cancel`.
#[derive(ToSchema)]
pub(super) struct EdisonCancelled {
    status: EdisonCancelStatus,
    request_id: String,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum EdisonCancelStatus {
    Cancelled,
    NotFound,
}

/// The body of `/generate-title`. What is no text counts as none.
#[derive(ToSchema)]
pub(super) struct EdisonTitleRequest {
    message: Option<Value>,
    response: Option<Value>,
}

/// The answer of `/generate-title`.
#[derive(ToSchema)]
pub(super) struct EdisonTitle {
    title: String,
}

/// The answer of `/models/list`.
#[derive(ToSchema)]
pub(super) struct EdisonModels {
    models: Vec<EdisonModel>,
    /// Empty: where models lie is nobody's business.
    standard_path: String,
    large_path: Null,
    /// Tier -> the model that it means.
    current_models: BTreeMap<String, Option<String>>,
}

/// Its id stands for its file: where that lies is nobody's business.
#[derive(ToSchema)]
struct EdisonModel {
    name: String,
    filename: String,
    /// Of its weights, in GiB; 0 until it was loaded.
    size_gb: f64,
    path: String,
    location: String,
}

/// The answer of `/models/status`. Each tier is there by its name as well, and tells whether it can be used now.
#[derive(ToSchema)]
pub(super) struct EdisonStatus {
    models_unloaded_for_image_gen: bool,
    fast: bool,
    medium: bool,
    deep: bool,
    vision: bool,
    configured_models: BTreeMap<String, Option<String>>,
    slots: BTreeMap<String, EdisonSlot>,
}

#[derive(ToSchema)]
struct EdisonSlot {
    loaded: bool,
    #[schema(required)]
    configured_model: Option<String>,
    /// Other tiers that mean the same model.
    shared_with: Vec<String>,
    /// Why nobody gets it now.
    #[schema(required)]
    failure: Option<String>,
}

/// The body of `/models/load` and `/models/unload`. One of the two must be there.
#[derive(ToSchema)]
pub(super) struct EdisonModelName {
    /// Any name of a model.
    name: Option<String>,
    /// The same, as llama-server's clients write it.
    model: Option<String>,
}

/// The answer of `/models/load` and `/models/unload`.
#[derive(ToSchema)]
pub(super) struct EdisonLoaded {
    ok: bool,
    success: bool,
    name: String,
    loaded: bool,
}

/// How EDISON's protocol writes errors.
#[derive(ToSchema)]
pub(super) struct EdisonError {
    detail: EdisonDetail,
}

#[derive(ToSchema)]
#[serde(untagged)]
enum EdisonDetail {
    Text(String),
    Fields(Vec<EdisonProblem>),
}

/// A field that is wrong.
#[derive(ToSchema)]
struct EdisonProblem {
    #[serde(rename = "type")]
    kind: String,
    /// Where: `["body", "message"]`.
    loc: Vec<String>,
    msg: String,
}
