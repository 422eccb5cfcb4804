use tautline_trainer::{Observer, Outcome, Phase, Progress, train};

use crate::small;

/// A report: phase, step, and the claims that it measured.
type Report = (Phase, u64, Vec<(String, f64)>);

/// Every report, in order.
#[derive(Default)]
struct Told(Vec<Report>);

impl Observer for Told {
    fn on_progress(&mut self, progress: &Progress<'_>) {
        let certified = progress.certified.to_vec();
        self.0.push((progress.phase, progress.step, certified));
    }
}

#[test]
fn every_phase_tells_the_proven_fraction_of_every_claim() {
    let mut params = small::params();
    params.clone.steps = 1100;
    let params = params.check().unwrap();
    let claims = small::claims();
    let mut told = Told::default();
    let outcome = train(&params, &claims, None, &mut told, &|| false).unwrap();
    assert!(matches!(outcome, Outcome::Trained(_)));
    let measured = told.0.iter().filter(|(_, _, c)| !c.is_empty());
    let places = measured.clone().map(|(phase, step, _)| (*phase, *step));
    let places = places.collect::<Vec<_>>();
    let first = [
        (Phase::Clone, 1000),
        (Phase::Clone, 1100),
        (Phase::Evolve, 2),
        (Phase::Evolve, 4),
        (Phase::Repair, 0),
    ];
    assert_eq!(places[..5], first);
    for (phase, step, certified) in measured {
        let names = certified.iter().map(|(name, _)| name);
        let expected = claims.claims.iter().map(|claim| &claim.name);
        assert!(names.eq(expected), "{phase:?} {step}");
        let fractions = certified.iter().map(|(_, proven)| *proven);
        assert!(
            fractions.clone().all(|f| (0.0..=1.0).contains(&f)),
            "{phase:?} {step}: {certified:?}"
        );
        // By its sign pattern the network is monotone from the start.
        assert!(fractions.clone().any(|f| f == 1.0), "{phase:?} {step}");
    }
}
