//! The files of this repository, wherever it was unpacked: git is not asked.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the root").to_owned()
}

/// A file that people write.
pub(crate) struct File {
    /// From the root, with `/` on every system.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files with one of these endings, in the order of their paths.
///
/// Left out is what builds make (`target`, `target-*`), what npm installs, and what git keeps for itself.
pub(crate) fn with_endings(endings: &[&str]) -> Vec<File> {
    let root = root();
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.retain(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    });
    paths.sort();
    paths.into_iter().filter_map(|path| read(&root, &path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder that was opened can be read");
        let kind = entry.file_type().expect("the system knows what its entries are");
        let name = entry.file_name().to_string_lossy().into_owned();
        let made = ["target", ".git", "node_modules"].contains(&name.as_str()) || name.starts_with("target-");
        if kind.is_dir() && !made {
            collect(&entry.path(), paths);
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
}

/// `None`: not text, or gone since the folder was listed (an editor's swap file).
fn read(root: &Path, path: &Path) -> Option<File> {
    let text = std::fs::read_to_string(path).ok()?;
    let path = path.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/");
    Some(File { path, text })
}

#[test]
fn the_walk_finds_this_file_and_nothing_that_a_build_made() {
    let files = with_endings(&["rs"]);
    assert!(files.iter().any(|file| file.path == "xtask/tests/rules/files.rs"));
    assert!(!files.iter().any(|file| file.path.starts_with("target")));
}
