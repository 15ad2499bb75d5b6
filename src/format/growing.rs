//! The buffer into which a stream is read, and from whose beginning finished parts are taken.

/// Bytes that grow at their end and shrink at their beginning.
#[derive(Default)]
pub(super) struct Growing {
    /// Bytes `start..end` are held; what lies behind `end` is spare.
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Growing {
    /// The bytes that are held.
    pub fn held(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Room behind the held bytes for the next read, at least `min` bytes.
    pub fn spare_mut(&mut self, min: usize) -> &mut [u8] {
        if self.start == self.end || self.buf.len() - self.end < min {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            // Doubled before it is full: otherwise each read would move the bytes of a long part again.
            if self.end + min > self.buf.len() / 4 * 3 {
                self.buf.resize((self.buf.len() * 2).max(self.end + min), 0);
            }
        }
        &mut self.buf[self.end..]
    }

    /// Holds the first `count` bytes of [`Growing::spare_mut`] from now on, or all of it if it has fewer.
    pub fn commit(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buf.len());
    }

    /// Lets go of the first `count` held bytes, or of all of them if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// All that is allocated.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_in_order_while_room_is_made() {
        let mut bytes = Growing::default();
        let (mut put, mut taken) = (0u8, 0u8);
        for round in 0..200 {
            let count = round * 7 % 23;
            let spare = bytes.spare_mut(count);
            assert!(spare.len() >= count);
            for byte in &mut spare[..count] {
                *byte = put;
                put = put.wrapping_add(1);
            }
            bytes.commit(count);
            let away = bytes.held().len() * (round % 4) / 3;
            for byte in &bytes.held()[..away] {
                assert_eq!(*byte, taken);
                taken = taken.wrapping_add(1);
            }
            bytes.consume(away);
        }
        assert!(bytes.capacity() < 1024, "room is used again");
    }

    #[test]
    fn more_than_there_is_changes_nothing() {
        let mut bytes = Growing::default();
        let room = bytes.spare_mut(3).len();
        bytes.commit(room + 9);
        assert_eq!(bytes.held().len(), room);
        bytes.consume(room + 9);
        assert_eq!(bytes.held(), [0; 0]);
    }
}
