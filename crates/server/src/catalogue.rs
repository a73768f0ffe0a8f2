//! What the listings say about each model besides its state. It does not change once the model is loaded, so that a
//! listing need not look at queues and histories.

use std::sync::OnceLock;

use serving::ModelView;

/// Every model, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Catalogue(Vec<Entry>);

/// One model.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// Its other names.
    pub(crate) names: Vec<String>,
    /// The names of its adapters, in the order of their numbers.
    pub(crate) adapters: Vec<String>,
    /// Set when the model was first seen loaded.
    context_len: OnceLock<u32>,
}

impl Catalogue {
    /// The models of these views.
    pub(crate) fn new(models: Vec<ModelView>) -> Self {
        let entry = |model: ModelView| Entry {
            id: model.id,
            names: model.names,
            adapters: model.adapters.into_iter().map(|adapter| adapter.name).collect(),
            context_len: OnceLock::new(),
        };
        Self(models.into_iter().map(entry).collect())
    }

    /// The id of the first model of the configuration.
    pub(crate) fn first(&self) -> Option<String> {
        self.0.first().map(|entry| entry.id.clone())
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.id == id)
    }
}

impl Entry {
    /// Tokens of context of a model that is loaded. `look` is asked until it knows.
    pub(crate) fn context_len(&self, look: impl FnOnce() -> Option<u32>) -> Option<u32> {
        self.context_len.get().copied().or_else(|| look().map(|found| *self.context_len.get_or_init(|| found)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::Entry;

    #[test]
    fn the_context_is_looked_up_until_it_is_known() {
        let entry = Entry { id: "m".into(), names: vec![], adapters: vec![], context_len: OnceLock::new() };
        assert_eq!(entry.context_len(|| None), None);
        assert_eq!(entry.context_len(|| Some(7)), Some(7));
        assert_eq!(entry.context_len(|| panic!("it is known")), Some(7));
    }
}
