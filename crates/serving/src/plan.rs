//! From the configuration to instances: which names mean which model, checked before anything is loaded.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ModelConfig, ServiceConfig, Tier};

/// The configuration contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two models, or a model and an alias, have the same name.
    #[error("the name \"{name}\" is used twice")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Two models name the same file with different settings. One instance cannot have both.
    #[error(
        "\"{first}\" and \"{second}\" name the same file with different settings; give both the same, or make one an alias"
    )]
    SameSource {
        /// The model that comes first.
        first: String,
        /// The model that contradicts it.
        second: String,
    },
    /// The name of an adapter is empty or has a colon, so that nobody could ask for it.
    #[error("an adapter of \"{model}\" is named \"{name}\"; a name has a character and no colon")]
    AdapterName {
        /// The model.
        model: String,
        /// The name.
        name: String,
    },
    /// A tier points at a model that is not there.
    #[error("the tier \"{tier}\" points at \"{model}\", which is no model", tier = tier.as_str())]
    UnknownModel {
        /// The tier.
        tier: Tier,
        /// What it points at.
        model: String,
    },
    /// A bound is zero where at least one is needed.
    #[error("{setting} must be at least 1")]
    Zero {
        /// The field.
        setting: &'static str,
    },
}

/// What is to be loaded, and every name it answers to.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One entry per instance, in the order of the configuration.
    pub(crate) models: Vec<ModelConfig>,
    /// Name or alias -> the instance's id.
    pub(crate) names: BTreeMap<String, String>,
    /// Tier -> the instance's id.
    pub(crate) tiers: BTreeMap<Tier, String>,
}

impl Plan {
    /// Checks the configuration and merges models that share a source: two locks over one file would
    /// be two instances, and the point of an alias is that there is one.
    pub(crate) fn new(config: &ServiceConfig) -> Result<Self, PlanError> {
        if config.limits.event_buffer == 0 {
            return Err(PlanError::Zero { setting: "event_buffer" });
        }
        let mut plan = Self { models: Vec::new(), names: BTreeMap::new(), tiers: BTreeMap::new() };
        for model in &config.models {
            plan.add(model)?;
        }
        for (&tier, name) in &config.tiers {
            let id = plan.names.get(name).ok_or_else(|| PlanError::UnknownModel { tier, model: name.clone() })?;
            plan.tiers.insert(tier, id.clone());
        }
        plan.models.iter().try_for_each(|model| plan.check_adapters(model))?;
        Ok(plan)
    }

