//! Stretches of a frame: the one place where it is read or written, with its one bounds check.

use aya_ebpf::programs::XdpContext;

/// Whether the frame reaches to `offset`.
#[inline(always)]
pub(crate) fn within(ctx: &XdpContext, offset: usize) -> bool {
    ctx.data() + offset <= ctx.data_end()
}

/// A stretch of the frame that is known to be there.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    start: *mut u8,
    length: usize,
}

/// The `length` bytes at `offset`, if the frame reaches that far: the one bounds check.
#[inline(always)]
pub(crate) fn header(ctx: &XdpContext, offset: usize, length: usize) -> Option<Header> {
    let start = opaque(ctx.data() + offset);
    (start + length <= ctx.data_end()).then_some(Header { start: start as *mut u8, length })
}

/// The first `length` bytes of the frame, if it is as long, and how long all of it is. What is read there the compiler does
/// not take for what others read: it would keep it for them, in memory, for want of registers.
#[inline(always)]
pub(crate) fn header_anew(ctx: &XdpContext, length: usize) -> Option<(Header, u64)> {
    // SAFETY: the context is the kernel's; volatile, so that the addresses are others to the compiler.
    let (start, end) = unsafe {
        ((&raw const (*ctx.ctx).data).read_volatile(), (&raw const (*ctx.ctx).data_end).read_volatile())
    };
    let (start, end) = (opaque(start as usize), end as usize);
    let header = (start + length <= end).then_some(Header { start: start as *mut u8, length })?;
    Some((header, (end - start) as u64))
}

impl Header {
    /// Reads a value as its bytes lie in the frame. Both the offset and the type are constants to the
    /// compiler, so the assertion costs nothing.
    #[inline(always)]
    pub(crate) fn read<T: Copy>(self, offset: usize) -> T {
        assert!(offset + size_of::<T>() <= self.length);
        // SAFETY: the bytes lie between the frame's start and end, as `header` has checked, T is an integer,
        // and nothing writes to the frame meanwhile. What Rust calls an unaligned read the BPF backend splits
        // into single bytes; the kernel lets programs read packets at any alignment where the hardware can
        // (its verifier checks), so on that target the read is a plain one.
        unsafe {
            let pointer = self.start.add(offset).cast::<T>();
            if cfg!(target_arch = "bpf") { pointer.read() } else { pointer.read_unaligned() }
        }
    }

    /// Where it lies, in bytes from the frame's start. The difference of two pointers is a number that the verifier
    /// knows nothing of: it need not examine what follows for each place where a header can be.
    #[inline(always)]
    pub(crate) fn offset(self, ctx: &XdpContext) -> usize {
        self.start as usize - ctx.data()
    }

    /// Writes a value as its bytes are to lie in the frame.
    #[inline(always)]
    pub(crate) fn write<T: Copy>(self, offset: usize, value: T) {
        assert!(offset + size_of::<T>() <= self.length);
        // SAFETY: as in `read`; a program may write to its frame, and no other code has a part in it meanwhile.
        unsafe {
            let pointer = self.start.add(offset).cast::<T>();
            if cfg!(target_arch = "bpf") { pointer.write(value) } else { pointer.write_unaligned(value) }
        }
    }

    /// The place of a value, for a helper that reads some bytes from there.
    #[inline(always)]
    pub(crate) fn pointer<T>(self, offset: usize, bytes: usize) -> *mut T {
        assert!(offset + bytes <= self.length);
        // SAFETY: within the stretch, as in `read`.
        unsafe { self.start.add(offset).cast() }
    }
}

/// Keeps the compiler from computing an address a second time: the verifier knows a bounds check only of the
/// very pointer it was made on, not of another sum of the same terms. Other values it keeps from what the compiler
/// knows of them.
#[inline(always)]
pub(crate) fn opaque(address: usize) -> usize {
    synguard_common::opaque::opaque(address as u64) as usize
}
