//! The engine that this program was built with. The only place that names an implementation of `backend`.

use std::sync::Arc;

use backend::Backend;

/// Starts llama.cpp.
#[cfg(feature = "llama")]
pub(crate) fn start() -> Result<Arc<dyn Backend>, String> {
    match backend_llama::LlamaBackend::new() {
        Ok(backend) => Ok(Arc::new(backend)),
        Err(error) => Err(error.to_string()),
    }
}

/// There is no engine in this build.
#[cfg(not(feature = "llama"))]
pub(crate) fn start() -> Result<Arc<dyn Backend>, String> {
    Err("this program was built without an engine; build it with the feature `llama`".into())
}

/// What llama.cpp must find in its environment: without it a failed assertion attaches a debugger to the process,
/// which then stands still instead of ending.
#[cfg(all(unix, feature = "llama"))]
const NO_BACKTRACE: (&str, &str) = ("GGML_NO_BACKTRACE", "1");

/// Starts the program anew with the environment that the engine needs, if it is not there yet. To be called before
/// anything else.
///
/// A process cannot safely change its own environment, since other threads may be reading it. Becoming the same
/// program once more is safe, and keeps the process id. If it fails, the program goes on as it is.
#[cfg(all(unix, feature = "llama"))]
pub(crate) fn prepare_environment() {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let (name, value) = NO_BACKTRACE;
    if std::env::var_os(name).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        // Comes back only with an error.
        let _error = Command::new(program).args(std::env::args_os().skip(1)).env(name, value).exec();
    }
}

/// Nothing to prepare.
#[cfg(not(all(unix, feature = "llama")))]
pub(crate) fn prepare_environment() {}
