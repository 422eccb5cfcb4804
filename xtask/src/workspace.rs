//! Where the workspace is, what is in it, and how its cargo is called.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The workspace as cargo describes it, without its external dependencies.
#[derive(Debug)]
pub(crate) struct Workspace {
    cargo: OsString,
    metadata: Metadata,
}

impl Workspace {
    /// Asks the cargo that runs this program; no network is needed.
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask stands directly below the workspace root")?
            .join("Cargo.toml");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let metadata = MetadataCommand::new()
            .cargo_path(&cargo)
            .manifest_path(&manifest)
            .no_deps()
            .other_options(["--offline".to_owned()])
            .exec()
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        Ok(Self { cargo, metadata })
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// The crates of the workspace.
    pub(crate) fn packages(&self) -> &[Package] {
        &self.metadata.packages
    }

    /// The folder of a crate.
    pub(crate) fn folder(package: &Package) -> PathBuf {
        let manifest = package.manifest_path.as_std_path();
        manifest.parent().unwrap_or(manifest).to_owned()
    }

    /// `cargo SUBCOMMAND` in the workspace root.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.cargo);
        command.arg(subcommand).current_dir(self.root());
        command
    }
}