    /// Every adapter can be asked for, and nothing else by its name.
    fn check_adapters(&self, model: &ModelConfig) -> Result<(), PlanError> {
        let id = &model.spec.name;
        let mut names = std::iter::once(id.clone()).chain(self.other_names(id)).collect::<Vec<_>>();
        names.sort();
        let mut taken = BTreeSet::new();
        for adapter in model.spec.adapters.iter().map(|adapter| &adapter.name) {
            if adapter.is_empty() || adapter.contains(':') {
                return Err(PlanError::AdapterName { model: id.clone(), name: adapter.clone() });
            }
            for name in names.iter().map(|name| format!("{name}:{adapter}")) {
                if self.names.contains_key(&name) || !taken.insert(name.clone()) {
                    return Err(PlanError::NameTaken { name });
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, model: &ModelConfig) -> Result<(), PlanError> {
        if model.spec.lanes == 0 {
            return Err(PlanError::Zero { setting: "lanes" });
        }
        let id = match self.models.iter().find(|m| m.spec.source == model.spec.source) {
            Some(first) if same_settings(first, model) => first.spec.name.clone(),
            Some(first) => {
                let (first, second) = (first.spec.name.clone(), model.spec.name.clone());
                return Err(PlanError::SameSource { first, second });
            }
            None => {
                self.models.push(model.clone());
                model.spec.name.clone()
            }
        };
        for name in std::iter::once(&model.spec.name).chain(&model.aliases) {
            if self.names.insert(name.clone(), id.clone()).is_some() {
                return Err(PlanError::NameTaken { name: name.clone() });
            }
        }
        Ok(())
    }

    /// Every name of this instance but its id.
    pub(crate) fn other_names(&self, id: &str) -> Vec<String> {
        let aliases = self.names.iter().filter(|(name, of)| *of == id && *name != id).map(|(name, _)| name.clone());
        let tiers = self.tiers.iter().filter(|(_, of)| *of == id).map(|(tier, _)| tier.as_str().to_string());
        let mut names: Vec<String> = aliases.chain(tiers).filter(|name| name != id).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn same_settings(a: &ModelConfig, b: &ModelConfig) -> bool {
    let mut spec = b.spec.clone();
    spec.name.clone_from(&a.spec.name);
    spec == a.spec && a.queue_max == b.queue_max && a.max_tokens == b.max_tokens && a.unload_after == b.unload_after
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use backend::{AdapterSpec, ModelSource, ModelSpec, Scale};

    use super::{Plan, PlanError};
    use crate::{ModelConfig, ServiceConfig, Tier};

    fn model(name: &str, file: &str) -> ModelConfig {
        ModelConfig::new(ModelSpec::new(name, ModelSource::File(PathBuf::from(file))))
    }

    fn config(models: Vec<ModelConfig>) -> ServiceConfig {
        ServiceConfig { models, ..ServiceConfig::default() }
    }

    #[test]
    fn two_names_for_one_file_are_one_instance() {
        let mut config = config(vec![model("a", "x.gguf"), model("b", "y.gguf"), model("c", "x.gguf")]);
        config.tiers.insert(Tier::Deep, "c".into());
        let plan = Plan::new(&config).expect("a consistent configuration");
        let ids: Vec<_> = plan.models.iter().map(|m| m.spec.name.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(plan.names["c"], "a");
        assert_eq!(plan.tiers[&Tier::Deep], "a");
        assert_eq!(plan.other_names("a"), ["c", "deep"]);
    }

    #[test]
    fn one_file_with_two_settings_is_refused() {
        let mut other = model("b", "x.gguf");
        other.spec.threads = 2;
        let refused = Plan::new(&config(vec![model("a", "x.gguf"), other])).map(|_| ());
        assert_eq!(refused, Err(PlanError::SameSource { first: "a".into(), second: "b".into() }));
    }

    #[test]
    fn a_name_that_is_taken_is_refused_for_models_and_aliases() {
        let twice = config(vec![model("a", "x.gguf"), model("a", "y.gguf")]);
        assert_eq!(Plan::new(&twice).map(|_| ()), Err(PlanError::NameTaken { name: "a".into() }));
        let mut aliased = model("b", "y.gguf");
        aliased.aliases.push("a".into());
        let clash = config(vec![model("a", "x.gguf"), aliased]);
        assert_eq!(Plan::new(&clash).map(|_| ()), Err(PlanError::NameTaken { name: "a".into() }));
    }

    #[test]
    fn every_adapter_has_a_name_of_its_own() {
        let with = |model: ModelConfig, adapters: &[&str]| {
            let adapter = |name: &&str| AdapterSpec {
                name: (*name).to_string(),
                source: ModelSource::File(PathBuf::from("x-adapter.gguf")),
                scale: Scale::ONE,
            };
            let adapters = adapters.iter().map(adapter).collect();
            ModelConfig { spec: ModelSpec { adapters, ..model.spec }, ..model }
        };
        let plan = |models: Vec<ModelConfig>| Plan::new(&config(models)).map(|_| ());
        let taken = |name: &str| Err(PlanError::NameTaken { name: name.into() });
        let (a, b) = (model("a", "x.gguf"), model("b", "y.gguf"));
        assert_eq!(plan(vec![with(a.clone(), &["t", "u"]), with(b, &["t"])]), Ok(()));
        assert_eq!(plan(vec![with(a.clone(), &["t", "t"])]), taken("a:t"));
        assert_eq!(plan(vec![with(a.clone(), &["t"]), model("a:t", "y.gguf")]), taken("a:t"));
        for name in ["", "t:u"] {
            let refused = Err(PlanError::AdapterName { model: "a".into(), name: name.into() });
            assert_eq!(plan(vec![with(a.clone(), &[name])]), refused);
        }
    }

    #[test]
    fn a_tier_must_point_at_a_model() {
        let mut config = config(vec![model("a", "x.gguf")]);
        config.tiers.insert(Tier::Fast, "b".into());
        let refused = Plan::new(&config).map(|_| ());
        assert_eq!(refused, Err(PlanError::UnknownModel { tier: Tier::Fast, model: "b".into() }));
    }
}
