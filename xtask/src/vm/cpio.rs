//! A cpio archive in `newc` format, the format in which the kernel takes its first file system. Pure.

/// File types, as in `stat`.
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const TRAILER: &str = "TRAILER!!!";

/// An archive in the making. Add a directory before its contents.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub(super) fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY | 0o755, &[]);
    }

    /// Adds an executable file.
    pub(super) fn program(&mut self, path: &str, data: &[u8]) {
        self.entry(path, FILE | 0o755, data);
    }

    pub(super) fn link(&mut self, path: &str, to: &str) {
        self.entry(path, LINK | 0o777, to.as_bytes());
    }

    /// Ends the archive, and returns its bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, data: &[u8]) {
        self.entries += 1;
        let name = path.trim_start_matches('/');
        // Serial number, mode, owner, group, links, time, size, four device numbers, length of the name with
        // its NUL, and a checksum that this format does not use.
        let size = data.len() as u32;
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    /// Pads to a multiple of four, on which names and data end.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_format() {
        let mut archive = Archive::default();
        archive.program("/bin/x", b"hello");
        let bytes = archive.finish();
        let header = "070701\
            00000001000081ed00000000000000000000000100000000\
            00000005000000000000000000000000000000000000000600000000";
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with(header), "{text}");
        assert_eq!(&bytes[110..124], b"bin/x\0hello\0\0\0");
    }

    #[test]
    fn entries_are_aligned_and_end_with_the_trailer() {
        let mut archive = Archive::default();
        archive.directory("/a");
        archive.link("/a/b", "../somewhere");
        archive.program("/a/c", &[7; 33]);
        let bytes = archive.finish();
        let found: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"070701")).collect();
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|at| at % 4 == 0), "{found:?}");
        let name = &bytes[found[3] + 110..];
        assert!(name.starts_with(TRAILER.as_bytes()));
        assert_eq!(bytes.len() % 4, 0);
    }
}
