//! The benchmarks of VNN-COMP that are exported beside the repository; skipped where they are not.

use std::path::{Path, PathBuf};

use tautline_abstract_interp::float::network::FloatNetwork;
use tautline_abstract_interp::float::property::Property;
use tautline_abstract_interp::float::{onnx, vnnlib};

/// `$TAUTLINE_SHARED_DATA/vnn`, or `../shared/data/vnn` beside the repository.
fn benchmark(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("TAUTLINE_SHARED_DATA")
        .map_or_else(|| root.join("shared/data"), PathBuf::from);
    let folder = data.join("vnn").join(name);
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: no benchmark in {}", folder.display());
    None
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join(extension)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn networks(folder: &Path) -> Vec<FloatNetwork> {
    let paths = files(folder, "onnx");
    let read = |path: &PathBuf| onnx::read(&std::fs::read(path).unwrap()).unwrap();
    paths.iter().map(read).collect()
}

fn properties(folder: &Path) -> Vec<Property> {
    let paths = files(folder, "vnnlib");
    let read = |path: &PathBuf| {
        let property = vnnlib::read(&std::fs::read(path).unwrap());
        property.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

fn widths(network: &FloatNetwork) -> Vec<usize> {
    let outputs = network.layers().iter().map(|layer| layer.outputs);
    std::iter::once(network.inputs()).chain(outputs).collect()
}

#[test]
fn acas_xu_is_read() {
    let Some(folder) = benchmark("acasxu") else {
        return;
    };
    let networks = networks(&folder);
    assert_eq!(networks.len(), 45);
    for network in &networks {
        assert_eq!(widths(network), [5, 50, 50, 50, 50, 50, 50, 5]);
    }
    let properties = properties(&folder);
    assert_eq!(properties.len(), 10);
    let cases: Vec<usize> = properties.iter().map(|it| it.cases.len()).collect();
    // In the order of the names: 1, 10, 2, 3, …; the sixth is about two boxes.
    assert_eq!(cases, [1, 1, 1, 1, 1, 1, 2, 1, 1, 1]);
    let conditions: Vec<usize> = properties
        .iter()
        .map(|it| it.cases[0].unsafe_any.len())
        .collect();
    assert_eq!(conditions, [1, 4, 1, 1, 1, 4, 4, 2, 3, 4]);
}

#[test]
fn reinforcement_learning_benchmarks_are_read() {
    let Some(folder) = benchmark("rl_benchmarks_2022") else {
        return;
    };
    let shapes: Vec<Vec<usize>> = networks(&folder).iter().map(widths).collect();
    let expected: [&[usize]; 3] = [&[4, 64, 64, 2], &[8, 256, 256, 8], &[8, 64, 64, 4]];
    assert_eq!(shapes, expected);
    let properties = properties(&folder);
    assert_eq!(properties.len(), 296);
    for property in &properties {
        assert_eq!(property.cases.len(), 1);
        let shape = (property.inputs, property.outputs);
        assert!([(4, 2), (8, 8), (8, 4)].contains(&shape), "{shape:?}");
    }
}

#[test]
fn a_recorded_output_of_acas_xu_comes_out_again() {
    let Some(folder) = benchmark("acasxu") else {
        return;
    };
    let path = folder.join("onnx/ACASXU_run2a_1_1_batch_2000.onnx");
    let network = onnx::read(&std::fs::read(path).unwrap()).unwrap();
    // By onnxruntime 1.31.1 on the same file.
    let recorded = [
        -0.021_633_56,
        -0.018_855_188,
        -0.018_926_386,
        -0.018_929_152,
        -0.018_939_918,
    ];
    let computed = network.forward(&[0.65, 0.1, -0.2, 0.475, -0.475]);
    for (computed, recorded) in computed.iter().zip(recorded) {
        assert!((computed - recorded).abs() < 1e-6, "{computed} {recorded}");
    }
}
