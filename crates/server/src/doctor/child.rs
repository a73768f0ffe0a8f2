//! The trial of a file, from inside the process that may die of it.

use std::path::PathBuf;
use std::sync::Arc;

use backend::{
    Adapter, AdapterSpec, Capabilities, Chat, ChatMessage, Event, GenerateOptions, GenerateRequest, Lane, LoadedModel,
    ModelSource, ModelSpec, Pair, Prompt, PromptError, Role, Sampling, Scale,
};
use futures_util::StreamExt;

use super::trial::{Found, Memory, Subject, Trial};
use crate::engine;

/// Tokens of the answer that is asked for.
const ANSWER_TOKENS: u32 = 16;

/// Loads a file, asks it once, and tells what was found.
pub(super) async fn try_file(subject: &Subject) -> Trial {
    match examine(subject).await {
        Ok(found) => Trial::Passed(found),
        Err(reason) => Trial::Refused { reason },
    }
}

async fn examine(subject: &Subject) -> Result<Found, String> {
    let Subject { file, adapters, context_len } = subject;
    let backend = engine::start()?;
    let adapter = |path: &PathBuf| AdapterSpec {
        name: path.display().to_string(),
        source: ModelSource::File(path.clone()),
        scale: Scale::ONE,
    };
    let spec = ModelSpec {
        context_len: *context_len,
        adapters: adapters.iter().map(adapter).collect(),
        ..ModelSpec::new(file.to_string_lossy(), ModelSource::File(file.clone()))
    };
    let memory = backend.estimate(&spec).await.map_err(|error| error.to_string())?;
    let mut model = backend.load(spec, Arc::new(|_| {})).await.map_err(|error| error.to_string())?;
    let mut lane = model.lanes.pop().ok_or("the engine offers no lane")?;
    let memory = memory.map(|told| Memory { weights: told.weights, cache: told.cache, compute: told.compute });
    let mut found = Found {
        parameters: model.info.parameters,
        context_len: model.info.context_len,
        memory,
        capabilities: names(model.info.capabilities),
        ..Found::default()
    };
    if model.info.capabilities.embeddings {
        let input = model.encoder.encode(Prompt::Text("Hello".into())).await.map_err(|error| error.to_string())?;
        let vectors = lane.embed(vec![input]).await.map_err(|error| error.to_string())?;
        found.vector_len = vectors.first().map(|vector| vector.values.len());
    }
    if model.info.capabilities.rerank {
        let pair = Pair { query: "Hello".into(), document: "Hello, world".into() };
        let input = model.encoder.encode(Prompt::Pair(pair)).await.map_err(|error| error.to_string())?;
        let scores = lane.embed(vec![input]).await.map_err(|error| error.to_string())?;
        found.score = scores.first().and_then(|score| score.values.first()).copied();
    }
    if !model.info.capabilities.generation {
        return Ok(found);
    }
    match answer(&model, lane.as_mut(), None, &mut found.remarks).await {
        Ok(reply) => found.reply = Some(reply),
        Err(reason) => return Err(reason),
    }
    for number in 0..adapters.len() {
        let adapter = Adapter { number: u32::try_from(number).unwrap_or(u32::MAX), scale: Scale::ONE };
        found.adapted.push(answer(&model, lane.as_mut(), Some(adapter), &mut Vec::new()).await?);
    }
    Ok(found)
}

fn names(capabilities: Capabilities) -> Vec<String> {
    let Capabilities { tools, constraints, logprobs, embeddings, rerank, .. } = capabilities;
    let all = [
        (tools, "call tools"),
        (constraints, "keep to a grammar"),
        (logprobs, "tell probabilities"),
        (embeddings, "embed texts"),
        (rerank, "rank documents"),
    ];
    all.into_iter().filter(|(can, _)| *can).map(|(_, name)| name.to_owned()).collect()
}

/// Asks once, with an adapter or without: as a conversation where the model has a template, else as text.
async fn answer(
    model: &LoadedModel,
    lane: &mut dyn Lane,
    adapter: Option<Adapter>,
    remarks: &mut Vec<String>,
) -> Result<String, String> {
    let chat = Prompt::Chat(Chat::new(vec![ChatMessage::new(Role::User, "Hello")]));
    let prompt = match model.encoder.encode(chat).await {
        Err(PromptError::NoTemplate) => {
            remarks.push("it has no chat template, so it takes plain text only".to_owned());
            model.encoder.encode(Prompt::Text("Hello".into())).await
        }
        Err(PromptError::Template { reason }) => {
            remarks.push(format!("its chat template cannot be used, so it takes plain text only: {reason}"));
            model.encoder.encode(Prompt::Text("Hello".into())).await
        }
        encoded => encoded,
    };
    let prompt = prompt.map_err(|error| error.to_string())?;
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    let options = GenerateOptions { sampling, adapter, ..GenerateOptions::default() };
    let mut events = lane.generate(GenerateRequest { prompt, options, max_tokens: ANSWER_TOKENS });
    let mut reply = String::new();
    while let Some(event) = events.next().await {
        if let Event::Token(token) = event.map_err(|error| error.to_string())? {
            reply += &token.reasoning;
            reply += &token.text;
        }
    }
    drop(events);
    lane.quiesce().await;
    Ok(reply)
}
