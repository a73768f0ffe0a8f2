//! Settings and files that must be refused with a reason, and must not end the process.

use std::path::PathBuf;

use backend::{Backend, LoadError, ModelSource, ModelSpec};
use tempfile::TempDir;

use crate::support;

/// Loads a spec that is to be refused.
async fn refusal(spec: ModelSpec) -> LoadError {
    match support::backend().load(spec.clone(), support::silent()).await {
        Ok(_) => panic!("loaded: {spec:?}"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn settings_out_of_range() {
    type Change = fn(&mut ModelSpec);
    let cases: [(&str, Change); 15] = [
        ("lanes", |s| s.lanes = 0),
        ("lanes", |s| s.lanes = 65),
        ("replicas", |s| s.tuning.replicas = 0),
        ("replicas", |s| s.tuning.replicas = 17),
        ("draft_tokens", |s| s.tuning.draft_tokens = 65),
        ("draft_tokens", |s| (s.tuning.draft_tokens, s.tuning.step_tokens) = (16, 16)),
        ("draft_tokens", |s| (s.tuning.draft_tokens, s.lanes) = (4, 2)),
        ("step_tokens", |s| s.tuning.step_tokens = 15),
        ("step_tokens", |s| s.tuning.step_tokens = u32::MAX),
        ("threads", |s| s.threads = 0),
        ("threads", |s| s.threads = 513),
        ("threads", |s| s.threads = u32::MAX),
        ("context_len", |s| s.context_len = 1),
        ("context_len", |s| s.context_len = 255),
        ("context_len", |s| s.context_len = u32::MAX),
    ];
    for (name, change) in cases {
        let mut spec = support::spec(support::fast());
        change(&mut spec);
        let error = refusal(spec.clone()).await;
        assert!(matches!(error, LoadError::Setting { setting, .. } if setting == name), "{spec:?}: {error}");
    }
}

#[tokio::test]
async fn paths_without_a_readable_file() {
    let dir = TempDir::new().unwrap();
    let mut paths =
        vec![dir.path().join("missing.gguf"), dir.path().to_path_buf(), PathBuf::from(""), PathBuf::from("a\0b")];
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        paths.push(PathBuf::from(std::ffi::OsString::from_vec(b"/tmp/\xff.gguf".to_vec())));
    }
    for path in paths {
        let error = refusal(support::spec(path.clone())).await;
        assert!(matches!(&error, LoadError::NotFound { path: tried, .. } if *tried == path), "{path:?}: {error}");
    }
}

/// Method: the demo model, spoilt in one way each; the reason must name the way.
#[tokio::test]
async fn files_that_are_no_models() {
    let dir = TempDir::new().unwrap();
    let good = std::fs::read(support::fast()).unwrap();
    let renamed = support::replace(&good, b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lamma");
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("empty", vec![], "empty"),
        ("junk", b"once upon a time, there was a file".to_vec(), "not a GGUF file"),
        ("header", good[..10].to_vec(), "ends inside the GGUF header"),
        ("metadata", good[..2000].to_vec(), ""),
        ("tensors", good[..good.len() / 2].to_vec(), "not within the file bounds"),
        ("version", support::replace(&good, b"GGUF\x03", b"GGUF\x09"), "version"),
        ("architecture", renamed, "lamma"),
        ("vocabulary", [&good[..8], &[0; 8], &good[16..]].concat(), "no tensors"),
    ];
    for (name, bytes, expected) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        match refusal(support::spec(path)).await {
            LoadError::Unusable { model, reason } => {
                assert!(model.ends_with(name), "{model}");
                assert!(reason.contains(expected) && !reason.contains("null"), "{name}: {reason}");
            }
            error => panic!("{name}: {error}"),
        }
    }
}

/// Weights that are not numbers load without a word; the first token shows it.
#[tokio::test]
async fn a_model_that_computes_no_numbers() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("nan.gguf");
    let mut bytes = std::fs::read(support::fast()).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    match refusal(support::spec(path)).await {
        LoadError::Unusable { reason, .. } => assert!(reason.contains("numbers"), "{reason}"),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn built_in_bytes_that_are_no_model() {
    for bytes in [b"".as_slice(), b"not a model at all, only text"] {
        let mut spec = support::spec(PathBuf::new());
        spec.source = ModelSource::Embedded(bytes);
        let error = refusal(spec).await;
        assert!(matches!(error, LoadError::Unusable { .. }), "{error}");
    }
}

/// Everything above was refused in this very process, which still loads and answers.
#[tokio::test]
async fn a_refusal_leaves_the_engine_usable() {
    use backend::conformance::kit;
    refusal(support::spec(PathBuf::from("/nowhere.gguf"))).await;
    let mut model = support::load(support::spec(support::fast())).await;
    let mut lane = kit::only_lane(&mut model);
    kit::check_as_new(&model, lane.as_mut()).await;
}
