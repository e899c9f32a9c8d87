//! A figure that was measured several times. Pure.

use anyhow::{Context as _, Result};

/// Median, least and most of a figure's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    /// The middle one; of an even number the mean of the two.
    pub(super) median: f64,
    /// The least.
    pub(super) min: f64,
    /// The most.
    pub(super) max: f64,
}

impl Spread {
    /// Summarizes the samples that are numbers; `None` if there are none.
    pub(super) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().filter(|sample| sample.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }

    /// A figure that was measured once.
    pub(super) const fn single(value: f64) -> Self {
        Self { median: value, min: value, max: value }
    }

    /// Converts the figures to another unit.
    #[must_use]
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { median: self.median * factor, min: self.min * factor, max: self.max * factor }
    }
}

/// The middle one of the samples, see [`Spread::median`].
///
/// # Errors
/// When there are none.
pub(super) fn median(samples: &[f64]) -> Result<f64> {
    Ok(Spread::of(samples.iter().copied()).context("there are no samples")?.median)
}

/// Returns the share by which the medians of the earlier and the later half of the samples differ.
///
/// # Errors
/// When there are fewer than two.
pub(super) fn drift(samples: &[f64]) -> Result<f64> {
    let (before, after) = samples.split_at(samples.len() / 2);
    Ok((median(after)? / median(before)? - 1.0).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_between_the_halves() {
        assert_eq!(drift(&[2.0, 2.0, 9.0, 3.0, 3.0, 1.0]).unwrap(), 0.5);
        assert_eq!(drift(&[2.0, 1.0]).unwrap(), 0.5);
        drift(&[1.0]).unwrap_err();
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of([f64::NAN, 7.0]), Some(Spread::single(7.0)));
        assert_eq!(Spread::of([]), None);
    }
}
