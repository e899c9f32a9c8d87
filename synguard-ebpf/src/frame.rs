//! Bounds-checked access to the frame: the only place that reads or writes it.

use aya_ebpf::programs::{TcContext, XdpContext};
use synguard_common::verifier::barrier::barrier_var_usize;

/// A frame that a program may read: XDP's, or the linear part of a packet that leaves.
pub(crate) trait Frame {
    fn start(&self) -> usize;
    fn end(&self) -> usize;
}

impl Frame for XdpContext {
    #[inline(always)]
    fn start(&self) -> usize {
        self.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.data_end()
    }
}

impl Frame for TcContext {
    #[inline(always)]
    fn start(&self) -> usize {
        self.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.data_end()
    }
}

/// Reports whether the frame has at least `length` bytes.
#[inline(always)]
pub(crate) fn has_bytes(ctx: &XdpContext, length: usize) -> bool {
    ctx.data() + length <= ctx.data_end()
}

/// A range of bytes that has passed the bounds check.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    start: *mut u8,
    length: usize,
}

/// Returns the `length` bytes at `offset` if the frame has them. This is the one bounds check.
#[inline(always)]
pub(crate) fn header(ctx: &impl Frame, offset: usize, length: usize) -> Option<Header> {
    // A barrier: the verifier ties a bounds check to the very pointer that was compared, so the compiler must not compute
    // the same address a second time.
    let start = barrier_var_usize(ctx.start() + offset);
    (start + length <= ctx.end()).then_some(Header { start: start as *mut u8, length })
}

/// Returns the first `length` bytes of the frame and the frame's whole length, after loading the packet pointers anew.
/// With shared pointers the compiler would keep the bytes read here for later code, and spill them to the stack for
/// want of registers.
#[inline(always)]
pub(crate) fn reload_header(ctx: &XdpContext, length: usize) -> Option<(Header, u64)> {
    // SAFETY: the context is the kernel's; volatile, so that the compiler sees pointers other than `ctx.data()`.
    let (start, end) = unsafe {
        ((&raw const (*ctx.ctx).data).read_volatile(), (&raw const (*ctx.ctx).data_end).read_volatile())
    };
    let (start, end) = (barrier_var_usize(start as usize), end as usize);
    let header = (start + length <= end).then_some(Header { start: start as *mut u8, length })?;
    Some((header, (end - start) as u64))
}

impl Header {
    /// Reads a value in the byte order of the frame. The compiler knows the offset and the type as constants, so the
    /// assertion costs nothing.
    #[inline(always)]
    pub(crate) fn read<T: Copy>(self, offset: usize) -> T {
        assert!(offset + size_of::<T>() <= self.length);
        // SAFETY: the bytes lie between the frame's start and end, as `header` has checked, T is an integer,
        // and nothing writes to the frame meanwhile. The BPF backend splits what Rust calls an unaligned read into
        // single bytes. The kernel lets programs read packets at any alignment where the hardware can (its verifier
        // checks), so on that target the read is a plain one.
        unsafe {
            let pointer = self.start.add(offset).cast::<T>();
            if cfg!(target_arch = "bpf") { pointer.read() } else { pointer.read_unaligned() }
        }
    }

    /// Returns the header's offset in the frame, in bytes. To the verifier the difference of two pointers is an unknown
    /// number, so it does not examine the following code once for each possible offset.
    #[inline(always)]
    pub(crate) fn offset(self, ctx: &XdpContext) -> usize {
        self.start as usize - ctx.data()
    }

    /// Writes a value in the byte order of the frame.
    #[inline(always)]
    pub(crate) fn write<T: Copy>(self, offset: usize, value: T) {
        assert!(offset + size_of::<T>() <= self.length);
        // SAFETY: as in `read`; a program may write to its frame, and no other code accesses it meanwhile.
        unsafe {
            let pointer = self.start.add(offset).cast::<T>();
            if cfg!(target_arch = "bpf") { pointer.write(value) } else { pointer.write_unaligned(value) }
        }
    }

    /// Returns a pointer to `bytes` bytes at `offset`, for a helper that reads them.
    #[inline(always)]
    pub(crate) fn pointer<T>(self, offset: usize, bytes: usize) -> *mut T {
        assert!(offset + bytes <= self.length);
        // SAFETY: within the header, as in `read`.
        unsafe { self.start.add(offset).cast() }
    }
}
