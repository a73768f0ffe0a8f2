//! From a file, or from the command line, to a configuration.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serving::{Limits, Tier};
use toml::de::DeTable;

use super::problem::{Collector, Problem, Problems};
use super::section::Section;
use super::values::{address, check_name, integer, name, names, switch, text, texts, time, time_or_never};
use super::{Config, Model, Source, default_threads};
use super::{adapters, check};
use crate::access::Origins;
use crate::embedded::Builtin;
use crate::limits::{HEADERS_MIN_BYTES, HttpLimits, KEEP_ALIVE_MIN};

/// The shortest time that a bound on waiting may have.
const INSTANT: Duration = Duration::from_millis(1);
/// The shortest time after which an idle model may be let go: a pause between two messages is no reason to load it anew.
const UNLOAD_AFTER_MIN: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

/// A model with the places where things about it were said.
pub(super) struct Written {
    pub(super) model: Model,
    pub(super) path: String,
    pub(super) name_span: Range<usize>,
    pub(super) aliases_span: Range<usize>,
}

/// Reads a configuration file. Paths in it are relative to the folder in which it lies.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn from_file(path: &Path, cores: usize) -> Result<Config, Problems> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot be read: {error}");
        Problems { file: file.clone(), problems: vec![Problem { line: None, key: String::new(), message }] }
    })?;
    from_text(&text, &file, path.parent().unwrap_or(Path::new("")), cores)
}

/// The models of the command line, with every bound at its default.
///
/// # Errors
/// Files that are not there, and names that are used twice.
pub(crate) fn from_models(models: &[(String, PathBuf)], cores: usize) -> Result<Config, Problems> {
    let threads = default_threads(cores, models.len());
    let mut problems = Vec::new();
    let mut found: Vec<Model> = Vec::new();
    for (name, path) in models {
        let mut problem = |message| problems.push(Problem { line: None, key: name.clone(), message });
        if let Err(message) = check_name(name) {
            problem(format!("the name {message}"));
        }
        if found.iter().any(|model| model.name == *name) {
            problem("the name is used twice".to_owned());
        }
        match canonical(path) {
            Ok(path) => found.push(Model::new(name.clone(), Source::File(path), threads)),
            Err(message) => problem(message),
        }
    }
    if problems.is_empty() {
        Ok(Config::of_models(found))
    } else {
        Err(Problems { file: "--model".to_owned(), problems })
    }
}

/// Reads a configuration from the text of the file `file`, whose relative paths begin at `base`.
pub(super) fn from_text(content: &str, file: &str, base: &Path, cores: usize) -> Result<Config, Problems> {
    let mut problems = Collector::new(content);
    let (document, errors) = DeTable::parse_recoverable(content);
    for error in &errors {
        problems.add(&error.span().unwrap_or_default(), "", error.message());
    }
    // After an error of syntax half of the keys would be reported as missing.
    if !errors.is_empty() {
        return Err(problems.into_problems(file));
    }
    let mut top = Section::new("", document.get_ref(), document.span());
    let mut config = Config::of_models(Vec::new());
    if let Some(mut section) = table(&mut top, "server", &mut problems) {
        section.set("listen", &mut config.listen, address, &mut problems);
        section.set("verify_models", &mut config.verify_models, switch, &mut problems);
        let file = |value: &_| text(value).and_then(|file| canonical(&base.join(file)));
        let certificate = section.get("tls_certificate", file, &mut problems).map(|(path, _)| path);
        let key = section.get("tls_key", file, &mut problems).map(|(path, _)| path);
        match (section.raw("tls_certificate"), section.raw("tls_key")) {
            (Some(given), None) => problems.add(&given.span(), "server.tls_key", "is missing beside tls_certificate"),
            (None, Some(given)) => problems.add(&given.span(), "server.tls_certificate", "is missing beside tls_key"),
            _ => config.tls = certificate.zip(key),
        }
        let socket = section.get("unix_socket", |value| text(value).map(|path| beside(base, &path)), &mut problems);
        config.unix_socket = socket.map(|(path, _)| path);
        config.api_keys = section.get("api_keys_file", file, &mut problems).map(|(path, _)| path);
        section.set("cors_origins", &mut config.origins, |value| texts(value).and_then(Origins::new), &mut problems);
        section.set("fetch_pictures", &mut config.fetch_pictures, switch, &mut problems);
        read_http(&mut section, &mut config.http, &mut problems);
        section.finish(&mut problems);
    }
    if let Some(mut section) = table(&mut top, "limits", &mut problems) {
        read_limits(&mut section, &mut config.limits, &mut problems);
        section.finish(&mut problems);
    }
    let written = read_models(&mut top, base, cores, &mut problems);
    let tiers = table(&mut top, "tiers", &mut problems);
    let tiers = tiers.map(|section| read_tiers(section, &mut problems)).unwrap_or_default();
    top.finish(&mut problems);
    check::names(&written, &mut problems);
    check::tiers(&written, &tiers, &mut problems);
    problems.finish(file)?;

    config.models = written.into_iter().map(|written| written.model).collect();
    config.tiers = tiers.into_iter().map(|(tier, model, _)| (tier, model)).collect();
    config.complete_tiers();
    Ok(config)
}

