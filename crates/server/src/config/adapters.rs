//! The adapters of a model: its tables `[[models.adapters]]`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use backend::{AdapterSpec, ModelSource, Scale};
use toml::de::DeValue;

use super::parse::canonical;
use super::problem::Collector;
use super::section::Section;
use super::values::{check_name, text};

/// An adapter in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Adapter {
    pub(crate) name: String,
    /// A file that exists.
    pub(crate) file: PathBuf,
    pub(crate) scale: Scale,
}

impl Adapter {
    pub(super) fn spec(&self) -> AdapterSpec {
        AdapterSpec { name: self.name.clone(), source: ModelSource::File(self.file.clone()), scale: self.scale }
    }
}

/// Reads the adapters of a model, in their order. Those that are wrong are left out, with a problem.
pub(super) fn read(model: &mut Section<'_, '_>, base: &Path, problems: &mut Collector<'_>) -> Vec<Adapter> {
    let path = model.path_of("adapters");
    let Some(value) = model.raw("adapters") else { return Vec::new() };
    let Some(array) = value.get_ref().as_array() else {
        problems.add(&value.span(), path, "must be tables: [[models.adapters]]");
        return Vec::new();
    };
    let (mut adapters, mut taken) = (Vec::new(), BTreeSet::new());
    for (index, value) in array.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(table) = value.get_ref().as_table() else {
            problems.add(&value.span(), path, "must be a table: [[models.adapters]]");
            continue;
        };
        let section = Section::new(path.clone(), table, value.span());
        let Some(adapter) = read_one(section, base, problems) else { continue };
        if !taken.insert(adapter.name.clone()) {
            let message = format!("the name \"{}\" is taken by another adapter of the model", adapter.name);
            problems.add(&value.span(), format!("{path}.name"), message);
        }
        adapters.push(adapter);
    }
    adapters
}

fn read_one(mut section: Section<'_, '_>, base: &Path, problems: &mut Collector<'_>) -> Option<Adapter> {
    for key in ["name", "file"] {
        if section.raw(key).is_none() {
            problems.add(&section.span(), section.path_of(key), "is missing");
        }
    }
    let name = section.get("name", name, problems);
    let file = section.get("file", |value| text(value).and_then(|file| canonical(&base.join(file))), problems);
    let mut strength = Scale::ONE;
    section.set("scale", &mut strength, scale, problems);
    section.finish(problems);
    Some(Adapter { name: name?.0, file: file?.0, scale: strength })
}

/// A name that can stand behind that of its model and a colon.
fn name(value: &DeValue<'_>) -> Result<String, String> {
    let name = check_name(value.as_str().unwrap_or_default())?;
    if name.contains(':') { Err("must be without a colon, which parts it from its model".to_owned()) } else { Ok(name) }
}

fn scale(value: &DeValue<'_>) -> Result<Scale, String> {
    let real = value.as_float().and_then(|number| number.as_str().parse().ok());
    let whole = || value.as_integer().and_then(|number| i32::from_str_radix(number.as_str(), number.radix()).ok());
    let number: Option<f64> = real.or_else(|| whole().map(f64::from));
    let scale = number.and_then(|number| Scale::new(number as f32).ok());
    scale.ok_or_else(|| format!("must be a number from -{max} to {max}", max = Scale::MAX))
}
