//! Synthetic feature vectors.

use tautline_core::features::{FEATURE_COUNT, index};

use crate::law::Features;
use crate::obligation::{Box12, Obligation, domain};
use crate::rng::Stream;

/// A feature vector as a connection could show it: queues mostly short, losses mostly none, the
/// links of the table kept.
pub(crate) fn plausible(stream: &mut Stream) -> Features {
    let domain = domain();
    let mut features = domain.map(|(low, high)| stream.between(low, high));
    let queueing = 2.0 * square(stream.unit());
    let standing = queueing * (1.0 - square(stream.unit()));
    features[index::QUEUEING] = queueing;
    features[index::STANDING_QUEUE] = standing;
    features[index::QUEUEING_EWMA] = if stream.happens(0.6) {
        (standing * stream.between(0.5, 1.5)).min(2.0)
    } else {
        2.0 * square(stream.unit())
    };
    features[index::LOSS] = rare(stream, 0.5);
    features[index::SLOW_LOSS] = rare(stream, 0.4);
    features[index::CE] = rare(stream, 0.7);
    if stream.happens(0.6) {
        features[index::ACKED_RATIO] = stream.between(0.7, 1.2);
    }
    let share = libm::log2((standing / (1.0 + standing)).max(OWN_QUEUE_FLOOR));
    features[index::OWN_QUEUE] = features[index::LOG_WINDOW] + share / 16.0;
    if stream.happens(0.6) {
        features[index::LAST_STEP] *= 0.3;
        features[index::PREVIOUS_STEP] *= 0.3;
    }
    clamped(features, &domain)
}

/// A feature vector as a connection shows it that has settled or is about to: queue, its average
/// and its minimum near one another and up to `longest` base round-trip times, no marks, and loss
/// only where a buffer is shallow.
pub(crate) fn settled(longest: f64, stream: &mut Stream) -> Features {
    let domain = domain();
    let mut features = domain.map(|(low, high)| stream.between(low, high));
    let standing = stream.between(0.0, longest);
    features[index::STANDING_QUEUE] = standing;
    features[index::QUEUEING] = standing + stream.between(0.0, 0.4);
    features[index::QUEUEING_EWMA] = standing + stream.between(-0.3, 0.3);
    features[index::LOSS] = if stream.happens(0.75) {
        0.0
    } else {
        0.3 * square(stream.unit())
    };
    for feature in [index::SLOW_LOSS, index::CE, index::COMPETITOR] {
        features[feature] = 0.0;
    }
    let share = libm::log2((standing / (1.0 + standing)).max(OWN_QUEUE_FLOOR));
    features[index::OWN_QUEUE] = features[index::LOG_WINDOW] + share / 16.0;
    clamped(features, &domain)
}

/// A feature vector anywhere in the table's ranges, links ignored: what a corner of a region can
/// hold.
pub(crate) fn anywhere(stream: &mut Stream) -> Features {
    let mut features = domain().map(|(low, high)| stream.between(low, high));
    for feature in [index::LOSS, index::SLOW_LOSS, index::CE] {
        features[feature] = rare(stream, 0.4);
    }
    features
}

/// A feature vector at or near the corner of a claim's region.
pub(crate) fn corner(obligations: &[Obligation], stream: &mut Stream) -> Features {
    if obligations.is_empty() {
        return anywhere(stream);
    }
    let obligation = &obligations[stream.below(obligations.len())];
    let spread = if stream.happens(0.5) { 0.02 } else { 0.0 };
    let point = obligation.point(stream);
    clamped(
        point.map(|(value, _)| value + spread * stream.normal()),
        &domain(),
    )
}

fn clamped(mut features: Features, domain: &Box12) -> Features {
    for place in 0..FEATURE_COUNT {
        features[place] = features[place].clamp(domain[place].0, domain[place].1);
    }
    features
}

/// Zero with probability `none`, else mostly small.
fn rare(stream: &mut Stream, none: f64) -> f64 {
    if stream.happens(none) {
        0.0
    } else {
        let unit = stream.unit();
        unit * unit * unit
    }
}

fn square(value: f64) -> f64 {
    value * value
}

const OWN_QUEUE_FLOOR: f64 = 0.1;