fn table<'a, 'text>(
    top: &mut Section<'a, 'text>,
    key: &'static str,
    problems: &mut Collector<'_>,
) -> Option<Section<'a, 'text>> {
    let value = top.raw(key)?;
    match value.get_ref().as_table() {
        Some(table) => Some(Section::new(key, table, value.span())),
        None => {
            problems.add(&value.span(), key, format!("must be a table: [{key}]"));
            None
        }
    }
}

fn read_http(section: &mut Section<'_, '_>, http: &mut HttpLimits, problems: &mut Collector<'_>) {
    let headers_min = HEADERS_MIN_BYTES as u64;
    section.set("body_max_bytes", &mut http.body_max_bytes, integer(1024..=1024 * MIB), problems);
    section.set("bodies_max_bytes", &mut http.bodies_max_bytes, integer(1024..=64 * 1024 * MIB), problems);
    section.set("body_read_timeout", &mut http.body_read_timeout, time(INSTANT), problems);
    section.set("headers_max_bytes", &mut http.headers_max_bytes, integer(headers_min..=MIB), problems);
    section.set("header_read_timeout", &mut http.header_read_timeout, time(INSTANT), problems);
    section.set("write_timeout", &mut http.write_timeout, time(INSTANT), problems);
    section.set("connections_max", &mut http.connections_max, integer(1..=1_000_000), problems);
    section.set("messages_max", &mut http.messages_max, integer(1..=1_000_000), problems);
    section.set("fetch_max_bytes", &mut http.fetch_max_bytes, integer(1024..=1024 * MIB), problems);
    section.set("fetch_timeout", &mut http.fetch_timeout, time(INSTANT), problems);
    section.set("streams_max", &mut http.streams_max, integer(1..=10_000), problems);
    section.set("keep_alive", &mut http.keep_alive, time_or_never(KEEP_ALIVE_MIN), problems);
    section.set("drain_timeout", &mut http.drain_timeout, time(Duration::ZERO), problems);
}

fn read_limits(section: &mut Section<'_, '_>, limits: &mut Limits, problems: &mut Collector<'_>) {
    section.set("queue_timeout", &mut limits.queue_timeout, time(INSTANT), problems);
    section.set("stall_timeout", &mut limits.stall_timeout, time(INSTANT), problems);
    section.set("event_buffer", &mut limits.event_buffer, integer(1..=65_536), problems);
    section.set("history_max", &mut limits.history_max, integer(0..=100_000), problems);
    section.set("fair_share", &mut limits.fair_share, switch, problems);
}

fn read_models(top: &mut Section<'_, '_>, base: &Path, cores: usize, problems: &mut Collector<'_>) -> Vec<Written> {
    let span = top.span();
    let Some(value) = top.raw("models") else {
        problems.add(
            &span,
            "models",
            "no model is configured; begin one with [[models]], as --print-config alone shows for the demo models",
        );
        return Vec::new();
    };
    let Some(array) = value.get_ref().as_array().filter(|array| !array.is_empty()) else {
        problems.add(&value.span(), "models", "must be one table or more: [[models]]");
        return Vec::new();
    };
    let threads = default_threads(cores, array.len());
    let mut written = Vec::new();
    for (index, value) in array.iter().enumerate() {
        let path = format!("models[{index}]");
        match value.get_ref().as_table() {
            Some(table) => written.extend(read_model(Section::new(path, table, value.span()), base, threads, problems)),
            None => problems.add(&value.span(), path, "must be a table: [[models]]"),
        }
    }
    written
}

