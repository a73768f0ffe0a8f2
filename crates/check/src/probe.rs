//! Finds out what the server is before it is judged: its models, whether one answers, echoes, and repeats itself.

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::chat::{Answer, Ask, End, shortened};
use crate::http::{Lost, Reply, send};
use crate::lab::{Known, SHORT_TOKENS, echo, patiently};
use crate::marker::Markers;
use crate::options::Options;
use crate::problem::Problem;
use crate::report::Facts;
use crate::target::Target;

/// Questions with long answers. The one with the longest is taken.
const LONG: &[&str] =
    &["Count from 1 to 200", "Count from 1 to 60", "Tell me a long story about a lighthouse and the sea."];

/// What a long answer should take, in seconds, and the tokens that this may mean.
const LONG_SECONDS: f64 = 2.0;
const LONG_TOKENS: std::ops::RangeInclusive<f64> = 32.0..=512.0;

/// A short answer alone is measured as often.
const REPEATS: usize = 3;

/// Looks at the server.
pub(crate) async fn probe(target: &Target, options: &Options, markers: &mut Markers) -> Result<Known, Problem> {
    let models = models(target, options).await?;
    let is_listed = options.model.as_ref().is_none_or(|model| models.contains(model));
    let model = options.model.clone().or_else(|| models.first().cloned());
    let model = model.ok_or_else(|| Problem::NoModels { url: target.url().to_owned() })?;
    let mut prober = Prober { target, options, model: model.clone() };

    let mut echoed = 0;
    let mut seconds = Vec::new();
    for repeat in 0..REPEATS {
        let marker = markers.next();
        let answer = match prober.ask(echo(marker.as_str()), SHORT_TOKENS, false).await {
            // Aliases need not be listed; what is neither listed nor answered is not there.
            Err(Problem::NoAnswer { .. }) if !is_listed && repeat == 0 => {
                return Err(Problem::UnknownModel { asked: model, known: models });
            }
            answer => answer?,
        };
        echoed += usize::from(marker.is_in(&answer.text));
        seconds.push(answer.took.as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let (ask, alone, is_same) = prober.long().await?;
    let facts = Facts {
        model,
        models,
        // One in a thousand words is beyond a tiny model.
        echoes: echoed * 2 > REPEATS,
        reproducible: is_same,
        health_path: health_path(target, options).await,
        short_seconds: seconds[REPEATS / 2],
        long_seconds: alone.took.as_secs_f64(),
        long_chunks: alone.chunks,
    };
    Ok(Known { facts, long: (ask, alone) })
}

/// What `/v1/models` lists. Nothing, where it does not exist and a model was named.
async fn models(target: &Target, options: &Options) -> Result<Vec<String>, Problem> {
    let url = target.url().to_owned();
    let strange = |reason: String| Problem::NotThisProtocol { url: url.clone(), reason };
    let reply = match get(target, "/v1/models", options).await {
        Ok(reply) => reply,
        Err(Lost::Connect(reason)) => return Err(Problem::Unreachable { url, reason }),
        Err(Lost::Broken(reason)) => return Err(strange(reason)),
    };
    match reply.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Problem::Unauthorized { url, status: reply.status.as_u16() });
        }
        StatusCode::NOT_FOUND if options.model.is_some() => return Ok(Vec::new()),
        status => return Err(strange(format!("GET /v1/models is answered with {status}"))),
    }
    let body = reply.bytes().await.map_err(|lost| strange(lost.to_string()))?;
    let json: Value = serde_json::from_slice(&body)
        .map_err(|_| strange(format!("GET /v1/models gives {}", shortened(&String::from_utf8_lossy(&body)))))?;
    let list = json["data"].as_array().ok_or_else(|| strange("GET /v1/models gives no list in \"data\"".into()))?;
    Ok(list.iter().filter_map(|model| model["id"].as_str()).map(str::to_owned).collect())
}

/// Where the server tells that it lives.
async fn health_path(target: &Target, options: &Options) -> &'static str {
    match get(target, "/health", options).await {
        Ok(reply) if reply.status == StatusCode::OK => "/health",
        _ => "/v1/models",
    }
}

pub(crate) async fn get(target: &Target, path: &str, options: &Options) -> Result<Reply, Lost> {
    let limit = options.answer_timeout;
    let late = |_| Lost::Connect(format!("no answer within {limit:?}"));
    timeout(limit, send(target, Method::GET, path, None, || ())).await.map_err(late)?
}

struct Prober<'a> {
    target: &'a Target,
    options: &'a Options,
    model: String,
}

impl Prober<'_> {
    /// Asks alone. Anything but a whole answer is a problem.
    async fn ask(&mut self, text: String, max_tokens: u32, stream: bool) -> Result<Answer, Problem> {
        let ask = Ask { model: self.model.clone(), text, max_tokens, stream };
        let answer = patiently(self.target, &ask, self.options.answer_timeout).await;
        match &answer.end {
            End::Whole => Ok(answer),
            End::Refused { status: status @ (401 | 403), .. } => {
                Err(Problem::Unauthorized { url: self.target.url().to_owned(), status: *status })
            }
            end => Err(Problem::NoAnswer { model: self.model.clone(), reason: end.describe() }),
        }
    }

    /// The longest answer that can be had in a reasonable time, and whether it is the same twice.
    async fn long(&mut self) -> Result<(Ask, Answer, bool), Problem> {
        let first = self.ask(LONG[0].into(), SHORT_TOKENS, true).await?;
        let per_second = first.chunks as f64 / first.took.as_secs_f64().max(1e-6);
        let tokens = (per_second * LONG_SECONDS).clamp(*LONG_TOKENS.start(), *LONG_TOKENS.end()) as u32;
        let mut longest: Option<(Ask, Answer)> = None;
        for text in LONG {
            let answer = self.ask((*text).into(), tokens, true).await?;
            if longest.as_ref().is_none_or(|(_, other)| other.chunks < answer.chunks) {
                let ask = Ask { model: self.model.clone(), text: (*text).into(), max_tokens: tokens, stream: true };
                longest = Some((ask, answer));
            }
        }
        let (ask, alone) = longest.expect("the list of questions is not empty");
        let again = self.ask(ask.text.clone(), tokens, true).await?;
        let is_same = again.text == alone.text;
        Ok((ask, alone, is_same))
    }
}
