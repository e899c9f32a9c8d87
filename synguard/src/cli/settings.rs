//! The settings as flags of `attach`, made from the table of settings.

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches,
    builder::{PossibleValue, PossibleValuesParser, ValueParser},
    error::ErrorKind,
};
use synguard_model::settings::{
    ChoiceName, GivenKeys, INTERFACE_SEPARATOR, Key, Patch, RenamedKey, Syntax, ValueError,
};

/// Heading of the live settings in the help.
const LIVE_HEADING: &str = "Settings (also changed later with `synguard set`)";

/// The settings given as flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingFlags {
    pub patch: Patch,
    /// The old names among the flags.
    pub renamed: Vec<RenamedKey>,
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let (at_attach, live) = (Key::at_attach(), Key::live());
        command.args(at_attach.chain(live).flat_map(|key| [Some(flag(key)), old_flag(key)]).flatten())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let mut given = GivenKeys::default();
        for &key in Key::ALL {
            for name in [Some(key.name()), key.old_name()].into_iter().flatten() {
                let Some(values) = matches.get_many::<String>(name) else { continue };
                let values: Vec<_> = values.map(String::as_str).collect();
                given
                    .add(name, Key::live())
                    .map_err(|error| Error::raw(ErrorKind::ArgumentConflict, error))?;
                // The flag's parser has accepted the values.
                let put = self.patch.put(key, &values.join(INTERFACE_SEPARATOR));
                put.map_err(|error| Error::raw(ErrorKind::InvalidValue, error))?;
            }
        }
        self.renamed = given.renamed;
        Ok(())
    }
}

/// Returns the flag of a setting; interfaces are positional.
fn flag(key: Key) -> Arg {
    let heading = key.is_live().then_some(LIVE_HEADING);
    let arg = value(Arg::new(key.name()), key).help_heading(heading);
    let (help, details) = (help(key), details(key));
    let arg = if details.is_empty() { arg } else { arg.long_help(format!("{help}\n\n{details}")) };
    let arg = arg.help(help);
    if key == Key::Interfaces { arg } else { arg.long(key.name()) }
}

/// Returns the flag with a setting's old name, which the help does not show.
fn old_flag(key: Key) -> Option<Arg> {
    let old = key.old_name()?;
    Some(value(Arg::new(old), key).long(old).hide(true))
}

/// Adds the name and the parser of the setting's values.
fn value(arg: Arg, key: Key) -> Arg {
    let arg = match key.syntax() {
        Syntax::Number(_) => arg.value_name("N"),
        Syntax::Duration(_) => arg.value_name("DUR"),
        Syntax::Ports => arg.value_name("LIST|all"),
        Syntax::Interfaces => arg.value_name("IFACE").num_args(0..).action(ArgAction::Append),
        // Such a flag takes no value after a space, so that an interface may follow it.
        Syntax::Boolean => {
            arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        Syntax::Choice(names) => return arg.value_name(key.value_name()).value_parser(choices(names)),
    };
    arg.value_parser(ValueParser::new(move |text: &str| -> Result<String, ValueError> {
        Patch::default().put(key, text).map(|()| text.to_owned())
    }))
}

fn choices(names: &'static [ChoiceName]) -> PossibleValuesParser {
    PossibleValuesParser::new(names.iter().map(|choice| PossibleValue::new(choice.name).help(choice.help())))
}

/// Returns the help of a flag: a line with range and default.
fn help(key: Key) -> String {
    let range = match key.syntax() {
        Syntax::Number(range) => format!(": {range}"),
        Syntax::Duration(range) => format!(": {range}"),
        Syntax::Boolean | Syntax::Ports | Syntax::Interfaces | Syntax::Choice(_) => String::new(),
    };
    let default = match key {
        Key::Interfaces => String::new(),
        _ => format!(" [default: {}]", key.default_text()),
    };
    format!("{}{range}{default}", key.summary())
}

/// Returns the further paragraphs of the setting's documentation.
fn details(key: Key) -> String {
    key.paragraphs().split_off(1).join("\n\n")
}
