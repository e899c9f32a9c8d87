//! A flood of ACKs while SYNs are answered: dropped if that was asked for, and no connection suffers.

use std::time::Duration;

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_CHECK_ACKS, SynCookieConfig},
};
use synguard_tests::{
    client::{self, ClientSpec},
    flood::{ACK, Flood, FloodSpec},
    web::{PORT, Web},
};

use crate::stand::{FAMILIES, Stand, talk};

const FLOOD: Duration = Duration::from_secs(2);

#[test]
fn forged_acks_are_dropped_and_connections_go_on() {
    for family in FAMILIES {
        for checking in [true, false] {
            let mut stand = Stand::new();
            let _web = Web::start(&stand.lab).unwrap();
            let listener = stand.listen();
            let (mut client, mut server) = stand.connected(&listener, family.visitor(1));
            if checking {
                stand.set(SynCookieConfig {
                    flags: stand.answering.flags | SYN_COOKIE_CHECK_ACKS,
                    ..stand.answering
                });
            }
            let losses = stand.lab.ring_losses().unwrap();
            let failed = stand.lab.tcp_ext("SyncookiesFailed").unwrap();
            let spec = FloodSpec {
                rate_pps: Some(60_000),
                max_duration: FLOOD,
                sources: 1_000_000,
                tcp_flags: ACK,
                port: PORT,
                ..FloodSpec::new(family)
            };
            let flood = Flood::start(&stand.lab, spec).unwrap();
            let visits = client::run(&stand.lab.client, &ClientSpec::new(family, FLOOD)).unwrap();
            talk(&mut client, &mut server);
            let totals = flood.wait().unwrap();
            assert_eq!(visits.failed, 0, "{visits:?}");
            let arrived = totals.offered - (stand.lab.ring_losses().unwrap() - losses);
            let bad = stand.count(Reason::AckWithoutConnection);
            let failed = stand.lab.tcp_ext("SyncookiesFailed").unwrap() - failed;
            println!(
                "{family:?}, checking {checking}: {bad} bad of {arrived}, {failed} refused by the kernel"
            );
            if checking {
                stand.wait_for(Reason::AckWithoutConnection, arrived);
                assert_eq!(stand.count(Reason::AckWithoutConnection), arrived, "a visitor's was among them");
                assert_eq!(failed, 0, "the kernel has seen some");
                assert!(stand.count(Reason::CookieAck) >= visits.served as u64);
            } else {
                assert_eq!(bad, 0);
                assert!(failed > arrived / 2, "the kernel has seen few: {failed}");
            }
            talk(&mut client, &mut server);
        }
    }
}
