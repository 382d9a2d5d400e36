//! Packs the lifetimes of a step into one arena.

use super::block::ALIGNMENT;

/// One value of a step: its size, and the time during which it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Size in bytes.
    pub bytes: usize,
    /// The moment at which it is allocated.
    pub born: usize,
    /// The moment after which nothing reads it.
    pub dies: usize,
}

/// The place of each value of a step in the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The values, in the order of the step's allocations.
    pub lifetimes: Vec<Lifetime>,
    /// Offset of each in bytes, in the same order; a multiple of 256.
    pub offsets: Vec<usize>,
    /// Size of the arena in bytes.
    pub bytes: usize,
}

impl Plan {
    /// Packs greedily by size: the largest first, each at the lowest offset that no value with an overlapping lifetime uses
    /// (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
    pub fn pack(lifetimes: Vec<Lifetime>) -> Plan {
        let mut order: Vec<usize> = (0..lifetimes.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(lifetimes[*i].bytes));
        let mut offsets = vec![0; lifetimes.len()];
        let mut placed: Vec<usize> = Vec::with_capacity(lifetimes.len()); // sorted by offset
        for i in order {
            let me = lifetimes[i];
            let mut offset = 0;
            for j in &placed {
                let other = lifetimes[*j];
                if other.born > me.dies || me.born > other.dies {
                    continue;
                }
                if offset + me.bytes <= offsets[*j] {
                    break;
                }
                offset = offset.max((offsets[*j] + other.bytes).next_multiple_of(ALIGNMENT));
            }
            offsets[i] = offset;
            let at = placed.partition_point(|j| offsets[*j] <= offset);
            placed.insert(at, i);
        }
        let bytes = lifetimes.iter().zip(&offsets).map(|(l, o)| o + l.bytes).max().unwrap_or(0);
        Plan { lifetimes, offsets, bytes }
    }

    /// The largest number of bytes in use at one moment. No packing can be smaller.
    pub fn lower_bound(&self) -> usize {
        let mut changes: Vec<(usize, isize)> = Vec::with_capacity(2 * self.lifetimes.len());
        for l in &self.lifetimes {
            changes.push((l.born, l.bytes as isize));
            changes.push((l.dies + 1, -(l.bytes as isize)));
        }
        changes.sort();
        let mut alive = 0;
        changes
            .iter()
            .map(|(_, change)| {
                alive += change;
                alive
            })
            .max()
            .unwrap_or(0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(bytes: usize, born: usize, dies: usize) -> Lifetime {
        Lifetime { bytes, born, dies }
    }

    #[test]
    fn values_that_live_together_do_not_overlap() {
        // A deterministic mixture of sizes and lifetimes.
        let mut x = 1u64;
        let mut next = |n: u64| {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 33) % n
        };
        let lifetimes: Vec<_> = (0..300).map(|i| life(1 + next(5000) as usize, i, i + next(40) as usize)).collect();
        let plan = Plan::pack(lifetimes.clone());
        for (i, a) in lifetimes.iter().enumerate() {
            assert_eq!(plan.offsets[i] % ALIGNMENT, 0);
            assert!(plan.offsets[i] + a.bytes <= plan.bytes);
            for (j, b) in lifetimes.iter().enumerate().skip(i + 1) {
                let together = a.born <= b.dies && b.born <= a.dies;
                let apart = plan.offsets[i] + a.bytes <= plan.offsets[j] || plan.offsets[j] + b.bytes <= plan.offsets[i];
                assert!(!together || apart, "{i} and {j} overlap");
            }
        }
        assert!(plan.bytes >= plan.lower_bound());
        assert!(plan.bytes as f64 <= 1.15 * plan.lower_bound() as f64, "{} against {}", plan.bytes, plan.lower_bound());
    }

    #[test]
    fn what_lives_one_after_the_other_shares() {
        let plan = Plan::pack(vec![life(1000, 0, 1), life(1000, 2, 3), life(500, 4, 5)]);
        assert_eq!(plan.bytes, 1000);
        assert_eq!(plan.offsets, [0, 0, 0]);
    }
}
