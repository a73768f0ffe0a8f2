//! Which lock belongs to which model.
//!
//! Locks come and go only by `insert` and `remove`. A registry that makes locks on demand and cleans them up later has
//! to guess when nobody uses one, and a wrong guess gives two holders to one model.

mod hash;
mod published;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use self::hash::BuildNameHasher;
use self::published::Published;
use crate::error::{AliasError, NameTaken, UnknownModel};
use crate::lock::ModelLock;

/// The locks of several models by id, with aliases. Look a lock up once per request and keep the handle.
///
/// Names are compared, hashed, cloned and dropped while no other name can be changed. So what `K` does then must not change
/// the registry; it may look names up.
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
    names: Published<Names<K, T>>,
}

/// Every id and every alias. All aliases of a model share its lock.
struct Names<K, T>(HashMap<K, Meaning<K, T>, BuildNameHasher>);

struct Meaning<K, T> {
    /// An alias is a name that is not its own id.
    id: K,
    lock: ModelLock<T>,
}

impl<K: Hash + Ord + Clone, T> ModelLocks<K, T> {
    /// A registry without models.
    pub fn new() -> Self {
        Self { names: Published::new(Names(HashMap::default())) }
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
        self.names.change(|names| {
            if names.0.contains_key(&id) {
                return Err(NameTaken);
            }
            names.0.extend(lock.take().map(|lock| (id.clone(), Meaning { id, lock })));
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
        self.names.change(|names| {
            let meaning = names.0.get(&id).ok_or(AliasError::UnknownModel)?.clone();
            if names.0.contains_key(&alias) {
                return Err(AliasError::NameTaken);
            }
            names.0.insert(alias, meaning);
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
        Q: Hash + Eq + ?Sized,
    {
        self.names.read(|names| names.0.get(name).map(|meaning| meaning.lock.clone())).ok_or(UnknownModel)
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
        Q: Hash + Eq + ?Sized,
    {
        let lock = self.names.change(|names| {
            let meaning = names.0.get(id).filter(|meaning| meaning.id.borrow() == id);
            let lock = meaning.ok_or(UnknownModel)?.lock.clone();
            names.0.retain(|_, meaning| meaning.id.borrow() != id);
            Ok(lock)
        })?;
        // Not under the registry's lock: closing wakes waiters, and they may use the registry.
        lock.close();
        Ok(lock)
    }

    /// The ids of the models, ascending.
    pub fn ids(&self) -> Vec<K> {
        self.sorted(|name, meaning| (*name == meaning.id).then(|| name.clone()))
    }

    /// Each alias with the id it stands for, ascending.
    pub fn aliases(&self) -> Vec<(K, K)> {
        self.sorted(|name, meaning| (*name != meaning.id).then(|| (name.clone(), meaning.id.clone())))
    }

    fn sorted<R: Ord>(&self, shown: impl Fn(&K, &Meaning<K, T>) -> Option<R>) -> Vec<R> {
        let names = self.names.now();
        let mut all: Vec<_> = names.0.iter().filter_map(|(name, meaning)| shown(name, meaning)).collect();
        all.sort();
        all
    }
}

// By hand, because `derive` would ask for `T: Clone`.
impl<K: Clone, T> Clone for Names<K, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Clone, T> Clone for Meaning<K, T> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), lock: self.lock.clone() }
    }
}

impl<K: Hash + Ord + Clone, T> Default for ModelLocks<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Ord + Clone + fmt::Debug, T> fmt::Debug for ModelLocks<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelLocks").field("ids", &self.ids()).field("aliases", &self.aliases()).finish()
    }
}
