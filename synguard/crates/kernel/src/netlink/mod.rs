//! Interfaces, addresses, routes, sockets and tracked connections of the process's own network namespace, asked of the
//! kernel by netlink: `/sys/class/net` may show another namespace's.

pub mod address;
pub(crate) mod conntrack;
mod interface;
mod link_watch;
mod other_namespaces;
mod request;
pub mod route;
pub mod tcp;

pub(crate) use self::other_namespaces::for_each_socket_in_other_namespaces;
pub use self::{
    interface::{NetInterface, XdpPlace, interface_by_index, interface_by_name},
    link_watch::LinkWatch,
    other_namespaces::listeners_in_other_namespaces,
};
