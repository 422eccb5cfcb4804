//! Runs every example and compares what it prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::steps::{check, say, shown};
use crate::workspace::Workspace;

/// What to do with `examples/expected/NAME.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A difference is an error.
    Compare,
    /// Where the file exists, write the output to it.
    Rewrite,
}

/// An example of one crate.
#[derive(Debug)]
struct Example {
    package: String,
    name: String,
    /// Expected output; an example without that file may print what it likes.
    expected: PathBuf,
}

/// Builds all examples, then runs them one by one with `--quick`.
pub(crate) fn run_all(workspace: &Workspace, expected: Expected) -> Result<()> {
    let examples = list(workspace);
    if examples.is_empty() {
        bail!("no crate has an example");
    }
    let mut build = workspace.cargo("build");
    for package in examples
        .iter()
        .map(|example| &example.package)
        .collect::<BTreeSet<_>>()
    {
        build.args(["--package", package]);
    }
    check(build.arg("--examples"))?;
    for example in &examples {
        let mut command = workspace.cargo("run");
        command
            .args(["--quiet", "--package", &example.package])
            .args(["--example", &example.name, "--", "--quick"]);
        run(&mut command, &example.expected, expected)?;
    }
    Ok(())
}

fn list(workspace: &Workspace) -> Vec<Example> {
    let mut examples = Vec::new();
    for package in workspace.packages() {
        let folder = Workspace::folder(package).join("examples/expected");
        for target in package.targets.iter().filter(|target| target.is_example()) {
            examples.push(Example {
                package: package.name.to_string(),
                name: target.name.clone(),
                expected: folder.join(format!("{}.txt", target.name)),
            });
        }
    }
    examples
}

fn run(command: &mut Command, file: &Path, expected: Expected) -> Result<()> {
    let shown = shown(command);
    say(format_args!("$ {shown}"))?;
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    let printed = String::from_utf8(output.stdout)
        .with_context(|| format!("`{shown}` prints something that is not UTF-8"))?;
    if !output.status.success() {
        bail!(
            "`{shown}` ended with {}; it printed:\n{printed}",
            output.status
        );
    }
    if !file.exists() {
        return Ok(());
    }
    if expected == Expected::Rewrite {
        return fs::write(file, printed)
            .with_context(|| format!("cannot write {}", file.display()));
    }
    let wanted =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    match first_difference(&wanted, &printed) {
        None => Ok(()),
        Some(difference) => bail!(
            "`{shown}` against {}: {difference}; `cargo xtask examples --bless` accepts the new output",
            file.display()
        ),
    }
}

/// The first line that differs, described; `None` where the texts are equal.
fn first_difference(wanted: &str, got: &str) -> Option<String> {
    let (mut wanted_lines, mut got_lines) = (wanted.lines(), got.lines());
    for line in 1_usize.. {
        match (wanted_lines.next(), got_lines.next()) {
            (None, None) => break,
            (wanted, got) if wanted == got => {}
            (wanted, got) => {
                let wanted = wanted.unwrap_or("the end");
                let got = got.unwrap_or("the end");
                return Some(format!("line {line}: expected `{wanted}`, got `{got}`"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            first_difference("a\nb\n", "a\nc\n").unwrap(),
            "line 2: expected `b`, got `c`"
        );
        assert_eq!(
            first_difference("a\n", "a\nb\n").unwrap(),
            "line 2: expected `the end`, got `b`"
        );
    }

    #[test]
    fn an_output_that_changed_is_an_error_and_can_be_blessed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("greeting.txt");
        let mut command = Command::new("echo");
        command.arg("hello");
        run(&mut command, &file, Expected::Compare).unwrap();
        fs::write(&file, "goodbye\n").unwrap();
        let error = run(&mut command, &file, Expected::Compare).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("expected `goodbye`, got `hello`"),
            "{error}"
        );
        run(&mut command, &file, Expected::Rewrite).unwrap();
        run(&mut command, &file, Expected::Compare).unwrap();
    }

    #[test]
    fn an_example_that_fails_is_an_error_with_what_it_printed() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo half; exit 1"]);
        let error = run(&mut command, Path::new("absent"), Expected::Compare).unwrap_err();
        assert!(error.to_string().contains("half"), "{error}");
    }
}
