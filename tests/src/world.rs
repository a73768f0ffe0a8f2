//! A small world: the real service, scripted models, and a journal of what the engines saw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backend::{Chat, ChatMessage, GenerateOptions, ModelSource, ModelSpec, Prompt, Role, Sampling};
use backend_mock::{Journal, MockBackend, MockConfig, ModelScript, Reply};
use serving::{
    Class, Completed, Failure, Generation, Limits, ModelConfig, Outcome, Progress, Refusal, Request, Service,
    ServiceConfig, Started, Tier,
};
use tokio::time::Instant;

/// The service over the mock backend.
pub struct World {
    /// The service under test.
    pub service: Service,
    /// What its engines saw.
    pub journal: Arc<Journal>,
}

/// What a world is made of; the defaults are those of the service.
#[derive(Default)]
pub struct Make {
    /// The models, in order.
    pub models: Vec<(&'static str, ModelScript)>,
    /// Further models that name the file of another: (name, of).
    pub same_file: Vec<(&'static str, &'static str)>,
    /// The tiers.
    pub tiers: BTreeMap<Tier, String>,
    /// How many may wait for a model.
    pub queue_max: Option<usize>,
    /// The bounds.
    pub limits: Limits,
}

impl Make {
    /// Models with these scripts.
    pub fn models(models: impl IntoIterator<Item = (&'static str, ModelScript)>) -> Self {
        Self { models: models.into_iter().collect(), ..Self::default() }
    }

    /// The same with a bound on who waits.
    #[must_use]
    pub fn queue_max(self, queue_max: usize) -> Self {
        Self { queue_max: Some(queue_max), ..self }
    }

    /// The configuration of the service.
    pub fn config(&self) -> ServiceConfig {
        let own = self.models.iter().map(|(name, _)| (*name, *name));
        let models = own.chain(self.same_file.iter().copied()).map(|(name, file)| self.model(name, file)).collect();
        ServiceConfig { models, tiers: self.tiers.clone(), limits: self.limits.clone() }
    }

    fn model(&self, name: &str, file: &str) -> ModelConfig {
        let mut model = ModelConfig::new(ModelSpec::new(name, ModelSource::File(format!("{file}.gguf").into())));
        model.queue_max = self.queue_max.unwrap_or(model.queue_max);
        model
    }

    /// Starts the world; its models are still to be loaded.
    pub fn start(self) -> World {
        let config = self.config();
        let mut mock = MockConfig::default();
        #[cfg(feature = "canary")]
        {
            // The absence of a lock is many lanes into one engine; see the canaries of `serving`.
            mock.shared_engine = std::env::var("EDISON_CANARY").is_ok_and(|planted| planted == "no_lock");
        }
        for (name, script) in self.models {
            mock = mock.with_model(name, script);
        }
        let backend = MockBackend::new(mock);
        let journal = backend.journal();
        let service = Service::start(config, Arc::new(backend)).expect("the world is consistent");
        World { service, journal }
    }

    /// Starts the world and waits until its models are loaded.
    pub async fn loaded(self) -> World {
        let world = self.start();
        world.service.loaded().await;
        world
    }
}

/// How long each answer of [`hundred_ms`] takes.
pub const HUNDRED_MS: Duration = Duration::from_millis(100);

/// A model whose every answer takes exactly 100 ms: nine tokens of text and the one that ends it, 10 ms each.
pub fn hundred_ms() -> ModelScript {
    ModelScript {
        time_per_token: Duration::from_millis(10),
        reply: Reply::Fixed("123456789".into()),
        ..ModelScript::default()
    }
}

/// A conversation of one message.
pub fn says(text: &str) -> Prompt {
    Prompt::Chat(Chat::new(vec![ChatMessage::new(Role::User, text)]))
}

/// A request with this id for this model.
pub fn request(id: &str, model: &str) -> Request {
    Request {
        id: id.into(),
        client: None,
        model: model.into(),
        class: Class::Normal,
        prompt: says("hello"),
        options: GenerateOptions {
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            ..GenerateOptions::default()
        },
        max_tokens: None,
        queue_timeout: None,
    }
}

/// A whole answer, and when it ended.
#[derive(Debug)]
pub struct Answer {
    /// What its start told.
    pub started: Started,
    /// Its text.
    pub text: String,
    /// Its ending.
    pub end: Result<Completed, Failure>,
    /// When it ended.
    pub at: Instant,
}

/// Reads an answer to its end.
pub async fn read(mut generation: Generation) -> Result<Answer, Refusal> {
    let started = generation.started().await?;
    let mut text = String::new();
    loop {
        let end = match generation.next().await.expect("an answer has an ending") {
            Progress::Token(token) => {
                text += &token.text;
                continue;
            }
            Progress::Completed(completed) => Ok(completed),
            Progress::Failed(failure) => Err(failure),
        };
        assert_eq!(generation.next().await, None, "nothing follows the ending");
        return Ok(Answer { started, text, end, at: Instant::now() });
    }
}

impl World {
    /// Asks, and reads the answer to its end.
    pub async fn ask(&self, request: Request) -> Result<Answer, Refusal> {
        read(self.service.submit(request)?).await
    }

    /// The outcomes of a model, oldest first.
    pub fn outcomes(&self, model: &str) -> Vec<Outcome> {
        let view = self.service.models().into_iter().find(|view| view.id == model);
        view.unwrap_or_else(|| panic!("no model {model}")).history
    }

    /// Asserts that no engine was ever entered twice and that every lane is home and free.
    pub fn assert_sound(&self) {
        assert_eq!(self.journal.overlaps(), [], "an engine was entered twice");
        for model in self.service.models() {
            for lane in &model.lanes {
                assert_eq!(lane.state, "free", "lane {} of {}", lane.lane, model.id);
            }
            assert!(model.waiting.is_empty(), "somebody still waits for {}", model.id);
        }
    }
}

/// Whether two holds, by their outcomes, were ever at the same time.
pub fn overlap(a: &Outcome, b: &Outcome) -> bool {
    let hold = |o: &Outcome| (o.granted.expect("it had a lane"), o.released.expect("the lane went home"));
    let ((a_from, a_to), (b_from, b_to)) = (hold(a), hold(b));
    a_from < b_to && b_from < a_to
}

/// How many pairs of these holds were at the same time.
pub fn overlaps(outcomes: &[Outcome]) -> usize {
    let pairs = outcomes.iter().enumerate().flat_map(|(i, a)| outcomes[i + 1..].iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| overlap(a, b)).count()
}
