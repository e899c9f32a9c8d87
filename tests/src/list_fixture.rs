//! A list file like those of public feeds, of any length.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};

/// Writes this many different targets, in no order: out of ten, seven IPv4 addresses, one /24, one IPv6 address, one
/// /64. At most 16 million.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, targets: u32) -> Result<()> {
    let write = || {
        let mut out = BufWriter::new(File::create(path)?);
        for number in 0..targets {
            writeln!(out, "{}", target(number))?;
        }
        out.flush()
    };
    write().with_context(|| format!("write {}", path.display()))
}

fn target(number: u32) -> String {
    // An odd factor: no two numbers below 2^24 become the same one.
    let [_, b, c, d] = (number.wrapping_mul(2_654_435_761) & 0xff_ffff).to_be_bytes();
    let first = 1 + number % 100;
    match number % 10 {
        0 => {
            let [_, high, middle, low] = (number / 10).to_be_bytes();
            format!("{}.{middle}.{low}.0/24", 101 + high)
        }
        1 => format!("2001:db8:{first:x}:{b:x}{c:02x}::{d:x}/128"),
        2 => format!("2001:db8:{first:x}{b:02x}:{c:02x}{d:02x}::/64"),
        _ => format!("{first}.{b}.{c}.{d}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use synguard_model::ip_prefix::Target;

    use super::target;

    #[test]
    fn no_two_are_the_same() {
        let targets: HashSet<Target> = (0..200_000)
            .chain(900_000..1_100_000)
            .map(|number| target(number).parse().expect("a target"))
            .collect();
        assert_eq!(targets.len(), 400_000);
    }
}
