//! The generator program with its frame, bound to the device it sends on.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use aya::{
    Pod,
    maps::Array,
    programs::{TestRun as _, TestRunAttrs, TestRunOptions, XdpMode},
};
use synguard_tests_ebpf::Template;

use crate::{
    flood::{FloodSpec, frame},
    lab::{Lab, UPLINK},
    xdp::{Attached, Loaded, Program},
};

/// Frames that the kernel hands over at a time. The receiver's ring has 256 places.
const BATCH: u32 = 64;

/// The generator program with its frame, bound to the device it sends on.
///
/// The program is also attached to a device of its own that is never up. A run of more than one frame enters
/// the program into the kernel's table of direct calls and removes it afterwards, and either waits for an RCU
/// grace period, some 20 ms; that is spared if the program is in the table anyway because it is attached.
#[derive(Debug)]
pub struct Generator {
    attached: Attached,
    buffer: Vec<u8>,
    ifindex: u32,
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Entry(Template);

// SAFETY: `repr(C)` without padding, and every bit pattern is a value.
unsafe impl Pod for Entry {}

impl Generator {
    /// Loads the generator for a flood of the lab's server.
    ///
    /// # Errors
    /// When the specification is contradictory, or the kernel refuses the program.
    pub fn new(lab: &Lab, spec: &FloodSpec) -> Result<Self> {
        let template = frame::template(spec)?;
        let mut loaded = Loaded::new(Program::Generate)?;
        let map = loaded.ebpf_mut().map_mut("TEMPLATE").context("the generator lacks its template")?;
        Array::try_from(map)
            .and_then(|mut map| map.set(0, Entry(template), 0))
            .context("write the flood's template")?;
        let words = frame::layout(spec).words();
        let attached = loaded.attach(&lab.internet, &parking(lab)?, XdpMode::Skb)?;
        Ok(Self { attached, buffer: vec![0; words * 8], ifindex: lab.internet.ifindex(UPLINK)? })
    }

    /// Sends frames; to be called inside the internet's namespace.
    pub(super) fn send(&self, frames: u32) -> Result<()> {
        let context = self.context();
        let options = TestRunOptions {
            data_in: Some(&self.buffer),
            ctx_in: Some(&context),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        };
        self.attached.loaded().xdp()?.test_run(options).context("send frames of the flood")?;
        Ok(())
    }

    /// Makes one frame without sending it.
    ///
    /// # Errors
    /// When the kernel refuses to run the program.
    pub fn sample(&self) -> Result<Vec<u8>> {
        let mut frame = vec![0; self.buffer.len()];
        let options =
            TestRunOptions { data_in: Some(&self.buffer), data_out: Some(&mut frame), ..Default::default() };
        let result = self.attached.loaded().xdp()?.test_run(options).context("make a frame of the flood")?;
        frame.truncate(result.data_size_out as usize);
        Ok(frame)
    }

    /// Frames made so far.
    pub(super) fn generated(&self) -> Result<u64> {
        self.attached.loaded().counter("GENERATED")
    }

    /// An `xdp_md`: `data`, `data_end`, `data_meta`, `ingress_ifindex`, `rx_queue_index`, `egress_ifindex`.
    fn context(&self) -> Vec<u8> {
        let fields = [0, self.buffer.len() as u32, 0, self.ifindex, 0, 0];
        fields.iter().flat_map(|field: &u32| field.to_ne_bytes()).collect()
    }
}

/// Makes a device to attach a generator to. It goes with the lab.
fn parking(lab: &Lab) -> Result<String> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let name = format!("parking{}", COUNTER.fetch_add(1, Ordering::Relaxed));
    lab.internet.ip(&format!("link add {name} type veth peer name {name}p"))?;
    Ok(name)
}
