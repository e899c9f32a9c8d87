//! Listeners beyond the reach of this namespace's sysctls.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

/// A network namespace with listeners, in which the raised sysctls of this namespace have no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ForeignNamespace {
    /// A process in the namespace.
    pub pid: u32,
    /// The name of that process.
    pub command: String,
    /// Listening TCP ports; only the first if there are many.
    pub ports: Vec<u16>,
}

impl Display for ForeignNamespace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pid, command, ports } = self;
        let ports: Vec<String> = ports.iter().map(|port| format!(":{port}")).collect();
        write!(f, "{command} (pid {pid}) {}", ports.join(" "))
    }
}
