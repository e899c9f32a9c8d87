//! Flags that take one of a few names, each with a line of help, apart from those that are settings.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use synguard_model::list_entry::Scope;
use synguard_top::sources::Sort;

pub(super) fn scope() -> impl TypedValueParser<Value = Scope> {
    choice(Scope::ALL, Scope::name, |value| match value {
        Scope::All => "Every packet",
        Scope::Syn => "SYNs only: established connections continue",
    })
}

pub(super) fn sort() -> impl TypedValueParser<Value = Sort> {
    choice(Sort::ALL, Sort::label, |value| match value {
        Sort::Rate => "SYNs a second",
        Sort::Total => "SYNs since the source got its entry",
        Sort::Dropped => "Dropped SYNs",
    })
}

fn choice<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
    help: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let values = all.map(|value| PossibleValue::new(name(value)).help(help(value)));
    PossibleValuesParser::new(values).try_map(move |given| {
        // The parser has refused every other name.
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
    fn names_give_their_values() {
        assert!(accepts(scope(), Scope::ALL, Scope::name));
        assert!(accepts(sort(), Sort::ALL, Sort::label));
    }
}
