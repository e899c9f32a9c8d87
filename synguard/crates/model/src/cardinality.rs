//! The number of distinct sources, estimated from HyperLogLog registers. Pure.

use synguard_common::hyperloglog::{HyperLogLog, RANK_MAX, REGISTERS};

/// Returns the number of distinct sources that sent SYNs in `window`, within 1.6 % (one standard deviation).
///
/// Ertl's improved raw estimator (New cardinality estimation algorithms for HyperLogLog sketches, 2017,
/// algorithm 4): unbiased from one source to far more than there are addresses to forge.
pub fn estimate(registers: &HyperLogLog, window: u32) -> f64 {
    const ALPHA_INF: f64 = 0.721_347_520_444_481_7; // 1 / (2 ln 2)
    let counts = registers.multiplicities(window);
    let m = REGISTERS as f64;
    let mut z = m * tau(1.0 - f64::from(counts[RANK_MAX as usize]) / m);
    for rank in (1..RANK_MAX as usize).rev() {
        z = 0.5 * (z + f64::from(counts[rank]));
    }
    z += m * sigma(f64::from(counts[0]) / m);
    ALPHA_INF * m * m / z
}

/// Returns Ertl's σ, the contribution of empty registers: infinite if all are empty.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// Returns Ertl's τ, the contribution of full registers.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use synguard_common::{
        addr::{Addr, HashSeed},
        hash,
    };

    use super::*;

    const SEED: HashSeed = HashSeed([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);

    fn counted(sources: u32, address: impl Fn(u32) -> Addr) -> f64 {
        let mut registers = Box::new(HyperLogLog::EMPTY);
        for i in 0..sources {
            registers.add(hash::address(address(i), SEED), 7);
        }
        estimate(&registers, 7)
    }

    fn v4(i: u32) -> Addr {
        Addr::from_v4(i.wrapping_add(0x0a00_0000).to_be())
    }

    fn v6(i: u32) -> Addr {
        Addr::from_bytes((0x2001_0db8_u128 << 96 | u128::from(i) << 64).to_be_bytes())
    }

    #[test]
    fn estimates_are_within_three_per_cent() {
        for sources in [10, 1_000, 100_000, 1_000_000, 10_000_000] {
            for (family, estimate) in [("v4", counted(sources, v4)), ("v6", counted(sources, v6))] {
                let error = estimate / f64::from(sources) - 1.0;
                assert!(
                    error.abs() <= 0.03,
                    "{sources} {family} sources: {estimate:.0}, {:.2} %",
                    error * 100.0
                );
            }
        }
    }

    #[test]
    fn same_source_counts_once() {
        assert_eq!(estimate(&HyperLogLog::EMPTY, 7), 0.0);
        let mut registers = Box::new(HyperLogLog::EMPTY);
        for _ in 0..1000 {
            registers.add(hash::address(v4(1), SEED), 7);
        }
        assert!((estimate(&registers, 7) - 1.0).abs() < 0.01);
        assert_eq!(estimate(&registers, 9), 0.0, "another window");
    }
}
