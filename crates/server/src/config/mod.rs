//! The configuration: one value, read once, every error reported at once.

mod adapters;
mod check;
mod duration;
#[cfg(test)]
mod fuzz;
mod parse;
mod print;
mod problem;
mod section;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use backend::{ModelSource, ModelSpec, Tuning};
use serving::{Limits, ModelConfig, ServiceConfig, Tier};

use crate::access::Origins;
use crate::embedded::Builtin;
use crate::limits::HttpLimits;

pub(crate) use adapters::Adapter;
pub(crate) use parse::{from_file, from_models};
pub(crate) use print::to_toml;
#[cfg(feature = "mock")]
pub(crate) use problem::{Collector, Problem, Problems};
#[cfg(feature = "mock")]
pub(crate) use section::closest;

/// Where the server listens when nobody says.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8811);

/// What takes effect.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// Files with the certificates and the key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// A Unix socket to listen on as well.
    pub(crate) unix_socket: Option<PathBuf>,
    /// A file with the API keys.
    pub(crate) api_keys: Option<PathBuf>,
    /// The web pages that may use the server.
    pub(crate) origins: Origins,
    /// Whether pictures are fetched that requests name by their URL.
    pub(crate) fetch_pictures: bool,
    pub(crate) http: HttpLimits,
    pub(crate) limits: Limits,
    /// Whether every file is tried in a child before it is loaded.
    pub(crate) verify_models: bool,
    pub(crate) models: Vec<Model>,
    pub(crate) tiers: BTreeMap<Tier, String>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// The projector of a model that sees; a built-in model brings its own.
    pub(crate) projector: Option<PathBuf>,
    /// What requests may change the model by.
    pub(crate) adapters: Vec<Adapter>,
    pub(crate) aliases: Vec<String>,
    /// 0 takes what the model was trained with.
    pub(crate) context_len: u32,
    /// CPU threads, at least 1.
    pub(crate) threads: u32,
    pub(crate) gpu_layers: u32,
    /// Lanes of each replica, at least 1.
    pub(crate) lanes: u32,
    pub(crate) tuning: Tuning,
    /// A file with a chat template to use in place of the model's own.
    pub(crate) chat_template: Option<PathBuf>,
    pub(crate) queue_max: usize,
    pub(crate) max_tokens: u32,
    /// How long nobody uses it before it is let go.
    pub(crate) unload_after: Option<Duration>,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file that exists, by its canonical path: two names of one file must be seen to be one.
    File(PathBuf),
    Builtin(Builtin),
}

impl Config {
    /// What is served when nobody says what: the four models that are built in, one for each tier.
    pub(crate) fn demo(cores: usize) -> Self {
        let threads = default_threads(cores, Builtin::ALL.len());
        let models = Builtin::ALL.map(|model| Model::new(model.as_str().to_owned(), Source::Builtin(model), threads));
        Self::of_models(models.into())
    }

    /// The models with every bound at its default. A tier means the model that has its name.
    fn of_models(models: Vec<Model>) -> Self {
        let mut config = Self {
            listen: LISTEN,
            tls: None,
            unix_socket: None,
            api_keys: None,
            origins: Origins::default(),
            fetch_pictures: false,
            http: HttpLimits::default(),
            limits: Limits::default(),
            verify_models: false,
            models,
            tiers: BTreeMap::new(),
        };
        config.complete_tiers();
        config
    }

    /// Points every tier that was not mentioned at the model that answers to its name. Otherwise another tier would
    /// stand in for it, and hide that model.
    fn complete_tiers(&mut self) {
        for tier in Tier::ALL {
            let name = tier.as_str();
            let answers = |model: &&Model| model.name == name || model.aliases.iter().any(|alias| alias == name);
            if let Some(model) = self.models.iter().find(answers) {
                self.tiers.entry(tier).or_insert_with(|| model.name.clone());
            }
        }
    }

    /// What the service needs to know.
    ///
    /// # Errors
    /// A built-in model in a program that was built without them.
    pub(crate) fn service(&self) -> Result<ServiceConfig, String> {
        let models = self.models.iter().map(Model::service).collect::<Result<_, _>>()?;
        Ok(ServiceConfig { models, tiers: self.tiers.clone(), limits: self.limits.clone() })
    }
}

impl Model {
    /// A model with every bound at its default.
    fn new(name: String, source: Source, threads: u32) -> Self {
        // One lane: whoever is in the model is alone in it.
        let defaults = ModelConfig::new(ModelSpec::new("", ModelSource::File(PathBuf::new())));
        Self {
            name,
            source,
            projector: None,
            adapters: Vec::new(),
            aliases: defaults.aliases,
            context_len: defaults.spec.context_len,
            threads,
            gpu_layers: defaults.spec.gpu_layers,
            lanes: defaults.spec.lanes,
            tuning: defaults.spec.tuning,
            chat_template: None,
            queue_max: defaults.queue_max,
            max_tokens: defaults.max_tokens,
            unload_after: defaults.unload_after,
        }
    }

    fn service(&self) -> Result<ModelConfig, String> {
        let source = match &self.source {
            Source::File(path) => ModelSource::File(path.clone()),
            Source::Builtin(model) => ModelSource::Embedded(model.bytes().ok_or_else(|| {
                format!("this program was built without the model {model}; name files with --model or --config")
            })?),
        };
        let read = |path: &PathBuf| {
            let failed = |error| format!("the chat template {} cannot be read: {error}", path.display());
            std::fs::read_to_string(path).map_err(failed)
        };
        let projector = match &self.source {
            Source::File(_) => self.projector.clone().map(ModelSource::File),
            Source::Builtin(model) => model.projector().map(ModelSource::Embedded),
        };
        let spec = ModelSpec {
            chat_template: self.chat_template.as_ref().map(read).transpose()?,
            projector,
            adapters: self.adapters.iter().map(Adapter::spec).collect(),
            context_len: self.context_len,
            threads: self.threads,
            gpu_layers: self.gpu_layers,
            lanes: self.lanes,
            tuning: self.tuning,
            ..ModelSpec::new(&self.name, source)
        };
        let (aliases, queue_max, max_tokens) = (self.aliases.clone(), self.queue_max, self.max_tokens);
        Ok(ModelConfig { spec, aliases, queue_max, max_tokens, unload_after: self.unload_after })
    }
}

/// All models may compute at one time, and threads that outnumber the cores slow every one of them down.
pub(crate) fn default_threads(cores: usize, models: usize) -> u32 {
    u32::try_from((cores / models.max(1)).max(1)).unwrap_or(1)
}
