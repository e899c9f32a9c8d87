//! The rows about other defences of a machine against a flood, end to end: forged SYNs handled a second, with the
//! generator and everything behind it on one core.

use anyhow::{Context as _, Result, ensure};

use crate::{
    bench::{
        Bench,
        line::Line,
        live::{Case, compare_rates},
        path::Path,
        subject::Subject,
    },
    command::run,
    flood::FloodSpec,
    lab::{DEVICE, Family, Lab, SERVER_V4},
    xdp::Program,
};

const ROW: &str = "peers";
const PORT: u16 = 80;
const SOURCES: u32 = 16_000_000;

/// A defence against the flood in the network stack.
struct Peer {
    name: &'static str,
    /// Set if a socket listens on the port.
    listener: bool,
    set_up: fn(&Lab) -> Result<()>,
    /// Counts the packets that it handled.
    evidence: fn(&Lab) -> Result<u64>,
}

const PEERS: [Peer; 7] = [
    Peer {
        name: "nft netdev drop",
        listener: false,
        set_up: |lab| {
            lab.add_rules(&format!(
                "table netdev b {{ chain c {{ type filter hook ingress device {DEVICE} priority 0; \
                     tcp flags syn counter drop; }}\n}}"
            ))
        },
        evidence: nft_packets,
    },
    Peer {
        name: "nft raw drop",
        listener: false,
        set_up: |lab| {
            lab.add_rules("table ip b { chain c { type filter hook prerouting priority raw; tcp flags syn counter drop; }\n}",
            )
        },
        evidence: nft_packets,
    },
    Peer {
        name: "iptables hashlimit drop",
        listener: false,
        set_up: |lab| {
            let rule = "-t raw -A PREROUTING -p tcp --syn -m hashlimit --hashlimit-name b --hashlimit-mode srcip \
                        --hashlimit-above 100/sec --hashlimit-htable-size 262144 --hashlimit-htable-max 262144 \
                        -j DROP";
            run(lab.server.command("iptables").args(rule.split_whitespace()))?;
            let rest = "-t raw -A PREROUTING -p tcp --syn -j DROP";
            run(lab.server.command("iptables").args(rest.split_whitespace())).map(drop)
        },
        evidence: |lab| {
            let args = "-t raw -nvxL PREROUTING";
            let table = run(lab.server.command("iptables").args(args.split_whitespace()))?;
            let packets = |line: &str| line.split_whitespace().next()?.parse::<u64>().ok();
            Ok(table.lines().filter_map(packets).sum())
        },
    },
    Peer {
        name: "kernel, no cookies",
        listener: true,
        set_up: |lab| lab.set_syncookies(0),
        evidence: |lab| lab.tcp_ext("TCPReqQFullDrop"),
    },
    Peer {
        name: "kernel cookies (1)",
        listener: true,
        set_up: |lab| lab.set_syncookies(1),
        evidence: |lab| lab.tcp_ext("SyncookiesSent"),
    },
    Peer {
        name: "kernel cookies (2)",
        listener: true,
        set_up: |lab| lab.set_syncookies(2),
        evidence: |lab| lab.tcp_ext("SyncookiesSent"),
    },
    Peer { name: "nft SYNPROXY", listener: true, set_up: synproxy, evidence: nft_packets },
];

/// Measures every peer that runs here.
pub(super) fn all(bench: &Bench) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for peer in &PEERS {
        crate::interrupt::check()?;
        // Each has a lab of its own: the state that a rule leaves behind ends with it.
        let bench = Bench { lab: Lab::new()?, pace: bench.pace };
        lines.push(match measure(&bench, peer) {
            Ok(line) => line,
            Err(error) => Line::not_run(ROW, peer.name, format!("{error:#}")),
        });
    }
    Ok(lines)
}

fn measure(bench: &Bench, peer: &Peer) -> Result<Line> {
    let lab = &bench.lab;
    let listener = lab.server.run(|| std::net::TcpListener::bind((SERVER_V4, PORT)))?;
    let _listener = peer.listener.then(|| listener.context("listen")).transpose()?;
    (peer.set_up)(lab).with_context(|| format!("set up {}", peer.name))?;
    let flood = FloodSpec {
        rate_pps: None,
        max_duration: bench.pace.sample_max(),
        sources: SOURCES,
        port: PORT,
        ..FloodSpec::new(Family::V4)
    };
    let case = |program| Case {
        name: peer.name.to_owned(),
        subject: Subject::Lab(program),
        flood: flood.clone(),
        floor: Program::DropEmpty,
        path: Path::Any,
    };
    let before = (peer.evidence)(lab)?;
    let comparison = compare_rates(bench, &case(Program::Pass), &case(Program::DropEmpty))?.scaled(1e-6);
    let acted = (peer.evidence)(lab)? - before;
    ensure!(acted > 0, "its counters say that it did nothing");
    let mut notes = comparison.notes;
    notes.push(format!("its own counters: {acted}"));
    Ok(Line {
        value: Some(comparison.value),
        peer: Some(("empty XDP_DROP".to_owned(), comparison.peer)),
        ratio: Some(comparison.ratio),
        notes,
        ..Line::new(ROW, format!("forged SYNs a second, {}", peer.name), "Mpps")
    })
}

/// Makes nft reply to SYNs to port 80 in the kernel's place.
///
/// # Errors
/// Without nft or its module.
pub(super) fn synproxy(lab: &Lab) -> Result<()> {
    lab.add_rules(
        "table ip b {
            chain p { type filter hook prerouting priority raw; tcp dport 80 tcp flags syn notrack; }
            chain i { type filter hook input priority 0;
                tcp dport 80 ct state invalid,untracked counter synproxy mss 1460 wscale 7 timestamp sack-perm
                ct state invalid drop; }
        }",
    )?;
    // Without it, tracking would take an ACK for the middle of a connection.
    lab.server.set_sysctl("net.netfilter.nf_conntrack_tcp_loose", "0")
}

/// The sum of the counters of all rules.
pub(super) fn nft_packets(lab: &Lab) -> Result<u64> {
    let rules = run(lab.server.command("nft").args(["list", "ruleset"]))?;
    let words: Vec<&str> = rules.split_whitespace().collect();
    let after = words.windows(3).filter(|words| words[..2] == ["counter", "packets"]);
    Ok(after.filter_map(|words| words[2].parse::<u64>().ok()).sum())
}
