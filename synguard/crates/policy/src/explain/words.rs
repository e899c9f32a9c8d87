//! Reasons in words, as `why` gives them.

use synguard_common::reason::Reason;

/// Returns the reason for a verdict on a SYN in words that complete "PASS: …", "DROP: …" or "ANSWER: …".
pub fn reason_text(reason: Reason) -> String {
    if let Some(&drop) = Reason::ALL.iter().find(|drop| drop.is_drop() && drop.monitored() == reason) {
        return format!("would be dropped: {}", reason_text(drop));
    }
    let words = match reason {
        Reason::UnguardedPort => "the port is not guarded",
        Reason::SynPassed => "within its limit",
        Reason::Unconfigured => "no limit is configured",
        Reason::Untracked => "not tracked: too many new sources arrive, and this one has sent few SYNs",
        Reason::RateExceeded => "over its limit",
        Reason::Hold => "in hold, because it exceeded its limit",
        Reason::PrefixExceeded => "its prefix is over the limit",
        Reason::Allowed | Reason::AllowedSyn => "on the allowlist",
        Reason::Blocked | Reason::BlockedSyn => "on the blocklist",
        Reason::SynCookieSent => "XDP replies with a SYN cookie",
        Reason::CookieLimitExceeded => "more SYNs arrive than syn-cookie-rate allows",
        Reason::CookiePrefixLimitExceeded => {
            "its prefix was sent as many SYN cookies as cookie-prefix-rate allows"
        }
        Reason::FirstSyn => "a new SYN; its retransmission gets a SYN cookie",
        Reason::NoListener => "nobody listens on the port",
        Reason::ValidatedSource => "it returned a SYN cookie recently",
        other => return other.meaning().trim().trim_end_matches('.').to_owned(),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_words() {
        for &reason in Reason::ALL {
            let text = reason_text(reason);
            assert!(!text.is_empty() && !text.contains('[') && !text.ends_with('.'), "{reason:?}: {text}");
            assert_eq!(text.starts_with("would be dropped: "), reason.is_monitored_drop(), "{text}");
        }
        assert_eq!(
            reason_text(Reason::WouldHold),
            "would be dropped: in hold, because it exceeded its limit"
        );
    }
}
