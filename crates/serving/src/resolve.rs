//! From the name that a client uses to the model that it means, and to the adapter of it where it names one.

use std::sync::Arc;

use backend::{Adapter, AdapterSpec};

use crate::Refusal;
use crate::instance::{Instance, State};
use crate::routing::{adapted, candidates};
use crate::service::Inner;

impl Inner {
    /// The model that this name means before any other, whether or not it is there.
    pub(crate) fn resolve(&self, name: &str) -> Result<Arc<Instance>, Refusal> {
        let unknown = || Refusal::UnknownModel { asked: name.to_string(), known: self.known_names(false) };
        self.candidates(name).first().map(|first| Arc::clone(first)).ok_or_else(unknown)
    }

    /// The model that answers to this name: the first candidate that is not absent. The name may go on with one of its
    /// adapters, as in `fast:tone`; beside one that is `given` by its number. Where the first candidate has no such adapter,
    /// another one may.
    pub(crate) fn resolve_adapted(
        &self,
        name: &str,
        given: Option<Adapter>,
    ) -> Result<(Arc<Instance>, Option<Adapter>), Refusal> {
        let found = self.candidates(name);
        if !found.is_empty() {
            let instance = usable(&found)?;
            check_number(&instance, given)?;
            return Ok((instance, given));
        }
        let unknown = || Refusal::UnknownModel { asked: name.to_string(), known: self.known_names(true) };
        let (base, asked) = adapted(name).ok_or_else(unknown)?;
        let found = self.candidates(base);
        let first = found.first().ok_or_else(unknown)?;
        if given.is_some() {
            return Err(Refusal::TwoAdapters { asked: name.to_string() });
        }
        let (model, known) = (first.id().to_string(), names(&first.spec.adapters));
        let found: Vec<_> = found.into_iter().filter(|instance| number(instance, asked).is_some()).collect();
        if found.is_empty() {
            return Err(Refusal::UnknownAdapter { model, asked: asked.to_string(), known });
        }
        let instance = usable(&found)?;
        let adapter = number(&instance, asked);
        Ok((instance, adapter))
    }

    fn candidates(&self, name: &str) -> Vec<&Arc<Instance>> {
        let ids = candidates(name, &self.tiers, &self.names);
        ids.iter().filter_map(|id| self.instances.iter().find(|instance| instance.id() == *id)).collect()
    }

    /// Every name that is understood, in order; with those of adapters, if wanted.
    fn known_names(&self, with_adapters: bool) -> Vec<String> {
        let tiers = self.tiers.keys().map(|tier| tier.as_str().to_string());
        let mut known: Vec<String> = self.names.keys().cloned().chain(tiers).collect();
        if with_adapters {
            known.extend(self.instances.iter().flat_map(|instance| {
                instance.spec.adapters.iter().map(|adapter| format!("{}:{}", instance.id(), adapter.name))
            }));
        }
        known.sort();
        known.dedup();
        known
    }
}

/// The first of these, at least one, that is not absent.
fn usable(found: &[&Arc<Instance>]) -> Result<Arc<Instance>, Refusal> {
    let first = found[0];
    match (found.iter().find(|i| !matches!(i.state(), State::Absent(_))), first.state()) {
        (Some(usable), _) => Ok(Arc::clone(usable)),
        (None, State::Absent(absence)) => Err(first.unavailable(absence)),
        // It is tried again since the first look.
        (None, _) => Ok(Arc::clone(first)),
    }
}

/// The adapter of this name, at its own scale.
fn number(instance: &Instance, name: &str) -> Option<Adapter> {
    let at = instance.spec.adapters.iter().position(|adapter| adapter.name == name)?;
    Some(Adapter { number: u32::try_from(at).ok()?, scale: instance.spec.adapters[at].scale })
}

fn check_number(instance: &Instance, given: Option<Adapter>) -> Result<(), Refusal> {
    match given {
        Some(Adapter { number, .. }) if number as usize >= instance.spec.adapters.len() => {
            let known = names(&instance.spec.adapters);
            Err(Refusal::NoAdapterNumber { model: instance.id().to_string(), number, known })
        }
        _ => Ok(()),
    }
}

fn names(adapters: &[AdapterSpec]) -> Vec<String> {
    adapters.iter().map(|adapter| adapter.name.clone()).collect()
}
