//! Memory of the checker, counted by the allocator: a binary of its own, since there is one
//! allocator per program and other tests would count too.

#[cfg(test)]
mod tests {
    use peak_alloc::PeakAlloc;
    use tautline_certificates::check;
    use tautline_certificates::claim::ClaimSet;
    use tautline_certificates::format::{Certificate, Node, Section, Tree};
    use tautline_core::fixed::Q16;
    use tautline_core::policy::{
        Cadence, Head, HeadKind, Hidden, MAX_HIDDEN_LAYERS, ModelHeader, Policy, Skip, encode,
    };

    #[global_allocator]
    static ALLOCATOR: PeakAlloc = PeakAlloc;

    const CLAIMS: &str = "version = 1\nfeature_table = 0\n[[claim]]\nname = \"c\"\nsays = \"s\"\n\
                          kind = \"point\"\nthen = [\"rate <= 1\"]\n";

    fn policy() -> Policy<Vec<i16>> {
        let mut hidden = [Hidden::default(); MAX_HIDDEN_LAYERS];
        for layer in hidden.iter_mut().take(2) {
            let (width, shift) = (6, 12);
            *layer = Hidden { width, shift };
        }
        let header = ModelHeader {
            feature_table: 0,
            inputs: 16,
            hidden_count: 2,
            hidden,
            output_shift: 12,
            skip: Skip::None,
            head_count: 1,
            heads: HeadKind::ALL.map(Head::free),
            step_gain: Q16::from_units(1 << 14),
            pacing_gain: Q16::from_units(5 << 14),
            jitter: Q16::from_units(3277),
            cadence: Cadence::EveryRound,
        };
        let weights =
            (0..header.parameter_count()).map(|i| i16::try_from(i * 7919 % 2001).unwrap());
        Policy::new(header, weights.map(|w| w - 1000).collect()).unwrap()
    }

    /// A full tree: every path splits the features in turn.
    fn grow(nodes: &mut Vec<Node>, bounds: &mut [(i32, i32)], depth: usize) {
        if depth == 0 {
            return nodes.push(Node::Relaxation {
                alpha: (1..=12).collect(),
                multipliers: vec![],
                beta: vec![],
            });
        }
        let feature = depth % bounds.len();
        let (low, high) = bounds[feature];
        let cut = i32::midpoint(low, high);
        let place = u8::try_from(feature).unwrap();
        nodes.push(Node::Split {
            feature: place,
            cut,
        });
        for half in [(low, cut), (cut + 1, high)] {
            bounds[feature] = half;
            grow(nodes, bounds, depth - 1);
        }
        bounds[feature] = (low, high);
    }

    /// Bytes of the file, and the most that the checker allocates beside it.
    fn checked(policy: &Policy<Vec<i16>>, model: &[u8], depth: usize) -> (usize, usize) {
        let claims = ClaimSet::from_toml(CLAIMS, "test.toml").unwrap();
        let mut nodes = vec![];
        grow(
            &mut nodes,
            &mut claims.claims[0].region.bounds.clone(),
            depth,
        );
        let trees = vec![Tree { nodes }];
        let sections = vec![Section::RegionTree { claim: 0, trees }];
        let certificate = Certificate {
            model: policy.digest(),
            claims,
            sections,
        };
        let file = certificate.encode().unwrap();
        drop(certificate);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let checked = check(model, &file, None).unwrap();
        let peak = ALLOCATOR.peak_usage();
        assert_eq!(checked.claims()[0].leaves(), 1 << depth);
        (file.len(), peak - before)
    }

    #[test]
    fn a_hundred_thousand_leaves_need_no_more_memory_than_a_hundred() {
        let policy = policy();
        let mut model = vec![];
        encode(policy.header(), policy.parameters(), |piece| {
            model.extend_from_slice(piece);
        });
        let (small_file, small) = checked(&policy, &model, 7);
        let (large_file, large) = checked(&policy, &model, 17);
        assert!(
            large_file > 3_000_000 && small_file < 5_000,
            "{small_file} {large_file}"
        );
        assert!(
            large <= small,
            "{small} bytes beside {small_file}, {large} beside {large_file}"
        );
        assert!(large < 32 << 10, "{large} bytes");
    }
}
