//! House rules that no compiler holds, as plain text searches over the tree.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// A file of the tree.
#[derive(Debug)]
struct Source {
    /// Path below the workspace root, with forward slashes.
    path: String,
    text: String,
}

/// One broken rule per entry, ready to print.
pub(crate) fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let root = workspace.root();
    let mut found = Vec::new();
    let sources = read_all(root, "rs")?;
    for source in &sources {
        found.extend(rust_violations(source));
    }
    found.extend(checker_violations(&sources));
    for source in read_all(root, "md")? {
        found.extend(prose_violations(root, &source));
    }
    for package in workspace.packages() {
        let path = package.manifest_path.as_std_path();
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        if !inherits_lints(&text) {
            found.push(format!("{}: no `lints.workspace = true`", package.name));
        }
    }
    Ok(found)
}

fn rust_violations(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let program = program_lines(&source.text);
    if !is_test(&source.path) && program.len() > MOST_LINES {
        found.push(format!(
            "{} lines without tests, at most {MOST_LINES}",
            program.len()
        ));
    }
    for (number, line) in &program {
        let code = without_comment(line);
        let mut report = |what: &str| found.push(format!("line {number}: {what}"));
        for word in UNFINISHED {
            if code.contains(word) {
                report(&format!("`{word}` left in"));
            }
        }
        if code.contains(UNCHECKED) && !may_skip_the_check(&source.path) {
            report(&format!("`{UNCHECKED}` is not for deployment"));
        }
        if TRUSTED.iter().any(|start| source.path.starts_with(start))
            && has_word(code, &["f32", "f64"])
        {
            report("a float in the checker");
        }
        if source.path.starts_with("netsim/src/") && has_word(code, &["Instant", "SystemTime"]) {
            report("the simulator never consults real time");
        }
    }
    found
        .into_iter()
        .map(|what| format!("{}: {what}", source.path))
        .collect()
}

/// The checker is small because everybody trusts it; decoding, in a crate of its own, is not counted.
fn checker_violations(sources: &[Source]) -> Vec<String> {
    let part = |source: &Source| {
        let holds = |path: &&str| source.path.starts_with(path);
        CHECKER
            .iter()
            .position(|(paths, _)| paths.iter().any(holds))
    };
    let mut found = Vec::new();
    for (number, (paths, limit)) in CHECKER.iter().enumerate() {
        let own = sources.iter().filter(|source| !is_test(&source.path));
        let own = own.filter(|source| part(source) == Some(number));
        let lines: usize = own.map(|source| code_lines(&source.text)).sum();
        if lines >= *limit {
            found.push(format!(
                "{}: {lines} lines of code without tests, it stays below {limit}",
                paths.join(" and ")
            ));
        }
    }
    found
}

/// Lines before the tests that are neither blank nor comments.
fn code_lines(text: &str) -> usize {
    let code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    let lines = program_lines(text).into_iter();
    lines.map(|(_, line)| line.trim()).filter(code).count()
}

fn prose_violations(root: &Path, source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if source.path == "ARCHITECTURE.md" && lines > ARCHITECTURE_LINES {
        found.push(format!(
            "{}: {lines} lines, at most {ARCHITECTURE_LINES}",
            source.path
        ));
    }
    let folder = root.join(&source.path);
    let folder = folder.parent().unwrap_or(root);
    for link in relative_links(&source.text) {
        if !folder.join(&link).exists() {
            found.push(format!(
                "{}: links to `{link}`, which is not there",
                source.path
            ));
        }
    }
    found
}

/// Numbered lines up to the tests at the end of the file.
fn program_lines(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair.first() == Some(&"#[cfg(test)]")
            && pair
                .get(1)
                .is_some_and(|line| line.starts_with("mod tests"))
    });
    let end = tests.unwrap_or(lines.len());
    (1..).zip(lines).take(end).collect()
}

fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn has_word(code: &str, words: &[&str]) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| words.contains(&word))
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn may_skip_the_check(path: &str) -> bool {
    is_test(path)
        || MAY_SKIP_THE_CHECK
            .iter()
            .any(|start| path.starts_with(start))
}

/// Targets of `[…](…)` that are neither addresses nor anchors, without the anchor.
fn relative_links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .filter_map(|(target, _)| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(' '))
        .map(str::to_owned)
        .collect()
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim);
    lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true")
}

/// Every file with that ending, in order of path, except what is built or hidden.
fn read_all(root: &Path, extension: &str) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with('.') || NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                sources.push(read(root, &path)?);
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn read(root: &Path, path: &Path) -> Result<Source> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    Ok(Source {
        path: parts.join("/"),
        text,
    })
}

