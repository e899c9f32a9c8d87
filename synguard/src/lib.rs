//! synguard's loader, controller and command line, as a library so that tests can link it.

pub mod datapath;
