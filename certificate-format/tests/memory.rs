//! Memory of the reader of rank grids, counted by the allocator: a binary of its own, since there
//! is one allocator per program and other tests would count too.

#[cfg(test)]
mod tests {
    use peak_alloc::PeakAlloc;
    use tautline_certificate_format::closed_loop::{Buffer, Grid, MEMORY_MAX, Slice};
    use tautline_certificate_format::format::RankGrid;

    #[global_allocator]
    static ALLOCATOR: PeakAlloc = PeakAlloc;

    /// What the heap grows to beyond what it is now.
    fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let result = work();
        (result, ALLOCATOR.peak_usage() - before)
    }

    #[test]
    fn one_slice_is_in_memory_at_a_time_and_limits_come_before_room() {
        let grid = Grid {
            low: 0,
            width: 4,
            windows: 100,
            reach: 9,
            falls: 3,
            memory: (0..=31).chain([MEMORY_MAX]).collect(),
        };
        let cells = grid.cells().unwrap();
        let slice = Slice {
            log_bdp: (0, 0),
            buffer: Buffer {
                least: 0,
                most: None,
            },
            grid,
            ranks: vec![1; cells],
        };
        let bytes = slice.encode().unwrap();
        drop(slice);
        let payload = RankGrid::payload(&[&bytes; 20]).unwrap();
        let read = || {
            let grid = RankGrid::read(&payload).unwrap();
            grid.slices
                .iter()
                .map(|view| view.ranks().unwrap()[7])
                .max()
        };
        let (rank, used) = peak(read);
        assert_eq!(rank, Some(1));
        assert!(used < cells + 50_000, "{used} bytes for slices of {cells}");

        // As many cells as there may be, and bytes that end at once: room for them at most.
        let mut hostile = bytes;
        hostile[20..28].copy_from_slice(&[1, 0, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff]);
        let (refused, used) = peak(|| Slice::decode(&hostile).is_err());
        assert!(refused && used < 50_000, "{used} bytes");
    }
}
