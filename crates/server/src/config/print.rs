//! The configuration as a file that can be read again.

use std::fmt::Write;
use std::path::Path;

use serving::Limits;
use toml::Value;

use super::{Adapter, Config, Model, Source, duration};
use crate::limits::HttpLimits;

/// Writes every key, whether it was given or is a default.
pub(crate) fn to_toml(config: &Config) -> String {
    let mut out = String::new();
    section(&mut out, "[server]", &server(config));
    section(&mut out, "[limits]", &limits(&config.limits));
    for model in &config.models {
        section(&mut out, "[[models]]", &model_keys(model));
        for adapter in &model.adapters {
            section(&mut out, "[[models.adapters]]", &adapter_keys(adapter));
        }
    }
    let tiers: Vec<_> = config.tiers.iter().map(|(tier, model)| (tier.as_str(), text(model))).collect();
    section(&mut out, "[tiers]", &tiers);
    out
}

type Keys = Vec<(&'static str, Value)>;

fn section(out: &mut String, header: &str, keys: &[(&'static str, Value)]) {
    let gap = if out.is_empty() { "" } else { "\n" };
    let lines: String = keys.iter().fold(String::new(), |mut lines, (key, value)| {
        writeln!(lines, "{key} = {value}").expect("a String takes everything");
        lines
    });
    write!(out, "{gap}{header}\n{lines}").expect("a String takes everything");
}

fn server(config: &Config) -> Keys {
    let http: &HttpLimits = &config.http;
    let mut keys = vec![
        ("listen", text(&config.listen.to_string())),
        ("verify_models", Value::Boolean(config.verify_models)),
        ("body_max_bytes", integer(http.body_max_bytes)),
        ("bodies_max_bytes", integer(http.bodies_max_bytes)),
        ("body_read_timeout", text(&duration::format(http.body_read_timeout))),
        ("headers_max_bytes", integer(http.headers_max_bytes)),
        ("header_read_timeout", text(&duration::format(http.header_read_timeout))),
        ("write_timeout", text(&duration::format(http.write_timeout))),
        ("connections_max", integer(http.connections_max)),
        ("messages_max", integer(http.messages_max)),
        ("fetch_pictures", Value::Boolean(config.fetch_pictures)),
        ("fetch_max_bytes", integer(http.fetch_max_bytes)),
        ("fetch_timeout", text(&duration::format(http.fetch_timeout))),
        ("streams_max", integer(http.streams_max as usize)),
        ("keep_alive", text(&duration::format(http.keep_alive.unwrap_or_default()))),
        ("drain_timeout", text(&duration::format(http.drain_timeout))),
        ("cors_origins", Value::Array(config.origins.as_slice().iter().map(|origin| text(origin)).collect())),
    ];
    let path = |path: &Path| text(&path.to_string_lossy());
    if let Some((certificate, key)) = &config.tls {
        keys.extend([("tls_certificate", path(certificate)), ("tls_key", path(key))]);
    }
    keys.extend(config.unix_socket.iter().map(|socket| ("unix_socket", path(socket))));
    keys.extend(config.api_keys.iter().map(|file| ("api_keys_file", path(file))));
    keys
}

fn limits(limits: &Limits) -> Keys {
    vec![
        ("queue_timeout", text(&duration::format(limits.queue_timeout))),
        ("stall_timeout", text(&duration::format(limits.stall_timeout))),
        ("event_buffer", integer(limits.event_buffer)),
        ("history_max", integer(limits.history_max)),
        ("fair_share", Value::Boolean(limits.fair_share)),
    ]
}

fn model_keys(model: &Model) -> Keys {
    let source = match &model.source {
        Source::File(path) => ("file", text(&path.to_string_lossy())),
        Source::Builtin(builtin) => ("builtin", text(builtin.as_str())),
    };
    let aliases = model.aliases.iter().map(|alias| text(alias)).collect();
    let mut keys = vec![
        ("name", text(&model.name)),
        source,
        ("aliases", Value::Array(aliases)),
        ("context_len", integer(model.context_len as usize)),
        ("threads", integer(model.threads as usize)),
        ("gpu_layers", integer(model.gpu_layers as usize)),
        ("lanes", integer(model.lanes as usize)),
        ("replicas", integer(model.tuning.replicas as usize)),
        ("step_tokens", integer(model.tuning.step_tokens as usize)),
        ("draft_tokens", integer(model.tuning.draft_tokens as usize)),
        ("saved_state_mib", integer(model.tuning.saved_state_mib as usize)),
        ("queue_max", integer(model.queue_max)),
        ("max_tokens", integer(model.max_tokens as usize)),
        ("unload_after", text(&duration::format(model.unload_after.unwrap_or_default()))),
    ];
    keys.extend(model.projector.iter().map(|path| ("projector", text(&path.to_string_lossy()))));
    keys.extend(model.chat_template.iter().map(|path| ("chat_template", text(&path.to_string_lossy()))));
    keys
}

fn adapter_keys(adapter: &Adapter) -> Keys {
    let scale = Value::Float(f64::from(adapter.scale.get()));
    vec![("name", text(&adapter.name)), ("file", text(&adapter.file.to_string_lossy())), ("scale", scale)]
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn integer(value: usize) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}
