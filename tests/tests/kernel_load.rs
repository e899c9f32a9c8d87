//! The object as the kernel sees it: the verifier accepts it, its names are those that all other code uses, and it
//! costs no more than documented.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

use std::collections::BTreeSet;

use aya::{
    Ebpf, EbpfLoader,
    programs::{SchedClassifier, Xdp},
    util::KernelVersion,
};
use synguard_common::map_names;
use synguard_datapath::OBJECT;
use synguard_tests::{bpffs::Dirs, command, testrun::Filter};

/// Limit on the memory of all maps at their default sizes on a machine with few CPUs, in bytes.
const MEMORY_MAX: u64 = 54 << 20;
/// Limit on the instructions that the verifier examines. Its own limit is a million.
const INSTRUCTIONS_MAX: u32 = 100_000;
/// The same limit for kernels before 6.12, which recognise fewer states as already seen.
const INSTRUCTIONS_MAX_OLD: u32 = 250_000;

fn load() -> Ebpf {
    command::require_root().unwrap();
    EbpfLoader::new().load(OBJECT).unwrap()
}

#[test]
fn verifier_accepts_program_with_effort_to_spare() {
    let filter = Filter::load();
    let kernel = KernelVersion::current().unwrap();
    let allowed =
        if kernel >= KernelVersion::new(6, 12, 0) { INSTRUCTIONS_MAX } else { INSTRUCTIONS_MAX_OLD };
    let programs = [
        (map_names::PROGRAM, filter.xdp().info().unwrap(), "the verifier"),
        (map_names::EGRESS_PROGRAM, filter.egress().info().unwrap(), "the verifier at egress"),
    ];
    for (name, info, verifier) in programs {
        let examined = info.verified_instruction_count().expect("the kernel says how much it verified");
        // xtask reads this line.
        println!("instructions examined by {verifier}: {examined}");
        assert!(examined <= allowed, "{name}: {examined} instructions examined, {allowed} allowed");
        assert_eq!(info.name_as_str(), Some(name));
        assert_eq!(info.gpl_compatible(), Some(true), "cookie helpers are for GPL-compatible programs only");
    }
}

#[test]
fn object_holds_exactly_the_named_programs_and_maps() {
    let mut ebpf = load();
    let programs: BTreeSet<_> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(programs, [map_names::PROGRAM, map_names::EGRESS_PROGRAM].map(str::to_owned).into());
    assert!(
        <&mut Xdp>::try_from(ebpf.program_mut(map_names::PROGRAM).unwrap()).is_ok(),
        "not an XDP program"
    );
    assert!(
        <&mut SchedClassifier>::try_from(ebpf.program_mut(map_names::EGRESS_PROGRAM).unwrap()).is_ok(),
        "not a classifier"
    );
    let maps: BTreeSet<_> = ebpf.maps().map(|(name, _)| name).collect();
    assert_eq!(maps, map_names::MAPS.into_iter().map(map_names::in_object).collect());
}

#[test]
fn the_kernel_knows_the_maps_by_the_same_names() {
    let filter = Filter::load();
    let ids = filter.xdp().info().unwrap().map_ids().unwrap().expect("the kernel says which maps are used");
    let mut found = BTreeSet::new();
    for map in aya::maps::loaded_maps() {
        // A map of another test may have gone meanwhile.
        let Ok(map) = map else { continue };
        if ids.contains(&map.id()) {
            found.insert(map.name_as_str().unwrap().to_owned());
        }
    }
    // The kernel cuts names after 15 bytes.
    let cut = |name: &str| name.get(..15).unwrap_or(name).to_owned();
    let expected: BTreeSet<_> = map_names::MAPS.iter().map(|name| cut(map_names::in_object(name))).collect();
    assert_eq!(expected.len(), map_names::MAPS.len(), "two names are the same once they are cut");
    assert_eq!(found, expected);
}

#[test]
fn the_maps_take_no_more_memory_than_stated() {
    let filter = Filter::load_with_sources(map_names::SOURCES_DEFAULT);
    let ids = filter.xdp().info().unwrap().map_ids().unwrap().expect("the kernel says which maps are used");
    let mut total = 0;
    for id in ids {
        let map = aya::maps::MapInfo::from_id(id).unwrap();
        let fd = map.fd().unwrap();
        let bytes = memlock(&fd);
        println!("{}: {} KiB", map.name_as_str().unwrap_or("?"), bytes / 1024);
        total += bytes;
    }
    assert!(total <= MEMORY_MAX, "the maps take {total} bytes, {MEMORY_MAX} allowed");
}

/// Returns the bytes that the kernel charges for a map, read from the file descriptor's entry in /proc.
fn memlock(fd: &impl std::os::fd::AsFd) -> u64 {
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:")).expect("memlock in fdinfo");
    line.trim().parse().unwrap()
}

#[test]
fn libbpf_tools_load_the_object_too() {
    let dirs = Dirs::new().unwrap();
    let object = dirs.root().join("synguard.o");
    std::fs::write(&object, OBJECT).unwrap();
    let mut bpftool = std::process::Command::new("bpftool");
    bpftool.args(["prog", "loadall"]).arg(&object).arg(dirs.bpffs().join("synguard"));
    command::run(&mut bpftool).unwrap();
}
