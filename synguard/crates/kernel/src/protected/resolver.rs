//! The DNS servers that the host uses.

use std::{
    fs::File,
    io::{self, Read as _},
    net::IpAddr,
    path::Path,
};

use anyhow::{Context as _, Result};

use super::{ProtectedAddr, Role, is_usable};

/// `/etc/resolv.conf` may name only a server on this host; the other files name the servers that this one asks.
const FILES: [&str; 4] = [
    "etc/resolv.conf",
    "run/systemd/resolve/resolv.conf",
    "run/NetworkManager/no-stub-resolv.conf",
    "run/NetworkManager/resolv.conf",
];
/// More bytes than any such file has; the rest is not read.
const SIZE_MAX: u64 = 1 << 20;

/// Adds the resolvers that the files below `root` name to `found`. A file that does not exist names none. If a file
/// cannot be read, `found` has the resolvers of the others.
pub(super) fn list_resolvers(root: &Path, found: &mut Vec<ProtectedAddr>) -> Result<()> {
    let mut result = Ok(());
    for path in FILES.map(|file| root.join(file)) {
        match read_limited(&path) {
            Ok(content) => found.extend(nameservers(&content).map(|ip| {
                ProtectedAddr::address(ip, Role::Resolver, format!("a resolver ({})", path.display()))
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => result = Err(error).with_context(|| format!("read {}", path.display())),
        }
    }
    result
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(SIZE_MAX).read_to_end(&mut content)?;
    Ok(content)
}

/// Returns the servers that a resolv.conf names: `nameserver`, blanks, an address, optionally `%` and an interface.
/// Other lines are ignored, as the C library does. Pure.
fn nameservers(content: &[u8]) -> impl Iterator<Item = IpAddr> {
    content.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        if words.next()? != "nameserver" {
            return None;
        }
        let address = words.next()?.split('%').next()?;
        address.parse().ok().filter(is_usable)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn servers(content: &[u8]) -> Vec<String> {
        nameservers(content).map(|ip| ip.to_string()).collect()
    }

    #[test]
    fn only_nameserver_lines_are_read() {
        let content = b"# nameserver 192.0.2.99\n; nameserver 192.0.2.98\nsearch nameserver 192.0.2.97\n\
            nameserver 192.0.2.1\nnameserver\t2001:db8::1\n  nameserver  fe80::1%eth0  # comment\r\n\
            nameserver 192.0.2.2 192.0.2.3\nnameservers 192.0.2.4\nnameserver192.0.2.5\nnameserver\n\
            nameserver example.org\nnameserver 0.0.0.0\nnameserver 192.0.2.6.7\nnameserver \xff\n\
            options edns0\nnameserver ::ffff:192.0.2.8";
        assert_eq!(
            servers(content),
            ["192.0.2.1", "2001:db8::1", "fe80::1", "192.0.2.2", "::ffff:192.0.2.8"]
        );
    }

    #[test]
    fn all_files_count_and_a_missing_file_is_no_error() {
        let root = tempfile::tempdir().expect("a folder");
        let mut found = Vec::new();
        list_resolvers(root.path(), &mut found).expect("nothing to read");
        assert!(found.is_empty());
        let write = |file: &str, content: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, content).expect("written");
        };
        write(FILES[0], "nameserver 127.0.0.53\n");
        write(FILES[1], "nameserver 192.0.2.53\n");
        list_resolvers(root.path(), &mut found).expect("readable");
        let found: Vec<_> = found.iter().map(|addr| (addr.prefix.to_string(), &addr.description)).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].0, "192.0.2.53/32");
        assert!(found[1].1.ends_with("run/systemd/resolve/resolv.conf)"), "{}", found[1].1);
    }

    #[test]
    fn an_unreadable_file_is_named_and_hides_no_other() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join(FILES[0])).expect("a folder where a file should be");
        fs::create_dir_all(root.path().join("run/systemd/resolve")).expect("a folder");
        fs::write(root.path().join(FILES[1]), "nameserver 192.0.2.53\n").expect("written");
        let mut found = Vec::new();
        let error = list_resolvers(root.path(), &mut found).expect_err("a folder is no file");
        assert!(format!("{error:#}").contains("etc/resolv.conf"), "{error:#}");
        assert_eq!(found.len(), 1);
    }

    proptest! {
        #[test]
        fn hostile_content_does_not_panic(noise in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..40) {
            let _ = servers(&noise);
            let mut content = b"nameserver 192.0.2.1\nnameserver 2001:db8::1\n".to_vec();
            content.splice(at..at, noise);
            for ip in nameservers(&content) {
                prop_assert!(is_usable(&ip));
            }
        }
    }
}
