//! Random applications.

use proptest::prelude::*;
use tautline_core::units::{Bandwidth, Bytes};
use tautline_netsim::scenario::{RetrySpec, SizeSpec, WorkloadSpec};

use super::network::millis;

fn size() -> impl Strategy<Value = SizeSpec> {
    let bytes = || (1_u64..60_000).prop_map(Bytes::new);
    prop_oneof![
        bytes().prop_map(SizeSpec::Fixed),
        bytes().prop_map(|mean| SizeSpec::Exponential { mean }),
        (bytes(), 0.5..3.0).prop_map(|(min, shape)| SizeSpec::Pareto {
            min,
            shape,
            max: Bytes::new(500_000),
        }),
        (bytes(), 0.0..2.0).prop_map(|(median, sigma)| SizeSpec::LogNormal {
            median,
            sigma,
            max: Bytes::new(500_000),
        }),
    ]
}

fn retry() -> impl Strategy<Value = RetrySpec> {
    (20_u64..500, 1.0..3.0, 0.0..1.0, 1_u32..6, 0.0..2.0).prop_map(
        |(timeout, backoff, jitter, attempts, budget)| RetrySpec {
            timeout: millis(timeout),
            backoff,
            jitter,
            attempts,
            budget,
        },
    )
}

/// Any application; half of them bulk data.
pub(crate) fn workload() -> impl Strategy<Value = WorkloadSpec> {
    let on_off = (1_u64..400, 1_u64..400).prop_map(|(on, off)| WorkloadSpec::OnOff {
        on: millis(on),
        off: millis(off),
    });
    let web = (2_u64..300, size()).prop_map(|(every, object)| WorkloadSpec::Web {
        every: millis(every),
        object,
    });
    let asking = (1_u64..3000, size(), 0_u64..100, 10_u64..500, retry()).prop_map(
        |(request, response, think, deadline, retry)| WorkloadSpec::RequestResponse {
            request: Bytes::new(request),
            response,
            think: millis(think),
            deadline: millis(deadline),
            retry,
        },
    );
    let real_time = (100_000_u64..4_000_000, 1_u64..50, 5_u64..200).prop_map(
        |(rate, frame_every, deadline)| WorkloadSpec::RealTime {
            rate: Bandwidth::from_bits_per_sec(rate),
            frame_every: millis(frame_every),
            deadline: millis(deadline),
        },
    );
    let video = (50_u64..600, 200_000_u64..1_000_000).prop_map(|(chunk, lowest)| {
        let rungs = [1, 2, 5].map(|factor| Bandwidth::from_bits_per_sec(lowest * factor));
        WorkloadSpec::Video {
            chunk: millis(chunk),
            ladder: rungs.to_vec(),
            buffer: millis(4 * chunk),
        }
    });
    let incast = (1_u64..80_000, 20_u64..500).prop_map(|(burst, every)| WorkloadSpec::Incast {
        burst: Bytes::new(burst),
        every: millis(every),
    });
    prop_oneof![
        6 => Just(WorkloadSpec::Bulk),
        1 => on_off,
        1 => web,
        1 => asking,
        1 => real_time,
        1 => video,
        1 => incast,
    ]
}
