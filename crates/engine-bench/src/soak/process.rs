//! The server as a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::pause;
use crate::clock::Start;
use crate::held::Held;

/// Ends with its handle.
pub(super) struct Server {
    child: Child,
    folder: PathBuf,
    pub(super) address: String,
}

/// Loading four small models takes a second; a busy machine has its own time.
const START_MAX: Duration = Duration::from_secs(60);

impl Server {
    /// # Errors
    /// What does not work, and what to do about it.
    pub(super) fn start(program: Option<&Path>, configuration: &str) -> Result<Self, String> {
        let beside = || Some(std::env::current_exe().ok()?.with_file_name("edison"));
        let program = program.map(Path::to_path_buf).or_else(beside).unwrap_or_default();
        let folder = std::env::temp_dir().join(format!("edison-soak-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (file, port_file) = (folder.join("edison.toml"), folder.join("port"));
        fs::write(&file, configuration).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut command = Command::new(&program);
        command.arg("serve").arg("--config").arg(&file).arg("--port-file").arg(&port_file);
        // Only what goes wrong: a line for each request would be most of the work. And one heap for all threads, or what is
        // free in one and wanted in another looks like a leak for as long as there are heaps that were not used yet.
        command.env("RUST_LOG", "error").env("MALLOC_ARENA_MAX", "1").stdin(Stdio::null());
        let child = command.spawn().map_err(|error| {
            format!("{}: {error}; build it with `cargo build --release`, or give --program", program.display())
        })?;
        let mut server = Self { child, folder, address: String::new() };
        let begun = Start::now();
        while begun.elapsed() < START_MAX {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("the server ended at once: {status}"));
            }
            let port = fs::read_to_string(&port_file).unwrap_or_default();
            if !port.trim().is_empty() {
                server.address = format!("127.0.0.1:{}", port.trim());
                return Ok(server);
            }
            pause(Duration::from_millis(50));
        }
        Err("the server did not tell its port within a minute".to_owned())
    }

    /// # Errors
    /// As [`Held::of`].
    pub(super) fn held(&self) -> Result<Held, String> {
        Held::of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        let _left_behind = fs::remove_dir_all(&self.folder);
    }
}
