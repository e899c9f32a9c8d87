//! Texts derived from the command line's types: completions, the manual page, and usage errors on one line.

use std::io;

use clap::{
    Command, CommandFactory as _,
    error::{ContextKind, ContextValue, ErrorKind},
};
use clap_complete::Shell;
use clap_mangen::Man;
use synguard_common::ip_list::List;
use synguard_model::{error::one_line, ip_prefix::ParsedTarget};

use super::Cli;

/// Returns the script that completes the command line in a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "synguard", &mut script);
    script
}

/// Returns the manual page in roff, section 8: the program, then each command. Writing to memory does not fail in practice.
pub fn man() -> io::Result<Vec<u8>> {
    let mut command = Cli::command().disable_help_flag(true);
    command.build();
    let page = Man::new(command.clone()).section("8").manual("System administration");
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for subcommand in command.get_subcommands().filter(shown) {
        command_section(subcommand, subcommand.get_name(), &mut roff)?;
        for verb in subcommand.get_subcommands().filter(shown) {
            let name = format!("{} {}", subcommand.get_name(), verb.get_name());
            command_section(verb, &name, &mut roff)?;
        }
    }
    extra_section(&page, "EXAMPLES AND EXIT CODES", &mut roff)?;
    page.render_version_section(&mut roff)?;
    Ok(roff)
}

/// Writes a command's section: the sections of a page of its own, a level down.
fn command_section(command: &Command, name: &str, roff: &mut Vec<u8>) -> io::Result<()> {
    // The page already has the options of every command.
    let hidden = command.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    let page = Man::new(hidden);
    let mut section = Vec::new();
    page.render_synopsis_section(&mut section)?;
    page.render_description_section(&mut section)?;
    page.render_options_section(&mut section)?;
    if command.get_after_help().is_some() {
        extra_section(&page, "EXAMPLES", &mut section)?;
    }
    roff.extend(format!(".SH \"{}\"\n", name.to_uppercase()).bytes());
    for line in String::from_utf8_lossy(&section).lines() {
        let line = line.strip_prefix(".SH ").map_or_else(|| line.to_owned(), |title| format!(".SS {title}"));
        roff.extend(line.bytes().chain([b'\n']));
    }
    Ok(())
}

/// Writes the text after the options in the help, with its line breaks.
fn extra_section(page: &Man, title: &str, roff: &mut Vec<u8>) -> io::Result<()> {
    let mut section = Vec::new();
    page.render_extra_section(&mut section)?;
    let text = String::from_utf8_lossy(&section).replacen(".SH EXTRA", &format!(".SH \"{title}\"\n.nf"), 1);
    roff.extend(text.bytes().chain(*b".fi\n"));
    Ok(())
}

/// Returns a usage error on one line, or `None` for `--help`, `--version` and a missing command, which
/// [`clap::Error::exit`] handles. The exit code is 2.
pub fn usage_line(error: &clap::Error) -> Option<String> {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return None;
    }
    if error.kind() == ErrorKind::MissingSubcommand {
        // clap would list the hidden names too.
        return Some("no command is given; try 'synguard help'".to_owned());
    }
    if let Some(line) = hint(error) {
        return Some(line);
    }
    let text = error.to_string();
    let message = text
        .split("\n\n")
        .map(|paragraph| paragraph.split('\n').map(str::trim).collect::<Vec<_>>().join(" "))
        .map(|paragraph| paragraph.trim().to_owned())
        .filter(|line| {
            !line.is_empty()
                && !line.starts_with("Usage: synguard")
                && !line.starts_with("For more information")
                // Advice to pass a flag as a value helps nobody.
                && !line.starts_with("tip: to pass")
        })
        .collect::<Vec<_>>()
        .join("; ");
    Some(one_line(&message) + "; try '--help'")
}

/// Returns the error for a word that is no command, but that says what its writer wants.
fn hint(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let verb = [List::Block, List::Allow]
        .map(List::verb)
        .into_iter()
        .find(|verb| usage.contains(&format!("synguard {verb} ")));
    let command = match (verb, word.as_str()) {
        (verb, target) if ParsedTarget::parse(target).is_ok() => match verb {
            Some(verb) => format!("{verb} add {target}"),
            None => format!("why {target}"),
        },
        (Some(_), _) => return None,
        (None, "start" | "on" | "up" | "enable") => "attach IFACE".to_owned(),
        (None, "down" | "disable") => "detach".to_owned(),
        (None, "drop" | "reject" | "blacklist") => "block add TARGET".to_owned(),
        (None, "accept" | "permit" | "whitelist") => "allow add TARGET".to_owned(),
        (None, "log" | "logs" | "history") => "events".to_owned(),
        (None, "config" | "get" | "settings") => "show".to_owned(),
        _ => return None,
    };
    let word = one_line(word);
    Some(format!("unrecognized subcommand '{word}': did you mean `synguard {command}`?"))
}
