//! Interfaces, addresses, routes and sockets as the process's own network namespace has them, asked of the kernel
//! by netlink: `/sys/class/net` may show another namespace's.

pub mod address;
pub mod connections;
mod interface;
mod link_watch;
pub mod nftables;
mod request;
pub mod route;
pub mod tcp;

pub use self::{
    interface::{Interface, XdpPlace, by_index, by_name},
    link_watch::LinkWatch,
};
