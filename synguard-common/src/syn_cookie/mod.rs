//! SYN cookies that the XDP program sends: their settings, caches and limits, and the SYN-ACK itself.

pub mod config;
pub mod handshake;
pub mod listener;
pub mod prefix_limit;
pub mod seen_syns;
pub mod syn_ack;
pub mod tcp_options;
pub mod template;
pub mod template_cache;
pub mod validated_sources;