fn read_model(
    mut section: Section<'_, '_>,
    base: &Path,
    threads: u32,
    problems: &mut Collector<'_>,
) -> Option<Written> {
    let name = section.get("name", name, problems);
    if name.is_none() && section.raw("name").is_none() {
        problems.add(&section.span(), section.path_of("name"), "is missing");
    }
    let source = read_source(&mut section, base, problems);
    let projector = section.get("projector", |value| text(value).and_then(|f| canonical(&base.join(f))), problems);
    if let (Some(Source::Builtin(_)), Some((_, span))) = (&source, &projector) {
        problems.add(span, section.path_of("projector"), "is for a model with a file; a built-in one brings its own");
    }
    let adapters = adapters::read(&mut section, base, problems);
    // What else is wrong is reported even where the name or the source is.
    let mut model = Model::new(String::new(), Source::Builtin(Builtin::Fast), threads);
    let aliases = section.get("aliases", names, problems);
    let u32_max = u64::from(u32::MAX);
    section.set("context_len", &mut model.context_len, integer(0..=i32::MAX as u64), problems);
    section.set("threads", &mut model.threads, integer(1..=1024), problems);
    section.set("gpu_layers", &mut model.gpu_layers, integer(0..=100_000), problems);
    section.set("lanes", &mut model.lanes, integer(1..=64), problems);
    section.set("replicas", &mut model.tuning.replicas, integer(1..=16), problems);
    section.set("step_tokens", &mut model.tuning.step_tokens, integer(16..=2048), problems);
    section.set("draft_tokens", &mut model.tuning.draft_tokens, integer(0..=64), problems);
    let draft = model.tuning.draft_tokens;
    if draft > 0 && (model.lanes > 1 || draft >= model.tuning.step_tokens) {
        let rule = "is for a model with lanes = 1, and must be less than step_tokens";
        problems.add(&section.span(), section.path_of("draft_tokens"), rule);
    }
    section.set("saved_state_mib", &mut model.tuning.saved_state_mib, integer(0..=1 << 20), problems);
    let template = |value: &_| text(value).and_then(|file| canonical(&base.join(file)));
    model.chat_template = section.get("chat_template", template, problems).map(|(path, _)| path);
    section.set("queue_max", &mut model.queue_max, integer(0..=1_000_000), problems);
    section.set("max_tokens", &mut model.max_tokens, integer(1..=u32_max), problems);
    section.set("unload_after", &mut model.unload_after, time_or_never(UNLOAD_AFTER_MIN), problems);
    let path = section.path_of("");
    section.finish(problems);

    let (name, name_span) = name?;
    let (aliases, aliases_span) = aliases.unwrap_or((Vec::new(), name_span.clone()));
    let projector = projector.map(|(path, _)| path);
    model = Model { name, aliases, source: source?, projector, adapters, ..model };
    Some(Written { model, path: path.trim_end_matches('.').to_owned(), name_span, aliases_span })
}

fn read_source(section: &mut Section<'_, '_>, base: &Path, problems: &mut Collector<'_>) -> Option<Source> {
    let names = || Builtin::ALL.map(Builtin::as_str).join(", ");
    let file = section.get(
        "file",
        |value| text(value).and_then(|file| canonical(&base.join(file))).map(Source::File),
        problems,
    );
    let builtin = section.get(
        "builtin",
        |value| {
            let model = value.as_str().and_then(Builtin::from_name).map(Source::Builtin);
            model.ok_or_else(|| format!("must be one of the models that are built in: {}", names()))
        },
        problems,
    );
    match (section.raw("file").is_some(), section.raw("builtin").is_some()) {
        (false, false) => problems.add(&section.span(), section.path_of("file"), "is missing; give file or builtin"),
        (true, true) => {
            problems.add(&section.span(), section.path_of("file"), "and builtin exclude each other; give one")
        }
        _ => {}
    }
    file.or(builtin).map(|(source, _)| source)
}

fn read_tiers(mut section: Section<'_, '_>, problems: &mut Collector<'_>) -> Vec<(Tier, String, Range<usize>)> {
    let mut tiers = Vec::new();
    for tier in Tier::ALL {
        if let Some((model, span)) = section.get(tier.as_str(), text, problems) {
            tiers.push((tier, model, span));
        }
    }
    section.finish(problems);
    tiers
}

/// The path of something that need not be there, in a folder. Where that is named at all the path is whole: it is printed, and
/// what is printed may be read from another folder.
fn beside(folder: &Path, path: &str) -> PathBuf {
    let path = folder.join(path);
    if folder.as_os_str().is_empty() { path } else { std::path::absolute(&path).unwrap_or(path) }
}

/// The one name of a file that can be read. Two names of one file must be seen to be one, or it would be loaded twice.
pub(super) fn canonical(path: &Path) -> Result<PathBuf, String> {
    let unreadable = |error: std::io::Error| format!("no readable file at {}: {error}", path.display());
    let canonical = path.canonicalize().map_err(unreadable)?;
    let is_file = canonical.is_file();
    is_file.then_some(canonical).ok_or_else(|| format!("{} is not a file", path.display()))
}
