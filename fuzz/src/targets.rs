//! What the fuzz targets do with bytes. The slow tests of `tautline-certificates` include this file and
//! run the same functions, so that they run on machines without libFuzzer too.

use tautline_certificates::claim::{Claim, ClaimSet};
use tautline_certificates::format::{Certificate, Layout};
use tautline_certificates::semantics::Program;
use tautline_core::policy::{self, Digest};

/// Bytes as a certificate, a claim set, a claims file and a model: no panic, and what decodes is
/// what encoding writes.
pub(crate) fn decode(data: &[u8]) {
    let sealed = sealed(data);
    for bytes in [data, &sealed] {
        if let Ok(certificate) = Certificate::decode(bytes) {
            assert_eq!(certificate.encode().as_deref(), Ok(bytes), "one encoding");
        }
        if let Ok(layout) = Layout::read(bytes) {
            assert_eq!(layout.claims.digest(), Ok(layout.claims_digest));
        }
        if let Ok((header, parameters)) = policy::decode(bytes) {
            let parameters: Vec<i16> = parameters.iter().collect();
            let mut again = vec![];
            policy::encode(&header, &parameters, |piece| again.extend_from_slice(piece));
            assert_eq!(again, bytes, "one encoding");
        }
    }
    if let Ok(claims) = ClaimSet::decode(data) {
        assert_eq!(claims.encode().as_deref(), Ok(data), "one encoding");
    }
    if let Ok(text) = core::str::from_utf8(data)
        && let Ok(claims) = ClaimSet::from_toml(text, "fuzz.toml")
    {
        let bytes = claims.encode();
        let bytes = bytes.as_deref().unwrap_or_default();
        assert_eq!(ClaimSet::decode(bytes).as_ref(), Ok(&claims));
    }
}

/// Bytes as the length of a model (2), the model, and a certificate, both without digests, which
/// are made right: no panic, and random points obey what is accepted.
///
/// Returns whether the checker accepted.
pub(crate) fn check(data: &[u8]) -> bool {
    let Some((length, rest)) = data.split_first_chunk() else {
        return false;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (model, certificate) = rest.split_at(length);
    let model = sealed(model);
    let mut certificate = certificate.to_vec();
    let place = 8..8 + Digest::LEN;
    if let Some(digest) = certificate.get_mut(place) {
        digest.copy_from_slice(&model[model.len() - Digest::LEN..]);
    }
    repair_claims(&mut certificate);
    let Ok(checked) = tautline_certificates::check(&model, &sealed(&certificate), None) else {
        return false;
    };
    let program = Program::decode(&model).expect("an accepted certificate is about a program");
    let mut random = Random(u64::try_from(data.len()).unwrap_or(0));
    for claim in &checked.claim_set().claims {
        for _ in 0..16 {
            obey(&program, claim, &mut random);
        }
    }
    true
}

/// A random input, or two, of the claim's region: where the links and facts hold, so must the
/// constraints.
fn obey(program: &Program, claim: &Claim, random: &mut Random) {
    let table = program.table();
    let in_region = |x: &[i32]| table.contains(x) && claim.region.contains(x);
    let bounds = &claim.region.bounds;
    let first: Vec<i32> = bounds.iter().map(|&ends| random.within(ends)).collect();
    if !in_region(&first) {
        return;
    }
    let (heads, features) = match claim.kind.differences(table) {
        None => (
            program.evaluate(&first),
            first.iter().map(|&x| i64::from(x)).collect(),
        ),
        Some(differences) => {
            let mut second = first.clone();
            for one in &differences {
                second[one.feature] =
                    second[one.feature].saturating_add(random.within((one.low, one.high)));
            }
            let mut pair: Vec<i32> = second.iter().zip(&first).map(|(b, a)| b - a).collect();
            let moved: Vec<i64> = pair.iter().map(|&d| i64::from(d)).collect();
            pair.extend(&first);
            if !in_region(&second) || !claim.pair_facts(table).iter().all(|it| it.holds(&pair)) {
                return;
            }
            let (a, b) = (program.evaluate(&first), program.evaluate(&second));
            (b.iter().zip(&a).map(|(b, a)| b - a).collect(), moved)
        }
    };
    for constraint in &claim.constraints {
        let place = |kind| program.heads().iter().position(|&head| head == kind);
        let heads = constraint.heads.iter().map(|&(kind, c)| {
            let at = place(kind).expect("the checker knows the head");
            i128::from(c) * i128::from(heads[at])
        });
        let terms = constraint.features.iter();
        let terms = terms.map(|&(at, c)| i128::from(c) * i128::from(features[at]));
        let sum: i128 = heads.chain(terms).sum();
        assert!(
            sum <= i128::from(constraint.bound),
            "accepted, but {first:?} violates {constraint:?} of {claim:?}"
        );
    }
}

/// The bytes with their digest behind them.
fn sealed(content: &[u8]) -> Vec<u8> {
    [content, Digest::of(content).as_bytes()].concat()
}

/// Makes the digest of the claim set right, if there is one.
fn repair_claims(certificate: &mut [u8]) {
    const CLAIMS: usize = 8 + 32 + 32 + 4;
    let length = certificate.get(CLAIMS - 4..CLAIMS);
    let length = length
        .and_then(|it| it.try_into().ok())
        .map_or(0, u32::from_le_bytes);
    let end = CLAIMS.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    if let Some(claims) = certificate.get(CLAIMS..end) {
        let digest = Digest::of(claims);
        certificate[40..72].copy_from_slice(digest.as_bytes());
    }
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % end.max(1)
    }

    /// One of several.
    pub(crate) fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A value of a range: its ends more often than others.
    fn within(&mut self, (low, high): (i32, i32)) -> i32 {
        let width = i64::from(high) - i64::from(low);
        let inside = i64::try_from(self.next() >> 2).unwrap_or(0) % width.saturating_add(1).max(1);
        match self.below(4) {
            0 => low,
            1 => high,
            _ => i32::try_from(i64::from(low) + inside).unwrap_or(low),
        }
    }
}
