//! The former controller is killed while it has raised sysctls and its program sends SYN cookies.

use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use synguard_common::{map_names, syn_cookie::config::SynCookieConfig};
use synguard_tests::{
    flood::{Flood, FloodSpec},
    lab::{DEVICE, Family, Lab},
    program::Synguard,
    web::Web,
};

use super::{
    super::{assert_nothing_left, eventually},
    pins, run, upgrade,
};

fn sysctls(lab: &Lab) -> [String; 2] {
    ["tcp_syncookies", "tcp_timestamps"].map(|name| lab.server.sysctl(&format!("net.ipv4.{name}")).unwrap())
}

/// Reads the program's cookie configuration from its map, under the name that the map has now.
fn orders(synguard: &Synguard) -> SynCookieConfig {
    let map = MapData::from_pin(pins(synguard).join(map_names::SYN_COOKIES)).unwrap();
    Array::try_from(Map::Array(map)).unwrap().get(&0, 0).unwrap()
}

#[test]
fn former_journals_are_restored_and_cookies_end() {
    let (lab, new, old) = upgrade();
    lab.set_syncookies(1).unwrap();
    let _web = Web::start(&lab).unwrap();
    for verb in [&["attach", DEVICE, "--no-control"][..], &["detach"]] {
        let controller = old.attach(&["--cookies", "xdp"]).unwrap();
        let spec = FloodSpec {
            rate_pps: Some(20_000),
            max_duration: Duration::from_secs(60),
            sources: 1_000_000,
            ..FloodSpec::new(Family::V4)
        };
        let flood = Flood::start(&lab, spec).unwrap();
        eventually("cookies", || {
            let status = new.status_json().unwrap();
            status["cookies"]["mode"] == "xdp" && status["phase"] == "attack" && sysctls(&lab) == ["2", "2"]
        });
        controller.kill().unwrap();
        run(&new, verb);
        assert_eq!(sysctls(&lab), ["1", "1"], "{verb:?}");
        if verb[0] == "attach" {
            assert_eq!(orders(&new), SynCookieConfig::default());
            run(&new, &["detach"]);
        }
        flood.stop().unwrap();
        assert_nothing_left(&lab, &new);
    }
}
