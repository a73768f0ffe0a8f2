//! An engine that tries every file in a child before it loads it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use backend::{Backend, LoadError, LoadProgress, LoadedModel, MemoryEstimate, ModelSource, ModelSpec};

use super::trial::{Subject, Trial, try_in_child};

/// Bytes that are read at one time.
const READ_BYTES: usize = 1 << 20;

/// Lets an engine load a file only after a child has survived it.
pub(crate) struct Verified {
    inner: Arc<dyn Backend>,
    /// Where verdicts are kept, a file for each content; `None` where the system names no such place, and every file is
    /// tried anew.
    verdicts: Option<PathBuf>,
}

impl Verified {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Self {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        Self { inner, verdicts: cache.map(|cache| cache.join("edison/verdicts")) }
    }

    /// What a trial of these files says, from now or from before.
    async fn verdict(&self, subject: &Subject) -> Result<Trial, String> {
        let kept = match &self.verdicts {
            Some(folder) => Some(folder.join(name(subject.clone()).await?)),
            None => None,
        };
        let known = kept.as_deref().and_then(|kept| std::fs::read_to_string(kept).ok());
        if let Some(known) = known.and_then(|line| serde_json::from_str(&line).ok()) {
            return Ok(known);
        }
        let trial = try_in_child(subject).await?;
        // A file that took too long today may not tomorrow.
        if let Some(kept) = kept.filter(|_| !matches!(trial, Trial::Hung { .. }))
            && let Err(error) = keep(&kept, &trial)
        {
            tracing::warn!(file = %kept.display(), %error, "a verdict cannot be kept; the model will be tried again");
        }
        Ok(trial)
    }
}

/// The name under which the verdict over this content is kept. Another version of this program may judge otherwise.
async fn name(subject: Subject) -> Result<String, String> {
    let context_len = subject.context_len;
    let hash = tokio::task::spawn_blocking(move || hash(&subject)).await.map_err(|error| error.to_string())??;
    Ok(format!("{hash}-{context_len}-{}.json", env!("CARGO_PKG_VERSION")))
}

/// Of the model alone that of its content; with adapters that of all their hashes, since the trial is of them together.
fn hash(subject: &Subject) -> Result<String, String> {
    let of = |path: &PathBuf| hash_file(path).map_err(|error| format!("{}: {error}", path.display()));
    let model = of(&subject.file)?;
    if subject.adapters.is_empty() {
        return Ok(model.to_hex().to_string());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(model.as_bytes());
    for adapter in &subject.adapters {
        hasher.update(of(adapter)?.as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn hash_file(path: &Path) -> std::io::Result<blake3::Hash> {
    let (mut file, mut hasher) = (std::fs::File::open(path)?, blake3::Hasher::new());
    let mut part = vec![0; READ_BYTES];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hasher.finalize()),
            n => _ = hasher.update(&part[..n]),
        }
    }
}

/// Whoever reads it never sees half of it: it gets its name when it is complete.
fn keep(file: &Path, trial: &Trial) -> std::io::Result<()> {
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("")))?;
    let draft = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&draft, trial.to_line())?;
    std::fs::rename(&draft, file)
}

/// What is tried before a spec is loaded.
fn subject(path: &Path, spec: &ModelSpec) -> Subject {
    let file = |source: &ModelSource| match source {
        ModelSource::File(path) => Some(path.clone()),
        // It came with the program.
        ModelSource::Embedded(_) => None,
    };
    let adapters = spec.adapters.iter().filter_map(|adapter| file(&adapter.source)).collect();
    Subject { file: path.to_owned(), adapters, context_len: spec.context_len }
}

#[async_trait]
impl Backend for Verified {
    async fn load(&self, spec: ModelSpec, progress: LoadProgress) -> Result<LoadedModel, LoadError> {
        // What is built in came with the program, and needs no trial.
        if let ModelSource::File(path) = &spec.source {
            let model = path.display().to_string();
            let unusable = |reason: String| LoadError::Unusable { model: model.clone(), reason };
            match self.verdict(&subject(path, &spec)).await.map_err(|reason| LoadError::Failed { reason })? {
                Trial::Passed(_) => {}
                Trial::Refused { reason } => return Err(unusable(reason)),
                Trial::Died { how } => {
                    return Err(unusable(format!("it ends the process that loads it ({how})")));
                }
                Trial::Hung { seconds } => {
                    return Err(unusable(format!("it gave no answer within {seconds} seconds when it was tried")));
                }
            }
        }
        self.inner.load(spec, progress).await
    }

    async fn estimate(&self, spec: &ModelSpec) -> Result<Option<MemoryEstimate>, LoadError> {
        // Reading a description can end the process too.
        match &spec.source {
            ModelSource::File(_) => Ok(None),
            ModelSource::Embedded(_) => self.inner.estimate(spec).await,
        }
    }
}
