use super::*;
use crate::network::LayoutError;

#[test]
fn every_preset_is_valid_and_survives_its_own_text() {
    let presets = [
        Params::quick(),
        Params::demo(),
        Params::full(),
        Params::steady(),
        Params::steady_20(),
    ];
    for params in presets {
        let text = params.to_toml().unwrap();
        let read = Params::from_toml(&text, "preset.toml").unwrap();
        assert_eq!(read, params);
        assert_eq!(
            read.check().unwrap().digest(),
            params.check().unwrap().digest()
        );
    }
}

#[test]
fn errors_name_the_field_and_the_line() {
    let mut params = Params::quick();
    params.evolve.sigma = f64::NAN;
    let error = params.check().unwrap_err().to_string();
    assert_eq!(error, "evolve.sigma is NaN, expected 0.0001 to 1");
    let text = Params::quick().to_toml().unwrap();
    let bad = text.replace("pairs", "pears");
    let line = bad.lines().position(|l| l.contains("pears")).unwrap() + 1;
    let error = Params::from_toml(&bad, "run.toml").unwrap_err().to_string();
    assert!(error.starts_with(&format!("run.toml:{line}: ")), "{error}");
    assert!(error.contains("pears"), "{error}");
}

#[test]
fn parameters_from_before_the_law_was_one_keep_their_text() {
    let text = Params::demo().to_toml().unwrap();
    for newer in ["law", "masked", "rising", "step_gain", "settled"] {
        assert!(!text.contains(newer), "{newer} in {text}");
    }
    let text = Params::steady().to_toml().unwrap();
    assert!(text.contains("[law]") && text.contains("step_gain = 0.140625"));
    assert!(!text.contains("queue_from") && !text.contains("settled_queue"));
}

#[test]
fn features_that_cannot_be_masked_or_rising_are_refused_by_name() {
    let refused = |masked: &[&str], rising: &[&str]| {
        let mut params = Params::quick();
        params.network.masked = masked.iter().map(|&name| name.to_owned()).collect();
        params.network.rising = rising.iter().map(|&name| name.to_owned()).collect();
        params.check().unwrap_err().to_string()
    };
    assert_eq!(
        refused(&["speed"], &[]),
        "network.masked names \"speed\", which feature table 1 does not have"
    );
    assert_eq!(
        refused(&["loss"], &["loss"]),
        "network.rising names \"loss\", which is already masked or rising"
    );
    assert_eq!(
        refused(&[], &["loss"]),
        "network.rising names \"loss\", which never raises the rate"
    );
    assert!(refused(&["log_window"], &[]).contains("do not share a path"));
}

#[test]
fn fields_that_together_ask_for_too_much_memory_are_refused() {
    let refused = |change: fn(&mut Params)| {
        let mut params = Params::full();
        change(&mut params);
        params.check().unwrap_err().to_string()
    };
    assert_eq!(
        refused(|p| (p.evolve.pairs, p.evolve.scenarios) = (4096, 65_536)),
        "evolve.pairs × evolve.scenarios is 268435456, expected at most 1048576"
    );
    let noise = refused(|p| {
        p.network.hidden = vec![128; 4];
        p.evolve.pairs = 4096;
    });
    assert!(
        noise.starts_with("evolve.pairs × weights of the network is "),
        "{noise}"
    );
    let gradients = refused(|p| {
        p.network.hidden = vec![128; 4];
        p.repair.batch = 65_536;
    });
    assert!(gradients.contains("repair.batch × weights"), "{gradients}");
    let recorded = refused(|p| p.clone.recordings = 100_000);
    assert_eq!(
        recorded,
        "clone.recordings × environment.max_flows × max_seconds / min_rtt_ms is 480000000, \
         expected at most 4194304"
    );
    // One recording can be too long, and the repair makes one even where cloning makes none.
    let long = refused(|p| {
        p.clone.recordings = 0;
        p.environment.max_flows = 16;
        p.environment.max_seconds = 600.0;
        p.environment.min_rtt_ms = 1.0;
    });
    assert!(long.contains("is 9600000,"), "{long}");
}

#[test]
fn the_rate_head_comes_first_and_no_head_twice() {
    let mut params = Params::quick();
    params.network.heads = vec!["pacing".to_owned()];
    assert!(matches!(
        params.clone().check(),
        Err(ParamsError::Layout(LayoutError::Heads { .. }))
    ));
    params.network.heads = vec!["speed".to_owned()];
    assert_eq!(
        params.check(),
        Err(ParamsError::UnknownHead {
            got: "speed".to_owned()
        })
    );
}
