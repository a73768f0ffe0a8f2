//! A Unix socket as a door: the file, from its making to its end.

use std::path::{Path, PathBuf};

use crate::limits::KNOCKS_MAX;
use crate::listen::Door;

/// The file of a socket that is listened on. Dropping it removes the file, so that nobody knocks at a door without a house.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes the socket. One that was left behind by a program that is gone is replaced.
///
/// # Errors
/// What is in the way, in words.
#[cfg(unix)]
pub(crate) fn open(path: &Path) -> Result<(Door, SocketFile), String> {
    use std::io::ErrorKind;
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::UnixStream;

    use tokio::net::UnixSocket;

    let shown = path.display();
    let failed = |error: std::io::Error| format!("cannot listen on {shown}: {error}");
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(format!("{shown} is there and no socket; choose another path for unix_socket"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(format!("{shown} is in use by another program; stop it, or choose another path"));
        }
        Ok(_) => std::fs::remove_file(path).map_err(failed)?,
    }
    let socket = UnixSocket::new_stream().map_err(failed)?;
    socket.bind(path).map_err(failed)?;
    let listener = socket.listen(KNOCKS_MAX).map_err(failed)?;
    Ok((listener.into(), SocketFile(path.to_owned())))
}

/// Other systems have none that the runtime knows.
#[cfg(not(unix))]
pub(crate) fn open(path: &Path) -> Result<(Door, SocketFile), String> {
    Err(format!("this system has no Unix sockets; leave unix_socket = \"{}\" out", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::open;

    /// Without room for them a connection would be refused at once.
    #[tokio::test]
    async fn many_may_knock_before_the_first_is_let_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("edison.sock");
        let (_door, _file) = open(&path).expect("a socket");
        let mut knocking = Vec::new();
        for n in 0..500 {
            let knock = tokio::net::UnixStream::connect(&path).await;
            knocking.push(knock.unwrap_or_else(|error| panic!("{n} wait: {error}")));
        }
    }

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("edison.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
        assert!(path.exists(), "it was left behind");
        let (_door, file) = open(&path).expect("it is replaced");
        let problem = open(&path).expect_err("it is in use");
        assert!(problem.contains("in use"), "{problem}");
        drop(file);
        assert!(!path.exists(), "it goes with its server");
        std::fs::write(&path, "a text").expect("a file");
        let problem = open(&path).expect_err("it is no socket");
        assert!(problem.contains("no socket") && path.exists(), "{problem}");
    }
}
