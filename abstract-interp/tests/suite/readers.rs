//! Networks and properties from files: what is read, and how the rest is refused.

use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;
use tautline_abstract_interp::float::network::{Activation, FloatNetwork};
use tautline_abstract_interp::float::onnx::{self, OnnxError};
use tautline_abstract_interp::float::rounding::Rounding;
use tautline_abstract_interp::float::verdict::Verdict;
use tautline_abstract_interp::float::verify::{Options, Watch, verify};
use tautline_abstract_interp::float::{nnet, vnnlib};

use crate::onnx_bytes::{Graph, Message, integer, integers, real};

fn network(graph: Graph) -> FloatNetwork {
    onnx::read(&graph.file()).unwrap()
}

#[track_caller]
fn refused(graph: Graph, parts: &[&str]) {
    let error = onnx::read(&graph.file()).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

fn mlp() -> Graph {
    Graph::new(&[0, 2])
        .constant("m", &[2], &[0.5, 0.0])
        .constant("w", &[2, 3], &[1.0, 2.0, 3.0, -1.0, 0.5, 4.0])
        .listed("b", &[3], &[0.25, 0.0, -1.0])
        .constant("v", &[1, 3], &[2.0, -1.0, 1.0])
        .constant("c", &[1], &[0.125])
        .node("Sub", &["x", "m"], "d")
        .node("MatMul", &["d", "w"], "p")
        .node("Add", &["p", "b"], "z")
        .node("Relu", &["z"], "h")
        .node_with("Gemm", &["h", "v", "c"], "y", &[integer("transB", 1)])
}

#[test]
fn a_product_its_bias_and_its_activation_are_one_layer_and_a_shift_is_one_of_its_own() {
    let network = network(mlp());
    let shapes: Vec<_> = network
        .layers()
        .iter()
        .map(|it| (it.inputs, it.outputs))
        .collect();
    assert_eq!(shapes, [(2, 2), (2, 3), (3, 1)]);
    let layers = network.layers();
    assert!(layers.iter().all(|it| it.rounding == Rounding::AnyOrder));
    assert_eq!(layers[0].bias, [-0.5, 0.0]);
    assert_eq!(layers[1].weights, [1.0, -1.0, 2.0, 0.5, 3.0, 4.0]);
    assert_eq!(layers[1].bias, [0.25, 0.0, -1.0]);
    assert_eq!(layers[1].activations, [Activation::Relu; 3]);
    assert_eq!(layers[2].activations, [Activation::Identity]);
    let (a, b) = (1.5f32 - 0.5, 2.0f32);
    let hidden = [a - b + 0.25, 2.0 * a + 0.5 * b, 3.0 * a + 4.0 * b - 1.0].map(|z| z.max(0.0));
    let expected = 2.0 * hidden[0] - hidden[1] + hidden[2] + 0.125;
    assert_eq!(network.forward(&[1.5, 2.0]), [expected]);
}

#[test]
fn adding_zero_makes_no_layer() {
    let graph = Graph::new(&[1, 2])
        .constant("zero", &[2], &[0.0, 0.0])
        .constant("w", &[2, 1], &[1.5, 2.5])
        .node("Sub", &["x", "zero"], "s")
        .node("MatMul", &["s", "w"], "y");
    assert_eq!(network(graph).layers().len(), 1);
}

#[test]
fn factors_of_a_gemm_round_in_rows_of_their_own() {
    let graph = Graph::new(&[1, 2])
        .constant("w", &[2, 1], &[3.0, 5.0])
        .constant("c", &[1], &[7.0])
        .node_with(
            "Gemm",
            &["x", "w", "c"],
            "y",
            &[real("alpha", 0.1), real("beta", 0.3)],
        );
    let network = network(graph);
    assert_eq!(network.layers().len(), 2);
    let expected = 0.1f32 * (3.0 * 1.0 + 5.0 * 2.0) + 0.3f32 * 7.0;
    assert_eq!(network.forward(&[1.0, 2.0]), [expected]);
}

#[test]
fn a_constant_matrix_may_stand_on_either_side() {
    let w = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let left = Graph::new(&[3])
        .constant("w", &[2, 3], &w)
        .node("MatMul", &["w", "x"], "y");
    assert_eq!(network(left).forward(&[1.0, 10.0, 100.0]), [321.0, 654.0]);
    let column = Graph::new(&[3, 1])
        .constant("w", &[2, 3], &w)
        .node("Gemm", &["w", "x"], "y");
    assert_eq!(network(column).forward(&[1.0, 10.0, 100.0]), [321.0, 654.0]);
    let turned = Graph::new(&[2, 1]).constant("w", &[3, 2], &w).node_with(
        "Gemm",
        &["x", "w"],
        "y",
        &[integer("transA", 1), integer("transB", 1)],
    );
    assert_eq!(network(turned).forward(&[1.0, 10.0]), [21.0, 43.0, 65.0]);
    let batch = Graph::new(&[2, 2])
        .constant("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0])
        .node("MatMul", &["w", "x"], "y");
    assert_eq!(
        network(batch).forward(&[1.0, 2.0, 3.0, 4.0]),
        [7.0, 10.0, 15.0, 22.0]
    );
}

#[test]
fn a_graph_with_a_branch_hands_its_values_on() {
    let graph = Graph::new(&[1, 2])
        .constant("w", &[2, 2], &[1.0, 2.0, 3.0, -4.0])
        .node("MatMul", &["x", "w"], "p")
        .node("Relu", &["p"], "h")
        .node("Add", &["h", "x"], "s")
        .node_with("Concat", &["s", "x"], "y", &[integer("axis", -1)]);
    let network = network(graph);
    // h = relu([1 + 6, 2 − 8]); s = h + x.
    assert_eq!(network.forward(&[1.0, 2.0]), [8.0, 2.0, 1.0, 2.0]);
}

#[test]
fn the_same_value_twice_in_a_sum_counts_twice() {
    let graph = Graph::new(&[1, 1])
        .constant("w", &[2, 1], &[3.0, 4.0])
        .node_with("Concat", &["x", "x"], "both", &[integer("axis", 1)])
        .node("MatMul", &["both", "w"], "z")
        .node("Add", &["z", "z"], "y");
    assert_eq!(network(graph).forward(&[2.0]), [28.0]);
}

#[test]
fn shapes_are_moved_as_the_standard_says() {
    let graph = Graph::new(&[1, 2, 3])
        .whole_numbers("shape", &[0, -1, 2])
        .whole_numbers("axes", &[0])
        .node_with("Transpose", &["x"], "t", &[integers("perm", &[0, 2, 1])])
        .node("Reshape", &["t", "shape"], "r")
        .node("Squeeze", &["r", "axes"], "s")
        .node_with("Unsqueeze", &["s"], "u", &[integers("axes", &[-1])])
        .node_with("Flatten", &["u"], "f", &[integer("axis", 0)])
        .node("Identity", &["f"], "y");
    let network = network(graph);
    let moved = network.forward(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(moved, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(network.layers().len(), 1);
    assert_eq!(network.layers()[0].rounding, Rounding::Exact);
}

#[test]
fn leaky_units_negations_scalings_and_quotients_are_read() {
    let graph = Graph::new(&[1, 1])
        .constant("two", &[], &[2.0])
        .constant("four", &[1], &[4.0])
        .node("Neg", &["x"], "n")
        .node_with("LeakyRelu", &["n"], "l", &[real("alpha", 0.25)])
        .node("Mul", &["two", "l"], "m")
        .node("Div", &["m", "four"], "q")
        .node("Sub", &["two", "q"], "y");
    let network = network(graph);
    assert_eq!(network.forward(&[8.0]), [2.0 + 1.0]);
    assert_eq!(network.forward(&[-8.0]), [2.0 - 4.0]);
}

/// max(x₀, x₁), min(x₀, x₁), and x₀ clipped to [−0.7, 0.3], beside a product that rounds.
#[test]
fn quotients_are_read_only_where_the_reciprocal_is_exact() {
    let quotient = |divisors: &[f32]| {
        Graph::new(&[1, 2])
            .constant("d", &[divisors.len() as i64], divisors)
            .constant("b", &[2], &[1e-7, -1e-7])
            .node("Div", &["x", "d"], "q")
            .node("Add", &["q", "b"], "y")
    };
    let halved = network(quotient(&[0.25, -8.0]));
    let expected = [1.1f32 / 0.25 + 1e-7, 3.3f32 / -8.0 - 1e-7];
    assert_eq!(halved.forward(&[1.1, 3.3]), expected);
    // 5 / 3 is not 5 · fl(1 / 3), and two roundings before a sum are more than its bound covers.
    for divisors in [
        &[3.0][..],
        &[2.0, 0.9],
        &[-10.0],
        &[1e-40],
        &[2.0f32.powi(127)],
    ] {
        refused(
            quotient(divisors),
            &["`make_q` (Div)", "powers of two", "multiply"],
        );
    }
    let constants = Graph::new(&[1, 2])
        .constant("a", &[1], &[5.0])
        .constant("d", &[1], &[3.0])
        .node("Div", &["a", "d"], "q")
        .node("Mul", &["x", "q"], "y");
    assert_eq!(
        network(constants).forward(&[1.0, 3.0]),
        [5.0f32 / 3.0, 5.0f32 / 3.0 * 3.0]
    );
}

#[test]
fn operators_of_old_or_foreign_sets_are_refused() {
    let with = |imports: &[(&str, i64)]| {
        let graph = Graph::new(&[1, 2]).node("Relu", &["x"], "y").output("y");
        onnx::read(&graph.of_operators(imports)).map_err(|error| error.to_string())
    };
    assert!(with(&[("", 7)]).is_ok());
    assert!(with(&[("com.microsoft", 1), ("ai.onnx", 22)]).is_ok());
    assert!(with(&[]).unwrap_err().contains("names no version"));
    assert!(
        with(&[("com.microsoft", 7)])
            .unwrap_err()
            .contains("names no version")
    );
    assert!(with(&[("", 6)]).unwrap_err().contains("operator set 6"));
    assert!(
        with(&[("", 13), ("", 6)])
            .unwrap_err()
            .contains("operator set 6")
    );
    let foreign = Graph::new(&[1, 2]).foreign("com.microsoft", "Relu");
    refused(foreign, &["`y` (Relu)", "domain `com.microsoft`"]);
}

#[test]
fn attributes_that_an_operator_does_not_have_are_refused() {
    // Before version 7 this adds the numbers along the first axis.
    let graph = Graph::new(&[2, 2])
        .constant("b", &[2], &[0.0, 10.0])
        .node_with(
            "Add",
            &["x", "b"],
            "y",
            &[integer("broadcast", 1), integer("axis", 0)],
        );
    refused(
        graph,
        &["`make_y` (Add)", "`broadcast`", "supported are: none"],
    );
    let graph = Graph::new(&[1, 2]).node_with("LeakyRelu", &["x"], "y", &[real("slope", 0.5)]);
    refused(graph, &["(LeakyRelu)", "`slope`", "supported are: alpha"]);
}

#[test]
fn a_chain_of_copies_is_refused_before_it_takes_all_memory() {
    let names: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    let start = Graph::new(&[1, 1 << 23]).node("Identity", &["x"], "t0");
    let chain = names.windows(2).fold(start, |graph, pair| {
        graph.node("Identity", &[&pair[0]], &pair[1])
    });
    refused(
        chain,
        &["`make_t3` (Identity)", "together", "33554432 values"],
    );
}

#[test]
fn small_files_that_unfold_to_much_are_refused() {
    const PAIRS: usize = 1 << 21;
    let list = |field: u8| Message([field << 3 | 2, 0].repeat(PAIRS));
    let inside = |fields: &[u64], content: Message| {
        let wrapped = fields.iter().rev().fold(content, |message, &field| {
            Message::default().message(field, &message)
        });
        onnx::read(&wrapped.0).unwrap_err()
    };
    let too_much = |error: &OnnxError| matches!(error, OnnxError::Parts { .. });
    for (fields, field) in [
        (&[7][..], 1),
        (&[7], 5),
        (&[7], 11),
        (&[7, 1], 1),
        (&[7, 1], 5),
        (&[], 8),
    ] {
        assert!(too_much(&inside(fields, list(field))), "{fields:?} {field}");
    }
    let numbers = Message::default().bytes(8, vec![1; PAIRS]);
    assert!(too_much(&inside(&[7, 1, 5], numbers)));
    assert!(too_much(&inside(
        &[7, 1, 5],
        Message([8 << 3, 1].repeat(PAIRS))
    )));
    // Bytes are no parts, however many there are.
    let raw = Message::default().bytes(9, vec![1; PAIRS]);
    assert!(!too_much(&inside(&[7, 5], raw)));
}

fn extremes() -> Graph {
    Graph::new(&[2])
        .constant("low", &[], &[-0.7])
        .constant("high", &[], &[0.3])
        .constant("w", &[2, 2], &[1.1, 0.7, -0.3, 1.9])
        .whole_numbers("two", &[1])
        .node("MatMul", &["x", "w"], "p")
        .node("Relu", &["p"], "h")
        .node_with("Transpose", &["w"], "unused", &[])
        .node("Clip", &["x", "low", "high"], "clipped")
        .node("Max", &["x", "h"], "most")
        .node("Min", &["x", "h"], "least")
        .node_with(
            "Concat",
            &["most", "least", "clipped", "h"],
            "y",
            &[integer("axis", 0)],
        )
}

proptest! {
    #[test]
    fn maximum_minimum_and_clip_do_not_round(a in -1e9f32..1e9, b in -1e-9f32..1e-9, swap: bool) {
        let network = network(extremes());
        let x = if swap { [b, a] } else { [a, b] };
        let y = network.forward(&x);
        for (at, &x) in x.iter().enumerate() {
            let h = y[6 + at];
            prop_assert_eq!(y[at], x.max(h));
            prop_assert_eq!(y[2 + at], x.min(h));
            prop_assert_eq!(y[4 + at], x.clamp(-0.7, 0.3));
        }
    }
}

#[test]
fn a_maximum_is_proven_to_be_no_less_than_what_it_is_of() {
    let declared = |kind, count| {
        let names = (0..count).map(|at| format!("(declare-const {kind}_{at} Real)"));
        names.collect::<Vec<_>>().concat()
    };
    let (declared, outputs) = (declared("X", 2), declared("Y", 8));
    let sides = "(assert (and (<= -1 X_0 1) (<= -1 X_1 1)))";
    let decide = |condition: &str| {
        let text = format!("{declared}{outputs}{sides}(assert {condition})");
        let property = vnnlib::read(text.as_bytes()).unwrap();
        let network = network(extremes());
        let answer = verify(&network, &property, &Options::default(), Watch::none());
        answer.unwrap().verdict
    };
    // Outputs: two maxima, two minima, two clipped inputs, two hidden values.
    let never = "(or (<= (- Y_0 X_0) -0.001) (<= (- Y_1 Y_7) -0.001) (>= (- Y_2 X_0) 0.001) \
        (>= (- Y_3 Y_7) 0.001) (>= Y_4 0.301) (<= Y_5 -0.701))";
    assert_eq!(decide(never), Verdict::Holds);
    assert!(matches!(decide("(<= Y_0 X_0)"), Verdict::Violated(_)));
    assert!(matches!(
        decide("(and (>= Y_4 0.299) (<= Y_5 -0.699))"),
        Verdict::Violated(_)
    ));
}

#[test]
fn exact_rows_never_share_a_layer_with_rows_that_round() {
    let network = network(extremes());
    for layer in network.layers() {
        let sums = (0..layer.outputs).any(|row| {
            layer
                .row(row)
                .iter()
                .filter(|&&weight| weight != 0.0)
                .count()
                > 1
        });
        let is_product = layer.weights.contains(&f64::from(1.1f32));
        if sums {
            assert_eq!(layer.rounding == Rounding::AnyOrder, is_product);
        }
    }
}

#[test]
fn what_is_not_supported_is_refused_with_the_node() {
    let x = || Graph::new(&[1, 2]);
    refused(
        x().node("Softmax", &["x"], "y"),
        &["node `make_y` (Softmax)", "not supported", "MatMul"],
    );
    refused(
        x().node("Mul", &["x", "x"], "y"),
        &["node `make_y` (Mul)", "operand 1", "constant factor"],
    );
    refused(
        x().node("Relu", &["w"], "y"),
        &["node `make_y` (Relu)", "operand `w`"],
    );
    refused(
        x().constant("w", &[3, 1], &[1.0; 3])
            .node("MatMul", &["x", "w"], "y"),
        &["(MatMul)", "[1, 2] and [3, 1]"],
    );
    refused(
        x().constant("b", &[3], &[1.0; 3])
            .node("Add", &["x", "b"], "y"),
        &["(Add)", "broadcasting", "[1, 2] and [3]"],
    );
    refused(
        x().constant("z", &[1], &[0.0])
            .node("Div", &["x", "z"], "y"),
        &["(Div)", "powers of two", "found 0"],
    );
    refused(
        x().node_with("LeakyRelu", &["x"], "y", &[real("alpha", 1.5)]),
        &["attribute `alpha`", "1.5"],
    );
    refused(
        x().whole_numbers("s", &[3])
            .node("Reshape", &["x", "s"], "y"),
        &["(Reshape)", "[3] for shape [1, 2]"],
    );
    refused(x().node("Relu", &["x"], "x"), &["`x` is already defined"]);
}

#[test]
fn wrong_numbers_and_ends_are_refused_by_name() {
    let relu = |graph: Graph| graph.node("Relu", &["x"], "y");
    for (value, text) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let graph = Graph::new(&[1]).constant("w", &[2], &[1.0, value]);
        refused(relu(graph), &["tensor `w`", "finite", text, "position 1"]);
    }
    refused(
        relu(Graph::new(&[1]).constant("w", &[3], &[1.0, 2.0])),
        &["tensor `w`", "2 values for 3"],
    );
    refused(
        relu(Graph::new(&[1]).constant("w", &[-1], &[])),
        &["tensor `w`", "[-1]"],
    );
    refused(
        relu(Graph::default().input("x", 11, &[1])),
        &["input `x`", "FLOAT", "DOUBLE"],
    );
    refused(
        relu(Graph::new(&[1]).input("x2", 1, &[1])),
        &["expected one input, found 2: `x`, `x2`"],
    );
    let two = relu(Graph::new(&[1])).output("y").output("x").bare();
    assert!(matches!(
        onnx::read(&two),
        Err(OnnxError::Ends { kind: "output", .. })
    ));
    refused(
        Graph::new(&[1]).constant("y", &[1], &[1.0]),
        &["`y` is constant"],
    );
    refused(Graph::new(&[1]), &["`y` is computed by no node"]);
    let empty = Message::default().varint(1, 7).0;
    assert_eq!(onnx::read(&empty), Err(OnnxError::NoGraph));
    let error = onnx::read(b"nonsense").unwrap_err();
    assert!(matches!(error, OnnxError::Protobuf { .. }), "{error}");
}

const NNET: &str = "// a network\n// of two layers\n2,2,1,3,\n2,3,1,\n0,\n-1.0,-2.0,\n1.0,2.0,\n\
    0.0,0.5,1.5,\n2.0,4.0,10.0,\n1.0,-1.0,\n2.0,0.5,\n3.0,4.0,\n0.25,\n0.0,\n-1.0,\n\
    2.0,-1.0,1.0,\n0.125,\n";

#[test]
fn an_nnet_file_gives_the_normalised_network_and_its_normalisation() {
    let file = nnet::read(NNET.as_bytes()).unwrap();
    let (a, b) = (1.0f32, 2.0f32);
    let hidden = [a - b + 0.25, 2.0 * a + 0.5 * b, 3.0 * a + 4.0 * b - 1.0].map(|z| z.max(0.0));
    let expected = 2.0 * hidden[0] - hidden[1] + hidden[2] + 0.125;
    assert_eq!(file.network.forward(&[a, b]), [expected]);
    assert_eq!(file.normalisation.means, [0.0, 0.5, 1.5]);
    assert_eq!(file.normalisation.ranges, [2.0, 4.0, 10.0]);
}

#[test]
fn errors_in_nnet_files_have_a_line_and_a_column() {
    let fails = |from: &str, to: &str| {
        assert!(NNET.contains(from), "{from}");
        let text = NNET.replacen(from, to, 1);
        nnet::read(text.as_bytes()).unwrap_err().to_string()
    };
    let cases = [
        (
            "2.0,0.5,\n",
            "2.0, zero,\n",
            "line 11, column 6: weights of a neuron",
        ),
        (
            "2.0,0.5,\n",
            "2.0,inf,\n",
            "line 11, column 5: weights of a neuron",
        ),
        (
            "2.0,0.5,\n",
            "2.0,\n",
            "line 11, column 1: expected 2 numbers",
        ),
        (
            "2,3,1,\n",
            "3,3,1,\n",
            "line 4, column 1: inputs: expected 2",
        ),
        (
            "2,2,1,3,\n",
            "2,2,1,\n",
            "line 3, column 1: expected 4 numbers",
        ),
        ("2,2,1,3,\n", "2,x,1,3,\n", "line 3, column 3"),
        (
            "2.0,4.0,10.0,\n",
            "2.0,0,10.0,\n",
            "line 9, column 5: ranges",
        ),
        (
            "0.125,\n",
            "",
            "line 16, column 1: expected the bias of a neuron",
        ),
        (
            "0.125,\n",
            "0.125,\n1\n",
            "line 18, column 1: expected the end of the file",
        ),
    ];
    for (from, to, expected) in cases {
        let error = fails(from, to);
        assert!(error.starts_with(expected), "{error}");
    }
    let error = nnet::read(b"//\n1,\xff").unwrap_err();
    assert_eq!((error.line, error.column), (2, 3));
}

const DECLARED: &str = "(declare-const X_0 Real)\n(declare-fun X_1 () Real) ; an input\n\
    (declare-const Y_0 Real)\n(declare-const Y_1 Real)\n";
const BOX: &str =
    "(assert (<= X_0 1))(assert (>= X_0 -0.5))\n(assert (and (<= 0 X_1) (<= X_1 2.5e-1)))\n";

fn rational(numerator: i64, denominator: i64) -> BigRational {
    BigRational::new(BigInt::from(numerator), BigInt::from(denominator))
}

#[test]
fn a_property_is_read_exactly() {
    let text = format!(
        "(set-logic QF_LRA){DECLARED}{BOX}\
        (assert (or (<= Y_0 (+ (* 2 Y_1) (/ 1 3))) (and (>= Y_1 0.1) (<= (- Y_0) (- 1 X_0)))))"
    );
    let property = vnnlib::read(text.as_bytes()).unwrap();
    assert_eq!((property.inputs, property.outputs), (2, 2));
    let [case] = &property.cases[..] else {
        panic!("{property:?}");
    };
    let one = rational(1, 1);
    let expected = [
        (rational(-1, 2), one.clone()),
        (rational(0, 1), rational(1, 4)),
    ];
    assert_eq!(case.input, expected);
    let [first, second] = &case.unsafe_any[..] else {
        panic!("{case:?}");
    };
    assert_eq!(first[0].outputs, [(0, one.clone()), (1, rational(-2, 1))]);
    assert_eq!(first[0].bound, rational(1, 3));
    assert_eq!(second[0].outputs, [(1, -one.clone())]);
    assert_eq!(second[0].bound, rational(-1, 10));
    assert_eq!(second[1].outputs, [(0, -one.clone())]);
    assert_eq!(second[1].inputs, [(0, one.clone())]);
    assert_eq!(second[1].bound, one);
}

#[test]
fn cases_with_the_same_box_are_one() {
    let text = format!(
        "{DECLARED}{BOX}(assert (or (>= X_0 0.5) (<= X_0 0)))\
         (assert (or (>= Y_0 1) (>= Y_1 1)))(assert (<= (+ X_0 X_1) 1))"
    );
    let property = vnnlib::read(text.as_bytes()).unwrap();
    let sides: Vec<_> = property
        .cases
        .iter()
        .map(|case| case.input[0].clone())
        .collect();
    let expected = [
        (rational(1, 2), rational(1, 1)),
        (rational(-1, 2), rational(0, 1)),
    ];
    assert_eq!(sides, expected);
    for case in &property.cases {
        assert_eq!(case.unsafe_any.len(), 2);
        // The constraint on both inputs is no box: it stays beside each condition.
        assert!(case.unsafe_any.iter().all(|conjunction| {
            conjunction
                .iter()
                .any(|it| it.inputs.len() == 2 && it.outputs.is_empty())
        }));
    }
}

#[test]
fn a_branch_that_no_input_satisfies_is_left_out() {
    let text = format!(
        "{DECLARED}{BOX}(assert (or (>= X_0 0.5) (<= X_0 0)))(assert (or (>= X_0 0.2) (<= X_0 -0.2)))\
         (assert (>= Y_0 1))"
    );
    assert_eq!(vnnlib::read(text.as_bytes()).unwrap().cases.len(), 2);
}

/// What stands behind the box, and how the error begins.
const WRONG_TAILS: &[(&str, &str)] = &[
    (
        "(assert (<= Y_0 Z))",
        "line 7, column 17: unknown variable `Z`",
    ),
    (
        "(assert (<= Y_0 Y_2))",
        "line 7, column 17: unknown variable `Y_2`",
    ),
    (
        "(assert (<= Y_0 (* Y_1 Y_0)))",
        "line 7, column 18: `*` of two terms",
    ),
    (
        "(assert (<= Y_0 (/ 1 0)))",
        "line 7, column 18: division by zero",
    ),
    (
        "(assert (<= Y_0 1e))",
        "line 7, column 17: expected a number, found `1e`",
    ),
    (
        "(assert (<= Y_0 1.2.3))",
        "line 7, column 17: expected a number",
    ),
    (
        "(assert (<= Y_0 1e999999999))",
        "line 7, column 17: number `1e999999999`",
    ),
    (
        "(assert (< Y_0 1))",
        "line 7, column 10: `<` is not supported",
    ),
    (
        "(assert (not (<= Y_0 1)))",
        "line 7, column 10: `not` is not supported",
    ),
    ("(assert (<= Y_0))", "line 7, column 9: expected two terms"),
    (
        "(assert (<= Y_0 1)",
        "line 7, column 1: this list is never closed",
    ),
    ("(assert (<= Y_0 1)))", "line 7, column 20: expected `(`"),
    (
        "\n (define-fun f () Real 1)",
        "line 8, column 3: expected (declare-const",
    ),
    (
        "(declare-const Y_3 Real)(assert (<= Y_0 1))",
        "line 7, column 16: `Y_3` is declared but `Y_2`",
    ),
    (
        "(declare-const Y_1 Real)",
        "line 7, column 16: variable `Y_1` is declared twice",
    ),
    (
        "(declare-const A Real)",
        "line 7, column 16: expected X_i or Y_i",
    ),
    (
        "(declare-const Y_2 Int)",
        "line 7, column 20: expected the sort Real",
    ),
    (
        "(assert (>= X_1 0.3))(assert (<= Y_0 1))",
        "line 7, column 9: the region of inputs is empty",
    ),
    (
        "(assert (>= (+ X_0 X_1) 9))(assert (<= Y_0 1))",
        "line 7, column 9: the region of inputs is empty",
    ),
    ("", "line 1, column 1: no assertion is about an output"),
];

#[test]
fn errors_in_properties_have_a_line_and_a_column() {
    let fails = |tail: &str| {
        let text = format!("{DECLARED}{BOX}{tail}");
        vnnlib::read(text.as_bytes()).unwrap_err().to_string()
    };
    for (tail, expected) in WRONG_TAILS {
        let error = fails(tail);
        assert!(error.starts_with(expected), "{tail}: {error}");
    }
    let unbounded = format!(
        "{DECLARED}(assert (<= X_0 1))(assert (>= X_0 0))(assert (<= X_1 1))\
        (assert (<= Y_0 1))"
    );
    let error = vnnlib::read(unbounded.as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("line 2, column 14: input X_1 has no lower bound"),
        "{error}"
    );
    let deep = "(assert ".repeat(1000);
    assert!(
        vnnlib::read(deep.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("deeper")
    );
    let error = vnnlib::read(b"; \xc3\xa9\n;\xff").unwrap_err();
    assert_eq!((error.line, error.column), (2, 2));
}

#[test]
fn two_constraints_that_leave_no_input_between_them_are_refused() {
    let reads = |tail: &str| {
        let text = format!("{DECLARED}{BOX}(assert (<= Y_0 1)){tail}");
        vnnlib::read(text.as_bytes()).map_err(|error| error.to_string())
    };
    let empty = [
        "(assert (<= (+ X_0 X_1) 0.5))(assert (>= (+ X_0 X_1) 0.6))",
        "(assert (>= (* 3 (+ X_0 X_1)) 1.8))(assert (>= (- X_1) (- X_0 0.5)))(assert (>= (- 0 X_0 X_1) -0.5))",
        "(assert (= (- X_0 (* 2 X_1)) 0.1))(assert (= (- X_1 (/ X_0 2)) 0))",
    ];
    for tail in empty {
        let error = reads(tail).unwrap_err();
        assert!(
            error.contains("region of inputs is empty: a sum"),
            "{tail}: {error}"
        );
    }
    let left = [
        "(assert (<= (+ X_0 X_1) 0.6))(assert (>= (+ X_0 X_1) 0.6))",
        "(assert (<= (+ X_0 X_1) 0.5))(assert (>= (+ X_0 (* 2 X_1)) 0.6))",
        "(assert (or (and (<= (+ X_0 X_1) 0.5) (>= (+ X_0 X_1) 0.6)) (<= (+ X_0 X_1) 0.5)))",
        "(assert (<= (+ Y_0 Y_1) 0.5))(assert (>= (+ Y_0 Y_1) 0.6))",
    ];
    for tail in left {
        assert!(reads(tail).is_ok(), "{tail}");
    }
}

#[test]
fn texts_of_more_words_or_entries_than_any_file_needs_are_refused() {
    let words = format!("(set-info {})", "a ".repeat(1 << 22));
    let error = vnnlib::read(words.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("more than 4194304 words"), "{error}");
    let commas = ",".repeat(1 << 22);
    let error = nnet::read(commas.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("expected 4 numbers"), "{error}");
    assert!(error.ends_with("found 4194304"), "{error}");
    assert!(
        nnet::read(&vec![b','; (64 << 20) + 1])
            .unwrap_err()
            .to_string()
            .contains("bytes")
    );
}

#[test]
fn disjunctions_that_multiply_without_end_are_refused() {
    let either = "(assert (or (>= Y_0 1) (>= Y_1 1)))".repeat(64);
    let text = format!("{DECLARED}{BOX}{either}");
    let error = vnnlib::read(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("more than 100000 cases"), "{error}");
}

#[test]
fn terms_whose_numbers_grow_without_end_are_refused() {
    let factors = "1e400 ".repeat(50);
    let text = format!("{DECLARED}{BOX}(assert (<= Y_0 (* {factors})))");
    let error = vnnlib::read(text.as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("line 7, column 18: a number in this term"),
        "{error}"
    );
}

/// Changes, insertions and cuts at random places.
fn mutated(original: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0u8..4);
    prop::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut bytes = original.clone();
        for (at, byte, kind) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        bytes
    })
}

/// What is read in spite of a mutation is a network: finite, and it can be evaluated.
fn evaluates(network: &FloatNetwork) -> Result<(), TestCaseError> {
    let outputs = network.forward(&vec![0.5; network.inputs()]);
    prop_assert_eq!(outputs.len(), network.outputs());
    let mut numbers = network
        .layers()
        .iter()
        .flat_map(|layer| layer.weights.iter().chain(&layer.bias));
    prop_assert!(numbers.all(|number| number.is_finite()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn mutated_onnx_files_are_read_or_refused(
        bytes in prop_oneof![mutated(mlp().file()), mutated(extremes().file())],
    ) {
        if let Ok(network) = onnx::read(&bytes) {
            evaluates(&network)?;
        }
    }

    #[test]
    fn mutated_nnet_files_are_read_or_refused(bytes in mutated(NNET.as_bytes().to_vec())) {
        if let Ok(file) = nnet::read(&bytes) {
            evaluates(&file.network)?;
        }
    }

    #[test]
    fn mutated_properties_are_read_or_refused(
        bytes in mutated(
            format!("{DECLARED}{BOX}(assert (or (<= Y_0 (* 2 Y_1)) (and (>= Y_1 1) (<= Y_0 1))))")
                .into_bytes(),
        ),
    ) {
        if let Ok(property) = vnnlib::read(&bytes) {
            prop_assert!(!property.cases.is_empty());
            for case in &property.cases {
                prop_assert_eq!(case.input.len(), property.inputs);
                prop_assert!(case.input.iter().all(|(low, high)| low <= high));
                for halfspace in case.unsafe_any.iter().flatten() {
                    prop_assert!(halfspace.outputs.iter().all(|(at, _)| *at < property.outputs));
                    prop_assert!(halfspace.inputs.iter().all(|(at, _)| *at < property.inputs));
                }
            }
        }
    }
}
