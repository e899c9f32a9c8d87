//! Branch-free minimum and maximum. BPF has no conditional move, so a compiler turns every choice into a branch. Under a
//! flood of forged sources the numbers are as good as random, and half of these branches would be mispredicted, which
//! costs more than all the arithmetic here.

use crate::verifier::barrier::barrier_var;

/// Returns all ones if `a` is less than `b`, else zero. Both must be below 2^63.
#[inline(always)]
fn is_less(a: u64, b: u64) -> u64 {
    // Without the barrier the compiler would recognise a comparison and turn it into a branch.
    barrier_var((a.wrapping_sub(b).cast_signed() >> 63).cast_unsigned())
}

/// Returns the lesser of two numbers below 2^63.
#[inline(always)]
pub fn min(a: u64, b: u64) -> u64 {
    b.wrapping_add(a.wrapping_sub(b) & is_less(a, b))
}

/// Returns the greater of two numbers below 2^63.
#[inline(always)]
pub fn max(a: u64, b: u64) -> u64 {
    a.wrapping_sub(a.wrapping_sub(b) & is_less(a, b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const BELOW: u64 = 1 << 63;

    proptest! {
        #[test]
        fn min_and_max_agree_with_std(a in 0..BELOW, b in 0..BELOW, near in 0u64..3) {
            for (a, b) in [(a, b), (a, a), (a, (a + near) % BELOW), (0, a), (BELOW - 1, a), (a, BELOW - 1)] {
                prop_assert_eq!((super::min(a, b), super::max(a, b)), (a.min(b), a.max(b)));
                prop_assert_eq!((super::min(b, a), super::max(b, a)), (a.min(b), a.max(b)));
            }
        }
    }
}
