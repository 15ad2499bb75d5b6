//! Writing boxes (ISO/IEC 14496-12, 4.2): the size is set where a box's scope ends, never counted by hand.

/// Bytes with boxes in them. Integers are big-endian (4.1).
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Allocates `capacity` bytes; exact for a fragment, a guess for an init segment.
    pub(super) fn with_capacity(capacity: usize) -> Writer {
        Writer {
            bytes: Vec::with_capacity(capacity),
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// A Box: size, type, and what `body` writes. Bodies stay far below 4 GiB
    /// ([`MAX_PAYLOAD_BYTES`](super::MAX_PAYLOAD_BYTES)), so the 64-bit size is never needed.
    pub(super) fn boxed(&mut self, kind: &[u8; 4], body: impl FnOnce(&mut Writer)) {
        let start = self.begin(kind);
        body(self);
        self.end(start);
    }

    /// Writes a box's header without its size; gives the place of that.
    fn begin(&mut self, kind: &[u8; 4]) -> usize {
        let start = self.bytes.len();
        self.u32(0);
        self.bytes(kind);
        start
    }

    fn end(&mut self, start: usize) {
        let size = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }

    /// A FullBox: a Box that begins with its version and 24 bits of flags.
    pub(super) fn full_box(
        &mut self,
        kind: &[u8; 4],
        version: u8,
        flags: u32,
        body: impl FnOnce(&mut Writer),
    ) {
        self.boxed(kind, |w| {
            w.u32(u32::from(version) << 24 | flags);
            body(w);
        });
    }
}
