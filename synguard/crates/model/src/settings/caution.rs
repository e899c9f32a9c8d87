//! Cautions: valid settings with consequences that an operator may not expect.

use super::{Cookies, Settings};

/// Connections that a browser opens to one host at once.
const BROWSER_CONNECTIONS: u32 = 6;
/// Rate from which on the limit stops no ordinary flood from one source.
const HIGH_RATE: u32 = 50_000;

impl Settings {
    /// Returns a line for each consequence that these settings have and `before` did not have.
    pub fn new_cautions(&self, before: &Self) -> Vec<String> {
        let old = before.cautions();
        let known = |caution: &(&str, String)| old.iter().any(|(about, _)| *about == caution.0);
        self.cautions().into_iter().filter(|caution| !known(caution)).map(|(_, line)| line).collect()
    }

    /// Returns each caution with a word that stays the same when only its numbers differ.
    fn cautions(&self) -> Vec<(&'static str, String)> {
        let (rate, burst) = self.rate_and_burst();
        let mut cautions = Vec::new();
        if burst < BROWSER_CONNECTIONS {
            cautions.push((
                "burst",
                format!(
                    "syn-burst = {burst}: a browser opens {BROWSER_CONNECTIONS} connections at once, so visitors will be \
                     dropped: choose a syn-burst of at least 20"
                ),
            ));
        }
        if rate > HIGH_RATE {
            cautions.push((
                "rate",
                format!("syn-rate = {rate}: a flood from one source may pass below this limit"),
            ));
        }
        if self.monitor {
            cautions.push(("monitor", "monitor mode: nothing is dropped, only counted".to_owned()));
        }
        if self.cookies == Cookies::Off {
            let line = "cookies = off: nothing is done about a flood from many sources";
            cautions.push(("cookies", line.to_owned()));
        } else if self.distinct_limit == 0 {
            let line = "distinct-limit = 0: no flood counts as distributed, so SYN cookies may come late";
            cautions.push(("distinct", line.to_owned()));
        }
        if self.syn_cookie_rate == 0 || self.syn_cookie_prefix_rate == 0 {
            let line = "no limit of SYN cookies: forged SYNs can make this server send as many packets to their victims";
            cautions.push(("reflection", line.to_owned()));
        }
        cautions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consequences_are_named_once() {
        let with = |pairs: &[(&str, &str)]| {
            let mut settings = Settings::default();
            settings.set_all(pairs.iter().copied()).expect("valid");
            settings
        };
        let plain = Settings::default();
        assert_eq!(plain.new_cautions(&plain), [""; 0]);
        for (pairs, words) in [
            (&[("syn-rate", "1")][..], "syn-burst = 2: a browser opens 6 connections"),
            (&[("syn-rate", "100000")], "syn-rate = 100000: a flood from one source may pass"),
            (&[("monitor", "true")], "nothing is dropped"),
            (&[("cookies", "off"), ("distinct-limit", "0")], "cookies = off: nothing is done"),
            (&[("distinct-limit", "0")], "no flood counts as distributed"),
            (&[("syn-cookie-rate", "0")], "no limit of SYN cookies"),
        ] {
            let settings = with(pairs);
            let cautions = settings.new_cautions(&plain);
            assert!(matches!(cautions.as_slice(), [one] if one.contains(words)), "{cautions:?}");
            assert_eq!(settings.new_cautions(&settings), [""; 0]);
        }
        // The same consequence with another number is nothing new.
        assert_eq!(with(&[("syn-rate", "2")]).new_cautions(&with(&[("syn-rate", "1")])), [""; 0]);
    }
}
