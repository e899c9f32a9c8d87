//! A long download over a connection whose SYN the program answered, and over one that the kernel answered. How long
//! each takes is printed and compared; only a gross difference fails, for the machine has other things to do.

use std::{
    io::{Read as _, Write as _},
    thread,
    time::{Duration, Instant},
};

use synguard_common::{reason::Reason, syn_cookie::config::SynCookieConfig};
use synguard_tests::lab::Family;

use crate::stand::{FAMILIES, Stand};

/// Bytes.
const LENGTH: usize = 200_000_000;
/// Downloads of each kind.
const ROUNDS: usize = 3;
/// Most that the one may take of the time of the other.
const GROSS: f64 = 2.0;

fn download(stand: &Stand, family: Family, visitor: u16) -> Duration {
    let listener = stand.listen();
    let (mut client, mut server) = stand.connected(&listener, family.visitor(visitor));
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
fn a_download_is_as_fast_as_over_any_connection() {
    let mut stand = Stand::new();
    let on = stand.answering;
    for family in FAMILIES {
        let (mut answered, mut usual) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS as u16 {
            stand.set(on);
            let before = stand.count(Reason::SynCookieSent);
            answered.push(download(&stand, family, round));
            assert_eq!(stand.count(Reason::SynCookieSent), before + 1);
            stand.set(SynCookieConfig::default());
            stand.lab.set_syncookies(1).unwrap();
            usual.push(download(&stand, family, round));
            assert_eq!(stand.count(Reason::SynCookieSent), before + 1);
            stand.lab.set_syncookies(2).unwrap();
        }
        answered.sort_unstable();
        usual.sort_unstable();
        let ratio = answered[ROUNDS / 2].as_secs_f64() / usual[ROUNDS / 2].as_secs_f64();
        println!("{family:?}: answered {answered:?}, usual {usual:?}, ratio {ratio:.3}");
        assert!(ratio < GROSS, "{ratio:.2}");
    }
}
