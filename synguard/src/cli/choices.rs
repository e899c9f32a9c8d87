//! Flags whose value is one of a few names, each with a line of help.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use synguard_model::{
    list_entry::Scope,
    settings::{Cookies, FirstSyn, Mode},
};
use synguard_top::sources::Sort;

pub(super) fn cookies() -> impl TypedValueParser<Value = Cookies> {
    choice(Cookies::ALL, Cookies::name, |value| match value {
        Cookies::Auto => "The kernel's first, and in the driver when those are not enough",
        Cookies::Kernel => "Raise `net.ipv4.tcp_syncookies`: the kernel answers with SYN cookies",
        Cookies::Xdp => "Answer in the driver",
        Cookies::Off => "Leave the kernel's setting alone",
    })
}

pub(super) fn first_syn() -> impl TypedValueParser<Value = FirstSyn> {
    choice(FirstSyn::ALL, FirstSyn::name, |value| match value {
        FirstSyn::Auto => {
            "While that is so, a SYN that is new is dropped, and answered when it is sent again"
        }
        FirstSyn::Off => "Those over `answer-rate` are dropped, whichever they are",
    })
}

pub(super) fn mode() -> impl TypedValueParser<Value = Mode> {
    choice(Mode::ALL, Mode::name, |value| match value {
        Mode::Auto => "In the driver where it can, or else in the generic path",
        Mode::Native => "In the driver, or not at all",
        Mode::Generic => "In the kernel's generic path: slower, with any driver",
    })
}

pub(super) fn scope() -> impl TypedValueParser<Value = Scope> {
    choice(Scope::ALL, Scope::name, |value| match value {
        Scope::All => "Every packet",
        Scope::Syn => "SYNs only: connections that are there go on",
    })
}

pub(super) fn sort() -> impl TypedValueParser<Value = Sort> {
    choice(Sort::ALL, Sort::label, |value| match value {
        Sort::Rate => "SYNs a second",
        Sort::Total => "SYNs since the entry was made",
        Sort::Dropped => "SYNs that were dropped",
    })
}

fn choice<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
    help: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let values = all.map(|value| PossibleValue::new(name(value)).help(help(value)));
    PossibleValuesParser::new(values).try_map(move |given| {
        // The parser has let no other name pass.
        all.into_iter().find(|value| name(*value) == given).ok_or("not one of the values")
    })
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn accepts<T: Copy + PartialEq + Send + Sync + 'static, const N: usize>(
        parser: impl TypedValueParser<Value = T>,
        all: [T; N],
        name: fn(T) -> &'static str,
    ) -> bool {
        let command = Command::new("x").arg(Arg::new("it").value_parser(parser));
        let parsed = |given: &str| command.clone().try_get_matches_from(["x", given]);
        let same = |value: T| {
            parsed(name(value)).is_ok_and(|matches| matches.get_one::<T>("it").copied() == Some(value))
        };
        all.into_iter().all(same) && parsed("other").is_err() && parsed("").is_err()
    }

    #[test]
    fn every_name_gives_its_value() {
        assert!(accepts(cookies(), Cookies::ALL, Cookies::name));
        assert!(accepts(first_syn(), FirstSyn::ALL, FirstSyn::name));
        assert!(accepts(mode(), Mode::ALL, Mode::name));
        assert!(accepts(scope(), Scope::ALL, Scope::name));
        assert!(accepts(sort(), Sort::ALL, Sort::label));
    }
}
