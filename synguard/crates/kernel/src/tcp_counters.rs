//! The kernel's TCP counters in the network namespace of the process: overflows of listeners' queues, SYN cookies sent,
//! received and failed, and completed handshakes. The parser is pure; only [`read_counters`] does I/O.

use std::{fs, io};

use synguard_model::tcp_counters::TcpCounters;

/// Reads the counters of this process's network namespace. Fails if `/proc/net` lacks one of them.
pub fn read_counters() -> io::Result<TcpCounters> {
    let netstat = fs::read_to_string("/proc/self/net/netstat")?;
    let snmp = fs::read_to_string("/proc/self/net/snmp")?;
    parse_counters(&netstat, &snmp)
        .ok_or_else(|| io::Error::other("/proc/net/netstat or snmp lacks a TCP counter"))
}

/// Parses the texts of `/proc/net/netstat` and `/proc/net/snmp`: `None` if a counter is missing.
fn parse_counters(netstat: &str, snmp: &str) -> Option<TcpCounters> {
    let ext = CounterLines::find(netstat, "TcpExt:")?;
    let tcp = CounterLines::find(snmp, "Tcp:")?;
    Some(TcpCounters {
        queue_full_drops: ext.counter("TCPReqQFullDrop")?,
        queue_full_cookies: ext.counter("TCPReqQFullDoCookies")?,
        listen_drops: ext.counter("ListenDrops")?,
        listen_overflows: ext.counter("ListenOverflows")?,
        cookies_sent: ext.counter("SyncookiesSent")?,
        cookies_received: ext.counter("SyncookiesRecv")?,
        cookies_failed: ext.counter("SyncookiesFailed")?,
        passive_opens: tcp.counter("PassiveOpens")?,
    })
}

/// A line of names and the line of values that follows it. Both begin with the same word.
struct CounterLines<'a> {
    names: &'a str,
    values: &'a str,
}

impl<'a> CounterLines<'a> {
    fn find(text: &'a str, title: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(title));
        Some(Self { names: lines.next()?, values: lines.next()? })
    }

    fn counter(&self, wanted: &str) -> Option<u64> {
        let index = self.names.split_ascii_whitespace().position(|name| name == wanted)?;
        self.values.split_ascii_whitespace().nth(index)?.parse().ok()
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
    fn every_counter_is_found_by_name() {
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
        assert_eq!(parse_counters(NETSTAT, SNMP), Some(expected));
        assert_eq!(expected.since(&expected), TcpCounters::default());
        let reset = TcpCounters { passive_opens: 9, ..TcpCounters::default() };
        assert_eq!(TcpCounters::default().since(&reset), TcpCounters::default());
    }

    #[test]
    fn missing_counter_is_not_zero() {
        for name in ["SyncookiesRecv", "TCPReqQFullDrop", "ListenDrops"] {
            assert_eq!(parse_counters(&NETSTAT.replace(name, "Other"), SNMP), None, "{name}");
        }
        assert_eq!(parse_counters(NETSTAT, &SNMP.replace("PassiveOpens", "Other")), None);
        assert_eq!(parse_counters(&NETSTAT.replace("TcpExt: 1 2 3 4 5 6 7\n", ""), SNMP), None);
        assert_eq!(parse_counters(&NETSTAT.replace(" 7\n", "\n"), SNMP), None);
        assert_eq!(parse_counters("", ""), None);
    }

    #[test]
    fn running_kernel_has_all_counters() {
        read_counters().expect("the counters");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(netstat in "(TcpExt:)?[ a-zA-Z0-9\n]{0,200}", snmp in ".{0,200}") {
            let _ = parse_counters(&netstat, &snmp);
        }
    }
}
