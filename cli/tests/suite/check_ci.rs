//! The script that pipelines call, run as they run it, and the recipes that call it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::check_reports::{certificate, model, shipped, standard};
use crate::run::{Said, file, text};

const SCRIPT: &str = "tools/ci/check-certificates.sh";

/// The script in `folder`, with the command under test.
fn script(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(shipped(SCRIPT));
    command
        .args(args)
        .current_dir(folder)
        .env("TAUTLINE", env!("CARGO_BIN_EXE_tautline"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    Said::of(&command.output().unwrap())
}

fn absolute(path: &Path) -> String {
    text(&std::fs::canonicalize(path).unwrap()).to_owned()
}

#[test]
fn the_script_accepts_the_shipped_certificate_and_leaves_all_reports() {
    let folder = tempfile::tempdir().unwrap();
    let (model, certificate) = (absolute(&model()), absolute(&certificate()));
    let standard = absolute(&standard());
    let args = [
        "--claims",
        &standard,
        "--reports",
        "out",
        &model,
        &certificate,
    ];
    let said = script(folder.path(), &args, &[]).exits(0);
    assert!(
        said.stdout.contains("accepted for model"),
        "{}",
        said.stdout
    );
    let report =
        |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let json: Value = serde_json::from_str(&report("check.json")).unwrap();
    assert_eq!(json["accepted"], true);
    let sarif: Value = serde_json::from_str(&report("check.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
    assert!(report("check.xml").contains("failures=\"0\""));
    // The same from the environment, as the action calls it.
    let environment = [
        ("TAUTLINE_MODEL", model.as_str()),
        ("TAUTLINE_CERTIFICATES", &format!("{certificate}\n")),
        ("TAUTLINE_CLAIMS", &format!("{standard}\n")),
        ("TAUTLINE_PUBLIC_KEY", ""),
        ("TAUTLINE_SIGNED_MODEL", "false"),
        ("TAUTLINE_REPORTS", "other"),
    ];
    script(folder.path(), &[], &environment).exits(0);
    assert!(folder.path().join("other/check.sarif").exists());
}

#[test]
fn the_script_rejects_a_tampered_certificate_and_writes_sarif_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(certificate()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // A name that a careless script would take apart or run.
    let bad = file(&folder, "a b $(exit 7) *;'.tlc", bytes);
    let model = absolute(&model());
    let said = script(folder.path(), &[&model, text(&bad)], &[]).exits(1);
    assert!(
        said.stdout.contains("rejected at file, rule format"),
        "{}",
        said.stdout
    );
    let sarif = folder.path().join("tautline-reports/check.sarif");
    let sarif: Value = serde_json::from_slice(&std::fs::read(sarif).unwrap()).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["ruleId"], "format");
}

#[test]
fn the_script_accepts_nothing_where_it_checked_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (model, certificate) = (absolute(&model()), absolute(&certificate()));
    let nothing = [
        ("TAUTLINE_CERTIFICATES", "\n"),
        ("TAUTLINE_MODEL", model.as_str()),
    ];
    script(folder.path(), &[], &nothing)
        .exits(2)
        .complains_of(&["no certificate named"]);
    script(folder.path(), &[], &[])
        .exits(2)
        .complains_of(&["no model named"]);
    script(folder.path(), &["--frobnicate", &model, &certificate], &[])
        .exits(2)
        .complains_of(&["no such option: --frobnicate"]);
    script(
        folder.path(),
        &["--signed-model", &model, &certificate],
        &[],
    )
    .exits(2)
    .complains_of(&["needs --public-key"]);
    script(folder.path(), &[&model, "missing.tlc"], &[]).exits(2);
    // A key that nothing is signed with: the proof holds, the signature is missing.
    let key = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let key = key.pk.to_base64();
    script(
        folder.path(),
        &["--public-key", &key, &model, &certificate],
        &[],
    )
    .exits(3);
    let missing = [("TAUTLINE", "/nonexistent/tautline")];
    let said = script(folder.path(), &[&model, &certificate], &missing);
    assert!(said.code.is_some_and(|code| code != 0), "{}", said.stderr);
}

#[test]
fn the_script_refuses_empty_and_odd_values_instead_of_demanding_less() {
    let folder = tempfile::tempdir().unwrap();
    let (model, certificate) = (absolute(&model()), absolute(&certificate()));
    let files = [model.as_str(), certificate.as_str()];
    let refused = |options: &[&str], environment: &[(&str, &str)], complaint: &str| {
        let args: Vec<_> = options.iter().chain(&files).copied().collect();
        let said = script(folder.path(), &args, environment);
        said.exits(2).complains_of(&[complaint]);
    };
    for option in ["--claims", "--public-key", "--reports"] {
        for value in ["", "\n"] {
            refused(&[option, value], &[], &format!("{option} needs a value"));
        }
    }
    for value in ["True", "1", "yes", ""] {
        let signed = [("TAUTLINE_SIGNED_MODEL", value)];
        refused(&[], &signed, "TAUTLINE_SIGNED_MODEL is true or false");
    }
    let model_only = [("TAUTLINE_SIGNED_MODEL", "true")];
    refused(&[], &model_only, "needs --public-key");
    for value in ["Required", "", "true"] {
        let signature = [("TAUTLINE_SIGNATURE", value)];
        refused(&[], &signature, "TAUTLINE_SIGNATURE is required or none");
    }
    script(folder.path(), &[&model, "", &certificate], &[])
        .exits(2)
        .complains_of(&["a file without a name"]);
}

#[test]
fn a_secret_that_is_missing_does_not_turn_signatures_off() {
    let folder = tempfile::tempdir().unwrap();
    let (model, certificate) = (absolute(&model()), absolute(&certificate()));
    let key = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let key = key.pk.to_base64();
    let with = |signature: &str, key: &str| {
        let environment = [
            ("TAUTLINE_MODEL", model.as_str()),
            ("TAUTLINE_CERTIFICATES", certificate.as_str()),
            ("TAUTLINE_SIGNATURE", signature),
            ("TAUTLINE_PUBLIC_KEY", key),
        ];
        script(folder.path(), &[], &environment)
    };
    with("none", "").exits(0);
    with("required", &key).exits(3);
    with("required", "")
        .exits(2)
        .complains_of(&["signatures are required, but there is no public key"]);
    // Otherwise the same workflow would demand nothing where the secret is missing.
    with("none", &key)
        .exits(2)
        .complains_of(&["TAUTLINE_SIGNATURE is not required"]);
}

/// Sources of a command that says where it was called, with the script among them.
#[cfg(unix)]
fn sources(folder: &Path, program: &str) {
    let put = |path: &str, content: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let package = "[package]\nname = \"tautline-cli\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                   [[bin]]\nname = \"tautline\"\npath = \"main.rs\"\n[workspace]\n";
    put("Cargo.toml", package);
    let lock = "version = 4\n\n[[package]]\nname = \"tautline-cli\"\nversion = \"0.0.0\"\n";
    put("Cargo.lock", lock);
    put("main.rs", program);
    let to = folder.join(SCRIPT);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(shipped(SCRIPT), to).unwrap();
}

/// `folder` as a repository whose settings of cargo run a program that leaves `trace`.
#[cfg(unix)]
fn set_trap(folder: &Path, trace: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    let wrapper = folder.join("wrapper.sh");
    let text = format!("#!/bin/sh\n: >'{}'\nexec \"$@\"\n", trace.display());
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(folder.join(".cargo")).unwrap();
    let settings = format!("[build]\nrustc-wrapper = '{}'\n", wrapper.display());
    std::fs::write(folder.join(".cargo/config.toml"), settings).unwrap();
}

/// The script among `sources`, called in `folder` to build and check.
#[cfg(unix)]
fn build(sources: &Path, folder: &Path) -> Said {
    let mut command = Command::new(sources.join(SCRIPT));
    command
        .args(["--build", "model.tlm", "certificate.tlc"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", "built here")
        .env_remove("RUSTC_WRAPPER")
        .stdin(Stdio::null());
    Said::of(&command.output().unwrap())
}

#[cfg(unix)]
#[test]
fn building_runs_nothing_that_the_repository_under_test_names() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let trace = ours.path().join("trace");
    sources(ours.path(), "fn main() { println!(\"built\"); }");
    set_trap(theirs.path(), &trace);
    // The trap works: cargo, called there, falls into it.
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--manifest-path"])
        .arg(ours.path().join("Cargo.toml"))
        .current_dir(theirs.path())
        .env("CARGO_TARGET_DIR", ours.path().join("trapped"))
        .env_remove("RUSTC_WRAPPER");
    assert!(cargo.status().unwrap().success());
    std::fs::remove_file(&trace).unwrap();

    let said = build(ours.path(), theirs.path()).exits(0);
    assert_eq!(said.stdout, "built\n");
    assert!(!trace.exists());
    let built = theirs.path().join("built here/release/tautline");
    assert!(
        built.exists(),
        "a relative folder is relative to the caller's"
    );
    // Sources inside that repository would be built with its settings wherever cargo is called.
    let inside = theirs.path().join("deep/tautline");
    sources(&inside, "fn main() {}");
    build(&inside, ours.path())
        .exits(2)
        .complains_of(&[".cargo/config.toml would take part in building"]);
    assert!(!trace.exists());
}

#[cfg(unix)]
#[test]
fn a_command_that_cannot_be_built_has_checked_nothing() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sources(ours.path(), "fn main() { no_such_function(); }");
    build(ours.path(), theirs.path())
        .exits(2)
        .complains_of(&["cannot build the command"]);
}

/// Code blocks of docs/ci.md in `language`.
fn snippets(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(shipped("docs/ci.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Options that the script knows.
fn options() -> BTreeSet<String> {
    let script = std::fs::read_to_string(shipped(SCRIPT)).unwrap();
    let known = words(&script);
    let handled = script.split_once("while [").unwrap().1;
    known
        .into_iter()
        .filter(|option| {
            handled.contains(&format!("{option})")) || handled.contains(&format!("{option} |"))
        })
        .collect()
}

/// Long options in a text.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    words
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

/// Every command that calls the script has only options that it knows.
fn assert_known_options(command: &str) {
    let (_, arguments) = command.split_once("check-certificates.sh").unwrap();
    let unknown: Vec<_> = words(arguments).difference(&options()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?} in {command}");
}

#[test]
fn recipes_for_shells_call_the_script_with_options_that_it_knows() {
    assert!(options().contains("--claims") && options().contains("--build"));
    let snippets = snippets("sh");
    let calls: Vec<_> = snippets.iter().filter(|it| it.contains(SCRIPT)).collect();
    assert!(calls.len() >= 2, "{snippets:?}");
    for call in calls {
        assert_known_options(call);
    }
}

fn yaml(text: &str) -> Yaml {
    YamlLoader::load_from_str(text).unwrap().remove(0)
}

#[test]
fn the_recipe_for_github_uses_the_action_with_inputs_that_it_has_and_uploads_its_report() {
    let recipe = yaml(&snippets("yaml")[0]);
    let steps = recipe["jobs"]["check"]["steps"].as_vec().unwrap();
    let step = |prefix: &str| {
        let mut steps = steps.iter();
        steps.find(|it| {
            it["uses"]
                .as_str()
                .is_some_and(|uses| uses.contains(prefix))
        })
    };
    let ours = step("tautline/tools/ci@").unwrap();
    let action = std::fs::read_to_string(shipped("tools/ci/action.yml")).unwrap();
    let action = yaml(&action);
    let inputs = action["inputs"].as_hash().unwrap();
    for (input, value) in ours["with"].as_hash().unwrap() {
        assert!(inputs.contains_key(input), "no input {input:?}");
        for path in value.as_str().unwrap().lines() {
            assert!(shipped(path).exists(), "{path}");
        }
    }
    let required = inputs
        .iter()
        .filter(|(_, it)| it["required"].as_bool() == Some(true));
    for (input, _) in required {
        assert!(
            ours["with"].as_hash().unwrap().contains_key(input),
            "{input:?}"
        );
    }
    // The steps with signatures, further down the page.
    let signed = yaml(&snippets("yaml")[2]);
    let signed = signed[0]["with"].as_hash().unwrap();
    assert!(signed.keys().all(|input| inputs.contains_key(input)));
    assert_eq!(
        signed[&Yaml::String("signature".into())].as_str(),
        Some("required")
    );
    let upload = step("upload-sarif@").unwrap();
    assert_eq!(upload["if"].as_str(), Some("always()"));
    let reports = inputs[&Yaml::String("reports".into())]["default"].as_str();
    assert_eq!(
        upload["with"]["sarif_file"].as_str().unwrap(),
        format!("{}/check.sarif", reports.unwrap())
    );
}

#[test]
fn the_action_runs_the_script_with_every_input_as_a_value_that_the_script_reads() {
    let action = std::fs::read_to_string(shipped("tools/ci/action.yml")).unwrap();
    let action = yaml(&action);
    let step = &action["runs"]["steps"][0];
    let call = step["run"].as_str().unwrap();
    assert_known_options(call);
    assert!(
        !call.contains("${{"),
        "no input becomes part of the script: {call}"
    );
    let script = std::fs::read_to_string(shipped(SCRIPT)).unwrap();
    let mut passed = BTreeSet::new();
    for (name, value) in step["env"].as_hash().unwrap() {
        let (name, value) = (name.as_str().unwrap(), value.as_str().unwrap());
        assert!(
            script.contains(&format!("${{{name}:-")) || script.contains(&format!("${{{name}-")),
            "{name}"
        );
        let input = value.strip_prefix("${{ inputs.");
        passed.extend(
            input
                .and_then(|it| it.strip_suffix(" }}"))
                .map(str::to_owned),
        );
    }
    let inputs = action["inputs"].as_hash().unwrap().keys();
    let inputs: BTreeSet<_> = inputs.map(|it| it.as_str().unwrap().to_owned()).collect();
    assert_eq!(passed, inputs);
}

#[test]
fn the_recipe_for_gitlab_calls_the_script_and_reports_its_test_cases() {
    let recipe = yaml(&snippets("yaml")[1]);
    let job = &recipe["certificates"];
    let script = job["script"].as_vec().unwrap();
    let call = script.iter().find_map(|line| {
        let line = line.as_str().unwrap();
        line.contains(SCRIPT).then_some(line)
    });
    let call = call.unwrap();
    assert_known_options(call);
    assert_eq!(job["artifacts"]["when"].as_str(), Some("always"));
    let junit = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    let folder = junit.strip_suffix("/check.xml").unwrap();
    assert!(call.contains(&format!("--reports {folder} ")), "{call}");
}
