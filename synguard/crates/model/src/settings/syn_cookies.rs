//! How SYNs are answered in the driver: the values of `answer-rate`, `answer-network-rate` and `first-syn`.

use std::fmt;

use super::{Range, ValueError};

/// `answer-rate`; 0 is any number.
pub const ANSWER_RATE: Range = Range { min: 0, max: 100_000_000, unit: "answers a second (0: any number)" };
/// `answer-network-rate`; 0 is any number.
pub const ANSWER_NETWORK_RATE: Range =
    Range { min: 0, max: 1_000_000, unit: "answers a second (0: any number)" };

/// What is done when more SYNs come than may be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstSyn {
    /// While that is so, a SYN that is new is dropped, and answered when it is sent again.
    #[default]
    Auto,
    /// Those over `answer-rate` are dropped, whichever they are.
    Off,
}

impl FirstSyn {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Auto, Self::Off];

    /// The value as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for FirstSyn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads `first-syn`.
///
/// # Errors
/// [`ValueError::FirstSyn`] for anything but the two names.
pub(crate) fn parse_first_syn(text: &str) -> Result<FirstSyn, ValueError> {
    FirstSyn::ALL.into_iter().find(|one| one.name() == text).ok_or(ValueError::FirstSyn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for one in FirstSyn::ALL {
            assert_eq!(parse_first_syn(one.name()), Ok(one));
        }
        assert_eq!(parse_first_syn("on"), Err(ValueError::FirstSyn));
    }
}
