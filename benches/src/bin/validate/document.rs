//! Generated parts of a Markdown file, between markers.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

use crate::table::Section;

/// Replaces what stands between the markers of every section; the file is replaced as a whole or
/// not at all.
pub(crate) fn rewrite(path: &Path, sections: &[Section]) -> anyhow::Result<()> {
    let mut text = fs::read_to_string(path)?;
    for section in sections {
        text = replaced(&text, section)?;
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    let permissions = fs::metadata(path)?.permissions();
    fs::set_permissions(file.path(), permissions)?;
    file.persist(path)?;
    Ok(())
}

fn replaced(text: &str, section: &Section) -> anyhow::Result<String> {
    let (begin, end) = markers(section.name);
    let Some((before, rest)) = text.split_once(&begin) else {
        bail!("expected the line `{begin}`, got none");
    };
    let (_, after) = rest
        .split_once(&end)
        .with_context(|| format!("expected the line `{end}` after `{begin}`, got none"))?;
    let body = section.body.trim_end();
    Ok(format!("{before}{begin}\n\n{body}\n\n{end}{after}"))
}

fn markers(name: &str) -> (String, String) {
    (
        format!("<!-- {name}: generated -->"),
        format!("<!-- {name}: end -->"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(body: &str) -> Section {
        Section {
            name: "speed",
            body: body.to_owned(),
            outside: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = "a\n<!-- speed: generated -->\nold\n<!-- speed: end -->\nb\n";
        let new = replaced(text, &section("new\n")).unwrap();
        let expected = "a\n<!-- speed: generated -->\n\nnew\n\n<!-- speed: end -->\nb\n";
        assert_eq!(new, expected);
        assert_eq!(replaced(&new, &section("new\n")).unwrap(), expected);
    }

    #[test]
    fn a_missing_marker_is_named_and_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        fs::write(&path, "<!-- speed: generated -->\n").unwrap();
        let error = rewrite(&path, &[section("new")]).unwrap_err();
        assert!(error.to_string().contains("<!-- speed: end -->"), "{error}");
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept, "<!-- speed: generated -->\n");
    }
}