/// Folders with files that nobody here writes.
const NOT_OURS: &[&str] = &["target", "out"];
/// Lines of a file, its tests at the end not counted.
const MOST_LINES: usize = 600;
/// The trusted checker: the lines of code that each of its parts stays below. A file belongs to the
/// first part that names its place.
const CHECKER: &[(&[&str], usize)] = &[
    (&["certificates/src/closed_loop/"], 1100),
    (&["certificates/src/check/ratio/"], 410),
    (
        &["certificates/src/check/", "certificates/src/semantics.rs"],
        1500,
    ),
    (&["certificates/src/"], 40),
];
/// Lines of ARCHITECTURE.md.
const ARCHITECTURE_LINES: usize = 250;
/// Written apart so that this file does not contain them.
/// Crates that compute in integers only.
const TRUSTED: &[&str] = &["certificates/src/", "certificate-format/src/"];
const UNFINISHED: &[&str] = &[concat!("to", "do!("), concat!("unimplemen", "ted!(")];
const UNCHECKED: &str = concat!("dangerously_", "unchecked");
/// Where a controller may run without a certificate: its definition, training, examples, benches;
/// and what `tautline embed` writes after checking one, with the shipped models' copies.
const MAY_SKIP_THE_CHECK: &[&str] = &[
    "cc-core/src/guard/envelope.rs",
    "cc-core/examples/",
    "trainer/",
    "benches/",
    "tools/no-std-check/",
    "cli/src/cmd/embed/source.rs",
    "models/demo/policy.rs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_follows_the_house_rules() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(violations(&workspace).unwrap(), Vec::<String>::new());
    }

    fn check(path: &str, text: &str) -> Vec<String> {
        rust_violations(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn a_long_file_is_reported_unless_its_length_is_tests() {
        let long = "x\n".repeat(601);
        assert_eq!(
            check("netsim/src/a.rs", &long),
            ["netsim/src/a.rs: 601 lines without tests, at most 600"]
        );
        let tested = format!("x\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(check("netsim/src/a.rs", &tested), Vec::<String>::new());
        assert_eq!(
            check("netsim/tests/suite/a.rs", &long),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_checker_stays_small_whatever_its_comments_and_tests() {
        let file = |path: &str, text: String| Source {
            path: path.to_owned(),
            text,
        };
        let commented = "//! Why.\n\n    // How.\nx\n".repeat(1499);
        let tested = format!(
            "{commented}#[cfg(test)]\nmod tests {{\n{}}}\n",
            "x\n".repeat(99)
        );
        let line = || "x\n".to_owned();
        let mut sources = vec![
            file("certificates/src/semantics.rs", tested),
            file("certificates/src/check/tests.rs", "x\n".repeat(99)),
            file("certificates/src/check/ratio/mod.rs", line()),
            file("certificates/src/closed_loop/a.rs", "x\n".repeat(1099)),
            file("certificates/src/lib.rs", line()),
        ];
        assert_eq!(checker_violations(&sources), Vec::<String>::new());
        sources.push(file("certificates/src/check/a.rs", line()));
        sources.push(file("certificates/src/closed_loop/b.rs", line()));
        sources.push(file("certificates/src/new/mod.rs", "x\n".repeat(40)));
        assert_eq!(
            checker_violations(&sources),
            [
                "certificates/src/closed_loop/: 1100 lines of code without tests, it stays below 1100",
                "certificates/src/check/ and certificates/src/semantics.rs: 1500 lines of code without tests, it stays below 1500",
                "certificates/src/: 41 lines of code without tests, it stays below 40",
            ]
        );
    }

    #[test]
    fn only_training_tests_and_benches_may_skip_the_check() {
        let call = format!("let e = UncheckedEnvelope::{UNCHECKED}(d, t);");
        assert_eq!(check("quic-integration/src/a.rs", &call).len(), 1);
        assert_eq!(check("quic-integration/tests/suite/a.rs", &call).len(), 0);
        assert_eq!(check("trainer/src/a.rs", &call).len(), 0);
        assert_eq!(check("models/demo/policy.rs", &call).len(), 0);
        assert_eq!(check("models/other/policy.rs", &call).len(), 1);
        assert_eq!(check("tcp-integration/src/policy.rs", &call).len(), 1);
    }

    #[test]
    fn floats_in_the_checker_and_clocks_in_the_simulator_are_reported() {
        assert_eq!(check("certificates/src/a.rs", "fn f(x: f64) {}").len(), 1);
        assert_eq!(
            check("certificates/src/a.rs", "// an f64 would round").len(),
            0
        );
        assert_eq!(check("netsim/src/a.rs", "use std::time::Instant;").len(), 1);
        assert_eq!(check("netsim/src/a.rs", "let Instantly = 1;").len(), 0);
    }

    #[test]
    fn unfinished_code_is_reported() {
        let line = UNFINISHED.concat();
        assert_eq!(check("cli/src/a.rs", &line).len(), UNFINISHED.len());
    }

    #[test]
    fn links_to_files_are_told_from_addresses() {
        let text = "[a](docs/a.md#part) [b](https://example.org) [c](#here) [d](x.md)";
        assert_eq!(relative_links(text), ["docs/a.md", "x.md"]);
        let source = Source {
            path: "README.md".to_owned(),
            text: "[a](no-such-file.md)".to_owned(),
        };
        assert_eq!(prose_violations(Path::new("/"), &source).len(), 1);
    }

    #[test]
    fn lints_must_be_inherited() {
        assert!(inherits_lints("[lints]\nworkspace = true\n"));
        assert!(!inherits_lints(
            "[lints]\n[dependencies]\nworkspace = true\n"
        ));
        assert!(!inherits_lints("[package]\n"));
    }
}
