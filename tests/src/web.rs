//! The server under attack: a real nginx in the lab's server namespace.

use std::{
    fs,
    net::{IpAddr, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::{
    bpffs::temp_dir,
    command::{REMEDY, end_with_parent, pin_to_cpu, take_precedence},
    lab::{Family, Lab},
    netns::Netns,
};

/// The port it listens on, over IPv4 and IPv6.
pub const PORT: u16 = 80;
/// The page that it serves.
pub const BODY: &str = "served by the lab\n";

/// The page of [`Web::add_slow_page`], and the rate at which it is sent, in bytes a second.
pub const SLOW_PAGE: &str = "/slow";
/// See [`SLOW_PAGE`].
pub const SLOW_RATE: usize = 128 * 1024;

const START_MAX: Duration = Duration::from_secs(10);

/// A running nginx. Dropping it ends it.
#[derive(Debug)]
pub struct Web {
    process: Child,
    dir: TempDir,
}

impl Web {
    /// Starts nginx on CPU 0 and waits until it accepts connections. It also ends with the calling thread.
    ///
    /// # Errors
    /// Without nginx, or when it does not start.
    pub fn start(lab: &Lab) -> Result<Self> {
        Self::start_on(lab, 0)
    }

    /// Starts the server on another CPU.
    ///
    /// # Errors
    /// As [`Web::start`].
    pub fn start_on(lab: &Lab, cpu: usize) -> Result<Self> {
        Self::start_in(&lab.server, [Family::V4, Family::V6].map(Family::server), cpu)
    }

    /// Starts the server in another namespace, which has these addresses.
    ///
    /// # Errors
    /// As [`Web::start`].
    pub fn start_in(netns: &Netns, addresses: [IpAddr; 2], cpu: usize) -> Result<Self> {
        let dir = temp_dir()?;
        let path = dir.path();
        fs::write(path.join("index.html"), BODY).context("write the page to serve")?;
        fs::write(path.join("nginx.conf"), configuration()).context("write nginx.conf")?;
        let log = fs::File::create(path.join("stderr")).context("make nginx's log")?;
        let mut command = netns.command("nginx");
        command.arg("-p").arg(path).args(["-c", "nginx.conf", "-e", "error.log"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // SAFETY: between fork and exec only system calls are made.
        unsafe { command.pre_exec(move || pin_to_cpu(cpu).and_then(|()| take_precedence())) };
        end_with_parent(&mut command, libc::SIGKILL);
        let process = command.spawn().with_context(|| format!("start nginx: {REMEDY}"))?;
        let mut web = Self { process, dir };
        web.wait_until_up(netns, addresses)?;
        Ok(web)
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Serves a page of that many bytes at [`SLOW_PAGE`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_slow_page(&self, length: usize) -> Result<()> {
        fs::write(self.dir.path().join(&SLOW_PAGE[1..]), vec![b'.'; length]).context("write the slow page")
    }

    fn wait_until_up(&mut self, netns: &Netns, addresses: [IpAddr; 2]) -> Result<()> {
        let start = Instant::now();
        for address in addresses {
            let address = (address, PORT).into();
            let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
            // From the namespace itself, over its loopback device.
            while !netns.run(connect)? {
                if let Some(status) = self.process.try_wait().context("look after nginx")? {
                    bail!("nginx ended ({status}); {REMEDY} if it is missing:\n{}", self.log());
                }
                if start.elapsed() > START_MAX {
                    bail!("nginx does not listen on {address}:\n{}", self.log());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        read("stderr") + &read("error.log")
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        // The server may have ended by itself; in both cases it is gone once it has been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One process, so that ending it leaves no worker behind; all its files in its own directory (paths are
/// relative to it).
fn configuration() -> String {
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 0;
    server {{
        listen {PORT};
        listen [::]:{PORT};
        root .;
        location {SLOW_PAGE} {{ limit_rate {SLOW_RATE}; }}
    }}
}}
"
    )
}
