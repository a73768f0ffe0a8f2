//! What the program says once its models are loaded.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serving::{LoadState, ModelView};

use crate::config::{Config, Model, Source};

/// What is served where, and a line to try it with. `has_keys`: only to whoever sends an API key.
pub(crate) fn serving(address: SocketAddr, config: &Config, has_keys: bool, views: &[ModelView]) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let mut out = format!("Edison serves on {scheme}://{address}\n\n");
    if let Some(socket) = &config.unix_socket {
        writeln!(out, "  also on the Unix socket {}\n", socket.display()).expect("a String takes everything");
    }
    let width = views.iter().map(|view| view.id.len()).max().unwrap_or(0);
    for view in views {
        let line = line(view, config.models.iter().find(|model| model.name == view.id));
        writeln!(out, "  {:width$}  {line}", view.id).expect("a String takes everything");
    }
    if let Some(ready) = views.iter().find(|view| view.state == LoadState::Ready) {
        let url = format!("{scheme}://{}/v1/chat/completions", reachable(address));
        let body = format!(r#"{{"model":"{}","messages":[{{"role":"user","content":"Say hello."}}]}}"#, ready.id);
        let key = if has_keys { " -H 'authorization: Bearer KEY'" } else { "" };
        write!(out, "\nTry it:\n\n  curl {url}{key} -d '{}'\n", body.replace('\'', r"'\''"))
            .expect("a String takes everything");
    }
    out
}

/// Which models failed, and why.
pub(crate) fn failures(views: &[ModelView]) -> Vec<String> {
    let failed = views.iter().filter_map(|view| match &view.state {
        LoadState::Failed { reason, .. } => Some(format!("{}: {reason}", view.id)),
        LoadState::Loading { .. } | LoadState::Ready | LoadState::Unloaded => None,
    });
    failed.collect()
}

fn line(view: &ModelView, model: Option<&Model>) -> String {
    let mut facts = Vec::new();
    match &view.state {
        LoadState::Failed { reason, .. } => facts.push(format!("not available: {reason}")),
        LoadState::Loading { .. } => facts.push("still loading".to_owned()),
        LoadState::Unloaded => facts.push("let go, and loaded for whoever asks".to_owned()),
        LoadState::Ready => facts.extend(view.context_len.map(|tokens| format!("context of {tokens} tokens"))),
    }
    if let Some(model) = model {
        facts.extend(size(&model.source).map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)));
        facts.push(match &model.source {
            Source::Builtin(_) => "built in".to_owned(),
            Source::File(path) => path.display().to_string(),
        });
        let plural = if model.threads == 1 { "" } else { "s" };
        facts.push(format!("{} thread{plural}", model.threads));
    }
    if !view.adapters.is_empty() {
        let names: Vec<&str> = view.adapters.iter().map(|adapter| adapter.name.as_str()).collect();
        facts.push(format!("adapters {}", names.join(", ")));
    }
    if !view.names.is_empty() {
        facts.push(format!("also {}", view.names.join(", ")));
    }
    facts.join(", ")
}

fn size(source: &Source) -> Option<u64> {
    match source {
        Source::Builtin(model) => model.bytes().map(|bytes| bytes.len() as u64),
        Source::File(path) => path.metadata().ok().map(|file| file.len()),
    }
}

/// An address that a client on this machine can use: one cannot connect to "every address".
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use serving::{LoadState, ModelView};

    use super::{failures, serving};
    use crate::config::Config;

    fn view(id: &str, state: LoadState) -> ModelView {
        ModelView {
            id: id.into(),
            names: vec!["assistant".into()],
            state,
            lanes: vec![],
            waiting: vec![],
            queue_max: 64,
            context_len: Some(512),
            capabilities: None,
            drafts: false,
            adapters: vec![],
            saved_states: backend::SavedStates::default(),
            granted_total: 0,
            history: vec![],
        }
    }

    #[test]
    fn the_report_says_what_where_and_how_to_try_it() {
        let failed = LoadState::Failed { reason: "no such file".into(), retry_after: None };
        let views = [view("fast", failed), view("deep", LoadState::Ready)];
        let address = "0.0.0.0:8811".parse().expect("an address");
        let report = serving(address, &Config::demo(8), false, &views);
        assert!(report.starts_with("Edison serves on http://0.0.0.0:8811\n"), "{report}");
        assert!(report.contains("fast  not available: no such file"), "{report}");
        assert!(report.contains("deep  context of 512 tokens"), "{report}");
        assert!(report.contains("built in, 2 threads, also assistant"), "{report}");
        assert!(report.contains(r#"curl http://127.0.0.1:8811/v1/chat/completions -d '{"model":"deep","#), "{report}");
        assert_eq!(failures(&views), ["fast: no such file"]);
        let report = serving(address, &Config::demo(8), true, &views);
        assert!(report.contains("/v1/chat/completions -H 'authorization: Bearer KEY' -d "), "{report}");
    }
}
