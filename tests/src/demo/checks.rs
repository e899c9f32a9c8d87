//! The demo's claims, and the bounds within which they hold.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{
    FLOOD_PPS, Settings,
    claims::Claims,
    phase::{Phase, milliseconds},
    thousands,
};
use crate::client::Summary;

/// Least share of the flood's rate that each row must have.
const OFFERED_MIN: f64 = 0.9;
/// Limit on the share of the visits that may be served without synguard.
const UNPROTECTED_MAX: f64 = 0.05;
/// Least share of the flood that must be dropped in XDP.
const DROPPED_MIN: f64 = 0.999;
/// Limit on the growth of p99 under a flood from one source.
const P99_RATIO_MAX: f64 = 1.5;
/// Latest that SYN cookies may be on, in seconds after the first SYN, and one tick of the controller.
const COOKIES_MAX: f64 = 1.0 + 0.25;

pub(super) fn check_calm(claims: &mut Claims, calm: &Phase) {
    let (served, made) = calm.served();
    claims.check("no flood: every visitor is served", of(served, made), served == made);
}

/// Checks the effect of one source's flood without synguard, and with it.
pub(super) fn check_one_source(
    claims: &mut Claims,
    calm: &Phase,
    bare: &Phase,
    guarded: &Phase,
) -> Result<()> {
    let rows = [bare.offered.as_slice(), &guarded.offered].concat();
    let untried = check_rate(claims, "one source", &rows);
    let untried = untried.as_deref();

    let (served, made) = bare.served();
    claims.check_unless(
        untried,
        format!("  without synguard at most {:.0} % of the visitors are served", UNPROTECTED_MAX * 100.0),
        of(served, made),
        served as f64 / made as f64 <= UNPROTECTED_MAX,
    );
    let totals = guarded.flood.context("there was no flood")?;
    let share = guarded.dropped as f64 / totals.offered as f64;
    claims.check_unless(
        untried,
        format!("  synguard drops at least {:.1} % of the SYNs in XDP", DROPPED_MIN * 100.0),
        format!("{:.3} % ({} of {})", share * 100.0, thousands(guarded.dropped), thousands(totals.offered)),
        // A greater share would count packets that the flood did not send.
        (DROPPED_MIN..=1.0).contains(&share),
    );
    check_served(claims, untried, guarded);
    check_p99(claims, untried, calm, guarded);
    Ok(())
}

/// Checks synguard's effect on forged sources. `cookies_after` is in seconds, `settings` as they were before the
/// flood, under it and after it.
pub(super) fn check_forged(
    claims: &mut Claims,
    guarded: &Phase,
    cookies_after: Option<f64>,
    settings: &[Settings; 3],
) {
    let untried = check_rate(claims, "forged sources", &guarded.offered);
    let untried = untried.as_deref();
    claims.check_unless(
        untried,
        "  SYN cookies are on within a second",
        cookies_after.map_or("never".to_owned(), |seconds| format!("{seconds:.2} s after the first SYN")),
        cookies_after.is_some_and(|seconds| seconds <= COOKIES_MAX),
    );
    check_served(claims, untried, guarded);
    let [before, during, after] = settings;
    claims.check_unless(
        untried,
        "  afterwards tcp_syncookies/tcp_timestamps are as before",
        format!("{before}, then {during}, then {after}"),
        after == before && during.syncookies == "2",
    );
}

/// Checks a flood's rate in each row. Returns the reason for which claims about the flood cannot be tried, if there is one.
fn check_rate(claims: &mut Claims, flood: &str, rows: &[f64]) -> Option<String> {
    let (least, most) = (rows.iter().copied().reduce(f64::min), rows.iter().copied().reduce(f64::max));
    let measured = least.zip(most).map_or("nothing".to_owned(), |(least, most)| {
        format!("{} to {}", thousands(least as u64), thousands(most as u64))
    });
    let least = least.unwrap_or(0.0);
    let untried = (least < OFFERED_MIN * FLOOD_PPS as f64)
        .then(|| format!("this machine makes only {} SYN/s", thousands(least as u64)));
    claims.check_unless(
        untried.as_deref(),
        format!("{flood}: {} SYNs a second in every row", thousands(FLOOD_PPS)),
        measured,
        true,
    );
    untried
}

fn check_served(claims: &mut Claims, untried: Option<&str>, guarded: &Phase) {
    let (served, made) = guarded.served();
    claims.check_unless(untried, "  with synguard every visitor is served", of(served, made), served == made);
}

fn check_p99(claims: &mut Claims, untried: Option<&str>, calm: &Phase, guarded: &Phase) {
    let (before, after) = (median_p99(calm), median_p99(guarded));
    let ratio = after.zip(before).map(|(after, before)| after.as_secs_f64() / before.as_secs_f64());
    claims.check_unless(
        untried,
        format!("  and p99 is at most {P99_RATIO_MAX} times that without a flood"),
        format!(
            "{:.2} times ({}, then {})",
            ratio.unwrap_or(f64::NAN),
            milliseconds(before),
            milliseconds(after)
        ),
        ratio.is_some_and(|ratio| ratio <= P99_RATIO_MAX),
    );
}

fn of(served: usize, made: usize) -> String {
    format!("{served} of {made}")
}

/// The median of the measurements' p99, which no other load of the machine during one of them decides.
fn median_p99(phase: &Phase) -> Option<Duration> {
    let mut times: Vec<Duration> = phase.windows.iter().map(Summary::p99).collect::<Option<_>>()?;
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_row_leaves_a_flood_untried() {
        let full = FLOOD_PPS as f64;
        for (rows, untried) in [
            (&[full, 0.95 * full][..], None),
            (&[full, 0.116_64 * full, 1.8 * full], Some("this machine makes only 11 664 SYN/s")),
            (&[], Some("this machine makes only 0 SYN/s")),
        ] {
            let mut claims = Claims::default();
            assert_eq!(check_rate(&mut claims, "a flood", rows).as_deref(), untried, "{rows:?}");
            assert_eq!(claims.to_string().contains("not tried"), untried.is_some(), "{claims}");
        }
    }
}
