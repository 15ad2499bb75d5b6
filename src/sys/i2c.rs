//! One device on an I2C bus, by the SMBus transfers that its kernel driver makes of them (linux/i2c-dev.h, linux/i2c.h).
//!
//! Errors of the calls here: EREMOTEIO, ENXIO, ENODEV: nobody answers at this address; EBUSY: a driver of the kernel has it;
//! ETIMEDOUT: the bus is stuck; EIO, EAGAIN: a transfer went wrong, and may be tried again; EOPNOTSUPP: the bus can't do it.

use super::errno::{Errno, Result, uninterrupted};
use std::ffi::c_ulong;
use std::fs::{File, OpenOptions};
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::path::Path;

// The numbers are plain ones, the same on all machines.
const I2C_SLAVE: u32 = 0x0703;
const I2C_FUNCS: u32 = 0x0705;
const I2C_SMBUS: u32 = 0x0720;

/// `I2C_FUNC_SMBUS_BYTE_DATA`, `I2C_FUNC_SMBUS_WORD_DATA` and `I2C_FUNC_SMBUS_WRITE_I2C_BLOCK`: what is used here.
const NEEDED: c_ulong = 0x0018_0000 | 0x0060_0000 | 0x0800_0000;

const WRITE: u8 = 0;
const READ: u8 = 1;

const BYTE_DATA: u32 = 2;
const WORD_DATA: u32 = 3;
const I2C_BLOCK_DATA: u32 = 8;

/// `I2C_SMBUS_BLOCK_MAX`
const BLOCK_MAX: usize = 32;

/// `union i2c_smbus_data`: a byte, a word in machine order, or a block behind its length.
#[repr(C, align(2))]
struct Data([u8; BLOCK_MAX + 2]);
const _: () = assert!(size_of::<Data>() == 34);

/// `struct i2c_smbus_ioctl_data`; `data` is the address of a [`Data`].
#[repr(C)]
struct Transfer {
    read_write: u8,
    command: u8,
    size: u32,
    data: usize,
}
const _: () = assert!(offset_of!(Transfer, size) == 4 && offset_of!(Transfer, data) == 8);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Transfer>() == 16);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Transfer>() == 12);

/// A device at one address of a bus, and its registers.
#[derive(Debug)]
pub struct Device(File);

impl Device {
    /// Opens the bus at `path` (`/dev/i2c-N`) for the device of this address of 7 bits. Nothing is sent to it.
    ///
    /// # Errors
    /// Those of open(2); ENOTTY if it is no bus; EBUSY; EOPNOTSUPP.
    pub fn open(path: &Path, address: u8) -> Result<Device> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)))?;
        let mut can: c_ulong = 0;
        // SAFETY: the kernel writes one unsigned long to the address, which is that of one of ours.
        uninterrupted(|| unsafe { libc::ioctl(file.as_raw_fd(), I2C_FUNCS as libc::Ioctl, &raw mut can) })?;
        if can & NEEDED != NEEDED {
            return Err(Errno::EOPNOTSUPP);
        }
        let address = c_ulong::from(address);
        // SAFETY: the argument is a number.
        uninterrupted(|| unsafe { libc::ioctl(file.as_raw_fd(), I2C_SLAVE as libc::Ioctl, address) })?;
        Ok(Device(file))
    }

    /// The byte of a register.
    pub fn byte(&self, register: u8) -> Result<u8> {
        self.transfer(READ, register, BYTE_DATA, &[])
            .map(|[byte, _]| byte)
    }

    /// The word of a register, which comes with its lower byte first.
    pub fn word(&self, register: u8) -> Result<u16> {
        self.transfer(READ, register, WORD_DATA, &[])
            .map(u16::from_ne_bytes)
    }

    /// Writes a register's byte.
    pub fn set_byte(&self, register: u8, byte: u8) -> Result<()> {
        self.transfer(WRITE, register, BYTE_DATA, &[byte]).map(drop)
    }

    /// Writes a register's word, its lower byte first.
    pub fn set_word(&self, register: u8, word: u16) -> Result<()> {
        let word = word.to_ne_bytes();
        self.transfer(WRITE, register, WORD_DATA, &word).map(drop)
    }

    /// Writes this and the following registers in one transfer.
    pub fn set_block(&self, register: u8, bytes: [u8; 4]) -> Result<()> {
        let [a, b, c, d] = bytes;
        let block = [bytes.len() as u8, a, b, c, d];
        self.transfer(WRITE, register, I2C_BLOCK_DATA, &block).map(drop)
    }

    /// `I2C_SMBUS`; gives the first two bytes of the data as they are afterwards.
    fn transfer(&self, read_write: u8, command: u8, size: u32, bytes: &[u8]) -> Result<[u8; 2]> {
        let mut data = Data([0; BLOCK_MAX + 2]);
        for (to, from) in data.0.iter_mut().zip(bytes) {
            *to = *from;
        }
        let mut transfer = Transfer {
            read_write,
            command,
            size,
            data: (&raw mut data).expose_provenance(),
        };
        let file = self.0.as_raw_fd();
        // SAFETY: the argument is a transfer of ours with the address of a union of the size that the kernel's has, which is
        // lent to this call alone; the kernel reads and writes no more than that.
        uninterrupted(|| unsafe { libc::ioctl(file, I2C_SMBUS as libc::Ioctl, &raw mut transfer) })?;
        let [first, second, ..] = data.0;
        Ok([first, second])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bus_says_so() {
        let open = |path: &str| Device::open(Path::new(path), 0x15).map(drop);
        assert_eq!(open("/dev/null"), Err(Errno::ENOTTY));
        assert_eq!(open("/dev/no-such-bus"), Err(Errno::ENOENT));
        let no_bus = Device(File::open("/dev/null").unwrap());
        assert_eq!(no_bus.byte(0), Err(Errno::ENOTTY));
        assert_eq!(no_bus.word(1), Err(Errno::ENOTTY));
        assert_eq!(no_bus.set_byte(0, 1), Err(Errno::ENOTTY));
        assert_eq!(no_bus.set_word(1, 1450), Err(Errno::ENOTTY));
        assert_eq!(no_bus.set_block(6, [0; 4]), Err(Errno::ENOTTY));
    }
}
