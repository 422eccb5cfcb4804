//! Proof that the core needs neither std nor a heap, on a machine with no bare-metal target.
//!
//! `tools/no-std-check` is a static library in a workspace of its own, with its own panic handler
//! and no allocator. If the core or a dependency linked std, the panic handler would be defined
//! twice (E0152); if it used `alloc`, the build would miss a global allocator.

use anyhow::Result;

use crate::steps::check;
use crate::workspace::Workspace;

/// Builds the static library.
pub(crate) fn prove(workspace: &Workspace) -> Result<()> {
    let manifest = workspace.root().join("tools/no-std-check/Cargo.toml");
    let target = workspace.target().join("no-std-check");
    let mut command = workspace.cargo("build");
    command
        .args(["--release", "--locked", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target);
    check(&mut command)
}
