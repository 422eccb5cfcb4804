//! The states and what each does to rate and window (draft-ietf-ccwg-bbr §5.1, §5.6.1).

/// BBR.state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Doubling the rate every round until the path is full (§5.3.1).
    Startup,
    /// Emptying the queue that startup built (§5.3.2).
    Drain,
    /// Sending a little slower than the path delivers (§5.3.3.1).
    ProbeBwDown,
    /// Sending as fast as the path delivers (§5.3.3.2).
    ProbeBwCruise,
    /// Filling the pipe for one round before probing (§5.3.3.3).
    ProbeBwRefill,
    /// Sending faster, to see whether there is more (§5.3.3.4).
    ProbeBwUp,
    /// Sending little, to see the round-trip time without a queue (§5.3.4).
    ProbeRtt,
}

impl Phase {
    /// BBR.pacing_gain: the pacing rate over the estimated bandwidth.
    pub const fn pacing_gain(self) -> f64 {
        match self {
            Self::Startup => STARTUP_PACING_GAIN,
            Self::Drain => 0.5,
            Self::ProbeBwDown => 0.9,
            Self::ProbeBwCruise | Self::ProbeBwRefill | Self::ProbeRtt => 1.0,
            Self::ProbeBwUp => 1.25,
        }
    }

    /// BBR.cwnd_gain: the window over the estimated bandwidth-delay product.
    pub const fn window_gain(self) -> f64 {
        match self {
            Self::ProbeBwUp => 2.25,
            Self::ProbeRtt => PROBE_RTT_WINDOW_GAIN,
            _ => 2.0,
        }
    }

    /// IsInAProbeBWState (§5.3.3.9).
    pub const fn is_probe_bw(self) -> bool {
        matches!(
            self,
            Self::ProbeBwDown | Self::ProbeBwCruise | Self::ProbeBwRefill | Self::ProbeBwUp
        )
    }

    /// IsProbingBW (§5.3.3.9): losses say more about the probe than about the path.
    pub const fn is_accelerating(self) -> bool {
        matches!(self, Self::Startup | Self::ProbeBwRefill | Self::ProbeBwUp)
    }
}

/// §2.3: BBR.StartupPacingGain, 4 ln 2.
pub(super) const STARTUP_PACING_GAIN: f64 = 2.77;
/// §2.15: BBR.ProbeRTTCwndGain.
pub(super) const PROBE_RTT_WINDOW_GAIN: f64 = 0.5;
