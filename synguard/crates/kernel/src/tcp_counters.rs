//! What the kernel's TCP counts in the network namespace of the process: how full listeners' queues are, what
//! became of SYN cookies, and how many handshakes were completed. The parser is pure; only [`read`] reads.

use std::{fs, io};

use synguard_model::tcp_counters::TcpCounters;

/// Reads the counts of this process's network namespace.
///
/// # Errors
///
/// If `/proc/net` cannot be read, or lacks one of the counts.
pub fn read() -> io::Result<TcpCounters> {
    let netstat = fs::read_to_string("/proc/self/net/netstat")?;
    let snmp = fs::read_to_string("/proc/self/net/snmp")?;
    parse(&netstat, &snmp).ok_or_else(|| io::Error::other("/proc/net/netstat or snmp lacks a count of TCP"))
}

/// Finds the counts in the texts of `/proc/net/netstat` and `/proc/net/snmp`: `None` if one is missing.
pub fn parse(netstat: &str, snmp: &str) -> Option<TcpCounters> {
    let ext = Table::find(netstat, "TcpExt:")?;
    let tcp = Table::find(snmp, "Tcp:")?;
    Some(TcpCounters {
        queue_full_drops: ext.count("TCPReqQFullDrop")?,
        queue_full_cookies: ext.count("TCPReqQFullDoCookies")?,
        listen_drops: ext.count("ListenDrops")?,
        listen_overflows: ext.count("ListenOverflows")?,
        cookies_sent: ext.count("SyncookiesSent")?,
        cookies_received: ext.count("SyncookiesRecv")?,
        cookies_failed: ext.count("SyncookiesFailed")?,
        passive_opens: tcp.count("PassiveOpens")?,
    })
}

/// A line of names and the line of their values after it, both of which begin with the same word.
struct Table<'a> {
    names: &'a str,
    values: &'a str,
}

impl<'a> Table<'a> {
    fn find(text: &'a str, title: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(title));
        Some(Self { names: lines.next()?, values: lines.next()? })
    }

    fn count(&self, wanted: &str) -> Option<u64> {
        let at = self.names.split_ascii_whitespace().position(|name| name == wanted)?;
        self.values.split_ascii_whitespace().nth(at)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NETSTAT: &str = "\
TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed ListenOverflows ListenDrops TCPReqQFullDoCookies TCPReqQFullDrop
TcpExt: 1 2 3 4 5 6 7
IpExt: InNoRoutes
IpExt: 9
";
    const SNMP: &str = "\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm MaxConn ActiveOpens PassiveOpens
Tcp: 1 -1 10 8
";

    #[test]
    fn every_count_is_found_by_name() {
        let expected = TcpCounters {
            cookies_sent: 1,
            cookies_received: 2,
            cookies_failed: 3,
            listen_overflows: 4,
            listen_drops: 5,
            queue_full_cookies: 6,
            queue_full_drops: 7,
            passive_opens: 8,
        };
        assert_eq!(parse(NETSTAT, SNMP), Some(expected));
        assert_eq!(expected.since(&expected), TcpCounters::default());
        let reset = TcpCounters { passive_opens: 9, ..TcpCounters::default() };
        assert_eq!(TcpCounters::default().since(&reset), TcpCounters::default());
    }

    #[test]
    fn a_count_that_is_missing_is_no_zero() {
        for name in ["SyncookiesRecv", "TCPReqQFullDrop", "ListenDrops"] {
            assert_eq!(parse(&NETSTAT.replace(name, "Other"), SNMP), None, "{name}");
        }
        assert_eq!(parse(NETSTAT, &SNMP.replace("PassiveOpens", "Other")), None);
        assert_eq!(parse(&NETSTAT.replace("TcpExt: 1 2 3 4 5 6 7\n", ""), SNMP), None);
        assert_eq!(parse(&NETSTAT.replace(" 7\n", "\n"), SNMP), None);
        assert_eq!(parse("", ""), None);
    }

    #[test]
    fn this_kernel_has_them_all() {
        read().expect("the counts");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(netstat in "(TcpExt:)?[ a-zA-Z0-9\n]{0,200}", snmp in ".{0,200}") {
            let _ = parse(&netstat, &snmp);
        }
    }
}
