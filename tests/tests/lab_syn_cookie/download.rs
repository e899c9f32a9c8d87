//! A long download over a connection whose SYN-ACK the program sent, and over one whose SYN-ACK the kernel sent. Both
//! times are printed and compared; only a gross difference fails, because the machine has other work.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use synguard_common::{reason::Reason, syn_cookie::config::SynCookieConfig};
use synguard_tests::lab::Family;

use crate::testbed::{FAMILIES, PORT, Testbed};

/// Bytes of a download.
const LENGTH: usize = 200_000_000;
/// Downloads of each kind.
const ROUNDS: usize = 3;
/// Limit on the download time with XDP cookies, as a multiple of the usual time.
const GROSS: f64 = 2.0;

fn download(testbed: &Testbed, listener: &TcpListener, family: Family, visitor: u16) -> Duration {
    let (mut client, mut server) = testbed.connected(listener, family.visitor(visitor));
    thread::scope(|scope| {
        scope.spawn(move || {
            let block = vec![0x5a; 1 << 20];
            let mut left = LENGTH;
            while left > 0 {
                let part = left.min(block.len());
                server.write_all(&block[..part]).expect("send");
                left -= part;
            }
        });
        let begun = Instant::now();
        let (mut received, mut buffer) = (0, vec![0; 1 << 20]);
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            received += read;
        }
        assert_eq!(received, LENGTH);
        begun.elapsed()
    })
}

#[test]
fn download_is_as_fast_as_without_cookies() {
    let mut testbed = Testbed::new();
    let listener = testbed.listen();
    let on = testbed.cookies;
    for family in FAMILIES {
        let (mut with_cookies, mut usual) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS as u16 {
            testbed.set(on);
            testbed.verify(PORT, &[]);
            let before = testbed.count(Reason::SynCookieSent);
            with_cookies.push(download(&testbed, &listener, family, round));
            assert_eq!(testbed.count(Reason::SynCookieSent), before + 1);
            testbed.set(SynCookieConfig::default());
            testbed.lab.set_syncookies(1).unwrap();
            usual.push(download(&testbed, &listener, family, round));
            assert_eq!(testbed.count(Reason::SynCookieSent), before + 1);
            testbed.lab.set_syncookies(2).unwrap();
        }
        with_cookies.sort_unstable();
        usual.sort_unstable();
        let ratio = with_cookies[ROUNDS / 2].as_secs_f64() / usual[ROUNDS / 2].as_secs_f64();
        println!("{family:?}: with cookies {with_cookies:?}, usual {usual:?}, ratio {ratio:.3}");
        assert!(ratio < GROSS, "{ratio:.2}");
    }
}
