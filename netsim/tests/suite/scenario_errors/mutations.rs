//! No file makes the reader panic.

use std::path::PathBuf;

use proptest::prelude::*;
use tautline_netsim::scenario::ValidScenario;

/// Every shipped scenario, with its path.
fn shipped() -> Vec<(PathBuf, Vec<u8>)> {
    let files = crate::scenarios::shipped_files();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read(&file).unwrap();
            (file, text)
        })
        .collect()
}

/// One change of a file.
#[derive(Clone, Debug)]
enum Mutation {
    /// A byte in place of another.
    Replace(usize, u8),
    /// A piece of TOML at some place.
    Insert(usize, &'static str),
    /// So many bytes less at some place.
    Remove(usize, usize),
    /// Nothing from there on.
    Truncate(usize),
    /// A line once more, somewhere else.
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let pieces = prop::sample::select(vec![
        "0",
        "9",
        "-",
        ".",
        "e9",
        "nan",
        "inf",
        "\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "=",
        "\n",
        "#",
        "[[",
        "]]",
        "true",
        "1979-05-27",
        "\n[link]\n",
        "\n[[flow]]\n",
        "\n[sweep]\n",
        "count = 9\n",
        "name = \"\"\n",
        "rate_mbps = 0\n",
        "route = []\n",
        "x.y.z = [1]\n",
        "\n\"flow.0.start_s\" = { from = 0, to = 1, steps = 2 }\n",
        "\u{fc}",
    ]);
    let at = any::<usize>();
    prop_oneof![
        (at, any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (at, pieces).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (at, 1_usize..40).prop_map(|(at, length)| Mutation::Remove(at, length)),
        at.prop_map(Mutation::Truncate),
        (at, at).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutate(text: &mut Vec<u8>, mutation: &Mutation) {
    let place = |at: usize| at % (text.len() + 1);
    match *mutation {
        Mutation::Replace(at, byte) => {
            let at = place(at);
            if let Some(old) = text.get_mut(at) {
                *old = byte;
            }
        }
        Mutation::Insert(at, piece) => {
            let at = place(at);
            text.splice(at..at, piece.bytes());
        }
        Mutation::Remove(at, length) => {
            let at = place(at);
            let end = (at + length).min(text.len());
            text.drain(at..end);
        }
        Mutation::Truncate(at) => {
            let at = place(at);
            text.truncate(at);
        }
        Mutation::Repeat(from, to) => {
            let from = place(from);
            let line: Vec<u8> = text[from..]
                .split_inclusive(|&byte| byte == b'\n')
                .take(1)
                .flatten()
                .copied()
                .collect();
            let to = place(to);
            text.splice(to..to, line);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_mutated_file_panics_and_every_error_names_the_file(
        which in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let files = shipped();
        let (file, text) = which.get(&files);
        let mut text = text.clone();
        for mutation in &mutations {
            mutate(&mut text, mutation);
        }
        let text = String::from_utf8_lossy(&text);
        let name = file.to_str().unwrap();
        if let Err(error) = ValidScenario::grid_from_toml(&text, name) {
            prop_assert!(error.to_string().starts_with(name), "{}", error);
            let lines = 1 + text.matches('\n').count();
            prop_assert!(error.place().line.is_none_or(|line| (1..=lines).contains(&line)));
        }
    }
}
