//! The same rounds in the intervals that the checker itself computes.

use tautline_certificates::closed_loop::{
    Buffer, Features, Path as CheckedPath, PathFamily, Powers, Sent, State,
};
use tautline_core::fixed::Q16;
use tautline_core::log2;

use crate::path::Path;

/// The checker's view of one path.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    path: CheckedPath,
    /// The same without A6, and the largest window that it speaks of.
    bare: Option<(CheckedPath, i64)>,
    /// log₂ of the bandwidth-delay product in packets.
    log_bdp: f64,
    gain: Q16,
}

/// w in units of 2⁻¹⁶: in force, before that, and before that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    pub(crate) now: i32,
    pub(crate) before: i32,
    pub(crate) earlier: i32,
    /// The remembered average.
    pub(crate) average: i32,
}

impl Checker {
    pub(crate) fn new(path: &Path, gain: Q16) -> anyhow::Result<Self> {
        let log_bdp = (path.bdp as f64).log2();
        let range = around(log_bdp);
        let share = |value: f64| (value * 65_536.0) as u32;
        let depth = path.depth();
        let buffer = Buffer {
            least: share(depth.min(DEEPEST)),
            most: depth.is_finite().then(|| share(depth) + 1),
        };
        let family = PathFamily {
            jitter: share(path.jitter as f64 / 1000.0) + 1,
            log_bdp: range,
            buffer,
        };
        let refused = |reason| anyhow::anyhow!("the checker refuses {path:?}: {reason:?}");
        let powers = Powers::prove(log2::table()).map_err(refused)?;
        let with = |drops| CheckedPath::new(&powers, &family, range, buffer, drops);
        let bare = path.highest.map(|edge| {
            let bare = with(Some(edge))?;
            let largest = bare.window((edge, edge))?.1;
            Ok((bare, largest))
        });
        Ok(Self {
            path: with(None).map_err(refused)?,
            bare: bare.transpose().map_err(refused)?,
            log_bdp,
            gain,
        })
    }

    /// What the policy can have read; none for windows that the checker has no powers for.
    pub(crate) fn features(&self, past: &Past) -> Option<Features> {
        let cell = |units: i32| around(f64::from(units) / 65_536.0 - self.log_bdp);
        let window = |units: i32| self.path.window(cell(units)).ok();
        let (judged, before) = (window(past.before)?, window(past.earlier)?);
        let sent = Sent {
            most: judged.1,
            least: judged.0.min(before.0),
            peak: judged.1.max(before.1),
            past: judged.1.max(window(past.earlier + self.gain.units())?.1),
        };
        let bare = self.bare.as_ref();
        let bare = bare.filter(|&&(_, largest)| sent.peak <= largest);
        let round = bare.map_or(&self.path, |(path, _)| path).round(sent);
        let state = State {
            now: cell(past.now),
            before: cell(past.before),
            memory: (past.average, past.average),
        };
        Some(self.path.features(&state, &round, self.gain))
    }
}

/// The neighbouring multiples of 2⁻⁸.
fn around(value: f64) -> (i32, i32) {
    let scaled = value * 256.0;
    (scaled.floor() as i32, scaled.ceil() as i32)
}

/// Deeper buffers than this are as good as boundless.
const DEEPEST: f64 = 1024.0;
