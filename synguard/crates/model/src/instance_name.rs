//! Names of instances, and command lines that advice gives for one.

/// Name of the instance that commands without `--name` are about.
pub const DEFAULT_NAME: &str = "default";

/// Returns a command line for an instance: `synguard` with `--name` where it is needed, and the words.
pub fn command_line(instance: &str, words: &str) -> String {
    match instance {
        DEFAULT_NAME => format!("synguard {words}"),
        name => format!("synguard --name {name} {words}"),
    }
}
