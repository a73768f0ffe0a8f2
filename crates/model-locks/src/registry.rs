//! Which lock belongs to which model.
//!
//! Locks come and go only by `insert` and `remove`. A registry that makes locks on demand and cleans them up later has
//! to guess when nobody uses one, and a wrong guess gives two holders to one model.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{AliasError, NameTaken, UnknownModel};
use crate::lock::ModelLock;

/// The locks of several models by id, with aliases. Look a lock up once per request and keep the handle.
///
/// ```
/// use model_locks::{ModelLock, ModelLocks, Policy, UnknownModel};
///
/// let models = ModelLocks::new();
/// models.insert("qwen-0.5b", ModelLock::new(["engine"], Policy::default()))?;
/// models.alias("fast", "qwen-0.5b").expect("the name is free and the model is known");
///
/// assert!(models.get("fast").unwrap().is_same(&models.get("qwen-0.5b").unwrap()));
/// assert_eq!(models.get("slow").unwrap_err(), UnknownModel);
/// # Ok::<(), model_locks::NameTaken>(())
/// ```
pub struct ModelLocks<K, T> {
    /// Readers copy the pointer and look up outside, so no comparison of keys runs under the lock for them.
    names: RwLock<Arc<Names<K, T>>>,
}

struct Names<K, T> {
    locks: BTreeMap<K, ModelLock<T>>,
    /// Alias to id. The id is always a key of `locks`, and no alias is.
    aliases: BTreeMap<K, K>,
}

impl<K: Ord + Clone, T> ModelLocks<K, T> {
    /// A registry without models.
    pub fn new() -> Self {
        let names = Names { locks: BTreeMap::new(), aliases: BTreeMap::new() };
        Self { names: RwLock::new(Arc::new(names)) }
    }

    /// Enters a model.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if `id` is a model or an alias already; then nothing changes and `lock` is dropped. To replace a
    /// model, [`remove`](Self::remove) it first: that closes its lock, and two locks of one id never live side by side.
    pub fn insert(&self, id: K, lock: ModelLock<T>) -> Result<(), NameTaken> {
        // A refused lock is dropped after the registry's own lock, because its lanes are foreign code.
        let mut lock = Some(lock);
        self.change(|names| {
            if names.has(&id) {
                return Err(NameTaken);
            }
            names.locks.extend(lock.take().map(|lock| (id, lock)));
            Ok(())
        })
    }

    /// Lets `alias` stand for the model that `id` names. If `id` is an alias itself, the new one stands for the same
    /// model; there are no chains.
    ///
    /// # Errors
    ///
    /// [`AliasError::UnknownModel`] if `id` names nothing, [`AliasError::NameTaken`] if `alias` is a name already.
    pub fn alias(&self, alias: K, id: K) -> Result<(), AliasError> {
        self.change(|names| {
            let model = names.resolve(&id).ok_or(AliasError::UnknownModel)?.clone();
            if names.has(&alias) {
                return Err(AliasError::NameTaken);
            }
            names.aliases.insert(alias, model);
            Ok(())
        })
    }

    /// The lock of the model that `name` means, by id or alias.
    ///
    /// # Errors
    ///
    /// [`UnknownModel`]; never the lock of another model.
    pub fn get<Q>(&self, name: &Q) -> Result<ModelLock<T>, UnknownModel>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let names = self.names();
        let id = names.resolve(name).ok_or(UnknownModel)?;
        names.locks.get(id.borrow()).cloned().ok_or(UnknownModel)
    }

    /// Takes a model out, with its aliases, and closes its lock. The handle that comes back lets one wait until the
    /// lock is [`closed`](ModelLock::closed) with every lane home.
    ///
    /// # Errors
    ///
    /// [`UnknownModel`] if `id` is not the id of a model. An alias is not: a model that goes by several names is removed
    /// by its own.
    pub fn remove<Q>(&self, id: &Q) -> Result<ModelLock<T>, UnknownModel>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let lock = self.change(|names| {
            let lock = names.locks.remove(id).ok_or(UnknownModel)?;
            names.aliases.retain(|_, model| (*model).borrow() != id);
            Ok(lock)
        })?;
        // Not under the registry's lock: closing wakes waiters, and they may use the registry.
        lock.close();
        Ok(lock)
    }

    /// The ids of the models, ascending.
    pub fn ids(&self) -> Vec<K> {
        self.names().locks.keys().cloned().collect()
    }

    /// Each alias with the id it stands for, ascending.
    pub fn aliases(&self) -> Vec<(K, K)> {
        self.names().aliases.iter().map(|(alias, id)| (alias.clone(), id.clone())).collect()
    }

    fn names(&self) -> Arc<Names<K, T>> {
        Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the names, in a copy if somebody is reading them.
    fn change<R>(&self, change: impl FnOnce(&mut Names<K, T>) -> R) -> R {
        change(Arc::make_mut(&mut self.names.write().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<K: Ord, T> Names<K, T> {
    fn has(&self, name: &K) -> bool {
        self.locks.contains_key(name) || self.aliases.contains_key(name)
    }

    /// The id that a name means.
    fn resolve<Q>(&self, name: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.aliases.get(name).or_else(|| self.locks.get_key_value(name).map(|(id, _)| id))
    }
}

// By hand, because `derive` would ask for `T: Clone`.
impl<K: Clone, T> Clone for Names<K, T> {
    fn clone(&self) -> Self {
        Self { locks: self.locks.clone(), aliases: self.aliases.clone() }
    }
}

impl<K: Ord + Clone, T> Default for ModelLocks<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone + fmt::Debug, T> fmt::Debug for ModelLocks<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        f.debug_struct("ModelLocks").field("locks", &names.locks).field("aliases", &names.aliases).finish()
    }
}
