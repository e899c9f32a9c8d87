//! The lesser and the greater of two numbers without a jump. BPF has no conditional move, so what any compiler makes of a
//! choice is a jump; where the numbers are as good as random, every other one is foretold wrongly, which costs a
//! processor more than all the arithmetic here.

use crate::verifier::barrier::barrier_var;

/// All ones if `a` is less than `b`, else zero; both are below 2^63.
#[inline(always)]
fn is_less(a: u64, b: u64) -> u64 {
    // The compiler would recognise a comparison, and make a jump of it.
    barrier_var((a.wrapping_sub(b).cast_signed() >> 63).cast_unsigned())
}

/// The lesser of two numbers below 2^63.
#[inline(always)]
pub fn min(a: u64, b: u64) -> u64 {
    b.wrapping_add(a.wrapping_sub(b) & is_less(a, b))
}

/// The greater of two numbers below 2^63.
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
        fn they_are_what_their_names_say(a in 0..BELOW, b in 0..BELOW, near in 0u64..3) {
            for (a, b) in [(a, b), (a, a), (a, (a + near) % BELOW), (0, a), (BELOW - 1, a), (a, BELOW - 1)] {
                prop_assert_eq!((super::min(a, b), super::max(a, b)), (a.min(b), a.max(b)));
                prop_assert_eq!((super::min(b, a), super::max(b, a)), (a.min(b), a.max(b)));
            }
        }
    }
}
