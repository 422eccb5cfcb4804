//! Which flow acts next: a winner tree over one cached time per flow.

/// Times of the next event of each flow; updating one costs a walk to the root.
#[derive(Clone, Debug)]
pub(super) struct Agenda {
    /// Node `i` holds the earlier of its children `2i` and `2i + 1`; leaves start at `leaves`.
    nodes: Vec<(u64, u32)>,
    leaves: usize,
}

impl Agenda {
    /// `flows` flows that never act.
    pub(super) fn new(flows: usize) -> Self {
        let leaves = flows.next_power_of_two();
        let mut nodes = vec![(u64::MAX, 0); 2 * leaves];
        for (flow, leaf) in nodes[leaves..].iter_mut().enumerate() {
            leaf.1 = flow as u32;
        }
        Self { nodes, leaves }
    }

    /// The earliest time and its flow; the lower number wins a tie.
    #[inline]
    pub(super) fn first(&self) -> (u64, u32) {
        self.nodes[1]
    }

    /// Flow number `flow` acts next at `time_ns`.
    #[inline]
    pub(super) fn set(&mut self, flow: u32, time_ns: u64) {
        let mut node = self.leaves + flow as usize;
        self.nodes[node].0 = time_ns;
        while node > 1 {
            let winner = self.nodes[node & !1].min(self.nodes[node | 1]);
            node /= 2;
            if self.nodes[node] == winner {
                return;
            }
            self.nodes[node] = winner;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_the_minimum_of_all(
            flows in 1_usize..40,
            updates in prop::collection::vec((0_usize..40, 0_u64..20), 1..200),
        ) {
            let mut agenda = Agenda::new(flows);
            let mut times = vec![u64::MAX; flows];
            for (flow, time) in updates {
                let flow = flow % flows;
                times[flow] = time;
                agenda.set(flow as u32, time);
                let expected = times.iter().enumerate().map(|(at, &time)| (time, at as u32)).min();
                prop_assert_eq!(Some(agenda.first()), expected);
            }
        }
    }
}
