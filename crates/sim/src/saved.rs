//! `fixtures/seeds`: worlds that failed once, for ever.
//!
//! The world is kept with its seed, because the seed would draw another one as soon as the drawing changes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::world::World;

/// A world that failed once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    /// The seed that drew it.
    pub seed: u64,
    /// What was wrong.
    pub why: String,
    /// The world, perhaps made smaller.
    pub world: World,
}

/// Where they are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/seeds")
}

/// All of them, by the names of their files, in order.
///
/// # Errors
/// A file that cannot be read or is no world, by its name.
pub fn all(folder: &Path) -> Result<Vec<(String, Saved)>, String> {
    let files = folder.read_dir().map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = files.filter_map(Result::ok).map(|file| file.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<(String, Saved), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let saved = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    Ok((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), saved))
}

/// Adds one, and tells where.
///
/// # Errors
/// What the system says.
pub fn add(folder: &Path, name: &str, saved: &Saved) -> Result<PathBuf, String> {
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(saved).map_err(|error| error.to_string())?;
    std::fs::write(&path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::{Saved, all, folder};

    /// Also what CI runs first; here so that an unreadable file is noticed by the tests.
    #[test]
    fn every_saved_world_can_be_read_and_nobody_objects_to_it() {
        for (name, saved) in all(&folder()).expect("the folder is there") {
            let objections = crate::oracles::judge(&crate::play::play(&saved.world));
            assert!(objections.is_empty(), "{name}: {objections:#?}");
        }
    }

    #[test]
    fn a_world_comes_back_from_its_file_as_it_was() {
        let world = crate::draw::draw(5);
        let saved = Saved { seed: 5, why: "it was there".to_owned(), world: world.clone() };
        let text = serde_json::to_string(&saved).expect("a world can be written");
        let read: Saved = serde_json::from_str(&text).expect("and read");
        assert_eq!(read.world, world);
    }
}
