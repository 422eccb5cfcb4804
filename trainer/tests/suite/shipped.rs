//! What ships as `models/steady` and `models/steady-20` is what these presets were when it was trained.

use std::path::PathBuf;

use tautline_core::policy::Digest;
use tautline_trainer::Params;

fn read(model: &str, file: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models");
    std::fs::read(root.join(model).join(file)).unwrap()
}

#[test]
fn the_steady_model_is_of_the_preset_that_its_provenance_names() {
    is_of_preset("steady", Params::steady());
}

#[test]
fn the_model_for_longer_jitter_is_of_the_preset_that_its_provenance_names() {
    is_of_preset("steady-20", Params::steady_20());
}

fn is_of_preset(name: &str, params: Params) {
    let read = |file| read(name, file);
    let provenance = String::from_utf8(read("provenance.toml")).unwrap();
    let says = |key: &str, digest: Digest| {
        let line = format!("{key}_sha256 = \"{digest}\"");
        assert!(provenance.contains(&line), "expected {line}");
    };
    says("model", Digest::of(&read("model.tlm")));
    says("certificate", Digest::of(&read("certificate.tlc")));
    says("closed_loop", Digest::of(&read("closed-loop.tlc")));
    // A change of the preset changes the digest: the model must then be trained again.
    let params = params.check().unwrap();
    assert!(provenance.contains(&format!("preset = \"{name}\"")));
    assert!(provenance.contains(&format!("seed = {}", params.params().seed)));
    says("params", params.digest());
    let model = tautline_core::policy::decode(&read("model.tlm")).unwrap().0;
    assert_eq!(model, *params.layout().header());
}
